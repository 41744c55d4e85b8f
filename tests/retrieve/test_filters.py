"""Filters decide by path, kind and date of a document."""

from __future__ import annotations

import os
from datetime import datetime
from pathlib import Path

import pytest

from ragcli.errors import UsageError
from ragcli.index.catalog.rows import DocumentRow
from ragcli.retrieve.filters import Filters, kinds, parse_date, select, why_nothing


def row(number: int, path: Path, loader: str, modified: str) -> DocumentRow:
    mtime_ns = int(datetime.fromisoformat(modified).astimezone().timestamp() * 1e9)
    return DocumentRow(number, path, "", loader, 1, "", 1, mtime_ns, 1, (), ())


@pytest.fixture
def documents(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "notes").mkdir()
    return [
        row(1, tmp_path / "notes" / "a.md", "markdown", "2026-01-10"),
        row(2, tmp_path / "notes" / "deep" / "b.txt", "text", "2026-02-10"),
        row(3, tmp_path / "report.PDF", "pdf", "2026-03-10"),
        row(4, Path(os.fsdecode(b"/elsewhere/caf\xe9.md")), "markdown", "2026-04-10"),
    ]


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        (Filters(paths=("*.md",)), [1, 4]),
        (Filters(paths=("notes",)), [1, 2]),
        (Filters(paths=("notes/",)), [1, 2]),
        (Filters(paths=("notes/*.md",)), [1]),
        (Filters(paths=("notes/*",)), [1, 2]),
        (Filters(paths=("notes/**/*.md",)), [1]),
        (Filters(paths=("**/*.txt",)), [2]),
        (Filters(paths=("notes/**/*.txt",)), [2]),
        (Filters(paths=("./report.PDF", "/elsewhere/*")), [3, 4]),
        (Filters(types=("pdf",)), [3]),
        (Filters(types=(".TXT", "markdown")), [1, 2, 4]),
        (Filters(after=parse_date("2026-02-10")), [2, 3, 4]),
        (Filters(before=parse_date("2026-02-10")), [1]),
        (Filters(after=parse_date("2026-02-01"), before=parse_date("2026-04-01"), types=("pdf", "md")), [3]),
        (Filters(paths=("nothing",)), []),
        (Filters(paths=("*.{md,txt}",)), [1, 2, 4]),
        (Filters(paths=("{notes,else}/*.{md,txt}",)), [1, 2]),
        (Filters(paths=("!*.md",)), [2, 3]),
        (Filters(paths=("notes", "!notes/deep/*")), [1]),
        (Filters(paths=("deep/*.txt",)), [2]),  # not below the current folder, so anywhere
        (Filters(paths=("./deep/*.txt",)), []),
        (Filters(types=("*.md", "pdf")), [1, 3, 4]),
        (Filters(types=("pdf,txt",)), [2, 3]),
    ],
)
def test_a_document_passes_when_every_kind_of_condition_holds(documents, filters, expected):
    assert select(documents, filters) == expected


def test_no_condition_is_falsy_so_that_nothing_is_selected_needlessly():
    assert not Filters()
    assert Filters(types=("md",))


@pytest.mark.parametrize(("kind", "suffix"), [("python", "py"), ("Rust", "rs"), ("c++", "hpp"), ("word", "docx")])
def test_a_kind_has_the_name_that_people_use(kind, suffix):
    rows = [row(1, Path(f"/a/b.{suffix}"), "source", "2026-01-10"), row(2, Path("/a/c.pl"), "source", "2026-01-10")]
    assert select(rows, Filters(types=(kind,))) == [1]


@pytest.mark.parametrize(
    ("filters", "said"),
    [
        (Filters(types=("pfd",)), "no document is of type 'pfd', did you mean 'pdf'?; types here: md 2, txt 1, pdf 1"),
        (Filters(paths=("*.rs",)), "no path matches '*.rs'; see the paths: ragcli list"),
        (
            Filters(after=parse_date("2026-05")),
            "no document was modified on or after 2026-05-01; the newest is of 2026-04-10",
        ),
        (Filters(before=parse_date("2026")), "no document was modified before 2026-01-01; the oldest is of 2026-01-10"),
        (Filters(types=("pdf",), paths=("*.md",)), "no document matches all filters together"),
    ],
)
def test_the_filter_that_nothing_passes_is_named(documents, filters, said):
    assert select(documents, filters) == []
    assert why_nothing(documents, filters).startswith(said)


def test_ages_count_back_from_today():
    today = datetime.now().astimezone().date()
    for text, days in [("today", 0), ("yesterday", 1), ("7d", 7), ("2w", 14), ("3m", 90), ("1y", 365)]:
        moment = parse_date(text)
        assert (today - moment.date()).days == days
        assert (moment.hour, moment.minute) == (0, 0)
    assert 3590 < (datetime.now().astimezone() - parse_date("1h")).total_seconds() < 3610


def test_a_month_and_a_year_begin_on_their_first_day():
    assert parse_date("2026-03") == parse_date("2026-03-01")
    assert parse_date("2026") == parse_date("2026-01-01")


def test_kinds_are_what_a_filter_takes(documents):
    names = kinds(documents)
    assert names == ["markdown", "md", "pdf", "text", "txt"]
    assert all(select(documents, Filters(types=(name,))) for name in names)


@pytest.mark.parametrize("text", ["2026-13", "99999y", "d7"])
def test_an_impossible_date_is_refused(text):
    with pytest.raises(UsageError, match="yesterday"):
        parse_date(text)


def test_a_date_that_is_none_is_refused_with_the_way_to_write_it():
    with pytest.raises(UsageError, match="2026-11-21"):
        parse_date("last tuesday")
