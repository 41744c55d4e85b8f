"""SQLite's errors as ours: what is wrong with the catalog, and the next step."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ragcli.errors import IndexDamaged, RagcliError

# What SQLite says, as an OperationalError, of a file whose content is wrong.
_SIGNS_OF_DAMAGE = ("malformed", "no such table", "no such column", "decode to UTF-8", "unsupported file format")


@contextmanager
def translated(path: Path) -> Iterator[None]:
    """SQLite's errors as ours, with the next step. Misuse of sqlite3 is a bug and comes out as it is."""
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
    except UnicodeDecodeError as error:  # sqlite3 fails to read even SQLite's message, which quotes the file
        raise damaged(path, "its schema is not text") from error


def damaged(path: Path, fact: str) -> IndexDamaged:
    """The error for a catalog that is not what was written."""
    return IndexDamaged(
        f"the catalog {path} is damaged ({fact})",
        f"restore it from a backup, or delete the folder {path.parent} and index again",
    )
