"""A map of an index: its passages as points, by the two directions in which their vectors differ most."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from ragcli.index.reader import Index

    Vectors = npt.NDArray[np.float32]

MOST_POINTS = 4_000  # passages on a map: more are a blot, and the axes of so many are those of all
_KEPT = 4  # maps, of as many indexes
_MOST_IDS = 1_000  # of a request

Point = tuple[int, float, float]  # chunk id, across, up


class Projection(NamedTuple):
    """The two first principal components of the vectors of an index (Pearson 1901), and the passages along them."""

    mean: Vectors  # (d,)
    axes: Vectors  # (2, d), unit rows
    variance: float  # the share of all differences between the vectors that the two axes show, 0 to 1
    points: list[Point]

    def place(self, vectors: dict[int, Vectors]) -> list[Point]:
        """Where the passages with these vectors (d,) lie, by chunk id."""
        import numpy as np

        if not vectors:
            return []
        places = (np.stack(list(vectors.values())) - self.mean) @ self.axes.T
        return [(chunk, round(float(x), 4), round(float(y), 4)) for chunk, (x, y) in zip(vectors, places, strict=True)]


def is_list_of_ids(value: object) -> bool:
    """Whether a value of JSON is a list of numbers that chunks may have."""
    if not isinstance(value, list) or len(value) > _MOST_IDS:
        return False
    return all(type(one) is int and 0 <= one < 1 << 63 for one in value)


def project(index: Index, most: int = MOST_POINTS) -> Projection | None:
    """Project at most ``most`` passages, evenly chosen; None where there is nothing to project.

    The vectors of a Milvus collection are not read.
    """
    import numpy as np

    ids = index.catalog.chunk_ids()
    chosen = sorted({round(place) for place in np.linspace(0, len(ids) - 1, min(most, len(ids)))})
    vectors = index.vectors([ids[place] for place in chosen])
    if not vectors:
        return None
    rows = np.stack(list(vectors.values())).astype(np.float32)
    mean = rows.mean(axis=0)
    spread = (rows - mean).T @ (rows - mean)
    lengths, directions = np.linalg.eigh(spread.astype(np.float64))  # ascending
    axes = directions[:, -2:][:, ::-1].T.astype(np.float32)
    axes *= np.where(axes[np.arange(2), np.abs(axes).argmax(axis=1)] < 0, -1, 1)[:, None]  # a sign of its own is chance
    total = float(lengths.sum())
    variance = float(lengths[-2:].sum()) / total if total > 0 else 0.0
    empty = Projection(mean, axes, round(variance, 4), [])
    return empty._replace(points=empty.place(vectors))


class Maps:
    """The maps of the last indexes, each made once per commit."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._kept: OrderedDict[Path, tuple[tuple[int, ...], Projection | None]] = OrderedDict()

    def record(self, index: Index, folder: Path, chunks: Sequence[int] | None) -> dict[str, Any]:
        """The map of an index; with ``chunks`` (ids) only where these lie on it."""
        commits = index.catalog.commits()
        projection = self._projection(index, folder, commits)
        about: dict[str, Any] = {"schema": 1, "commits": commits}
        if chunks is not None:
            return about | {"points": projection.place(index.vectors(chunks)) if projection else []}
        points = projection.points if projection else []
        documents = index.catalog.documents_of([chunk for chunk, _, _ in points])
        numbers = {row.id: number for number, row in enumerate(index.catalog.documents())}
        return about | {
            "passages": index.catalog.count("chunks"),
            "variance": projection.variance if projection else 0.0,
            "documents": [str(row.path) for row in index.catalog.documents()],
            "points": [(*point, numbers[documents[point[0]]]) for point in points],
        }

    def _projection(self, index: Index, folder: Path, commits: int) -> Projection | None:
        stat = index.catalog.path.stat()
        state = commits, stat.st_dev, stat.st_ino
        with self._lock:  # both threads may be asked for the same map
            found = self._kept.get(folder)
            if found is None or found[0] != state:
                found = self._kept[folder] = state, project(index)
            self._kept.move_to_end(folder)
            while len(self._kept) > _KEPT:
                self._kept.popitem(last=False)
            return found[1]
