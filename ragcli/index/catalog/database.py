"""The SQLite file of the catalog: schema, format version, pragmas, transactions, checksums, errors."""

from __future__ import annotations

import json
import os
import sqlite3
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, Literal, TypeVar

from ragcli.errors import IndexDamaged, IndexFormat, IndexNotFound, RagcliError
from ragcli.index.catalog import checksums
from ragcli.index.catalog.checksums import Checksums
from ragcli.index.layout import CATALOG, VECTORS, refuse_links

# 2: the vectors of a large index are in the file of approximate search alone, where format 1 has them in segments too.
FORMAT = 1
_NEWEST_FORMAT = 2

# How long a statement waits for another process's lock. In WAL mode readers meet one only while the file is created, or
# recovered after a crash.
_BUSY_SECONDS = 10.0

# SQLite reports these as an OperationalError when the content of the file is wrong.
_SIGNS_OF_DAMAGE = ("malformed", "no such table", "no such column", "decode to UTF-8", "unsupported file format")

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
-- ids reserved by a commit in progress: after a crash, whatever carries them outside the catalog must go
CREATE TABLE pending (first INTEGER NOT NULL, last INTEGER NOT NULL);
"""

# Tables that a writer adds to an index that an older version made. A reader does without them.
_LATER_TABLES = {
    # when the state of a document's file last changed; a table of its own, which older versions leave alone
    "changed": "CREATE TABLE IF NOT EXISTS changed (document INTEGER PRIMARY KEY, ctime_ns INTEGER NOT NULL)",
}

TABLES = ("settings", "roots", "documents", "chunks", "skipped", "segments", "dead", "pending", *_LATER_TABLES)

# The keys of the table settings, all of them; every value is JSON.
Key = Literal[
    "index",  # how the index was built: rows.Settings
    "generation",  # 1, and one more with each rebuild
    "commits",  # how many there have been
    "next_id",  # the lowest id that nothing ever had
    "keywords",  # the folder of the keyword index
    "keywords_sha256",  # the fingerprint of its files after the last commit
    "approximate",  # what approximate search reads: rows.ApproximateRow
    "always_exact",  # the user asked for exact search, whatever the size
    "store",  # the collection that holds the vectors: rows.StoreState
    "store_owner",  # the name of this index on servers
    "left_over",  # collections that a rebuild left behind
    "runtimes",  # which made its vectors: names of ragcli.models.open.Runtime, and UNRECORDED
    "chunks_per_second",  # in the last run, for estimates
    "run",  # how far the run that is filling the index has come; null once it ended
    "places",  # the disk of each root and the mount points below it: rows.Place by path
    "checksums",  # of each table, written by transaction() below
]

_Record = TypeVar("_Record")


class Database:
    """One connection. Errors of SQLite come out as IndexDamaged or RagcliError."""

    def __init__(self, connection: sqlite3.Connection, path: Path) -> None:
        self._connection = connection
        self.path = path
        self._checksums: Checksums | None = None  # kept by a connection that writes

    def close(self) -> None:
        self._connection.close()

    def copy_to(self, path: Path) -> None:
        """Write the committed state to a new file, without a log beside it."""
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
        """``record`` of every row; raises IndexDamaged for a row that it rejects."""
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

    def value(self, key: Key, read: Callable[[Any], _Record]) -> _Record | None:
        """``read`` of the value of a setting, None when there is none; raises IndexDamaged when ``read`` rejects it."""
        found = self.records(lambda row: read(json.loads(row[0])), "SELECT value FROM settings WHERE key = ?", (key,))
        return found[0] if found else None

    def set_value(self, key: Key, value: object) -> None:
        """Store ``value``, as JSON, under ``key``; within a transaction."""
        self.run("INSERT OR REPLACE INTO settings VALUES (?, ?)", (key, json.dumps(value)))

    def set_format(self, version: Literal[1, 2]) -> None:
        """Say which versions of ragcli can read the index; within a transaction."""
        self.run(f"PRAGMA user_version = {version:d}")

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All or nothing: COMMIT at the end, ROLLBACK on any exception."""
        self.run("BEGIN IMMEDIATE")
        try:
            yield
            if self._checksums is not None:
                self.set_value("checksums", self._checksums.to_record())
            self.run("COMMIT")
        except BaseException:
            self._roll_back()
            if self._checksums is not None:
                self._load_checksums(self._checksums)
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

    def has_table(self, table: str) -> bool:
        """Whether this index has a table that older versions did not make."""
        return bool(self.rows("SELECT 1 FROM main.sqlite_schema WHERE type = 'table' AND name = ?", (table,)))

    def keep_checksums(self) -> None:
        """From now on update the checksums of the tables with every change."""
        self._checksums = Checksums()
        self._load_checksums(self._checksums)
        with translated(self.path):
            self._connection.create_function("count_row", -1, self._checksums.count_row)
        self.run("PRAGMA recursive_triggers = ON")  # or the trigger of a row that is replaced would not run
        for table in TABLES:
            for trigger in checksums.triggers(table, self._columns(table)):
                self.run(trigger)

    def clear_table(self, table: str) -> None:
        """Delete every row, damaged or not."""
        self.run(f"DELETE FROM main.{table}")  # noqa: S608 (one of TABLES)
        if self._checksums is not None:
            self._checksums.clear(table)

    def checksum_faults(self, tables: Sequence[str] = TABLES) -> list[str]:
        """A sentence for each of ``tables`` whose rows do not match their checksum."""
        stored = self._stored_checksums()
        if stored is None:
            return []  # a version that kept none wrote it
        try:
            wanted = checksums.from_record(json.loads(stored))
        except (ValueError, TypeError, AttributeError):
            return ["the checksums of the catalog are not what was written"]
        return [
            f"the table {table} of the catalog does not hold what was written"
            for table in tables
            if self._sum_of(table) != wanted.get(table, 0)
        ]

    def require_checksums(self, *tables: str) -> None:
        """Raise IndexDamaged when the rows of one of ``tables`` do not match their checksum."""
        faults = self.checksum_faults(tables)
        if faults:
            raise damaged(self.path, faults[0])

    def _sum_of(self, table: str) -> int:
        if table in _LATER_TABLES and not self.has_table(table):
            return 0  # as of an empty one
        return checksums.sum_of(self.stream(checksums.select(table)))

    def _load_checksums(self, kept: Checksums) -> None:
        stored = self._stored_checksums()
        try:
            kept.load(None if stored is None else json.loads(stored), TABLES, self.stream)
        except (ValueError, TypeError, AttributeError) as error:
            raise damaged(self.path, "its checksums are not what was written") from error

    def _stored_checksums(self) -> str | None:
        # not value(): a fault here is one of the faults to report, not the end of the check
        found = self.rows("SELECT value FROM settings WHERE key = 'checksums'")
        return str(found[0][0]) if found else None

    def _columns(self, table: str) -> list[str]:
        return [str(row[1]) for row in self.rows(f"PRAGMA table_info({table})")]

    def _roll_back(self) -> None:
        if self._connection.in_transaction:  # SQLite itself has rolled back after some errors
            self.run("ROLLBACK")


def create(folder: Path) -> Database:
    """Open the catalog in ``folder`` for writing; make an empty one first where there is none."""
    path = folder / CATALOG

    def prepare(connection: sqlite3.Connection) -> None:
        if not _is_made(connection, folder):
            connection.execute("PRAGMA journal_mode = WAL")
            # one transaction: a process killed here leaves an empty file, and the next one starts over
            connection.executescript(f"BEGIN IMMEDIATE; {_SCHEMA} PRAGMA user_version = {FORMAT}; COMMIT;")
        connection.execute("PRAGMA synchronous = FULL")

    database = _opened(path.absolute().as_uri(), folder, prepare)
    try:
        # a writer removes the files that these two do not name
        database.require_checksums("settings", "segments")
        for table, statement in _LATER_TABLES.items():
            if not database.has_table(table):
                database.run(statement)
        database.keep_checksums()
    except BaseException:
        database.close()
        raise
    return database


def open_readonly(folder: Path) -> Database:
    """Open the catalog in ``folder`` for reading; raises IndexNotFound, IndexFormat, IndexDamaged."""
    path = folder / CATALOG
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
        # WAL must write beside the file; where this process cannot write in the folder, assume that nobody does
        is_wal_error = isinstance(error.__cause__, sqlite3.OperationalError)
        if not is_wal_error or os.access(folder, os.W_OK) or _has_log(path):
            raise
    return _opened(f"{uri}?immutable=1", folder, prepare)


def _has_log(path: Path) -> bool:
    log = path.with_name(f"{path.name}-wal")
    return log.exists() and log.stat().st_size > 0  # it holds commits that an immutable database would not see


def _opened(name: str, folder: Path, prepare: Callable[[sqlite3.Connection], None]) -> Database:
    path = folder / CATALOG
    refuse_links(folder)
    with translated(path):
        connection = sqlite3.connect(name, uri=True, timeout=_BUSY_SECONDS, isolation_level=None)
        try:
            # the file may come from anyone: run no functions from its schema, trust no cell sizes
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
    if (folder / VECTORS).exists():  # the folder is made after the catalog
        raise damaged(folder / CATALOG, "it is empty")
    return False


def _check_format(connection: sqlite3.Connection, folder: Path) -> None:
    # ragcli makes tables and indexes only; a trigger or a view from elsewhere would run in place of the statement
    foreign = connection.execute(
        "SELECT name FROM sqlite_schema WHERE type NOT IN ('table', 'index') OR sql LIKE 'CREATE VIRTUAL%' LIMIT 1"
    ).fetchone()
    if foreign is not None:
        raise damaged(folder / CATALOG, f"it holds {foreign[0]!r}, which ragcli never makes")
    found = connection.execute("PRAGMA user_version").fetchone()[0]
    if not FORMAT <= found <= _NEWEST_FORMAT:
        writer = "a newer ragcli" if found > FORMAT else "another program or an older ragcli"
        raise IndexFormat(
            f"{folder} was written by {writer} (format {found}, this one knows {_NEWEST_FORMAT})",
            "upgrade ragcli, or build a new index under another name: ragcli index --index NAME PATH",
        )


@contextmanager
def translated(path: Path) -> Iterator[None]:
    """Raise errors of SQLite as RagcliError, with the next step. Misuse of sqlite3 is a bug and stays as it is."""
    try:
        yield
    except (sqlite3.ProgrammingError, sqlite3.InterfaceError, sqlite3.IntegrityError):
        raise
    except sqlite3.OperationalError as error:
        message = str(error)
        if getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_FULL:
            raise RagcliError(
                f"no space left for {path}", "free some and run the command again; nothing was lost"
            ) from error
        if any(sign in message for sign in _SIGNS_OF_DAMAGE):
            raise damaged(path, message) from error
        raise RagcliError(f"cannot use {path}: {message}", "check the folder's permissions and the disk") from error
    except sqlite3.DatabaseError as error:
        raise damaged(path, str(error)) from error
    except UnicodeDecodeError as error:  # sqlite3 fails to decode even SQLite's message, which quotes the file
        raise damaged(path, "its schema is not text") from error


def damaged(path: Path, fact: str) -> IndexDamaged:
    """The error for a catalog whose content is not what was written."""
    return IndexDamaged(
        f"the catalog {path} is damaged ({fact})",
        f"restore it from a backup, or delete the folder {path.parent} and index again",
    )
