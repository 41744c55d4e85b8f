"""Hard negatives and teacher scores for the training pairs, and candidates for the development questions.

    python -m training.mine [--development]

Each pool is searched the way ragcli searches a folder: exact dense search and BM25, fused. A negative is a
found passage that does not answer; passages that might answer are left out. Writes training/work/*.jsonl.

``--development`` mines no negatives: fitting the combination and the probability of a model needs no more.
"""

from __future__ import annotations

import argparse
import json
import random
import tempfile
import time
from pathlib import Path
from typing import Any, TextIO, cast

import numpy as np

from ragcli.index.keywords.tantivy_index import Keywords
from ragcli.models.numpy.encoder import NumpyEncoder
from ragcli.models.open import open_index_encoder
from ragcli.models.resolve import DEFAULT_MODEL, resolve
from ragcli.retrieve.fuse import fuse
from ragcli.text.terms import query_terms, terms
from training.sources import TRAIN, Pool, pools

WORK = Path(__file__).parent / "work"
DEPTH = 200
HARD = 6  # kept for each question; how many are used is the recipe's choice
DEVELOPMENT_DEPTH = 50
# A candidate whose cosine comes this near to the positive's may be an answer itself (NV-Retriever: perc 95 %), where
# nothing better is known; in SQuAD the answer is located in one paragraph.
NEAR = 0.95


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--development", action="store_true", help="only the development questions")
    only_development = parser.parse_args().development
    WORK.mkdir(exist_ok=True)
    encoder = cast("NumpyEncoder", open_index_encoder(resolve(DEFAULT_MODEL), 10_000))  # on a CPU it is one
    train, development = (WORK / "train.jsonl").open("a+"), (WORK / "development.jsonl").open("a+")
    done = sources_in(development if only_development else train)
    for pool in pools():
        asked = pool.development if only_development else pool.train
        if done & {source for _, _, source in asked} or (only_development and not asked):
            continue  # a run that was stopped goes on with the next pool
        started = time.monotonic()
        searched = Searched(pool, encoder)
        for question, positive, source in [] if only_development else pool.train:
            group = searched.group(question, positive, source)
            if len(group["texts"]) == HARD + 2:
                train.write(json.dumps(group) + "\n")
        for question, positive, source in pool.development:
            development.write(json.dumps(searched.candidates(question, positive, source)) + "\n")
        train.flush()
        development.flush()
        print(f"{pool.name}: {len(pool.passages)} passages, {time.monotonic() - started:.0f} s", flush=True)


def sources_in(lines: TextIO) -> set[str]:
    """The sources of the questions in a file opened for appending."""
    lines.seek(0)
    return {json.loads(line)["source"] for line in lines}


class Searched:
    """A pool with its vectors, its token vectors and its keyword index."""

    def __init__(self, pool: Pool, encoder: NumpyEncoder) -> None:
        self.pool, self.encoder, self.rng = pool, encoder, random.Random(pool.name)
        texts = [passage.text for passage in pool.passages]
        self.tokens = []
        vectors = []
        for start in range(0, len(texts), 256):
            batch = encoder.tokens_and_rows(texts[start : start + 256])
            self.tokens += [tokens.astype(np.float16) for tokens, _ in batch]
            vectors += [row for _, row in batch]
        self.vectors = np.stack(vectors)
        self.answers = answers() if pool.name == "squad-train36" else {}
        self.folder = tempfile.TemporaryDirectory()
        self.keywords = Keywords(Path(self.folder.name) / "keywords", create=True)
        self.keywords.update([(i, i, " ".join(terms(text))) for i, text in enumerate(texts)], [])

    def group(self, question: str, positive: int, source: str) -> dict[str, Any]:
        """The positive first, then hard negatives by falling hybrid rank and one passage at random."""
        dense, ranked = self._search(question)
        chosen = [i for i, _ in ranked if self._is_negative(i, positive, dense, question, source)][:HARD]
        for i in self.rng.sample(range(len(self.pool.passages)), 50):
            if len(chosen) <= HARD and i not in chosen and self._is_negative(i, positive, dense, question, source):
                chosen.append(i)
        return self._record(question, source, [positive, *chosen], dense)

    def candidates(self, question: str, positive: int, source: str) -> dict[str, Any]:
        """The fused top 50 in order; ``answer`` is the place of the positive among them, or -1."""
        dense, ranked = self._search(question)
        chosen = [i for i, _ in ranked[:DEVELOPMENT_DEPTH]]
        record = self._record(question, source, chosen, dense)
        record["fused"] = [round(score, 5) for _, score in ranked[:DEVELOPMENT_DEPTH]]
        record["answer"] = chosen.index(positive) if positive in chosen else -1
        return record

    def _search(self, question: str) -> tuple[np.ndarray, list[tuple[int, float]]]:
        self.asked, row = self.encoder.tokens_and_rows([question], "query")[0]
        dense = self.vectors @ row
        best = [(int(i), float(dense[i])) for i in np.argsort(-dense, kind="stable")[:DEPTH]]
        self.bm25 = dict(self.keywords.search(query_terms(question), DEPTH))
        return dense, fuse(best, list(self.bm25.items()))

    def _is_negative(self, i: int, positive: int, dense: np.ndarray, question: str, source: str) -> bool:
        this, right = self.pool.passages[i], self.pool.passages[positive]
        if i == positive:
            return False
        if source == "squad-train36":
            return not any(answer in this.text for answer in self.answers.get(question, ()) if len(answer) > 3)
        if this.document == right.document and (this.section == right.section or not right.section):
            return False
        return bool(dense[i] < NEAR * dense[positive])

    def _record(self, question: str, source: str, chosen: list[int], dense: np.ndarray) -> dict[str, Any]:
        late = [float((self.asked @ self.tokens[i].astype(np.float32).T).max(axis=1).mean()) for i in chosen]
        return {
            "query": question,
            "source": source,
            "texts": [self.pool.passages[i].text for i in chosen],
            "titles": [_title(self.pool.passages[i].document, source) for i in chosen],
            "dense": [round(float(dense[i]), 5) for i in chosen],
            "bm25": [round(self.bm25.get(i, 0.0), 4) for i in chosen],
            "maxsim": [round(score, 5) for score in late],
        }


def answers() -> dict[str, list[str]]:
    """The answer strings of each SQuAD question; a paragraph of another place that holds one may answer as well."""
    folder = TRAIN.parent / "squad-v1.1-dev"
    found = {}
    for article in json.loads((folder / "dev-v1.1.json").read_text())["data"]:
        for paragraph in article["paragraphs"]:
            for qa in paragraph["qas"]:
                found[qa["question"].strip()] = sorted({answer["text"] for answer in qa["answers"]})
    return found


def _title(document: str, source: str) -> str:
    """A title that gives nothing away: that of a Wikipedia article; in books and docs the question is the title."""
    return document.replace("_", " ") if source.startswith(("squad", "nq", "qed", "clapnq")) else ""


if __name__ == "__main__":
    main()
