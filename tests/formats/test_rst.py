from pathlib import Path

import pytest

from ragcli.formats.blocks import LoadOptions
from ragcli.formats.markup import rst

SHARED_DOCS = Path(__file__).resolve().parents[3] / "shared" / "docs"


def blocks(text: str) -> list[tuple[str, str]]:
    document = rst.load(Path("a.rst"), text.encode(), LoadOptions())
    return [(document.text[b.start : b.end], b.kind) for b in document.blocks]


def sections(text: str) -> list[tuple[str, ...]]:
    document = rst.load(Path("a.rst"), text.encode(), LoadOptions())
    return [block.headings for block in document.blocks if block.kind == "heading"]


SECTIONED = """\
=======
 Guide
=======

Install
=======

From *source*
-------------
Text right below.

With ``pip``
-------------

1. Numbered title
~~~~~~~~~~~~~~~~~

Use
===

日本語
------

- item
------

A paragraph
of two lines
============

----

Ti
--

See :ref:`the guide <guide>`
----------------------------
"""


def test_levels_follow_the_order_of_first_use():
    assert sections(SECTIONED) == [
        ("Guide",),
        ("Guide", "Install"),
        ("Guide", "Install", "From source"),
        ("Guide", "Install", "With pip"),
        ("Guide", "Install", "With pip", "1. Numbered title"),
        ("Guide", "Use"),
        ("Guide", "Use", "日本語"),
        ("Guide", "Use", "Ti"),
        ("Guide", "Use", "See the guide"),
    ]


@pytest.mark.parametrize(
    "text",
    [
        SECTIONED,
        "A\n=\n\nText::\n\n  B\n  =\n\n.. note::\n\n   C\n   =\n\nLong title\n====\n\nD\n===\n",
        "****\nOver\n****\n\nUnder\n****\n\nOver 2\n******\n\n####\nA\n####\n",
        "Longer\n---\n\nA. b\n====\n\n...\n\n::\n\n  code\n\n+---+\n| a |\n+---+\n\n=== ===\na   b\n=== ===\n1   2\n"
        "=== ===\n\nE\n=\n",
    ],
)
def test_sections_are_those_of_docutils(text):
    core = pytest.importorskip("docutils.core", reason="docutils is not installed")
    nodes = pytest.importorskip("docutils.nodes", reason="docutils is not installed")
    settings = {"report_level": 5, "halt_level": 6, "doctitle_xform": False, "_disable_config": True}
    wanted = []
    for section in core.publish_doctree(text, settings_overrides=settings).findall(nodes.section):
        path = []
        node = section
        while isinstance(node, nodes.section):
            path.insert(0, " ".join(node[0].astext().split()))
            node = node.parent
        wanted.append(tuple(path))
    # Docutils leaves roles that only Sphinx knows as they are.
    assert [tuple(name.replace(":ref:the guide <guide>", "the guide") for name in path) for path in wanted][:-1] == (
        sections(text)[:-1]
    )
    assert len(wanted) == len(sections(text))


def test_literal_blocks_and_code_directives_are_code():
    text = (
        "Run::\n\n    pip install\n\n    ragcli\n\n.. code-block:: py\n\n   x = 1\n\n.. note:: Beware.\n   Really.\n\n"
        ">>> 1 + 1\n2\n\n  quote"
    )
    assert blocks(text) == [
        ("Run::", "paragraph"),
        ("    pip install\n\n    ragcli", "code"),
        (".. code-block:: py\n\n   x = 1", "code"),
        (".. note:: Beware.\n   Really.", "paragraph"),
        (">>> 1 + 1\n2", "code"),
        ("  quote", "paragraph"),
    ]


def test_items_keep_what_is_indented_below_them():
    text = "- one\n\n  more\n- two\n\n1. first\n#. next\n\nA. Smith wrote\nthis."
    assert blocks(text) == [
        ("- one\n\n  more", "list"),
        ("- two", "list"),
        ("1. first", "list"),
        ("#. next", "list"),
        ("A. Smith wrote\nthis.", "paragraph"),
    ]


def test_grid_table_rows():
    text = "+---+---+\n| h | i |\n+===+===+\n| a | b |\n|   | c |\n+---+---+\n| d | e |\n+---+---+\n\nafter"
    assert blocks(text) == [
        ("+---+---+\n| h | i |\n+===+===+", "row"),
        ("| a | b |\n|   | c |\n+---+---+", "row"),
        ("| d | e |\n+---+---+", "row"),
        ("after", "paragraph"),
    ]


def test_simple_table_rows():
    text = "===  ===\nh    i\n===  ===\na    b\n     c\n\nd    e\n===  ===\n\nafter"
    assert blocks(text) == [
        ("===  ===\nh    i\n===  ===", "row"),
        ("a    b\n     c", "row"),
        ("d    e\n===  ===", "row"),
        ("after", "paragraph"),
    ]


def test_a_table_without_a_header_or_without_an_end():
    assert blocks("==  ==\na   b\nc   d\n==  ==")[-1] == ("c   d\n==  ==", "row")
    assert blocks("==  ==\na   b\n\nc") == [("==  ==\na   b", "paragraph"), ("c", "paragraph")]


def test_the_title_is_the_first_section():
    assert rst.load(Path("a.rst"), SECTIONED.encode(), LoadOptions()).title == "Guide"


@pytest.mark.skipif(not SHARED_DOCS.exists(), reason="the shared documents are not beside the project")
def test_real_file():
    file = next(SHARED_DOCS.rglob("README.rst"))
    assert sections(file.read_text()) == [("Example Docs",), ("Example Docs", "XBRL 10-K")]
