"""The SQLite catalog: documents, chunks, the files that are not indexed and why, settings.

Its COMMIT is the only commit point of an index: everything else is derived from it.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Literal, TypeVar

from ragcli.index import layout
from ragcli.index.catalog import database
from ragcli.index.catalog.bookkeeping import Ledger
from ragcli.index.catalog.rows import (
    CHUNK_COLUMNS,
    DOCUMENT_COLUMNS,
    INDEXED_STATE_COLUMNS,
    SKIPPED_COLUMNS,
    SKIPPED_STATE_COLUMNS,
    DocumentRow,
    FileStates,
    NewDocument,
    Place,
    Settings,
    chunk_of,
    context_text,
    document_of,
    path_of,
    skipped_of,
    skipped_state_of,
    storable,
)
from ragcli.types import Chunk, Skipped
from ragcli.units import counted

_Value = TypeVar("_Value")

UNRECORDED = "unrecorded"  # the runtime of vectors that a version of ragcli wrote which recorded none


class Catalog:
    """One connection to the catalog. Call the methods that write within :meth:`transaction`."""

    def __init__(self, connection: database.Database) -> None:
        self._db = connection
        self.path = connection.path
        self.ledger = Ledger(connection)

    @classmethod
    def create(cls, folder: Path) -> Catalog:
        """Open for writing; make the catalog first where ``folder`` has none."""
        return cls(database.create(folder))

    @classmethod
    def open(cls, folder: Path) -> Catalog:
        """Open for reading; raises IndexNotFound, IndexFormat, IndexDamaged."""
        return cls(database.open_readonly(folder))

    def close(self) -> None:
        self._db.close()

    def copy_to(self, path: Path) -> None:
        """Write the committed state to a new file."""
        self._db.copy_to(path)

    def transaction(self) -> AbstractContextManager[None]:
        """All or nothing: COMMIT at the end, ROLLBACK on any exception."""
        return self._db.transaction()

    def snapshot(self) -> AbstractContextManager[None]:
        """Reads inside see one state of the index, whatever is committed meanwhile."""
        return self._db.snapshot()

    def check(self) -> list[str]:
        """A sentence for each fault that SQLite's own integrity check finds, and for chunks without a document."""
        faults = [str(row[0]) for row in self._db.rows("PRAGMA integrity_check") if row[0] != "ok"]
        orphans = self._db.number("SELECT count(*) FROM chunks WHERE document NOT IN (SELECT id FROM documents)")
        return faults + ([f"{counted(orphans, 'chunk')} without a document"] if orphans else [])

    def check_values(self) -> list[str]:
        """A sentence for each table that does not match its checksum."""
        return self._db.checksum_faults()

    # -- settings and roots ---------------------------------------------------------------------------------------

    def value(self, key: database.Key, read: Callable[[Any], _Value]) -> _Value | None:
        """``read`` of one value of the table settings, None when there is none; raises IndexDamaged."""
        return self._db.value(key, read)

    def set_value(self, key: database.Key, value: object) -> None:
        """Store one value of the table settings."""
        self._db.set_value(key, value)

    def settings(self) -> Settings | None:
        """How the index was built; None before it was."""
        return self._db.value("index", Settings.from_record)

    def runtimes(self) -> tuple[str, ...]:
        """The runtimes that made the vectors, in the order of first use; UNRECORDED for those of an older version."""
        found = self._db.value("runtimes", lambda names: tuple(map(str, names)))
        return found if found is not None else (UNRECORDED,) * bool(self._db.rows("SELECT 1 FROM chunks LIMIT 1"))

    def note_runtimes(self, runtimes: Iterable[str]) -> None:
        """Note that ``runtimes`` made vectors of this index too."""
        known = self.runtimes()
        both = tuple(dict.fromkeys((*known, *runtimes)))
        if both != known:
            self._db.set_value("runtimes", both)

    def generation(self) -> int:
        """1 for an index as first built, one more with every rebuild."""
        return self._db.value("generation", int) or 1

    def keywords_name(self) -> str:
        """The folder of the keyword index."""
        return self._db.value("keywords", layout.keywords_name) or layout.KEYWORDS

    def keywords_sha256(self) -> str | None:
        """The fingerprint of the keyword index after the last commit; None when none was kept."""
        return self._db.value("keywords_sha256", str)

    def set_keywords(self, name: str, sha256: str) -> None:
        """Use the keyword index in the folder ``name``, whose files have the fingerprint ``sha256``."""
        self._db.set_value("keywords", name)
        self._db.set_value("keywords_sha256", sha256)

    def next_keywords_name(self) -> str:
        """A folder name that no keyword index of this index, or of a rebuild of it, ever had."""
        return layout.rewritten_keywords(self.generation(), self.commits() + 1)

    def segment_name(self) -> str:
        """The file name for the segment of the next commit; names sort in the order of commits."""
        return layout.segment_name(self.generation(), self.commits() + 1)

    def commits(self) -> int:
        """How many commits there have been: two equal readings mean that nothing changed in between."""
        return self._db.value("commits", int) or 0

    def version(self) -> int:
        """A number that changes with every commit of another connection; outside of a snapshot."""
        return self._db.number("PRAGMA data_version")

    def count_commit(self) -> None:
        self._db.set_value("commits", self.commits() + 1)

    def replace_all(self, folder: Path) -> None:
        """Take over every row of the catalog in ``folder``, in one transaction."""
        self._db.run("ATTACH DATABASE ? AS other", (str(folder / layout.CATALOG),))
        try:
            with self.transaction():
                commits = self.commits()
                next_id = self.ledger.next_id()
                for table in database.TABLES:
                    self._db.clear_table(table)
                    self._db.run(f"INSERT INTO main.{table} SELECT * FROM other.{table}")
                self._db.set_value("commits", max(commits, self.commits()) + 1)
                self.ledger.skip_ids(next_id)
                self.ledger.note_format(self.ledger.approximate())  # which is not in a table
        finally:
            self._db.run("DETACH DATABASE other")

    def roots(self) -> dict[Path, dict[str, Any]]:
        return dict(
            self._db.records(
                lambda row: (path_of(row[0]), json.loads(row[1])), "SELECT path, rules FROM roots ORDER BY path"
            )
        )

    def set_root(self, path: Path, rules: dict[str, Any]) -> None:
        self._db.run("INSERT OR REPLACE INTO roots VALUES (?, ?)", (os.fsencode(path), json.dumps(rules)))

    def drop_root(self, path: Path) -> None:
        self._db.run("DELETE FROM roots WHERE path = ?", (os.fsencode(path),))

    # -- files ----------------------------------------------------------------------------------------------------

    def file_states(self) -> FileStates:
        """Every file that the catalog knows, indexed or not, by path; also the folders that were not entered."""
        has_ctime = self._db.has_table("changed")
        columns = INDEXED_STATE_COLUMNS.format(ctime_ns="coalesce(ctime_ns, 0)" if has_ctime else "0")
        joined = "LEFT JOIN changed ON document = id" if has_ctime else ""
        documents = self._db.rows(f"SELECT {columns} FROM documents {joined}")
        skipped = self._db.records(skipped_state_of, f"SELECT {SKIPPED_STATE_COLUMNS} FROM skipped")
        try:
            return FileStates(documents, skipped)
        except TypeError as error:
            raise database.damaged(self.path, "a row does not hold what was written") from error

    def documents(self) -> Iterator[DocumentRow]:
        """Every document in path order."""
        yield from self._documents("")

    def document(self, path: Path) -> DocumentRow | None:
        return next(iter(self._documents("WHERE d.path = ?", (os.fsencode(path),))), None)

    def _documents(self, where: str, values: tuple[object, ...] = ()) -> list[DocumentRow]:
        sql = f"SELECT {DOCUMENT_COLUMNS} FROM documents d {where} ORDER BY d.path"
        return self._db.records(document_of, sql, values)

    def skipped(self) -> list[Skipped]:
        """Every file and folder that is not indexed, in path order."""
        return self._db.records(skipped_of, f"SELECT {SKIPPED_COLUMNS} FROM skipped ORDER BY path")

    def set_skipped(self, skipped: Skipped, size: int, mtime_ns: int, loader_version: int) -> None:
        self._db.run(
            "INSERT OR REPLACE INTO skipped VALUES (?, ?, ?, ?, ?, ?, ?)",
            (os.fsencode(skipped.path), skipped.reason.value, storable(skipped.detail), skipped.files, size, mtime_ns,
             loader_version),
        )  # fmt: skip

    def drop_skipped(self, paths: Iterable[Path]) -> None:
        self._db.run_many("DELETE FROM skipped WHERE path = ?", ((os.fsencode(path),) for path in paths))

    def touch(self, document: int, size: int, mtime_ns: int) -> None:
        self._db.run("UPDATE documents SET size = ?, mtime_ns = ? WHERE id = ?", (size, mtime_ns, document))

    def changed_ns(self, document: int) -> int:
        """When the state of the file of a document last changed, in nanoseconds; 0 where that is not known."""
        if not self._db.has_table("changed"):
            return 0
        rows = self._db.rows("SELECT ctime_ns FROM changed WHERE document = ?", (document,))
        return rows[0][0] if rows and isinstance(rows[0][0], int) else 0

    def set_ctime(self, path: Path, ctime_ns: int) -> None:
        """Note when the state of the file at ``path`` last changed, if it is a document."""
        self._db.run(
            "INSERT OR REPLACE INTO changed SELECT id, ? FROM documents WHERE path = ?", (ctime_ns, os.fsencode(path))
        )

    def move(self, document: int, path: Path) -> None:
        """Note that the file of a document is at ``path`` now, under the same name; no document has that path."""
        self._db.run("UPDATE documents SET path = ? WHERE id = ?", (os.fsencode(path), document))

    def places(self) -> dict[Path, Place]:
        """On which disk each root was when it was last read."""
        read = self._db.value("places", lambda found: {Path(k): Place.from_record(v) for k, v in found.items()})
        return read or {}

    def set_places(self, places: Mapping[Path, Place]) -> None:
        self._db.set_value("places", {str(path): place._asdict() for path, place in places.items()})

    def insert_document(self, new: NewDocument) -> None:
        """Store a document and its chunks. Delete a document with the same path first.

        Lone surrogates, which SQLite cannot store, become U+FFFD: the length stays, so that spans hold.
        """
        self._db.run(
            "INSERT INTO documents VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (new.id, os.fsencode(new.path), new.sha256, new.size, new.mtime_ns, new.loader, new.loader_version,
             storable(new.title), json.dumps(new.warnings), new.places),
        )  # fmt: skip
        self._db.run_many(
            "INSERT INTO chunks VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                (c.id, new.id, c.start, c.end, *c.bytes, *c.lines, *(c.pages or (None, None)),
                 context_text(c), storable(c.text), key)
                for c, key in zip(new.chunks, new.keys, strict=True)
            ),
        )  # fmt: skip

    def delete_document(self, document: int) -> None:
        """Delete a document and its chunks; the ids of the chunks become dead."""
        self._db.run("INSERT INTO dead SELECT id, 1, 1 FROM chunks WHERE document = ?", (document,))
        self._db.run("DELETE FROM chunks WHERE document = ?", (document,))
        self._db.run("DELETE FROM changed WHERE document = ?", (document,))
        self._db.run("DELETE FROM documents WHERE id = ?", (document,))

    # -- chunks ---------------------------------------------------------------------------------------------------

    def chunks(self, ids: Sequence[int]) -> dict[int, Chunk]:
        """The chunks among ``ids`` that exist, by id."""
        sql = f"SELECT {CHUNK_COLUMNS} FROM chunks c JOIN documents d ON d.id = c.document WHERE c.id IN ()"
        return {chunk.id: chunk for asked in _in_groups(sql, ids) for chunk in self._db.records(chunk_of, *asked)}

    def document_chunks(self, document: int) -> list[Chunk]:
        """The chunks of a document, in the order of its text."""
        return self._db.records(
            chunk_of,
            f"SELECT {CHUNK_COLUMNS} FROM chunks c JOIN documents d ON d.id = c.document WHERE d.id = ? "
            'ORDER BY c."start", c.id',
            (document,),
        )

    def chunks_before(self, chunk: Chunk, count: int) -> list[Chunk]:
        """At most ``count`` chunks of the document of ``chunk`` that start before it, the nearest first."""
        return self._db.records(
            chunk_of,
            f"SELECT {CHUNK_COLUMNS} FROM chunks c JOIN documents d ON d.id = c.document "
            'WHERE d.path = ? AND c."start" < ? ORDER BY c."start" DESC LIMIT ?',
            (os.fsencode(chunk.path), chunk.start, count),
        )

    def chunk_keys(self, document: int) -> dict[int, bytes]:
        """The digest of the embedded text of each chunk of a document, by chunk id."""
        return dict(self._db.rows("SELECT id, key FROM chunks WHERE document = ?", (document,)))

    def keys_of(self, ids: Sequence[int]) -> dict[int, bytes]:
        """The digest of the embedded text, for the chunks among ``ids`` that exist."""
        return dict(self._among("SELECT id, key FROM chunks WHERE id IN ()", ids))

    def all_keys(self) -> list[bytes]:
        """Every digest of an embedded text, 16 bytes each, ascending, each once."""
        sql = "SELECT DISTINCT key FROM chunks WHERE typeof(key) = 'blob' AND length(key) = 16 ORDER BY key"
        return [row[0] for row in self._db.rows(sql)]

    def chunks_with_keys(self, keys: Sequence[bytes]) -> dict[bytes, list[int]]:
        """The ids of all chunks that have one of these digests, by digest."""
        found: dict[bytes, list[int]] = {}
        for key, i in self._among("SELECT key, id FROM chunks WHERE key IN ()", keys):
            found.setdefault(key, []).append(i)
        return found

    def places_in_files(self, ids: Sequence[int]) -> dict[int, tuple[bytes, int]]:
        """The path and the first offset of each chunk among ``ids`` that exists."""
        sql = 'SELECT c.id, d.path, c."start" FROM chunks c JOIN documents d ON d.id = c.document WHERE c.id IN ()'
        return {i: (path, start) for i, path, start in self._among(sql, ids)}

    def documents_of(self, ids: Sequence[int]) -> dict[int, int]:
        """The document of each chunk among ``ids`` that exists."""
        return dict(self._among("SELECT id, document FROM chunks WHERE id IN ()", ids))

    def known_chunks(self, ids: Sequence[int]) -> frozenset[int]:
        """Which of ``ids`` are chunks."""
        return frozenset(row[0] for row in self._among("SELECT id FROM chunks WHERE id IN ()", ids))

    def chunk_ids(self, documents: Sequence[int] | None = None) -> list[int]:
        """Ids of all chunks, or of those of some documents, ascending."""
        if documents is None:
            return [row[0] for row in self._db.rows("SELECT id FROM chunks ORDER BY id")]
        return sorted(row[0] for row in self._among("SELECT id FROM chunks WHERE document IN ()", documents))

    def chunk_for_keys(self, keys: Sequence[bytes]) -> dict[bytes, int]:
        """For each digest that a chunk has, the id of one such chunk: its vector serves all of them."""
        return dict(self._among("SELECT key, max(id) FROM chunks WHERE key IN () GROUP BY key", keys))

    def count(self, table: Literal["documents", "chunks", "skipped", "segments", "dead", "roots"]) -> int:
        return self._db.number(f"SELECT count(*) FROM {table}")

    def count_below(self, folder: Path) -> int:
        """How many documents are at or below ``folder``."""
        first = os.fsencode(os.path.join(folder, ""))  # noqa: PTH118 (with a separator at the end)
        sql = "SELECT COUNT(*) FROM documents WHERE path = ? OR (path >= ? AND path < ?)"
        return self._db.number(sql, (os.fsencode(folder), first, first[:-1] + bytes([first[-1] + 1])))

    def _among(self, sql: str, values: Sequence[object]) -> Iterator[tuple[Any, ...]]:
        for asked in _in_groups(sql, values):
            yield from self._db.rows(*asked)


def _in_groups(sql: str, values: Sequence[object], size: int = 500) -> Iterator[tuple[str, tuple[object, ...]]]:
    """``sql`` with question marks in its ``IN ()``, and the values for them: SQLite binds only so many at once."""
    for start in range(0, len(values), size):
        group = tuple(values[start : start + size])
        yield sql.replace("IN ()", f"IN ({','.join('?' * len(group))})"), group
