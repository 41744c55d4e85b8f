from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ragcli.retrieve.snippet import LONG, make_snippet
from ragcli.text.sentences import sentences
from ragcli.text.terms import make_question
from ragcli.types import Chunk


def chunk_of(text, *, start=1000, line=20, pages=None, headings=(), title=""):
    end = start + len(text)
    return Chunk(
        id=1,
        path=Path("/a/b.md"),
        title=title,
        start=start,
        end=end,
        text=text,
        bytes=(start, start + len(text.encode())),
        lines=(line, line + text.count("\n")),
        pages=pages,
        headings=headings,
    )


def snippet_of(chunk, question, **options):
    return make_snippet(chunk, make_question(question), **options)


def highlighted(snippet):
    return [snippet.text[start:end] for start, end in snippet.matches]


FIRST = "Gradient descent follows the slope of the loss downhill, one small step after another, until it stands still."
SECOND = "Evolution tries random changes of the weights and keeps those that happen to lower the loss of the network."
THIRD = "Both can train a network, but the first knows in which direction to go, and the second has to find it out."


def test_the_sentence_with_the_most_query_terms():
    chunk = chunk_of(f"{FIRST}\n{SECOND}\n{THIRD}")
    snippet = snippet_of(chunk, "which random changes lower the loss?")
    assert snippet.text == SECOND
    assert snippet.start == 1000 + len(FIRST) + 1
    assert snippet.end == snippet.start + len(SECOND)
    assert snippet.line == 21
    assert highlighted(snippet) == ["random", "changes", "lower", "loss"]


def test_matches_are_found_by_stem():
    assert highlighted(snippet_of(chunk_of(FIRST), "follow small steps")) == ["follows", "small", "step"]


def test_a_term_that_occurs_twice_counts_once():
    assert snippet_of(chunk_of(f"{THIRD} {SECOND} {FIRST}"), "lower network").text == SECOND


def test_of_equals_the_first():
    assert snippet_of(chunk_of(f"{FIRST} {SECOND} {THIRD}"), "loss").text == FIRST


@pytest.mark.parametrize("heading", ["# Training of networks", "Training of networks", "=====", "TRAINING"])
def test_without_a_match_the_first_sentence_that_is_no_heading(heading):
    assert snippet_of(chunk_of(f"{heading}\n\n{FIRST} {SECOND}"), "zebra").text == FIRST


def test_a_heading_that_matches_no_better_gives_way():
    assert snippet_of(chunk_of(f"# Evolution\n\n{FIRST} {SECOND}"), "evolution").text == SECOND


def test_a_line_of_notes_is_no_heading_and_begins_its_snippet():
    lines = ["spare key: second floor", "glass is collected every second Friday", "the ladder was lent to Tom"]
    for line in lines:
        snippet = snippet_of(chunk_of("\n".join(lines)), line)
        assert snippet.text.startswith(line)
        assert snippet.line == 20 + lines.index(line)


def test_the_closest_sentence_is_shown_and_gives_the_line():
    lines = ["spare key: second floor", "glass is collected every second Friday", "the ladder was lent to Tom"]
    snippet = snippet_of(chunk_of("\n".join(lines)), "who has the steps on the second floor?", closest=lines[2])
    assert snippet.text.endswith(lines[2])
    assert snippet.line == 22


def test_nothing_but_a_heading_is_shown_as_it_is():
    assert snippet_of(chunk_of("# Evolution\n"), "zebra").text == "# Evolution"


def test_a_short_sentence_gets_company():
    text = f"{FIRST} It works. {SECOND} {THIRD}"
    assert snippet_of(chunk_of(text), "works").text == f"It works. {SECOND}"
    assert snippet_of(chunk_of(f"{FIRST} It works."), "works").text == f"{FIRST} It works."


def test_a_snippet_goes_back_only_where_what_follows_is_too_short():
    text = "It was cold. The boiler stopped at night because the pump had failed in the cellar. Rain fell."
    assert snippet_of(chunk_of(text), "boiler pump").text == text.removeprefix("It was cold. ")
    assert snippet_of(chunk_of(text.removesuffix(" Rain fell.")), "boiler pump").text.startswith("It was cold.")


def test_company_that_is_too_long_is_cut_between_words():
    snippet = snippet_of(chunk_of("It works. " + "Many words and more " * 30), "works")
    assert 150 < len(snippet.text) <= 200
    assert snippet.text.split()[-1] in ("Many", "words", "and", "more")


def test_a_long_sentence_is_cut_around_its_matches():
    text = "filler words go here " * 40 + "the needle hides in a haystack " + "and more of them follow " * 40
    snippet = snippet_of(chunk_of(text), "needle haystack")
    assert highlighted(snippet) == ["needle", "haystack"]
    assert LONG - 60 <= len(snippet.text) <= LONG
    assert f" {snippet.text} " in text
    assert snippet.start > 1000


def test_the_window_takes_the_most_terms():
    text = "a needle first, " + "then nothing at all, " * 40 + "then a needle in a haystack, " + "and so on, " * 40
    assert highlighted(snippet_of(chunk_of(text), "needle haystack")) == ["needle", "haystack"]


def test_text_without_blanks_is_cut_all_the_same():
    snippet = snippet_of(chunk_of("水" * 1000 + "火山" + "水" * 1000), "火山")
    assert "火山" in highlighted(snippet)
    assert len(snippet.text) <= LONG


def test_parts_and_wholes_are_one_highlight():
    assert highlighted(
        snippet_of(chunk_of("Use faiss.IndexFlatIP, 東京タワー too."), "faiss.IndexFlatIP 東京タワー")
    ) == [
        "faiss.IndexFlatIP",
        "東京タワー",
    ]


def test_the_page_is_that_of_the_snippet():
    chunk = chunk_of(f"{FIRST} {SECOND}", pages=(2, 3))
    turn = 1000 + len(FIRST)
    assert snippet_of(chunk, "random changes", page_of=lambda at: 2 if at < turn else 3).page == 3
    assert snippet_of(chunk, "slope", page_of=lambda at: 2 if at < turn else 3).page == 2


def test_the_page_is_not_guessed():
    assert snippet_of(chunk_of(FIRST, pages=(2, 3)), "slope").page is None
    assert snippet_of(chunk_of(FIRST, pages=(2, 2)), "slope").page == 2
    assert snippet_of(chunk_of(FIRST), "slope").page is None


@given(
    st.lists(
        st.sampled_from([FIRST, SECOND, "It works. ", "\n\n", "# Loss\n", "水火。", "x" * 400, " ", "\u0301"]),
        max_size=12,
    ),
    st.sampled_from(["loss", "火", "works random", "", "zebra", "x" * 50]),
)
def test_a_snippet_is_a_slice_with_its_own_line(pieces, query):
    chunk = chunk_of("".join(pieces))
    snippet = snippet_of(chunk, query)
    at = snippet.start - chunk.start
    assert snippet.text == chunk.text[at : snippet.end - chunk.start]
    assert snippet.text == snippet.text.strip() or not chunk.text.strip()
    assert bool(snippet.text.strip()) == bool(chunk.text.strip())
    assert snippet.line == 20 + chunk.text[:at].count("\n")
    assert len(snippet.text) <= LONG + 30
    before = 0
    for start, end in snippet.matches:
        assert before <= start < end <= len(snippet.text)
        before = end
    spans = sentences(chunk.text)
    inside = [any(s < edge < e for s, e in spans) for edge in (at, at + len(snippet.text))]
    assert snippet.cut == tuple(inside)


def test_a_snippet_knows_where_it_is_cut():
    long = "filler words go here " * 40 + "the needle hides in a haystack " + "and more of them follow " * 40
    assert snippet_of(chunk_of(long), "needle haystack").cut == (True, True)
    assert snippet_of(chunk_of(f"needle first, {long}"), "needle first").cut == (False, True)
    assert snippet_of(chunk_of(f"{FIRST} {SECOND}"), "random changes").cut == (False, False)
    assert snippet_of(chunk_of("It works. " + "Many words and more " * 30), "works").cut == (False, True)


def test_the_line_is_that_of_the_first_match():
    text = "# Updates\n0x5 is access denied.\n0x643 is a failed installer.\n0x72EE7 is a name without an address."
    snippet = snippet_of(chunk_of(text), "0x72EE7")
    assert snippet.text.startswith("0x5 is") or "\n" in snippet.text  # it begins above
    assert snippet.line == 20 + text[: text.index("0x72EE7")].count("\n")
    assert snippet.line > 20 + text[: snippet.start - 1000].count("\n")


def test_the_page_is_that_of_the_first_match():
    text = "Short one.\nShort two.\nThe harbour is here."
    snippet = snippet_of(chunk_of(text), "harbour", page_of=lambda at: 5 if at < 1000 + text.index("harbour") else 6)
    assert snippet.start < 1000 + text.index("The")
    assert snippet.page == 6


def test_the_column_counts_bytes_from_the_start_of_the_line():
    text = "Über den Fluß führt\nkeine Brücke, só a harbour, which is a long way down the river and past the old mill."
    assert snippet_of(chunk_of(text), "harbour").column == len("keine Brücke, só a ".encode()) + 1
    # the chunk starts in the middle of a line: 1000 is its offset in bytes
    assert snippet_of(chunk_of("a harbour"), "harbour", line_start=lambda: 990).column == 10 + len("a ") + 1


QUOTED = """> > When you are done, the zebra runs over the hill and
> > sees that the lion is asleep under an old tree at the edge of the wood.

<!-- lion lion -->
[lion]: https://lions.example/lion
"""


def test_a_snippet_begins_behind_markup():
    snippet = snippet_of(chunk_of(QUOTED), "where does the lion sleep")
    assert snippet.text.startswith("When you are done")
    assert snippet.text.endswith("the wood.")
    assert snippet.cut == (False, False)
    assert highlighted(snippet) == ["lion"]
    assert snippet.line == 21


def test_markup_is_shown_when_nothing_else_is_there():
    text = "[lion]: https://lions.example/lion"
    assert snippet_of(chunk_of(text), "lion").text == text
