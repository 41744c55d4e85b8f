import pytest

from ragcli.formats.pdf.layout import Line
from ragcli.formats.pdf.outline import Entry, locate


def lines(*texts: str) -> list[Line]:
    return [Line(text, 72, 300, 700 - 14 * number, 11) for number, text in enumerate(texts)]


@pytest.mark.parametrize(
    ("title", "printed"),
    [
        ("Metric spaces", "1.2 METRIC SPACES"),
        ("1.2 Metric spaces", "1.2. Metric spaces"),
        ("1.2 Metric spaces", "Metric spaces"),
        ("Chapter 3: The end", "The end"),
        ("IV. Results", "Results"),
        ("Don't panic!", "Don’t panic"),
    ],
)
def test_a_title_is_found_whatever_its_case_and_number(title, printed):
    entry = Entry(title, 1, 1)
    (place,) = locate([entry], lines("text before", printed, "text after"))
    assert (place.start, place.end) == (1, 2)


def test_a_title_over_two_lines_takes_both_and_no_more():
    entry = Entry("A very long title that wraps", 1, 1)
    (place,) = locate([entry], lines("The end.", "A very long", "title that wraps", "and then"))
    assert (place.start, place.end) == (1, 3)


def test_the_line_before_is_not_taken_for_a_number():
    entry = Entry("1.6 Paths", 1, 1)
    (place,) = locate([entry], lines("a", "1.6 Paths", "x"))
    assert (place.start, place.end) == (1, 2)


def test_a_sentence_that_only_contains_the_title_is_none():
    (place,) = locate([Entry("Paths", 1, 1, top=False)], lines("See Paths for more.", "x"))
    assert place.start == place.end == 2


def test_entries_not_printed_hold_from_the_next_printed_one_or_from_the_top():
    one, two, three, four = (Entry(t, 1, 1, top=t == "one") for t in ("one", "two", "three", "four"))
    places = locate([one, two, three, four], lines("text", "Three", "text"))
    assert [(place.entry.title, place.start, place.end) for place in places] == [
        ("one", 0, 0),
        ("two", 1, 1),
        ("three", 1, 2),
        ("four", 3, 3),
    ]


def test_the_same_title_twice_takes_two_places():
    entries = [Entry("Example", 2, 1), Entry("Example", 2, 1)]
    assert [place.start for place in locate(entries, lines("Example", "text", "Example"))] == [0, 2]
