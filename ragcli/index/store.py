"""The protocols of a store, which is the place where the vectors of an index are: files, or a Milvus collection.

The catalog is the truth for every store, and its COMMIT is the only commit point. A store holds at least one vector for
each chunk that the catalog knows; a search never shows what it holds beyond that.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from itertools import islice
from typing import TYPE_CHECKING, NamedTuple, Protocol, TypeVar

from ragcli.types import Span

if TYPE_CHECKING:
    from ragcli.index.vectors.faiss_files import Vectors

NewVector = tuple[int, int, "Vectors"]  # chunk id, document id, unit row (d,)


_Item = TypeVar("_Item")


def batched(items: Iterable[_Item], size: int) -> Iterator[list[_Item]]:
    """Lists of ``size`` items, the last one shorter, as itertools.batched of Python 3.12 gives them."""
    rest = iter(items)
    while part := list(islice(rest, size)):
        yield part


class Repeated(Collection[_Item]):
    """``count`` items that ``read`` yields, each time that they are iterated over."""

    def __init__(self, count: int, read: Callable[[], Iterator[_Item]]) -> None:
        self._count = count
        self._read = read

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[_Item]:
        return self._read()

    def __contains__(self, item: object) -> bool:
        return any(one == item for one in self)


class Held(NamedTuple):
    """The chunk ids in a store, with repetitions (None: unreadable), and a sentence for each fault."""

    ids: list[int] | None
    faults: tuple[str, ...] = ()


class Searchable(Protocol):
    """A store as a reader needs it."""

    def search(self, query: Vectors, k: int, documents: Sequence[int] | None) -> list[tuple[int, float]]:
        """The ``k`` best (chunk id, cosine) of the catalog's chunks, best first, ties by ascending id.

        With ``documents`` (ids), only their chunks count; the filter acts before the cut to ``k``.
        """

    def close(self) -> None:
        """Close the connection, if there is one."""


class VectorStore(Protocol):
    """A store as the one writer of an index needs it."""

    def create(self) -> None:
        """Make the place for the vectors of a new index; raises RagcliError when that fails."""

    def require(self) -> None:
        """Raise RagcliError unless :meth:`write` would work now: a run asks before it spends an hour on vectors."""

    def write(self, added: Collection[NewVector], dead: Sequence[int]) -> None:
        """Write ``added`` (ids ascending), durably on return; ``dead`` ids, which no reader needs, may go."""

    def record(self) -> None:
        """Note the last :meth:`write` in the catalog, within the transaction that makes it count."""

    def settle(self) -> None:
        """Remove what nothing uses since the commit of the last :meth:`write`."""

    def wants_rewrite(self, dead: Sequence[int]) -> bool:
        """Whether so much of the store is ``dead`` that a commit without new vectors is worth it."""

    def finish(self) -> None:
        """Bring what this run wrote into its lasting form, at the end of the run."""

    def stored(self, ids: Sequence[int]) -> dict[int, Vectors]:
        """The row (d,) of each of ``ids`` in the store; raises IndexDamaged when one is not what was written."""

    def purge(self, pending: Sequence[Span]) -> None:
        """Remove what a killed writer left under these ranges of ids (first, last)."""

    def held(self) -> Held:
        """Every id in the store, after all content was checked against its checksums."""

    def close(self) -> None:
        """Close what is open; the next call opens it again."""
