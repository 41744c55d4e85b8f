from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from ragcli.formats.blocks import HeadingPath, LoadOptions
from ragcli.formats.decode import decode
from ragcli.formats.markdown import loader as markdown
from ragcli.formats.markdown.inline import plain
from ragcli.formats.markdown.loader import markdown_blocks

SHARED_DOCS = Path(__file__).resolve().parents[3] / "shared" / "docs"
REFERENCE = MarkdownIt("commonmark").enable("table")


def blocks(text: str) -> list[tuple[str, str, tuple[str, ...]]]:
    return [(text[block.start : block.end], block.kind, block.headings) for block in markdown_blocks(text)[0]]


def reference_outline(text: str) -> dict[str, list[tuple[int, int]]]:
    """First line and line after the last of what the reference parser finds at the top level."""
    tokens = REFERENCE.parse(text)
    lines = text.split("\n")

    def lines_of(kind: str, level: int) -> list[tuple[int, int]]:
        found = []
        for token in tokens:
            if token.type == kind and token.level == level:
                start, end = token.map
                while end > start + 1 and not lines[end - 1].strip():
                    end -= 1
                found.append((start, end))
        return found

    return {
        "heading": lines_of("heading_open", 0),
        "fence": lines_of("fence", 0),
        "item": [(start, 0) for start, _ in lines_of("list_item_open", 1)],
    }


def outline(text: str) -> dict[str, list[tuple[int, int]]]:
    found: dict[str, list[tuple[int, int]]] = {"heading": [], "fence": [], "item": []}
    for block in markdown_blocks(text)[0]:
        content = text[block.start : block.end]
        span = text.count("\n", 0, block.start), text.count("\n", 0, block.end) + 1
        if block.kind == "heading":
            found["heading"].append(span)
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
        *("<div>", "</div>", "<!-- c", "-->", "<!-- x -->", "<b>", "a <b>c</b>"),
    ]
)


@settings(max_examples=600)
@given(st.lists(LINES, max_size=12))
def test_headings_fences_and_items_are_those_of_a_real_parser(lines):
    text = "\n".join(lines)
    assert outline(text) == reference_outline(text)


@pytest.mark.skipif(not SHARED_DOCS.exists(), reason="the shared documents are not beside the project")
def test_real_files_agree_with_a_real_parser():
    files = sorted(SHARED_DOCS.rglob("*.md"))
    assert len(files) > 100
    for file in files:
        text = decode(file.read_bytes())[0]
        assert outline(text) == reference_outline(text), file
        headings = [block.headings[-1] for block in markdown_blocks(text)[0] if block.kind == "heading"]
        tokens = REFERENCE.parse(text)
        inline = [
            tokens[at + 1].children or [] for at, t in enumerate(tokens) if t.type == "heading_open" and not t.level
        ]
        wanted = [
            " ".join("".join(child.content for child in children if child.type in ("text", "code_inline")).split())
            for children in inline
        ]
        assert headings == wanted, file


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
        ("[link](http://x.y/a_(b) 'title') and [ref][r]", "link and ref"),
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
