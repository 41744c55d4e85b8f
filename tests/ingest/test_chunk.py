"""Chunks keep their promises on any document: checked against the text, the real tokenizer and the original file."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from ragcli.errors import LoadError, UsageError
from ragcli.formats.blocks import LoadOptions
from ragcli.formats.registry import load
from ragcli.ingest.chunk import ChunkOptions, TokenCounter, chunk
from ragcli.models.resolve import DEFAULT_MODEL, resolve
from ragcli.models.tokenizer import Tokenizer, open_tokenizer
from ragcli.text.sentences import sentences
from ragcli.types import Block, BlockKind, Chunk, Document, Reason, embedding_context

GOLDEN = Path(__file__).parent / "golden"
SAMPLES = Path(__file__).parents[2] / "sample_docs"
SAMPLE_NAMES = sorted(
    path.name for path in SAMPLES.iterdir() if path.suffix in {".md", ".txt", ".rst", ".html", ".pdf", ".docx"}
)
WINDOW = 256


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    return open_tokenizer(resolve(DEFAULT_MODEL))


class Recorder:
    """The real tokenizer, and what it was asked to count."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        self._tokenizer = tokenizer
        self.special = tokenizer.special
        self.texts: list[str] = []
        self.tokens = 0

    def count(self, texts: Sequence[str]) -> list[int]:
        counts = self._tokenizer.count(texts)
        self.texts += texts
        self.tokens += sum(counts)
        return counts


class Characters:
    """A tokenizer to which every character is a token, blanks too: parts cost less than what they make up."""

    special = 2

    def count(self, texts: Sequence[str]) -> list[int]:
        return [len(text) for text in texts]


class Bytes:
    """A tokenizer whose tokens are smaller than characters."""

    special = 0

    def count(self, texts: Sequence[str]) -> list[int]:
        return [len(text.encode("utf-8", "surrogatepass")) for text in texts]


def one(tokenizer: TokenCounter, text: str) -> int:
    return tokenizer.count([text])[0]


def document(*parts: tuple[BlockKind, str] | tuple[BlockKind, str, int], title: str = "") -> Document:
    """A document of blocks two line ends apart; "# " opens a section, "## " one inside it."""
    text, blocks, path = "", [], ()
    for kind, content, *page in parts:
        if kind == "heading":
            level = len(content) - len(content.lstrip("#"))
            path = (*path[: level - 1], content.lstrip("# "))
        text += "\n\n" if text else ""
        blocks.append(Block(len(text), len(text) + len(content), kind, page[0] if page else None, path))
        text += content
    return Document(Path("notes.txt"), title, text, tuple(blocks), "test")


def texts(chunks: Sequence[Chunk]) -> list[str]:
    return [passage.text for passage in chunks]


NOUNS = re.findall(
    r"\w+",
    """time year people way day man thing woman life child world school state family student group country problem hand
    part place case week company system program question work number night point home water room mother area money
    story fact month lot right study book eye job word business issue side kind head house service friend father""",
)


def words(count: int, start: int = 0) -> str:
    """Text of exactly ``count`` tokens, each a word."""
    return " ".join(NOUNS[number % len(NOUNS)] for number in range(start, start + count))


def prose(count: int, length: int = 10, start: int = 0) -> str:
    """``count`` sentences of ``length`` tokens each, the full stop included."""
    return " ".join(f"It {words(length - 2, start + 11 * i)}." for i in range(count))


# Any document


PIECES = st.one_of(
    st.sampled_from(["the", "Reads", "it.", "Why?", "naïve", "e.g.", "Dr.", "3.14", "x_1", "$5", "---", "*", "#", "|"]),
    st.sampled_from(["検索エンジンは文書を読みます。", "的一是在不了有和人", "สวัสดีชาวโลก", "אֱלֹהִים", "안녕하세요"]),
    st.sampled_from(["e\u0301\u0302", "👩\u200d👩\u200d👧", "😀", "ﬁ", "ß", "İ"]),
    st.sampled_from(["\x01", "\x1c", "\x85", "\u200b", "\u2028", "\ufffd", "\u202e", "\x1b[31m"]),
    st.text(max_size=12).filter(lambda text: "\x00" not in text),
    st.integers(1, 60).map(lambda count: prose(count, 7)),
    st.integers(60, 700).map(lambda count: "qzx9vk"[:: -1 if count % 2 else 1] * (count // 6)),
    st.integers(90, 320).map(lambda count: words(count).replace(" ", "")),
)  # fmt: skip
SEPARATORS = st.sampled_from([" ", " ", " ", "\n", "\n    ", "\t", "", "  \n", "\u3000", "\n\n"])
BETWEEN = st.sampled_from(
    ["\n\n", "\n\n", "\n", "\n\n\n \t\n", " ", "", "\n\n***\n\n", "\n\nleft over\n\n", "\f", "\n" * 5000]
)


@st.composite
def contents(draw: st.DrawFn) -> str:
    pieces = draw(st.lists(st.tuples(PIECES, SEPARATORS), max_size=14))
    return "".join(piece + separator for piece, separator in pieces)


@st.composite
def documents(draw: st.DrawFn) -> Document:
    """Blocks of all kinds and sizes, with pages, nested headings, blank blocks and text that no block claims."""
    text, blocks = draw(BETWEEN), []
    path: tuple[str, ...] = ()
    page = draw(st.sampled_from([None, 1]))
    kinds = st.sampled_from(["paragraph", "paragraph", "heading", "list", "code", "row", "row"])
    for kind in draw(st.lists(kinds, max_size=12)):
        content = draw(contents())
        if kind == "heading":
            content = " ".join(content.split())[: draw(st.sampled_from([30, 2000]))] or "Heading"
            path = (*path[: draw(st.integers(0, 3))], content)
        elif kind == "row":
            content = " ".join(content.split())
        blocks.append(Block(len(text), len(text) + len(content), kind, page, path))
        text += content + ("\n" if kind == "row" else draw(BETWEEN))
        page = page and page + draw(st.sampled_from([0, 0, 1, 3]))
    return Document(Path("x.md"), draw(st.sampled_from(["", "A title", "題" * 90])), text, tuple(blocks), "test")


OPTIONS = st.builds(
    lambda size, share: ChunkOptions(size, int(size * share)), st.sampled_from([16, 40, 200]), st.floats(0, 0.99)
)


def assert_sound(made: Document, chunks: Sequence[Chunk]) -> None:
    """What holds whatever the tokenizer: slices, places, order, cover, headings."""
    text = made.text
    covered = bytearray(len(text))
    for number, passage in enumerate(chunks):
        start, end = passage.start, passage.end
        assert passage.id == number
        assert passage.text == text[start:end]
        assert passage.text == passage.text.rstrip()
        assert any(character.isalnum() for character in passage.text)
        assert passage.bytes[0] == len(text[:start].encode())
        assert passage.bytes[1] == len(text[:end].encode())
        assert passage.lines == (1 + text[:start].count("\n"), 1 + text[: end - 1].count("\n"))
        covered[start:end] = b"\1" * (end - start)
        if number:
            assert start > chunks[number - 1].start
            assert end > chunks[number - 1].end
        touched = [b for b in made.blocks if b.start < end and start < b.end and text[b.start : b.end].strip()]
        for before, block in pairwise(touched):
            if block.kind == "heading":
                assert before.kind == "heading"
                assert block.headings[: len(before.headings)] == before.headings
        if touched and touched[-1].kind == "heading":  # part of a heading too long for one chunk
            assert passage.headings[: len(touched[-1].headings)] == touched[-1].headings
        elif touched:
            assert passage.headings == touched[-1].headings
        assert passage.pages == (
            None if not made.blocks or made.blocks[0].page is None else (page_at(made, start), page_at(made, end - 1))
        )
    lost = [i for i, character in enumerate(text) if character.isalnum() and not covered[i]]
    assert not lost, f"lost at {lost[:5]}: {text[lost[0] - 20 : lost[0] + 20]!r}"


def page_at(made: Document, offset: int) -> int | None:
    """The page of the block there, or else of the one before."""
    begun = [block for block in made.blocks if block.start <= offset]
    return (begun or made.blocks[:1])[-1].page


def assert_within_limit(made: Document, chunks: Sequence[Chunk], tokenizer: TokenCounter, size: int) -> None:
    for passage in chunks:
        context = embedding_context(made.title, passage.headings)
        room = WINDOW - tokenizer.special - one(tokenizer, context)
        assert one(tokenizer, passage.text) <= size
        if room > 16:
            assert one(tokenizer, passage.text) <= room
            assert one(tokenizer, passage.embedded) + tokenizer.special <= WINDOW


def assert_overlaps(made: Document, chunks: Sequence[Chunk], tokenizer: TokenCounter, overlap: int) -> None:
    """Neighbours share whole sentences of prose, no more than asked for, and nothing across a heading."""
    spans = [
        (block.start + start, block.start + end)
        for block in uncut_blocks(made)
        for start, end in sentences(made.text[block.start : block.end])
    ]
    first, last = {start for start, _ in spans}, {end for _, end in spans}
    for before, after in pairwise(chunks):
        if after.start < before.end:
            assert after.headings == before.headings
            assert after.start in first
            assert before.end in last
            shared = made.text[after.start : before.end]
            assert one(tokenizer, shared) <= overlap
            touched = [b for b in made.blocks if b.start < before.end and after.start < b.end and b.start < b.end]
            assert {block.kind for block in touched} <= {"paragraph", "list"}


def uncut_blocks(made: Document) -> list[Block]:
    """The blocks and what lies between them, each from its first line with text to its last character."""
    edges = [0, *(edge for block in made.blocks for edge in (block.start, block.end)), len(made.text)]
    found = []
    for start, end in pairwise(edges):
        content = made.text[start:end]
        blank = re.match(r"(?:[^\S\n]*\n)*", content)
        assert blank
        found.append(Block(start + blank.end(), start + len(content.rstrip()), "paragraph"))
    return found


@given(made=documents(), options=OPTIONS)
def test_any_document(made: Document, options: ChunkOptions, tokenizer: Tokenizer) -> None:
    chunks = chunk(made, tokenizer, WINDOW, options)
    assert_sound(made, chunks)
    assert_within_limit(made, chunks, tokenizer, options.size)
    assert_overlaps(made, chunks, tokenizer, options.overlap)


@given(made=documents(), options=OPTIONS, counter=st.sampled_from([Characters(), Bytes()]))
def test_any_tokenizer(made: Document, options: ChunkOptions, counter: TokenCounter) -> None:
    chunks = chunk(made, counter, WINDOW, options)
    assert_sound(made, chunks)
    assert_within_limit(made, chunks, counter, options.size)


@given(made=documents(), options=OPTIONS)
def test_work_is_linear(made: Document, options: ChunkOptions, tokenizer: Tokenizer) -> None:
    """Nothing longer than a chunk can be is ever counted, and no text more than a few times over."""
    recorder = Recorder(tokenizer)
    chunk(made, recorder, WINDOW, options)
    context = 160 + 1
    assert max(map(len, recorder.texts), default=0) <= max(context, 16 * options.size)
    contexts = context * (2 * len(made.blocks) + 1)
    assert sum(map(len, recorder.texts)) <= 8 * len(made.text) + contexts


@pytest.mark.parametrize("kind", ["paragraph", "list", "code", "row"])
@pytest.mark.parametrize(
    "text",
    [prose(2000, 25), words(50_000), "x" * 200_000, "x\n" * 20_000, "的" * 40_000, "a" + " " * 300_000 + "b"],
    ids=["prose", "words", "one word", "lines", "cjk", "blanks"],
)
def test_a_very_large_block(kind: BlockKind, text: str, tokenizer: Tokenizer) -> None:
    made = document((kind, text))
    recorder = Recorder(tokenizer)
    chunks = chunk(made, recorder, WINDOW, ChunkOptions())
    assert_within_limit(made, chunks, tokenizer, 200)
    assert max(len(passage.text) for passage in chunks) <= 16 * 200
    assert {c for passage in chunks for c in range(passage.start, passage.end) if text[c].isalnum()} == {
        c for c in range(len(text)) if text[c].isalnum()
    }
    assert max(map(len, recorder.texts)) <= 16 * 200
    assert sum(map(len, recorder.texts)) <= 5 * len(text)
    # The text is no longer than its tokens allow: nearly full chunks, apart from what is repeated.
    full = one(tokenizer, text.replace("x" * 50, "x" * 50 + " ")) / 200
    assert len(chunks) <= 1.4 * full + 2


# Files


FILE_TEXTS = st.lists(
    st.one_of(
        st.text(st.characters(exclude_characters="\x00\r\ufeff", exclude_categories=["Cs"]), max_size=80),
        st.sampled_from(
            ["", "", "# One", "## Two", "Title\n=====", "```", "| a | b |", "|---|---|", "- item", "    code"]
        ),
        st.integers(1, 50).map(lambda count: prose(count, 9)),
    ),
    min_size=1,
    max_size=40,
).map("\n".join)


@given(content=FILE_TEXTS, suffix=st.sampled_from([".txt", ".md", ".rst", ".py"]))
def test_places_are_the_files_own(content: str, suffix: str, tokenizer: Tokenizer) -> None:
    data = content.encode()
    try:
        made = load(Path(f"x{suffix}"), data, LoadOptions())
    except LoadError as error:
        assume(error.reason not in {Reason.EMPTY, Reason.UNSUPPORTED})
        raise
    lines = data.decode().split("\n")
    for passage in chunk(made, tokenizer, WINDOW, ChunkOptions(40, 10)):
        assert data[slice(*passage.bytes)].decode() == passage.text
        first, last = passage.lines
        assert passage.text in "\n".join(lines[first - 1 : last])
        assert passage.text.split("\n")[0] in lines[first - 1]
        assert passage.text.split("\n")[-1] in lines[last - 1]


# Structure, by hand


def test_whole_paragraphs_are_kept_together(tokenizer: Tokenizer) -> None:
    made = document(("paragraph", words(90)), ("paragraph", words(80, 90)), ("paragraph", words(60, 170)))
    first, second = chunk(made, tokenizer, WINDOW, ChunkOptions(200, 0))
    assert first.text == f"{words(90)}\n\n{words(80, 90)}"  # 170 tokens, and 60 more do not fit
    assert second.text == words(60, 170)


def test_sections_are_never_joined(tokenizer: Tokenizer) -> None:
    made = document(
        ("heading", "# One"), ("paragraph", prose(1)), ("heading", "# Two"), ("paragraph", prose(1, start=50)),
    )  # fmt: skip
    chunks = chunk(made, tokenizer, WINDOW, ChunkOptions())
    assert texts(chunks) == [f"# One\n\n{prose(1)}", f"# Two\n\n{prose(1, start=50)}"]
    assert [passage.headings for passage in chunks] == [("One",), ("Two",)]


def test_records_are_never_joined(tokenizer: Tokenizer) -> None:
    made = document(("paragraph", "before"), ("record", "one"), ("record", "two"), ("paragraph", "after"))
    assert texts(chunk(made, tokenizer, 256, ChunkOptions())) == ["before", "one", "two", "after"]


def test_a_heading_goes_with_its_text(tokenizer: Tokenizer) -> None:
    """A chapter's heading opens its first section; a heading of the same level shows that a section is empty."""
    made = document(
        ("heading", "# Chapter"), ("heading", "## Empty"), ("heading", "## Full"), ("paragraph", "Some text.")
    )
    chunks = chunk(made, tokenizer, WINDOW, ChunkOptions())
    assert texts(chunks) == ["# Chapter\n\n## Empty", "## Full\n\nSome text."]
    assert chunks[1].headings == ("Chapter", "Full")


@pytest.mark.parametrize("kind", ["paragraph", "code", "row"])
def test_a_heading_is_not_left_alone_by_a_block_that_just_fits(kind: BlockKind, tokenizer: Tokenizer) -> None:
    block = prose(19).replace(". ", ".\n")  # 190 tokens
    made = document(("heading", f"# {words(14)}"), (kind, block))
    first, second = chunk(made, tokenizer, WINDOW, ChunkOptions(200, 0))
    assert first.text.startswith(f"# {words(14)}\n\nIt time")
    assert second.text.endswith(block[-20:])
    assert one(tokenizer, second.text) >= 50


def test_a_cut_paragraph_leaves_no_scrap(tokenizer: Tokenizer) -> None:
    """21 sentences of 10 tokens are 20 and 1 when chunks are filled to the brim; even, they are 11 and 10."""
    made = document(("paragraph", prose(21)))
    sizes = tokenizer.count(texts(chunk(made, tokenizer, WINDOW, ChunkOptions(200, 0))))
    assert sizes == [110, 100]


def test_a_scrap_before_the_next_paragraph_is_evened_out_too(tokenizer: Tokenizer) -> None:
    made = document(("paragraph", prose(21)), ("paragraph", prose(13, 15)))
    sizes = tokenizer.count(texts(chunk(made, tokenizer, WINDOW, ChunkOptions(200, 0))))
    assert sizes == [110, 100, 195]


def test_a_long_paragraph_does_not_mix_with_half_a_chunk(tokenizer: Tokenizer) -> None:
    made = document(("paragraph", prose(12)), ("paragraph", prose(30, start=500)))
    first, second, third = chunk(made, tokenizer, WINDOW, ChunkOptions(200, 0))
    assert first.text == prose(12)
    assert tokenizer.count([second.text, third.text]) == [200, 100]


def test_neighbours_share_whole_sentences(tokenizer: Tokenizer) -> None:
    """Sentences of 10 tokens, overlap 25: two are repeated, not two and a half."""
    made = document(("paragraph", prose(40)))
    first, second, third = chunk(made, tokenizer, WINDOW, ChunkOptions(200, 25))
    assert made.text[second.start : first.end] == prose(40)[second.start : first.end]
    shared = [made.text[two.start : one_.end] for one_, two in ((first, second), (second, third))]
    assert [one(tokenizer, text) for text in shared] == [20, 20]
    assert all(re.fullmatch(r"It [a-z ]+\. It [a-z ]+\.", text) for text in shared)


def test_overlap_reaches_back_over_short_paragraphs(tokenizer: Tokenizer) -> None:
    made = document(*[("paragraph", prose(1, start=10 * i)) for i in range(30)])
    first, second = chunk(made, tokenizer, WINDOW, ChunkOptions(200, 30))
    assert made.text[second.start : first.end].count("It") == 3


def test_overlap_takes_only_the_room_that_a_whole_paragraph_leaves(tokenizer: Tokenizer) -> None:
    made = document(("paragraph", prose(15)), ("paragraph", prose(17, start=500)))
    first, second = chunk(made, tokenizer, WINDOW, ChunkOptions(200, 60))
    assert one(tokenizer, made.text[second.start : first.end]) == 30
    assert second.text.endswith(prose(17, start=500))


def test_no_overlap_when_none_is_asked_for_or_code_is_cut(tokenizer: Tokenizer) -> None:
    for made, overlap in (
        (document(("paragraph", prose(60))), 0),
        (document(("code", prose(60).replace(". ", ".\n"))), 30),
        (document(("row", prose(60).replace(". ", ".\n"))), 30),
    ):
        chunks = chunk(made, tokenizer, WINDOW, ChunkOptions(200, overlap))
        assert len(chunks) >= 3
        assert all(two.start >= one_.end for one_, two in pairwise(chunks))


def test_code_is_cut_between_lines_and_keeps_its_indentation(tokenizer: Tokenizer) -> None:
    code = "def main():\n" + "\n".join(f"    print({number}, 'a line of code')" for number in range(60))
    chunks = chunk(document(("code", code)), tokenizer, WINDOW, ChunkOptions())
    assert "\n".join(texts(chunks)) == code
    assert all(text.startswith("    print(") for text in texts(chunks)[1:])


def test_a_table_that_fits_is_kept_whole(tokenizer: Tokenizer) -> None:
    rows = "\n".join(f"| {words(8, 10 * i)} |" for i in range(12))  # 12 rows of 10 tokens
    intro = prose(10)
    text = f"{intro}\n\n{rows}"
    edges = [m.span() for m in re.finditer(r"\|.*\|", text)]
    blocks = (Block(0, len(intro), "paragraph"), *(Block(start, end, "row") for start, end in edges))
    made = Document(Path("x.md"), "", text, blocks, "test")
    assert texts(chunk(made, tokenizer, WINDOW, ChunkOptions(200, 0))) == [intro, rows]
    cut = texts(chunk(made, tokenizer, WINDOW, ChunkOptions(100, 0)))  # too long for one: cut between rows
    assert "\n".join(cut) == text.replace("\n\n", "\n")
    assert all(part.endswith("|") for part in cut[1:])


def test_a_page_break_may_lie_inside_a_chunk(tokenizer: Tokenizer) -> None:
    made = document(("paragraph", "First.", 2), ("paragraph", "Second.", 3), ("paragraph", prose(20), 5))
    assert [c.pages for c in chunk(made, tokenizer, WINDOW, ChunkOptions(200, 0))] == [(2, 3), (5, 5)]


def test_text_between_blocks_is_not_lost(tokenizer: Tokenizer) -> None:
    text = "before\n\nblock\n\nbetween\n\nblock\n\nafter"
    blocks = tuple(Block(m.start(), m.end(), "paragraph") for m in re.finditer("block", text))
    assert texts(chunk(Document(Path("x"), "", text, blocks, "test"), tokenizer, WINDOW, ChunkOptions())) == [text]


def test_a_long_context_takes_from_the_passage(tokenizer: Tokenizer) -> None:
    """160 characters of Chinese are 160 tokens: of a window of 256, with 2 special ones, 94 are left."""
    made = document(("paragraph", words(400)), title="題" * 300)
    sizes = tokenizer.count(texts(chunk(made, tokenizer, WINDOW, ChunkOptions())))
    assert 80 <= max(sizes) <= 94


def test_words_that_the_model_cannot_read_do_not_hide_their_length(tokenizer: Tokenizer) -> None:
    """BERT takes a word of over 100 characters for one unknown token, however long it is."""
    word = "x" * 50_000
    assert one(tokenizer, word) == 1
    chunks = chunk(document(("paragraph", word)), tokenizer, WINDOW, ChunkOptions())
    assert "".join(texts(chunks)) == word
    assert max(len(passage.text) for passage in chunks) <= 3200


@pytest.mark.parametrize("text", ["", " \n\t", "---", "* * *\n\n***", "😀 … !", "\x01\x02"])
def test_nothing_to_read_is_no_chunk(text: str, tokenizer: Tokenizer) -> None:
    assert chunk(document(("paragraph", text)), tokenizer, WINDOW, ChunkOptions()) == []
    assert chunk(Document(Path("x"), "", text, (), "test"), tokenizer, WINDOW, ChunkOptions()) == []


@pytest.mark.parametrize(("size", "overlap"), [(15, 0), (0, 0), (200, 200), (200, -1)])
def test_sizes_that_cannot_be_are_refused(size: int, overlap: int) -> None:
    with pytest.raises(UsageError, match=r"use (at least )?\d"):
        ChunkOptions(size, overlap)


# The sample documents


@pytest.mark.parametrize("name", SAMPLE_NAMES)
def test_sample_document(name: str, tokenizer: Tokenizer) -> None:
    """The golden listing says which chunks; REGENERATE_GOLDENS=1 writes it anew, to be read before it is kept."""
    path = SAMPLES / name
    made = load(path, path.read_bytes(), LoadOptions())
    chunks = chunk(made, tokenizer, WINDOW, ChunkOptions())
    assert_sound(made, chunks)
    assert_within_limit(made, chunks, tokenizer, 200)
    assert_overlaps(made, chunks, tokenizer, 30)
    golden = GOLDEN / f"{name}.chunks"
    found = "".join(map(listing, chunks))
    if os.environ.get("REGENERATE_GOLDENS"):
        golden.write_text(found, encoding="utf-8")
    assert found == golden.read_text(encoding="utf-8"), "if this change is meant, run with REGENERATE_GOLDENS=1"


def listing(passage: Chunk) -> str:
    """One chunk of a golden listing: its place, its heading path, its first 60 characters."""
    pages = "" if passage.pages is None else " pages {}-{}".format(*passage.pages)
    place = "{}-{} lines {}-{}".format(passage.start, passage.end, *passage.lines) + pages
    return f"{place}\n  {' > '.join(passage.headings)}\n  {' '.join(passage.text[:60].split())}\n"


def test_there_are_no_stale_goldens() -> None:
    assert sorted(path.name for path in GOLDEN.iterdir()) == [f"{name}.chunks" for name in SAMPLE_NAMES]


@pytest.mark.parametrize("name", ["a.md", "a.rst"])
def test_the_header_of_a_table_rides_with_every_chunk_of_it(tokenizer, name):
    if name == "a.md":
        head = "| Pump | Pressure | Inspector |\n|---|---|---|\n"
        rows = [f"| Pump {n} | {n} bar | Quist {n} |" for n in range(99)]
        text = f"# Pumps\n\n{head}" + "\n".join(rows) + "\n\nAfter the table.\n\n## Other\n\nText.\n"
    else:
        border = "=======  ========  =========\n"
        rows = [f"Pump {n:<2}  {n:<2} bar    Quist {n}" for n in range(99)]
        text = f"{border}Pump     Pressure  Inspector\n{border}" + "\n".join(rows) + f"\n{border}\nAfter.\n"
    found = chunk(load(Path(name), text.encode(), LoadOptions()), tokenizer, WINDOW, ChunkOptions())
    inside = [one for one in found if "Quist" in one.text]
    assert len(inside) > 3
    for one_chunk in inside:
        assert one_chunk.text == text[one_chunk.start : one_chunk.end]
        assert one_chunk.embedded.count("Inspector") == 1
        assert ("Inspector" in one_chunk.text) == (one_chunk.columns == "")
        assert one(tokenizer, one_chunk.embedded) + tokenizer.special <= WINDOW
    assert found[0].columns == (found[-1].columns if name == "a.md" else "") == ""


def test_words_that_line_ends_break_are_read_in_one_piece(tokenizer: Tokenizer) -> None:
    text = "The mainte-\nnance of the well-\n  known Schöpf-\nwerk, KV-\n2291 and\na - \nb."
    (found,) = chunk(document(("paragraph", text)), tokenizer, WINDOW, ChunkOptions())
    assert found.text == text
    assert found.embedded == f"maintenance wellknown Schöpfwerk\n{text}"
    used = one(tokenizer, text)
    (tight,) = chunk(document(("paragraph", text)), tokenizer, used + tokenizer.special + 4, ChunkOptions(size=200))
    assert one(tokenizer, tight.embedded) <= used + 4
