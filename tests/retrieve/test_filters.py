"""Filters decide by path, kind and date of a document."""

from __future__ import annotations

import os
from datetime import datetime
from pathlib import Path

import pytest

from ragcli.errors import UsageError
from ragcli.index.catalog.rows import DocumentRow
from ragcli.retrieve.filters import Filters, parse_date, select


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
        (Filters(paths=("./report.PDF", "/elsewhere/*")), [3, 4]),
        (Filters(types=("pdf",)), [3]),
        (Filters(types=(".TXT", "markdown")), [1, 2, 4]),
        (Filters(after=parse_date("2026-02-10")), [2, 3, 4]),
        (Filters(before=parse_date("2026-02-10")), [1]),
        (Filters(after=parse_date("2026-02-01"), before=parse_date("2026-04-01"), types=("pdf", "md")), [3]),
        (Filters(paths=("nothing",)), []),
    ],
)
def test_a_document_passes_when_every_kind_of_condition_holds(documents, filters, expected):
    assert select(documents, filters) == expected


def test_no_condition_is_falsy_so_that_nothing_is_selected_needlessly():
    assert not Filters()
    assert Filters(types=("md",))


def test_a_date_that_is_none_is_refused_with_the_way_to_write_it():
    with pytest.raises(UsageError, match="2026-11-21"):
        parse_date("last tuesday")
