"""What a preview says of each file, against what the run that follows records of it."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ragcli.index.catalog.documents import Catalog
from ragcli.ingest.chunk import ChunkOptions
from ragcli.ingest.discover import Rules
from ragcli.ingest.plan import preview
from ragcli.ingest.sync import SyncOptions, sync
from ragcli.types import Reason, Skipped

SMALL = 4096  # the largest file of these runs
OPTIONS = SyncOptions(workers=2, offline=True, rules=Rules(exclude=("*.excluded", "out/"), max_file_size=SMALL))

# What takes a parser to know. A preview says "add" of these, or "update".
FOUND_BY_PARSERS = {Reason.DAMAGED, Reason.ENCRYPTED, Reason.NO_TEXT, Reason.TIMED_OUT, Reason.OUT_OF_MEMORY}

Row = tuple[str, str]  # action and reason of a path, as a preview says them


def told(folder: Path, root: Path, options: SyncOptions) -> dict[Path, set[Row]]:
    rows: dict[Path, set[Row]] = {}
    for entry in preview(folder, [root], options):
        rows.setdefault(entry.path, set()).add((entry.action, entry.reason))
    return rows


@contextmanager
def opened(folder: Path) -> Iterator[Catalog | None]:
    catalog = Catalog.open(folder) if folder.exists() else None
    yield catalog
    if catalog is not None:
        catalog.close()


class State(NamedTuple):
    documents: dict[Path, int]
    skipped: dict[Path, Skipped]


def documents(folder: Path) -> dict[Path, int]:
    with opened(folder) as catalog:
        return {row.path: row.id for row in catalog.documents()} if catalog else {}


def listed(folder: Path) -> dict[Path, Skipped]:
    with opened(folder) as catalog:
        return {skipped.path: skipped for skipped in catalog.skipped()} if catalog else {}


def happened(before: State, after: State, said: dict[Path, set[Row]]) -> dict[Path, set[Row]]:
    """The rows that a preview should have had, from what the catalog held before and after the run."""
    rows: dict[Path, set[Row]] = {}
    for path in before.documents.keys() | after.documents.keys():
        if path not in after.documents:
            rows[path] = {("remove", "")}
        elif path not in before.documents:
            rows[path] = {("add", "")}
        elif before.documents[path] != after.documents[path]:
            rows[path] = {("update", "")}
    for path, skipped in after.skipped.items():
        reason = f"{skipped.reason}: {skipped.detail}" if skipped.detail else str(skipped.reason)
        rows.setdefault(path, set()).add(("skip", reason))
        if skipped.reason in FOUND_BY_PARSERS or skipped.detail == "no letters or digits in it":
            # a preview cannot know; it announces a document where the file is read, in the place of one that had to go
            announced = {("update" if path in before.documents else "add", "")}
            if said.get(path) == announced or before.skipped.get(path) != skipped:
                rows[path] = announced
    return rows


SUFFIXES = ["", ".txt", ".md", ".csv", ".html", ".json", ".eml", ".py", ".pdf", ".docx", ".xlsx", ".epub", ".ipynb"]
SUFFIXES += [".zip", ".png", ".mp3", ".dat", ".exe", ".unknown", ".TXT", ".ZIP", ".excluded"]
CONTENTS = [
    b"",
    b" \n\t\n",
    b"\n" * 3000,
    b"---\n***\n",
    b"The harbour opens at six.\n",
    b"A comet has a tail.\n" * 20,
    b"#!/bin/sh\necho tide\n",
    b"harbour\x00tide\n",
    b"PK\x03\x04" + bytes(range(256)),
    b"\x89PNG\r\n\x1a\n" + bytes(64),
    b"%PDF-1.7 but nothing after",
    "Straßen und Äpfel\n".encode("utf-16"),
    b"caf\xe9 au lait\n",
    b"\x00" * 100,
    b"word " * SMALL,
]
FOLDERS = ["", "sub/", "sub/deep/", ".hidden/", "out/", "node_modules/"]
STEMS = ["a", "b", "ignored", ".dot"]

names = st.builds("{}{}{}".format, st.sampled_from(FOLDERS), st.sampled_from(STEMS), st.sampled_from(SUFFIXES))
edits = st.dictionaries(names, st.sampled_from([*CONTENTS, "gone", "touched", "link", "folder link"]), max_size=12)


def change(root: Path, edit: dict[str, bytes | str], clock: int) -> None:
    for name, content in edit.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if content == "touched":
            if path.is_file() and not path.is_symlink():
                os.utime(path, ns=(clock, clock))
            continue
        path.unlink(missing_ok=True)
        if content == "link":
            path.symlink_to("a.txt")
        elif content == "folder link":
            path.symlink_to("..")
        elif isinstance(content, bytes):
            path.write_bytes(content)
            os.utime(path, ns=(clock, clock))


@settings(max_examples=8, deadline=None)
@given(st.lists(edits, min_size=1, max_size=3), st.booleans())
def test_a_preview_is_what_the_run_does(rounds, force_last):
    with tempfile.TemporaryDirectory() as base:
        root, folder = Path(base) / "root", Path(base) / "index"
        root.mkdir()
        (root / ".gitignore").write_text("ignored*\n")
        for number, edit in enumerate(rounds, start=1):
            change(root, edit, number * 10**15)
            options = replace(OPTIONS, force=force_last and number == len(rounds))
            # a rebuild begins with nothing
            before = State({}, {}) if options.force else State(documents(folder), listed(folder))
            said = told(folder, root, options)
            sync(folder, [root], options)
            assert said == happened(before, State(documents(folder), listed(folder)), said)


@pytest.mark.parametrize("options", [SyncOptions(force=True), SyncOptions(chunks=ChunkOptions(40, 0))])
def test_a_rebuild_from_a_folder_below_a_known_one_reads_every_file_once(tmp_path, options):
    (tmp_path / "docs" / "sub").mkdir(parents=True)
    (tmp_path / "docs" / "a.txt").write_text("The harbour opens at six.\n")
    (tmp_path / "docs" / "sub" / "b.txt").write_text("A comet has a tail.\n")
    folder = tmp_path / "index"
    sync(folder, [tmp_path / "docs"], SyncOptions(offline=True))
    entries = preview(folder, [tmp_path / "docs" / "sub"], options)
    assert [(e.action, e.path.name) for e in entries] == [("add", "a.txt"), ("add", "b.txt")]
    assert sync(folder, [tmp_path / "docs" / "sub"], options).added == 2
    assert [path.name for path in documents(folder)] == ["a.txt", "b.txt"]
