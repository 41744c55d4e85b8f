"""Every stage of search on a collection that nothing was chosen by, as a user would search it.

    python -m benchmarks.ranking scifact      300 test questions, 5,183 abstracts
    python -m benchmarks.ranking squad        the questions of the 12 evaluation articles, all 2,067 paragraphs
    python -m benchmarks.ranking chroma       472 questions about five long texts; an answer is a span
    python -m benchmarks.ranking cranfield    225 questions; the fusion weight was chosen here, reranking was not

Prints what ``ragcli eval --compare`` prints and writes results/ranking-<name>.json. With ``--rerankers``: hybrid, and
each of ragcli's rerankers over it by number of candidates, in results/rerankers-<name>.json.
"""

from __future__ import annotations

import argparse
import csv
import json
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.collections import SHARED
from benchmarks.results import write_result
from ragcli.evaluate.collection import passages_index
from ragcli.evaluate.datasets import load_beir, load_questions
from ragcli.evaluate.measures import HEADLINE, per_question
from ragcli.evaluate.report import summarize
from ragcli.evaluate.stages import STAGES, Stage, run_stage, time_stages
from ragcli.evaluate.statistics import Values, randomization_test
from ragcli.evaluate.task import Task, judged_task, known_item_task
from ragcli.index.reader import open_index
from ragcli.ingest.sync import SyncOptions, sync
from ragcli.models.files import SHIPPED_RERANKER, ModelFiles
from ragcli.models.open import Reranker
from ragcli.models.packaged import RERANKER
from ragcli.models.resolve import DEFAULT_MODEL, resolve
from ragcli.render.evaluation import evaluation_record, write_evaluation
from ragcli.retrieve import rerank
from ragcli.retrieve.engine import SearchOptions

NAMES = ("scifact", "squad", "chroma", "cranfield")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name", choices=NAMES)
    parser.add_argument("--limit", type=int, help="only the first questions, for a quick look; nothing is written")
    parser.add_argument("--rerankers", action="store_true", help="compare the rerankers by number of candidates")
    parser.add_argument("--depths", type=int, nargs="+", default=[6, 10, 20, 50], help="numbers of candidates")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder, task = (chroma if options.name == "chroma" else collection)(options.name, Path(temporary))
        if options.limit:
            task = task.first(options.limit)
        if options.rerankers:
            table = rerankers(folder, task, options.depths)
            if not options.limit:
                write_result(f"rerankers-{options.name}", table)
            return
        rankings = [run_stage(folder, task, stage, offline=True, report=progress) for stage in STAGES]
        ms = time_stages(folder, task, STAGES, offline=True, report=progress)
    found = summarize(task, rankings, ms, compare=True)
    write_evaluation(found, sys.stdout, color=False, width=None)
    if not options.limit:
        write_result(f"ranking-{options.name}", evaluation_record(found))


def rerankers(folder: Path, task: Task, depths: Sequence[int]) -> dict[str, Any]:
    """nDCG@10 of hybrid, and of each reranker over it: the mean, the gain, and the chance that the gain is none."""
    rerank.open_reranker = remembering(rerank.open_reranker)
    hybrid = SearchOptions(reranker=None)
    before = headline(folder, task, Stage("hybrid", hybrid))
    print(f"{task.dataset}, {len(task.queries)} questions\n{'hybrid':40} {before.mean():.4f}", flush=True)
    table: dict[str, Any] = {"questions": len(task.queries), "hybrid": round(float(before.mean()), 4)}
    for name in (RERANKER.name, SHIPPED_RERANKER):
        for depth in sorted(depths, reverse=True):  # the most first: the others find their scores remembered
            stage = Stage(f"{name}, {depth}", replace(hybrid, reranker=name, candidates=depth))
            after = headline(folder, task, stage)
            gain, p = float((after - before).mean()), randomization_test(after - before)
            table[stage.name] = {"nDCG@10": round(float(after.mean()), 4), "gain": round(gain, 4), "p": round(p, 4)}
            print(f"{stage.name:40} {after.mean():.4f}  {gain:+.4f}  p = {p:.4f}", flush=True)
    return table


def headline(folder: Path, task: Task, stage: Stage) -> Values:
    ranking = run_stage(folder, task, stage, offline=True, report=progress)
    return per_question(task.qrels, ranking.names)[HEADLINE]


def remembering(open_reranker: Callable[[ModelFiles], Reranker]) -> Callable[[ModelFiles], Reranker]:
    """Open rerankers that read no pair twice."""
    scores: dict[tuple[str, str, str], float] = {}

    class Remembered:
        def __init__(self, files: ModelFiles) -> None:
            self._model = open_reranker(files)
            self.files, self.window, self.runtime = self._model.files, self._model.window, self._model.runtime

        def scores(self, query: str, passages: Sequence[str]) -> np.ndarray:
            keys = [(self.files.sha256, query, passage) for passage in passages]
            new = [key for key in keys if key not in scores]
            scores.update(zip(new, map(float, self._model.scores(query, [key[2] for key in new])), strict=True))
            return np.array([scores[key] for key in keys], np.float32)

    return Remembered


def collection(name: str, temporary: Path) -> tuple[Path, Task]:
    """A BEIR folder; of SQuAD only the questions of the evaluation articles."""
    source = SHARED / ("squad-v1.1-dev" if name == "squad" else name)
    if name == "squad":
        source = squad(source, temporary / "squad-eval")
    data = load_beir(source)
    folder = passages_index(data, resolve(DEFAULT_MODEL), offline=True, report=progress)
    with open_index(folder, None) as index:
        return folder, judged_task(data, index)


def squad(source: Path, folder: Path) -> Path:
    """The collection as it is, with the judgements of the evaluation articles alone."""
    (folder / "qrels").mkdir(parents=True)
    for name in ("corpus.jsonl", "queries.jsonl"):
        (folder / name).symlink_to(source / name)
    articles = set(json.loads((source / "split.json").read_text())["eval_articles"])
    names = {article.replace("_", " ") for article in articles}
    kept = set()
    with (source / "corpus.jsonl").open(encoding="utf-8") as lines:
        for line in lines:
            row = json.loads(line)
            if row["title"] in names | articles:
                kept.add(row["_id"])
    lines = (source / "qrels" / "test.tsv").read_text().splitlines()
    chosen = [line for line in lines[1:] if line.split("\t")[1] in kept]
    (folder / "qrels" / "test.tsv").write_text("\n".join([lines[0], *chosen]) + "\n")
    return folder


def chroma(name: str, temporary: Path) -> tuple[Path, Task]:
    """Five texts as a folder; the answer to a question is the passage that holds its first reference."""
    source = SHARED / "chroma-chunking"
    folder = temporary / "index"
    sync(folder, [source / "corpora"], SyncOptions(offline=True))
    questions = temporary / f"{name}.jsonl"
    with (source / "questions_df.csv").open(encoding="utf-8", newline="") as rows, questions.open("w") as out:
        for row in csv.DictReader(rows):
            text = json.loads(row["references"])[0]["content"]
            out.write(json.dumps({"question": row["question"], "path": f"{row['corpus_id']}.md", "text": text}) + "\n")
    with open_index(folder, None) as index:
        return folder, known_item_task(load_questions(questions), index)


def progress(_doing: str, _done: int, _total: int) -> None:
    """Nothing: these runs are left alone."""


if __name__ == "__main__":
    main()
