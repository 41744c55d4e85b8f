import re
from html.parser import HTMLParser
from pathlib import Path

import cmarkgfm
import pytest
from cmarkgfm.cmark import Options
from hypothesis import given, settings
from hypothesis import strategies as st

from ragcli.formats.blocks import HeadingPath, LoadOptions
from ragcli.formats.decode import decode
from ragcli.formats.markup import markdown
from ragcli.formats.markup.markdown import markdown_blocks, plain

SHARED_DOCS = Path(__file__).resolve().parents[3] / "shared" / "docs"


def blocks(text: str) -> list[tuple[str, str, tuple[str, ...]]]:
    return [(text[block.start : block.end], block.kind, block.headings) for block in markdown_blocks(text)[0]]


class _Outline(HTMLParser):
    """Reads the lines of what stands at the top level from the places that cmark writes into its HTML."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: dict[str, list[tuple[int, int]]] = {"heading": [], "fence": [], "item": []}
        self.headings: list[str] = []
        self._lines = text.split("\n")
        self._open: list[str] = []
        self._title: list[str] | None = None
        self.feed(
            cmarkgfm.markdown_to_html_with_extensions(text, Options.CMARK_OPT_SOURCEPOS, ["table", "strikethrough"])
        )

    def handle_starttag(self, tag, attrs):
        depth = len(self._open)
        self._open.append(tag)
        place = re.fullmatch(r"(\d+):\d+-(\d+):(\d+)", dict(attrs).get("data-sourcepos", ""))
        if not place:
            if tag == "img" and self._title is not None:
                self._title.append(dict(attrs).get("alt") or "")
            return
        start, end = int(place[1]) - 1, int(place[2]) - (place[3] == "0")
        while end > start + 1 and not self._lines[end - 1].strip():
            end -= 1
        if depth == 0 and re.fullmatch("h[1-6]", tag):
            self.found["heading"].append((start, 0))  # where an underlined one ends, cmark does not know
            self._title = []
        elif depth == 0 and tag == "pre" and self._lines[start].lstrip(" ").startswith(("```", "~~~")):
            self.found["fence"].append((start, end))
        elif depth == 1 and tag == "li" and self._open[0] in ("ul", "ol"):
            self.found["item"].append((start, 0))

    def handle_endtag(self, tag):
        self._open.pop()
        if not self._open and self._title is not None:
            self.headings.append(" ".join("".join(self._title).split()))
            self._title = None

    def handle_data(self, data):
        if self._title is not None:
            self._title.append(data)


def outline(text: str) -> dict[str, list[tuple[int, int]]]:
    found: dict[str, list[tuple[int, int]]] = {"heading": [], "fence": [], "item": []}
    for block in markdown_blocks(text)[0]:
        content = text[block.start : block.end]
        span = text.count("\n", 0, block.start), text.count("\n", 0, block.end) + 1
        if block.kind == "heading":
            found["heading"].append((span[0], 0))
        elif block.kind == "list":
            found["item"].append((span[0], 0))
        elif block.kind == "code" and content.lstrip(" ").startswith(("```", "~~~")) and not content.startswith("    "):
            found["fence"].append(span)
    return found


LINES = st.sampled_from(
    [
        *(
            "",
            "",
            "text",
            "more text",
            "# H1",
            "## H2 ##",
            "   # H3",
            "###### six",
            "#no space",
            "# *in* `line`",
            "Setext",
        ),
        *("===", "---", "***", "* * *", "```", "```py", "~~~", "````", "    indented", "\ttab", "`code`"),
        *("- item", "- ", "-", "  cont", "* star", "+ plus", "1. one", "2. two", "10. ten", "  - nested", "    - deep"),
        *(
            "- # in item",
            "- ```",
            "  ```",
            "> quote",
            "> # in quote",
            ">",
            "> ```",
            "| a | b |",
            "|---|---|",
            "| 1 | 2 |",
        ),
        # Without a lone <b>: cmark-gfm lets it end the paragraph of a quote, which CommonMark 0.31 does not.
        *("<div>", "</div>", "<!-- c", "-->", "<!-- x -->", "a <b>c</b>"),
    ]
)


@settings(max_examples=600)
@given(st.lists(LINES, max_size=12))
def test_headings_fences_and_items_are_those_of_a_real_parser(lines):
    text = "\n".join(lines)
    reference = _Outline(text)
    assert outline(text) == reference.found
    titles = [block.headings[-1] for block in markdown_blocks(text)[0] if block.kind == "heading" and block.headings]
    assert titles == list(filter(None, reference.headings))


@pytest.mark.skipif(not SHARED_DOCS.exists(), reason="the shared documents are not beside the project")
def test_real_files_agree_with_a_real_parser():
    files = sorted(SHARED_DOCS.rglob("*.md"))
    assert len(files) > 100
    for file in files:
        text = decode(file.read_bytes())[0]
        assert outline(text) == _Outline(text).found, file
        headings = [block.headings[-1] for block in markdown_blocks(text)[0] if block.kind == "heading"]
        assert headings == _Outline(text).headings, file


def test_every_block_has_its_path():
    text = "# A\n\nintro\n\nB *b*\n-----\n\ntext\n\n### C\n\ncode:\n\n    x\n\n## D\n\nend"
    assert [(content, path) for content, _, path in blocks(text)] == [
        ("# A", ("A",)),
        ("intro", ("A",)),
        ("B *b*\n-----", ("A", "B b")),
        ("text", ("A", "B b")),
        ("### C", ("A", "B b", "C")),
        ("code:", ("A", "B b", "C")),
        ("    x", ("A", "B b", "C")),
        ("## D", ("A", "D")),
        ("end", ("A", "D")),
    ]


def test_fences_are_whole():
    fence = "```py\n# not a heading\n\n- not an item\n```"
    assert blocks(f"a\n{fence}\nb") == [("a", "paragraph", ()), (fence, "code", ()), ("b", "paragraph", ())]
    assert blocks("~~~\nnever closed\n\n# x") == [("~~~\nnever closed\n\n# x", "code", ())]


def test_an_item_keeps_what_belongs_to_it():
    items = [
        "1. one\nlazy",
        "2. two\n\n   more\n\n   ```\n   x\n   ```",
        "3. three\n   - nested",
    ]
    text = "\n".join(items) + "\n\nafter"
    assert blocks(text) == [*((item, "list", ()) for item in items), ("after", "paragraph", ())]


def test_table_rows_are_blocks():
    assert blocks("| a | b |\n|:--|--:|\n| 1 | `x` |\n2 | 3\n\nafter") == [
        ("| a | b |\n|:--|--:|", "row", ()),
        ("| 1 | `x` |", "row", ()),
        ("2 | 3", "row", ()),
        ("after", "paragraph", ()),
    ]


def test_a_quote_is_one_block_and_opens_no_section():
    assert blocks("> ### Note\n>\n> text\nlazy\n\nafter") == [
        ("> ### Note\n>\n> text\nlazy", "paragraph", ()),
        ("after", "paragraph", ()),
    ]


@pytest.mark.parametrize(
    ("front", "title"),
    [
        ('---\ntitle: "Two: parts"\nauthor: A\n---', "Two: parts"),
        ("---\n# comment\nTitle: Plain\n...", "Plain"),
        ("+++\ntitle = 'Toml'\n+++", "Toml"),
        ("---\ndate: 2024-01-01\n---", "Heading"),
        ("---\ntitle: >\n  folded\n---", "Heading"),
    ],
)
def test_front_matter_is_code_and_gives_the_title(front, title):
    document = markdown.load(Path("a.md"), f"{front}\n\n# Heading\n\ntext\n".encode(), LoadOptions())
    assert document.title == title
    first = document.blocks[0]
    assert (document.text[first.start : first.end], first.kind, first.headings) == (front, "code", ())


@pytest.mark.parametrize("text", ["---\n\ntext\n\n---\n", "---\ntext without an end: none", "---"])
def test_a_rule_at_the_top_is_no_front_matter(text):
    assert all(kind != "code" for _, kind, _ in blocks(text))


def test_headings_go_on_from_where_the_caller_was():
    path = HeadingPath()
    markdown_blocks("# A\n\n## B", path)
    found, _ = markdown_blocks("text\n\n## C", path)
    assert [block.headings for block in found] == [("A", "B"), ("A", "C")]


@pytest.mark.parametrize(
    ("markup", "text"),
    [
        ("The `String` *type*", "The String type"),
        ("`a_b*` and snake_case_name", "a_b* and snake_case_name"),
        ("**bold _both_** ~~old~~", "bold both old"),
        ("[link](http://x.y/a_(b) 'title') and [no][ref]", "link and [no][ref]"),
        ("[![badge](b.svg)](http://x)", "badge"),
        ("\\*stars\\* 2 * 3 * 4", "*stars* 2 * 3 * 4"),
        ("AT&amp;T &copy; <kbd>Ctrl</kbd>", "AT&T © Ctrl"),
        ("<https://example.org>", "https://example.org"),
        ("Title {#anchor .class}", "Title"),
        ("a < b and c > d", "a < b and c > d"),
    ],
)
def test_plain(markup, text):
    assert plain(markup) == text


def test_a_heading_reads_the_links_that_the_document_defines():
    assert blocks("# The [book][b] and [ref]\n\n[b]: http://x.y\n[ref]: <z> 'title'") == [
        ("# The [book][b] and [ref]", "heading", ("The book and ref",)),
        ("[b]: http://x.y\n[ref]: <z> 'title'", "paragraph", ("The book and ref",)),
    ]


def test_a_hostile_file_is_read_in_linear_time():
    for text in (
        "[" * 50_000,
        "*a " * 30_000,
        "# " + "`" * 20_000,
        "> " * 20_000,
        "- " * 20_000,
        "<a " * 20_000,
        "|" * 50_000,
    ):
        assert markdown_blocks(f"{text}\n{text}\n---\n")[0]
