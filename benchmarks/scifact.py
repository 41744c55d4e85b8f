"""SciFact, 300 test questions, as a user would search it: a folder of 5,183 files, indexed and queried.

    python -m benchmarks.scifact

Prints nDCG@10 of dense, keyword and hybrid search side by side. Nothing was tuned on these questions.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import ir_measures
from ir_measures import RR, R, nDCG

from benchmarks.collections import indexed, load
from benchmarks.results import write_result
from ragcli.index.reader import open_index
from ragcli.search.engine import Searcher, SearchOptions
from ragcli.types import Mode

MEASURES = (nDCG @ 10, RR @ 10, R @ 10, R @ 100)
MODES: tuple[Mode, ...] = ("keyword", "dense", "hybrid")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--keep", type=Path, help="folder to keep the index in, for the next time")
    collection = load("scifact")
    table: dict[str, dict[str, float]] = {}
    with indexed(collection, parser.parse_args().keep) as folder:
        for mode in MODES:
            with open_index(folder) as index:
                searcher = Searcher(index, SearchOptions(k=100, mode=mode, unique=True, candidates=400))
                started = time.perf_counter()
                run = {
                    question: {hit.chunk.path.stem: -float(rank) for rank, hit in enumerate(searcher.search(text).hits)}
                    for question, text in collection.queries.items()
                }
                seconds = time.perf_counter() - started
            found = ir_measures.calc_aggregate(MEASURES, collection.qrels, run)
            table[mode] = {str(measure): round(value, 4) for measure, value in found.items()}
            table[mode]["ms a query"] = round(1000 * seconds / len(collection.queries), 1)
            print(f"{mode:8}", "  ".join(f"{name} {value}" for name, value in table[mode].items()))
    write_result("scifact", table)


if __name__ == "__main__":
    main()
