"""Markup, checked against markdown-it-py: what it renders as text is what stays."""

from __future__ import annotations

import html
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from ragcli.text.markup import markup, visible_parts

MD = Path("notes.md")


def shown(text: str, path: Path = MD) -> str:
    parts = visible_parts(markup(text, path), 0, len(text))
    return " ".join("".join(text[start:end] for start, end in parts).split())


def rendered(text: str) -> str:
    """The words that a browser would show."""
    page = MarkdownIt("commonmark").render(text)
    return " ".join(html.unescape(re.sub(r"<!--.*?-->|<[^>]+>", "", page, flags=re.DOTALL)).split())


@pytest.mark.parametrize(
    "text",
    [
        "> > When you are done,\n> > the lion sleeps.",
        "> one\n>\n> two\n",
        "before <!-- a\nnote --> after",
        'The <span class="filename">main.rs</span> file and <kbd>Ctrl</kbd>',
        '<Listing number="4" caption="a b">\n\ntext\n\n</Listing>',
        "See the [book].\n\n[book]: https://doc.example/book\n[other]: x.html 'Title'\n".replace("[book].", "book."),
        "a < b and c > d, x<y",
    ],
)
def test_what_a_browser_shows_stays(text):
    assert shown(text) == rendered(text)


@pytest.mark.parametrize(
    "text",
    [
        "a `<b>` and `</span>` in code",
        "Vec<T>, List<Integer> and Map<a>",
        "```html\n<div class='a'>\n<!-- c -->\n```",
        ">>> print(1)\n1",
        "[1] is not a link: it is a note",
        "if a <b and c> d",
    ],
)
def test_text_and_code_stay(text):
    assert markup(text, MD) == []


@pytest.mark.parametrize("name", ["page.xml", "main.cpp", "a.html", "b.csv"])
def test_elsewhere_it_is_the_content(name):
    assert markup("> <b>x</b> <!-- y -->", Path(name)) == []


def test_include_lines_of_books_are_markup():
    assert shown("{{#include ../listings/a.rs:here}}\nfn main() { let a = {{b}}; }") == "fn main() { let a = {{b}}; }"


def test_include_lines_of_books_are_markup_in_fences_too():
    book = "```rust\n{{#rustdoc_include ../listings/ch04/main.rs:here}}\nlet a = 1;\n```"
    assert shown(book) == "```rust let a = 1; ```"
    template = "```handlebars\n{{#if author}}\n<b>{{author}}</b>\n```"
    assert markup(template, MD) == []


@given(st.text(alphabet="> <b/a-!`[]:x\n{}#='", max_size=60))
def test_spans_are_in_order_and_inside(text):
    spans = markup(text, MD)
    edges = [at for span in spans for at in span]
    assert edges == sorted(edges)
    assert all(0 <= start < end <= len(text) for start, end in spans)
    parts = visible_parts(spans, 0, len(text))
    assert sum(end - start for start, end in [*spans, *parts]) == len(text)
