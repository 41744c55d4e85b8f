"""Hand-made results: what is written about them is worked out by hand in the tests."""

from pathlib import Path

import pytest

from ragcli.types import Chunk, Hit, Part, Question, Results, Snippet

BASE = Path("/home/ada/library")


def _make_hit(text, shown, matches=(), **given):
    """A hit whose snippet is ``shown`` within ``text`` and whose matches are the words ``matches`` within it."""
    start = given.pop("start", 100)
    at = text.index(shown)
    spans = tuple((shown.index(word), shown.index(word) + len(word)) for word in matches)
    line = given.pop("line", 10)
    first = at + (spans[0][0] if spans else 0)
    chunk = Chunk(
        id=given.pop("id", 7),
        path=BASE / given.pop("path", "notes/attention.md"),
        title=given.pop("title", "Attention"),
        start=start,
        end=start + len(text),
        text=text,
        bytes=(start, start + len(text.encode("utf-8", "surrogatepass"))),
        lines=(line, line + text.count("\n")),
        pages=given.pop("pages", None),
        headings=given.pop("headings", ("Attention", "The residual stream")),
    )
    snippet = Snippet(
        start=start + at,
        end=start + at + len(shown),
        text=shown,
        line=line + text.count("\n", 0, first),
        page=given.pop("page", None),
        matches=spans,
        cut=given.pop("cut", (False, False)),
        column=len(text[:first].rpartition("\n")[2].encode()) + 1,
    )
    parts = given.pop("parts", (Part("dense", 2, 0.6123), Part("keyword", 1, 12.41), Part("fused", 1, 0.93)))
    return Hit(chunk=chunk, score=given.pop("score", 0.93), snippet=snippet, parts=parts, **given)


@pytest.fixture(scope="session")
def make_hit():
    return _make_hit


@pytest.fixture
def results(make_hit):
    prose = make_hit(
        "Each layer reads from the residual stream.\nIt adds what it computed to the residual stream, so that later\n"
        "layers find it there. Nothing is taken away.",
        "It adds what it computed to the residual stream, so that later\nlayers find it there.",
        ["residual", "stream"],
        copies=(BASE / "old/attention.md", Path("/tmp/b.md")),
    )
    paged = make_hit(
        "A network of two halves can be run backwards, since each half is changed by the other only, one after the "
        "other.",
        "network of two halves can be run backwards, since each half",
        ["backwards"],
        cut=(True, True),
        id=12,
        path="papers/reversible nets.pdf",
        title="",
        headings=(),
        pages=(3, 4),
        page=3,
        start=2040,
        line=51,
        score=0.4,
        parts=(Part("dense", 1, 0.7), Part("keyword", None, None), Part("fused", 2, 0.4)),
        probability=0.874,
    )
    code = make_hit(
        "Then:\n\n    def step(x):\n        return x - rate * slope(x)\n\nuntil it stands still.",
        "def step(x):\n        return x - rate * slope(x)",
        ["slope"],
        id=31,
        path="code/descent.md",
        headings=("Gradient descent",),
        line=1,
        score=0.031,
        parts=(Part("dense", None, None), Part("keyword", 11, 3.3), Part("fused", 10, 0.031)),
    )
    return Results(
        Question("what does a layer add?", ()), "hybrid", (prose, paged, code), ("the query was cut to 256 tokens",)
    )
