"""LanceDB: an embedding function from its registry, a table, merge_insert and search, as its guide has it."""

from collections.abc import Callable
from pathlib import Path

import lancedb
from lancedb.embeddings import get_registry
from lancedb.pydantic import LanceModel, Vector


def table(store: Path, model: str) -> lancedb.table.Table:
    function = get_registry().get("sentence-transformers").create(name=model)

    class Page(LanceModel):
        id: str
        text: str = function.SourceField()
        vector: Vector(function.ndims()) = function.VectorField()

    return lancedb.connect(store).create_table("docs", schema=Page, exist_ok=True)


def sync(folder: Path, store: Path, model: str) -> None:
    rows = [{"id": str(path), "text": path.read_text()} for path in sorted(folder.glob("*.txt"))]
    table(store, model).merge_insert("id").when_matched_update_all().when_not_matched_insert_all().execute(rows)


def searcher(store: Path, model: str) -> Callable[[str], list[str]]:
    docs = table(store, model)
    return lambda question: [row["id"] for row in docs.search(question).limit(10).to_list()]
