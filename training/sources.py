"""The training data of the reranker: pairs of a question and its answering passage, by source, capped and split.

The files lie outside the project, in ``train/`` of the benchmarks' collections; the manifest has the digest of each.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import random
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.collections import SHARED

TRAIN = SHARED / "train"


@dataclass(frozen=True)
class QuestionFile:
    """One file of pairs: how many questions are taken, how many passages, and which collection they are searched in."""

    name: str
    pairs: int
    passages: int
    licence: str
    pool: str = ""  # sources of one pool are one collection; "" is a pool of its own


# boolq (its copy has no licence) and cosqa (noisy labels) are left out; templated and narrow sources are capped.
SOURCES = (
    QuestionFile("squad-train36", 4000, 1690, "CC BY-SA 4.0"),
    QuestionFile("nq-open-oracle", 2480, 2480, "CC BY-SA 3.0", "wikipedia"),
    QuestionFile("qed-dev", 326, 326, "CC BY-SA 3.0", "wikipedia"),
    QuestionFile("clapnq-dev", 297, 596, "Apache-2.0", "wikipedia"),
    QuestionFile("pubmedqa-nontest", 500, 500, "MIT", "medicine"),
    QuestionFile("medquad", 1000, 1500, "CC BY 4.0", "medicine"),
    QuestionFile("qmd-hyde", 1500, 1500, "MIT"),
    QuestionFile("openstax2014-biology", 1500, 1800, "CC BY 3.0", "books"),
    QuestionFile("openstax2014-economics", 900, 1200, "CC BY 3.0", "books"),
    QuestionFile("openstax2014-ushistory", 600, 800, "CC BY 3.0", "books"),
    QuestionFile("openstax2014-psychology", 0, 1440, "CC BY 3.0", "psychology"),  # held out whole, for development
    QuestionFile("handbook-18f", 600, 1300, "CC0"),
    QuestionFile("oss-docs", 900, 1500, "Apache-2.0, BSD, MIT, Unlicense"),
    QuestionFile("powershell-docs", 500, 1000, "CC BY 4.0"),
    QuestionFile("rust-book", 300, 800, "MIT or Apache-2.0"),
    QuestionFile("python-peps", 400, 1000, "public domain or CC0"),
    QuestionFile("tldr-pages", 300, 700, "CC BY 4.0"),
)
# Development questions: (source, how many); their documents are in no training pair.
HELD_OUT = {"squad-train36": 250, "openstax2014-psychology": 150, "nq-open-oracle": 150, "handbook-18f": 100}
SQUAD_HELD_OUT = ("Apollo_program", "Oxygen", "Black_Death", "European_Union_law", "Victoria_and_Albert_Museum")


@dataclass(frozen=True)
class Passage:
    """One text of a pool."""

    text: str
    document: str
    section: str


@dataclass
class Pool:
    """A collection and the questions asked of it; an answer is a position in ``passages``."""

    name: str
    passages: list[Passage]
    train: list[tuple[str, int, str]]  # question, position of its passage, source
    development: list[tuple[str, int, str]]


def pools(seed: int = 0) -> list[Pool]:
    """Every pool, the same for the same seed; FileNotFoundError without the data."""
    made: dict[str, Pool] = {}
    for source in SOURCES:
        pool = made.setdefault(source.pool or source.name, Pool(source.pool or source.name, [], [], []))
        _fill(pool, source, random.Random(f"{seed} {source.name}"))
    return list(made.values())


def manifest() -> list[dict[str, Any]]:
    """Every file that is read: its sha256, licence and caps."""
    lines = []
    for source in SOURCES:
        for path in (TRAIN / f"{source.name}.jsonl.gz", TRAIN / f"{source.name}.corpus.jsonl.gz"):
            if path.exists():
                digest = hashlib.sha256(path.read_bytes()).hexdigest()
                lines.append({"file": path.name, "sha256": digest, "licence": source.licence, "pairs": source.pairs})
    return lines


def _fill(pool: Pool, source: QuestionFile, rng: random.Random) -> None:
    rows = list(rows_of(TRAIN / f"{source.name}.jsonl.gz"))
    rng.shuffle(rows)
    development = _development(source, rows)
    held_out = {row["doc"] for row in development}
    wanted = [row for row in rows if row["doc"] not in held_out][: source.pairs]
    position = {passage.text: i for i, passage in enumerate(pool.passages)}

    def place(row: dict[str, Any], text: str) -> int:
        if text not in position:
            position[text] = len(pool.passages)
            pool.passages.append(Passage(text, row["doc"], row.get("sec", "")))
        return position[text]

    pool.train += [(row["query"], place(row, row["positive"]), source.name) for row in wanted]
    pool.development += [(row["query"], place(row, row["positive"]), source.name) for row in development]
    corpus = TRAIN / f"{source.name}.corpus.jsonl.gz"
    others = list(rows_of(corpus)) if corpus.exists() else [row | {"text": row["positive"]} for row in rows]
    rng.shuffle(others)
    target = len(pool.passages) + source.passages - len({row["positive"] for row in wanted + development})
    for row in others:
        if len(pool.passages) >= target:
            break
        place(row, row["text"])


def _development(source: QuestionFile, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    if source.name == "squad-train36":
        rows = [row for row in rows if row["doc"] in SQUAD_HELD_OUT]
        # every question of the articles stays out of training, though only some are asked
        count = HELD_OUT[source.name]
        return rows[:count]
    return rows[: HELD_OUT.get(source.name, 0)]


def rows_of(path: Path) -> Iterator[dict[str, Any]]:
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        for line in lines:
            yield json.loads(line)
