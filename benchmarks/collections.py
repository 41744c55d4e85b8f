"""BEIR-format collections, and indexes made of them the way a user makes one.

They lie in ``../shared/data``, or in the folder that BENCHMARK_DATA names; README.md says where to get them.
"""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from ragcli.ingest.sync import SyncOptions, sync

SHARED = Path(os.environ.get("BENCHMARK_DATA") or Path(__file__).resolve().parents[2] / "shared" / "data").expanduser()


@dataclass(frozen=True)
class BeirCollection:
    """Texts by document id, questions by id, and judgements by question id."""

    name: str
    corpus: dict[str, str]
    queries: dict[str, str]
    qrels: dict[str, dict[str, int]]


def load(name: str, split: str = "test") -> BeirCollection:
    """A collection with the questions of one split; raises FileNotFoundError for a collection that is not there."""
    folder = SHARED / name
    corpus = {}
    for row in _rows(folder / "corpus.jsonl"):
        corpus[row["_id"]] = f"# {row['title']}\n\n{row['text']}\n" if row.get("title") else f"{row['text']}\n"
    qrels: dict[str, dict[str, int]] = {}
    for line in (folder / "qrels" / f"{split}.tsv").read_text().splitlines()[1:]:
        question, document, grade = line.split("\t")
        if int(grade) > 0:
            qrels.setdefault(question, {})[document] = int(grade)
    file = "queries.jsonl" if split == "test" else f"queries.{split}.jsonl"
    queries = {row["_id"]: row["text"] for row in _rows(folder / file) if row["_id"] in qrels}
    return BeirCollection(f"{name}/{split}", corpus, queries, qrels)


def _rows(path: Path) -> Iterator[dict[str, str]]:
    with path.open(encoding="utf-8") as lines:
        for line in lines:
            yield json.loads(line)


@contextmanager
def indexed(collection: BeirCollection, keep: Path | None = None) -> Iterator[Path]:
    """The collection as a folder of Markdown files, indexed; ``keep`` reuses an index made earlier."""
    if keep is not None and (keep / "done").exists():
        yield keep / "index"
        return
    with tempfile.TemporaryDirectory() as temporary:
        folder = keep or Path(temporary)
        (folder / "files").mkdir(parents=True, exist_ok=True)
        for i, text in collection.corpus.items():
            (folder / "files" / f"{i}.md").write_text(text, encoding="utf-8")
        summary = sync(folder / "index", [folder / "files"], SyncOptions())
        print(f"{collection.name}: {summary.added} files, {summary.chunks_embedded} chunks, {summary.seconds:.0f} s")
        (folder / "done").touch()
        yield folder / "index"
