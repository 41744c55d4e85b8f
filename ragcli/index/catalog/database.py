"""The catalog's SQLite file: schema, format version, pragmas, transactions, checksums."""

from __future__ import annotations

import os
import sqlite3
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, TypeVar

from ragcli.errors import IndexDamaged, IndexFormat, IndexNotFound, RagcliError
from ragcli.index.catalog import checksums as sums
from ragcli.index.catalog.sqlite_errors import damaged, translated
from ragcli.index.layout import CATALOG, VECTORS, refuse_links

FORMAT = 1
FILE_NAME = CATALOG

# How long a statement waits for another process's lock. Readers never meet one in WAL mode except while the file is
# being created or recovered after a crash.
_BUSY_SECONDS = 10.0

_SCHEMA = """
CREATE TABLE settings (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE roots (path BLOB PRIMARY KEY, rules TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE documents (
    id INTEGER PRIMARY KEY, path BLOB NOT NULL UNIQUE, sha256 TEXT NOT NULL, size INTEGER NOT NULL,
    mtime_ns INTEGER NOT NULL, loader TEXT NOT NULL, loader_version INTEGER NOT NULL, title TEXT NOT NULL,
    warnings TEXT NOT NULL, pages TEXT NOT NULL);
CREATE TABLE chunks (
    id INTEGER PRIMARY KEY, document INTEGER NOT NULL REFERENCES documents(id), "start" INTEGER NOT NULL,
    "end" INTEGER NOT NULL, byte_start INTEGER NOT NULL, byte_end INTEGER NOT NULL, line_first INTEGER NOT NULL,
    line_last INTEGER NOT NULL, page_first INTEGER, page_last INTEGER, headings TEXT NOT NULL, text TEXT NOT NULL,
    key BLOB NOT NULL);
CREATE INDEX chunks_document ON chunks (document, "start");
CREATE INDEX chunks_key ON chunks (key);
CREATE TABLE skipped (
    path BLOB PRIMARY KEY, reason TEXT NOT NULL, detail TEXT NOT NULL, files INTEGER NOT NULL,
    size INTEGER NOT NULL, mtime_ns INTEGER NOT NULL, loader_version INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE segments (
    name TEXT PRIMARY KEY, sha256 TEXT NOT NULL, count INTEGER NOT NULL, first INTEGER NOT NULL,
    last INTEGER NOT NULL) WITHOUT ROWID;
-- ids whose chunk is gone while a segment or the keyword index still holds them
CREATE TABLE dead (chunk INTEGER PRIMARY KEY, in_vectors INTEGER NOT NULL, in_keywords INTEGER NOT NULL);
-- ids reserved by a commit in progress: whatever carries them outside the catalog is litter after a crash
CREATE TABLE pending (first INTEGER NOT NULL, last INTEGER NOT NULL);
"""


TABLES = ("settings", "roots", "documents", "chunks", "skipped", "segments", "dead", "pending")

_Record = TypeVar("_Record")


class Database:
    """One connection. Whatever SQLite raises comes out as IndexDamaged or RagcliError."""

    def __init__(self, connection: sqlite3.Connection, path: Path) -> None:
        self._connection = connection
        self.path = path
        self._sums: sums.Sums | None = None  # of a connection that writes

    def close(self) -> None:
        self._connection.close()

    def copy_to(self, path: Path) -> None:
        """Write what is committed to a new file, without a log beside it."""
        with translated(path), closing(sqlite3.connect(path)) as copy:
            self._connection.backup(copy)

    def run(self, sql: str, values: tuple[object, ...] = ()) -> None:
        with translated(self.path):
            self._connection.execute(sql, values)

    def run_many(self, sql: str, rows: Iterable[tuple[object, ...]]) -> None:
        with translated(self.path):
            self._connection.executemany(sql, rows)

    def rows(self, sql: str, values: tuple[object, ...] = ()) -> list[Any]:
        with translated(self.path):
            return self._connection.execute(sql, values).fetchall()

    def records(
        self, record: Callable[[tuple[Any, ...]], _Record], sql: str, values: tuple[object, ...] = ()
    ) -> list[_Record]:
        """``record`` of every row; a row that it cannot take is damage."""
        found = self.rows(sql, values)
        try:
            return [record(row) for row in found]
        except (ValueError, TypeError, KeyError, OverflowError, RecursionError) as error:
            raise damaged(self.path, "a row does not hold what was written") from error

    def stream(self, sql: str) -> Iterator[tuple[Any, ...]]:
        """Every row, without holding them all."""
        with translated(self.path):
            yield from self._connection.execute(sql)

    def number(self, sql: str, values: tuple[object, ...] = ()) -> int:
        """The first column of the first row, which must be a number."""
        return self.records(lambda row: int(row[0]), sql, values)[0]

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All or nothing: COMMIT at the end, ROLLBACK on any exception."""
        self.run("BEGIN IMMEDIATE")
        try:
            yield
            if self._sums is not None:
                self.run("INSERT OR REPLACE INTO settings VALUES (?, ?)", (sums.KEY, self._sums.to_record()))
            self.run("COMMIT")
        except BaseException:
            self._roll_back()
            if self._sums is not None:
                self._load_sums(self._sums)
            raise

    @contextmanager
    def snapshot(self) -> Iterator[None]:
        """Reads inside see one state, whatever is committed meanwhile."""
        self.run("BEGIN")
        try:
            self.rows("SELECT count(*) FROM pending")  # the snapshot begins with the first read
            yield
        finally:
            self._roll_back()

    def keep_sums(self) -> None:
        """From now on keep the checksums of the tables with every change."""
        self._sums = sums.Sums()
        self._load_sums(self._sums)
        with translated(self.path):
            self._connection.create_function("count_row", -1, self._sums.count_row)
        self.run("PRAGMA recursive_triggers = ON")  # so that a row that is replaced is seen to go
        for table in TABLES:
            for trigger in sums.triggers(table, self._columns(table)):
                self.run(trigger)

    def clear_table(self, table: str) -> None:
        """Delete every row, damaged or not."""
        self.run(f"DELETE FROM main.{table}")  # noqa: S608 (one of TABLES)
        if self._sums is not None:
            self._sums.clear(table)

    def sum_faults(self, tables: Sequence[str] = TABLES) -> list[str]:
        """A sentence for each of ``tables`` that does not hold what was written."""
        stored = self._stored_sums()
        if stored is None:
            return []  # written by a version that kept none
        try:
            wanted = sums.from_record(stored)
        except (ValueError, TypeError, AttributeError):
            return ["the checksums of the catalog are not what was written"]
        return [
            f"the table {table} of the catalog does not hold what was written"
            for table in tables
            if sums.sum_of(self.stream(sums.select(table))) != wanted.get(table, 0)
        ]

    def require_sums(self, *tables: str) -> None:
        """Raise IndexDamaged when one of ``tables`` does not hold what was written."""
        faults = self.sum_faults(tables)
        if faults:
            raise damaged(self.path, faults[0])

    def _load_sums(self, kept: sums.Sums) -> None:
        try:
            kept.load(self._stored_sums(), TABLES, self.stream)
        except (ValueError, TypeError, AttributeError) as error:
            raise damaged(self.path, "its checksums are not what was written") from error

    def _stored_sums(self) -> str | None:
        found = self.rows("SELECT value FROM settings WHERE key = ?", (sums.KEY,))
        return str(found[0][0]) if found else None

    def _columns(self, table: str) -> list[str]:
        return [str(row[1]) for row in self.rows(f"PRAGMA table_info({table})")]

    def _roll_back(self) -> None:
        if self._connection.in_transaction:  # SQLite itself rolls back on some errors
            self.run("ROLLBACK")


def create(folder: Path) -> Database:
    """Open the catalog in ``folder`` for writing, making an empty one first where there is none."""
    path = folder / FILE_NAME

    def prepare(connection: sqlite3.Connection) -> None:
        if not _is_made(connection, folder):
            connection.execute("PRAGMA journal_mode = WAL")
            # one transaction: a process killed here leaves an empty file, which is made again
            connection.executescript(f"BEGIN IMMEDIATE; {_SCHEMA} PRAGMA user_version = {FORMAT}; COMMIT;")
        connection.execute("PRAGMA synchronous = FULL")

    database = _opened(path.absolute().as_uri(), folder, prepare)
    try:
        # a writer removes the files that these two do not name
        database.require_sums("settings", "segments")
        database.keep_sums()
    except BaseException:
        database.close()
        raise
    return database


def open_readonly(folder: Path) -> Database:
    """Open the catalog in ``folder`` for reading; raises IndexNotFound, IndexFormat, IndexDamaged."""
    path = folder / FILE_NAME
    if not path.is_file():
        raise IndexNotFound(f"there is no index in {folder}")

    def prepare(connection: sqlite3.Connection) -> None:
        if not _is_made(connection, folder):
            raise IndexNotFound(f"there is no index in {folder} yet")

    uri = path.absolute().as_uri()
    try:
        return _opened(f"{uri}?mode=ro", folder, prepare)
    except IndexDamaged:
        raise
    except RagcliError as error:
        # WAL needs to write beside the file; where the folder cannot be written, nobody else is writing either
        is_wal_error = isinstance(error.__cause__, sqlite3.OperationalError)
        if not is_wal_error or os.access(folder, os.W_OK) or _has_log(path):
            raise
    return _opened(f"{uri}?immutable=1", folder, prepare)


def _has_log(path: Path) -> bool:
    log = path.with_name(f"{path.name}-wal")
    return log.exists() and log.stat().st_size > 0  # it holds commits that an immutable database would not see


def _opened(name: str, folder: Path, prepare: Callable[[sqlite3.Connection], None]) -> Database:
    path = folder / FILE_NAME
    refuse_links(folder)
    with translated(path):
        connection = sqlite3.connect(name, uri=True, timeout=_BUSY_SECONDS, isolation_level=None)
        try:
            # the file may come from a stranger: no functions from its schema, no trust in its cell sizes
            connection.execute("PRAGMA trusted_schema = OFF")
            connection.execute("PRAGMA cell_size_check = ON")
            if sys.version_info >= (3, 12):
                connection.setconfig(sqlite3.SQLITE_DBCONFIG_DEFENSIVE, True)
            prepare(connection)
            _check_format(connection, folder)
        except BaseException:
            connection.close()
            raise
    return Database(connection, path)


def _is_made(connection: sqlite3.Connection, folder: Path) -> bool:
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    if version or connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0]:
        return True
    if (folder / VECTORS).exists():  # it is made after the catalog
        raise damaged(folder / FILE_NAME, "it is empty")
    return False


def _check_format(connection: sqlite3.Connection, folder: Path) -> None:
    # ours has tables and indexes alone; a trigger or a view of a stranger's would act in the place of what we ask for
    foreign = connection.execute(
        "SELECT name FROM sqlite_schema WHERE type NOT IN ('table', 'index') OR sql LIKE 'CREATE VIRTUAL%' LIMIT 1"
    ).fetchone()
    if foreign is not None:
        raise damaged(folder / FILE_NAME, f"it holds {foreign[0]!r}, which ragcli never makes")
    found = connection.execute("PRAGMA user_version").fetchone()[0]
    if found != FORMAT:
        writer = "a newer ragcli" if found > FORMAT else "another program or an older ragcli"
        raise IndexFormat(
            f"{folder} was written by {writer} (format {found}, this one knows {FORMAT})",
            "upgrade ragcli, or build it anew under another name: ragcli index --index NAME PATH",
        )
