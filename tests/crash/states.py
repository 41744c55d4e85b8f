"""What an index holds, read as any reader does, and how two of them differ."""

import json
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from corpus import QUESTIONS

from ragcli.errors import IndexNotFound
from ragcli.index.catalog.documents import Catalog
from ragcli.index.reader import open_index
from ragcli.index.vectors.segments import Segments
from ragcli.retrieve.engine import Searcher, SearchOptions

TOLERANCE = 1e-6


@dataclass(frozen=True)
class State:
    """By path: the document's row, its passages and their vectors; the not indexed; the hits of the questions."""

    documents: dict
    passages: dict
    vectors: dict
    not_indexed: tuple
    answers: dict


def read(folder: Path) -> State | None:
    """None when nothing has been indexed there yet."""
    with suppress(IndexNotFound), open_index(folder) as index:
        catalog = index.catalog
        ledger = catalog.ledger
        segments = Segments(folder / "vectors", ledger.segments(), index.settings.dimension, ledger.approximate())
        documents, passages, vectors = {}, {}, {}
        for row in catalog.documents():
            chunks, keys = catalog.document_chunks(row.id), catalog.chunk_keys(row.id)
            documents[row.path] = row._replace(id=0)
            passages[row.path] = [(replace(chunk, id=0), keys[chunk.id]) for chunk in chunks]
            rows = segments.reconstruct([chunk.id for chunk in chunks])
            vectors[row.path] = np.stack([rows[chunk.id] for chunk in chunks])
        return State(documents, passages, vectors, tuple(catalog.skipped()), _answers(index))
    return None


def _answers(index) -> dict:
    answers = {}
    for mode in ("dense", "keyword", "hybrid"):
        searcher = Searcher(index, SearchOptions(k=1000, mode=mode, reranker=None))
        for question in QUESTIONS:
            answers[mode, question] = [
                (hit.score, {hit.chunk.path, *hit.copies}, hit.chunk.text, hit.snippet.text)
                for hit in searcher.search(question).hits
            ]
    return answers


def keys(folder: Path) -> set[bytes]:
    """The digests of every passage that has its vector in the index or in an unfinished rebuild of it."""
    found = set()
    for place in (folder, folder / "rebuild"):
        with suppress(IndexNotFound):
            catalog = Catalog.open(place)
            for row in catalog.documents():
                found.update(catalog.chunk_keys(row.id).values())
            catalog.close()
    return found


def differences(one: State, two: State) -> list[str]:
    """A sentence for each way in which they are not the same."""
    found = []
    if one.documents != two.documents:
        changed = {
            p for p in one.documents.keys() | two.documents.keys() if one.documents.get(p) != two.documents.get(p)
        }
        found.append(f"documents: {sorted(map(str, changed))}")
    if one.passages != two.passages:
        found.append("passages")
    if one.not_indexed != two.not_indexed:
        found.append(f"not indexed: {one.not_indexed} and {two.not_indexed}")
    for path in one.vectors.keys() & two.vectors.keys():
        a, b = one.vectors[path], two.vectors[path]
        if a.shape != b.shape or np.abs(a - b).max() > TOLERANCE:
            found.append(
                f"vectors of {path}: {a.shape}, {b.shape}, {np.abs(a - b).max() if a.shape == b.shape else ''}"
            )
    found += [
        f"answers to {question} in mode {mode}"
        for (mode, question), hits in one.answers.items()
        if not _same_hits(hits, two.answers[mode, question])
    ]
    return found


def _same_hits(one, two) -> bool:
    """The same passages with the same scores; those with equal scores in any order."""
    by_text = [
        sorted(((text, snippet, sorted(paths), score) for score, paths, text, snippet in hits), key=str)
        for hits in (one, two)
    ]
    scores = [[score for score, *_ in hits] for hits in (one, two)]
    return (
        [entry[:3] for entry in by_text[0]] == [entry[:3] for entry in by_text[1]]
        and np.allclose([e[3] for e in by_text[0]], [e[3] for e in by_text[1]], atol=TOLERANCE, rtol=0)
        and np.allclose(*scores, atol=TOLERANCE, rtol=0)
    )


def is_between(found: State | None, before: State | None, after: State) -> bool:
    """Whether every document is whole, as it was before or as it is after, and none is lost that should be there."""
    if found is None:
        return before is None
    before = before or State({}, {}, {}, (), {})
    for path, passages in found.passages.items():
        if passages not in (before.passages.get(path), after.passages.get(path)):
            return False
    kept = {path for path, passages in before.passages.items() if after.passages.get(path) == passages}
    return kept <= found.passages.keys()


def strays(folder: Path) -> list[str]:
    """Files in an index that nothing names."""
    with open_index(folder, None) as index:
        segments = {row.name for row in index.catalog.ledger.vector_files()}
        keywords = index.catalog.keywords_name()
    wanted = {"catalog.sqlite3", "catalog.sqlite3-wal", "catalog.sqlite3-shm", "writer.lock"}
    wanted |= {f"vectors/{name}" for name in segments}
    wanted |= {
        f"{keywords}/{name}" for name in ("meta.json", ".managed.json", ".tantivy-writer.lock", ".tantivy-meta.lock")
    }
    for segment in json.loads((folder / keywords / "meta.json").read_text())["segments"]:
        name = segment["segment_id"].replace("-", "")
        wanted |= {f"{keywords}/{name}.{kind}" for kind in ("idx", "pos", "term", "store", "fast", "fieldnorm")}
        if segment["deletes"]:
            wanted.add(f"{keywords}/{name}.{segment['deletes']['opstamp']}.del")
    held = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if not path.is_dir()}
    return sorted(held - wanted)
