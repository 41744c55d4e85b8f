"""Is the page that answers found in company reports?

    python -m benchmarks.reports PATH_TO_FINANCEBENCH [--least 3]

PATH_TO_FINANCEBENCH is a clone of patronus-ai/financebench (Islam and others: FinanceBench: A New Benchmark for
Financial Question Answering, 2023; CC BY-NC 4.0): reports as PDF, and questions of analysts with the pages of their
evidence. The reports with at least three questions are indexed together, as the files that they are. A hit is right
when it lies on a page of the evidence. Many questions need a calculation over tables that no passage spells out.
Nothing was fitted on them. Writes results/reports.json.
"""

from __future__ import annotations

import argparse
import json
import re
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

import pypdfium2 as pdfium

import ragcli
from benchmarks.results import write_result
from ragcli.evaluate.fit_probability import expected_calibration_error
from ragcli.index.reader import open_index
from ragcli.retrieve.engine import Searcher, SearchOptions
from ragcli.types import Hit

STAGES = {"keyword": {"mode": "keyword", "reranker": None}, "dense": {"mode": "dense", "reranker": None},
          "hybrid": {"reranker": None}, "hybrid, reranked": {}}  # fmt: skip
Place = tuple[str, int]  # the name of a report, and a page from 1


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--least", type=int, default=3, help="questions about a report")
    options = parser.parse_args()
    lines = (options.folder / "data" / "financebench_open_source.jsonl").read_text(encoding="utf-8").splitlines()
    rows = [row for row in map(json.loads, lines) if report(options.folder, row["doc_name"]).is_file()]
    often = Counter(row["doc_name"] for row in rows)
    rows = [row for row in rows if often[row["doc_name"]] >= options.least]
    reports = sorted({row["doc_name"] for row in rows})
    right = [evidence(options.folder, row) for row in rows]
    with tempfile.TemporaryDirectory() as temporary:
        place = Path(temporary) / "index"
        ragcli.sync(place, [report(options.folder, name) for name in reports])
        with open_index(place) as index:
            passages = index.catalog.count("chunks")
        print(f"{len(reports)} reports, {passages} passages, {len(rows)} questions", flush=True)
        figures = {name: measure(place, rows, right, stage) for name, stage in STAGES.items()}
    write_result("reports", {"reports": reports, "passages": passages, "questions": len(rows), "stages": figures})


def report(folder: Path, name: str) -> Path:
    return folder / "pdfs" / f"{name}.pdf"


def evidence(folder: Path, row: dict[str, Any]) -> set[Place]:
    """The pages of the evidence; page numbers of the data start at 0 or 1, so the words of the evidence decide."""
    found = set()
    for one in row["evidence"]:
        path = report(folder, one["doc_name"])
        if not path.is_file():
            continue
        wanted = set(words(one["evidence_text"]))
        with pdfium.PdfDocument(path) as pdf:
            near = [page for page in (one["evidence_page_num"] + step for step in (-1, 0, 1)) if 0 <= page < len(pdf)]
            held = {page: len(wanted & set(words(pdf[page].get_textpage().get_text_bounded()))) for page in near}
        if held:
            found.add((one["doc_name"], max(held, key=lambda page: held[page]) + 1))
    return found


def words(text: str) -> list[str]:
    return re.findall(r"\w+", text.lower())


def measure(place: Path, rows: list[dict[str, Any]], right: list[set[Place]], stage: dict[str, Any]) -> dict[str, Any]:
    """Questions whose right page is first, among 5 and among 10, and how far the probability can be believed."""
    within = dict.fromkeys((1, 5, 10), 0)
    told: list[float] = []
    holds: list[bool] = []
    lost = 0
    with open_index(place) as index:
        searcher = Searcher(index, SearchOptions(**stage))
        strict = Searcher(index, SearchOptions(**stage, floor=True))
        for row, pages in zip(rows, right, strict=True):
            hits = searcher.search(row["question"]).hits
            found = [on(hit, pages) for hit in hits]
            for depth in within:
                within[depth] += any(found[:depth])
            lost += any(found) and not any(on(hit, pages) for hit in strict.search(row["question"]).hits)
            shown = [(hit.probability, good) for hit, good in zip(hits[:5], found, strict=False) if hit.probability]
            told += [probability for probability, _ in shown]
            holds += [good for _, good in shown]
    figures = {"first": within[1], "in 5": within[5], "in 10": within[10], "lost by the floor": lost}
    if told and stage.get("reranker", True):
        figures["calibration error"] = round(expected_calibration_error(told, holds), 3)
    print(json.dumps({**stage, **figures}), flush=True)
    return figures


def on(hit: Hit, pages: set[Place]) -> bool:
    first, last = hit.chunk.pages or (0, 0)
    return any((hit.chunk.path.stem, page) in pages for page in range(first, last + 1))


if __name__ == "__main__":
    main()
