"""A small collection in the BEIR layout, and ways to spoil it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

CORPUS = {
    "harbour": ("The harbour", "Boats are painted in spring, before the season opens, while the slips are dry."),
    "oven": ("", "Bread rises best in a warm kitchen; an hour near the oven is enough for the dough."),
    "comet": ("Comets", "A comet is a lump of ice and dust that grows a tail when it comes near the sun."),
    "clock 4": ("The tower clock", "The clock of the town hall strikes thirteen on market days, by an old custom."),
    "moss": ("Moss", "Moss has no roots and drinks through its leaves, so it can live on bare stone."),
}
QUERIES = {
    "q1": "when do people paint their ships?",
    "q2": "how long should dough stand in the warmth?",
    "q3": "how often does the bell ring on market days?",
    "q4": "never judged",
}
QRELS = [("q1", "harbour", 1), ("q2", "oven", 2), ("q2", "moss", 0), ("q3", "clock 4", 1)]


def _write_collection(folder, corpus=CORPUS, queries=QUERIES, qrels=QRELS, header=True):
    (folder / "qrels").mkdir(parents=True)
    rows = [{"_id": i, "title": title, "text": text} for i, (title, text) in corpus.items()]
    (folder / "corpus.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    rows = [{"_id": i, "text": text} for i, text in queries.items()]
    (folder / "queries.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    lines = ["query-id\tcorpus-id\tscore"] if header else []
    lines += ["\t".join(map(str, row)) for row in qrels]
    (folder / "qrels" / "test.tsv").write_text("\n".join(lines) + "\n")
    return folder


@pytest.fixture(scope="session")
def write_collection():
    return _write_collection


@pytest.fixture
def small(tmp_path) -> Path:
    return _write_collection(tmp_path / "small")
