"""Where the vectors of an index live: in files beside the catalog, or in a Milvus collection that the index names.

The catalog is the truth either way, and its COMMIT is the only commit point: a store holds at least one vector for each
chunk that the catalog knows, and what it holds beyond that is never shown.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol
from urllib.parse import parse_qsl, urlsplit

from ragcli.errors import UsageError
from ragcli.types import Span

if TYPE_CHECKING:
    from ragcli.index.catalog.documents import Catalog
    from ragcli.index.catalog.settings import Settings
    from ragcli.index.vectors.faiss_files import Vectors

FILES = "files"  # how the default is named where a store is asked for
TOKEN_VARIABLE = "RAGCLI_MILVUS_TOKEN"  # noqa: S105 (a name, not a token)

Entry = tuple[int, int, "Vectors"]  # chunk id, document id, unit row (d,)

_SCHEMES = {"milvus": False, "milvus+tls": True}
_DEFAULT_PORT = 19530
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,199}")
_KINDS = ("flat", "hnsw")
_FORM = f"write it as milvus://HOST:PORT/COLLECTION, or {FILES} for the files of the index"


class Held(NamedTuple):
    """What a store says it holds: chunk ids, with repetitions, and a sentence for each fault (ids None: unreadable)."""

    ids: list[int] | None
    faults: tuple[str, ...] = ()


class Searchable(Protocol):
    """What a reader needs of a store."""

    def search(self, query: Vectors, k: int, documents: Sequence[int] | None) -> list[tuple[int, float]]:
        """The ``k`` best (chunk id, cosine) of the catalog's chunks, best first, ties by ascending id.

        With ``documents`` (ids), only their chunks count; the filter acts before the cut to ``k``.
        """

    def close(self) -> None:
        """Let go of what is open."""


class VectorStore(Protocol):
    """What the one writer of an index needs of a store."""

    def create(self) -> None:
        """Make the place for the vectors of an index that begins; raises when it cannot be had."""

    def require(self) -> None:
        """Raise unless vectors could be written, or the place for them made: before a run spends an hour on them."""

    def write(self, added: Sequence[Entry], dead: Sequence[int]) -> None:
        """Hold ``added`` (ids ascending) durably on return; ``dead`` ids, which no reader needs, may go."""

    def record(self) -> None:
        """Put what the last ``write`` did into the catalog, within the transaction that makes it count."""

    def settle(self) -> None:
        """Remove what the commit of the last ``write`` left without use."""

    def wants_rewrite(self, dead: Sequence[int]) -> bool:
        """Whether so much of the store is ``dead`` that a commit which adds nothing is worth it."""

    def finish(self) -> None:
        """The run is at its end: bring what it wrote into its lasting form."""

    def stored(self, ids: Sequence[int]) -> dict[int, Vectors]:
        """The row (d,) of each id that is held; raises IndexDamaged when it is not what was written."""

    def purge(self, pending: Sequence[Span]) -> None:
        """Remove what a killed writer left under these ids (first, last)."""

    def held(self) -> Held:
        """Everything that is held, checked against its checksums."""

    def close(self) -> None:
        """Let go of what is open; the next call opens it again."""


class Address(NamedTuple):
    """A collection on a Milvus server, as the user named it."""

    host: str
    port: int
    collection: str
    tls: bool = False
    kind: str = "flat"

    @property
    def endpoint(self) -> str:
        """The server alone: what the user must have named before anything is sent there."""
        return f"milvus{'+tls' if self.tls else ''}://{self.host}:{self.port}"

    @property
    def uri(self) -> str:
        """The whole, in the one form in which an index remembers it."""
        return f"{self.endpoint}/{self.collection}" + ("" if self.kind == "flat" else f"?index={self.kind}")


def parse_address(text: str) -> Address:
    """Read ``milvus://HOST:PORT/COLLECTION[?index=flat|hnsw]``; raises UsageError, which quotes no credentials."""
    try:
        parts = urlsplit(text)
        port = parts.port or _DEFAULT_PORT
        options = dict(parse_qsl(parts.query, strict_parsing=True)) if parts.query else {}
    except ValueError as error:
        raise UsageError("that is no address of a store", _FORM) from error
    if parts.username is not None or parts.password is not None or options.keys() & {"token", "user", "password"}:
        raise UsageError("the address of a store may hold no user, password or token", f"put it into {TOKEN_VARIABLE}")
    collection = parts.path.removeprefix("/")
    if parts.scheme not in _SCHEMES or not parts.hostname or ":" in parts.hostname or parts.fragment:
        raise UsageError(f"{text!r} is no address of a store", _FORM)
    if not _NAME.fullmatch(collection):
        raise UsageError(f"{collection!r} is no name of a collection", "use letters, digits and _, a letter first")
    kind = options.pop("index", "flat")
    if options or kind not in _KINDS:
        raise UsageError(f"{parts.query!r} is not known of a store", f"it may be index={' or index='.join(_KINDS)}")
    return Address(parts.hostname, port, collection, _SCHEMES[parts.scheme], kind)


def stored_form(text: str) -> str:
    """How an index remembers the store that a user named: "" for files; raises UsageError."""
    return "" if text == FILES else parse_address(text).uri


@dataclass(frozen=True, slots=True)
class StoreState:
    """What the catalog knows of its collection."""

    owner: str  # a name of the index that no other one has; it stands in the collection too
    collection: str
    timestamp: int = 0  # of the server, after the last write that counts: a reader waits until it is seen
    cleared: int = 0  # chunks that died up to this commit have left the collection

    def to_record(self) -> dict[str, Any]:
        return {
            "owner": self.owner, "collection": self.collection, "timestamp": self.timestamp, "cleared": self.cleared
        }  # fmt: skip

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> StoreState:
        """Raises KeyError, TypeError or ValueError when ``record`` is not what :meth:`to_record` wrote."""
        state = cls(
            owner_of(record["owner"]), str(record["collection"]), int(record["timestamp"]), int(record["cleared"])
        )
        if not _NAME.fullmatch(state.collection) or not 0 <= state.timestamp < 1 << 63 or state.cleared < 0:
            raise ValueError(f"no store is in such a state: {record}")
        return state


def owner_of(stored: object) -> str:
    """``stored``; raises ValueError when it is no name that an index gives itself."""
    if not isinstance(stored, str) or not re.fullmatch(r"[0-9a-f]{32}", stored):
        raise ValueError(f"{stored!r} is no name of an index")
    return stored


def open_store(folder: Path, catalog: Catalog, settings: Settings) -> VectorStore:
    """The store of the index in ``folder``; nothing is read, imported or asked until it must be."""
    if settings.store:
        from ragcli.index.milvus.store import MilvusStore

        return MilvusStore(folder, catalog, settings)
    from ragcli.index.vectors.store import SegmentStore

    return SegmentStore(folder, catalog, settings)
