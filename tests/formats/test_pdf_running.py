from ragcli.formats.pdf.headers import drop_running_lines
from ragcli.formats.pdf.layout import Line


def page(*lines: tuple[float, str]) -> list[Line]:
    return [Line(text, 72, 400, height, 11) for height, text in lines]


def body(name: str, count: int = 12) -> list[tuple[float, str]]:
    return [(700 - 14 * number, f"{name} line {chr(97 + number)}") for number in range(count)]


def left(pages: list[list[Line]]) -> list[list[str]]:
    return [[line.text for line in lines] for lines in drop_running_lines(pages)[0]]


def test_numbers_that_count_up_with_the_pages_go():
    pages = [page(*body(f"p{n}"), (40, str(n + 17))) for n in range(5)]
    assert left(pages) == [[text for _, text in body(f"p{n}")] for n in range(5)]


def test_numbers_that_do_not_count_up_stay():
    pages = [page(*body(f"p{n}"), (40, number)) for n, number in enumerate(["7", "3", "19", "4", "1"])]
    assert [texts[-1] for texts in left(pages)] == ["7", "3", "19", "4", "1"]


def test_a_chapter_title_goes_from_the_chapter_it_heads():
    chapters = ["Attention", "Attention", "Attention", "Attention", "Memory", "Memory", "Memory", "Memory"]
    pages = [
        page((760, f"{title} {n + 1}" if n % 2 else f"{n + 1} {title}"), *body(f"p{n}"))
        for n, title in enumerate(chapters)
    ]
    assert all(texts[0] == f"p{n} line a" for n, texts in enumerate(left(pages)))


def test_a_header_out_of_reading_order_is_found_by_its_place():
    pages = [page(*body(f"p{n}"), (780, "Confidential")) for n in range(4)]
    assert not any("Confidential" in texts for texts in left(pages))


def test_text_that_repeats_in_the_middle_stays():
    pages = [
        page(*body(f"p{n}", 6), (500, "Answer yes or no."), *[(480 - 14 * k, f"q{n}{k}") for k in range(6)])
        for n in range(5)
    ]
    assert all("Answer yes or no." in texts for texts in left(pages))


def test_the_same_short_page_again_and_again_is_the_text():
    pages = [page((700, "Only this"))] * 4
    assert left(pages) == [["Only this"]] * 4


def test_text_that_begins_like_the_page_before_stays():
    pages = [page((760, "Report"), *body("the same"), (40, str(n))) for n in range(5)]
    assert left(pages) == [[text for _, text in body("the same")]] * 5


def test_a_heading_on_every_page_stays():
    pages = [[Line(f"Lesson {n}", 72, 200, 760, 18), *page(*body(f"p{n}"))] for n in range(1, 6)]
    assert [texts[0] for texts in left(pages)] == [f"Lesson {n}" for n in range(1, 6)]


def test_what_a_running_line_says_is_kept_once():
    pages = [page((780, "Rule 7-B, rev. 2"), *body(f"p{n}"), (40, f"Page {n + 1} of 4")) for n in range(4)]
    assert drop_running_lines(pages)[1] == {0: ["Rule 7-B, rev. 2"]}
