"""How often do the quotes of an extractive answer hold the gold answer, and is every quote in its source?

    python -m benchmarks.answers --questions 400

Questions of SQuAD's 12 evaluation articles against all 2,067 paragraphs. Every quote is compared with the file that it
was taken from. The baseline is the first sentence of the best passage. Writes results/answers.json.
"""

from __future__ import annotations

import argparse
import json
import random
import tempfile
from pathlib import Path

from benchmarks.collections import SHARED
from benchmarks.ranking import progress, squad
from benchmarks.results import write_result
from ragcli.answer.extract import extract
from ragcli.evaluate.collection import passages_index
from ragcli.evaluate.datasets import load_beir
from ragcli.index.reader import open_index
from ragcli.models.resolve import DEFAULT_MODEL, resolve
from ragcli.retrieve.engine import Searcher, SearchOptions
from ragcli.text.sentences import sentences


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--questions", type=int, default=400, help="how many, drawn at random; 0 is all")
    count = parser.parse_args().questions
    source = SHARED / "squad-v1.1-dev"
    with tempfile.TemporaryDirectory() as temporary:
        data = load_beir(squad(source, Path(temporary) / "squad-eval"))
    with (source / "answers.jsonl").open(encoding="utf-8") as lines:
        gold = {row["_id"]: row["answers"] for row in map(json.loads, lines)}
    chosen = random.Random(0).sample(sorted(data.queries), min(count or len(data.queries), len(data.queries)))
    folder = passages_index(data, resolve(DEFAULT_MODEL), offline=True, report=progress)
    found = dict.fromkeys(
        ("in the quotes", "in the first quote", "in the first sentence (baseline)", "exact quotes"), 0
    )
    quotes = 0
    with open_index(folder) as index:
        searcher = Searcher(index, SearchOptions(k=5))
        for question in chosen:
            results = searcher.search(data.queries[question])
            citations = extract(searcher, results, threshold=0.0).citations
            quotes += len(citations)
            for citation in citations:
                file = citation.chunk.path.read_text(encoding="utf-8")
                found["exact quotes"] += file[citation.start : citation.end] == citation.quote
            texts = [citation.quote for citation in citations]
            found["in the quotes"] += any(answer in text for answer in gold[question] for text in texts)
            found["in the first quote"] += any(answer in text for answer in gold[question] for text in texts[:1])
            best = results.hits[0].chunk.text
            start, end = next(span for span in sentences(best) if not best.startswith("#", span[0]))  # behind the title
            found["in the first sentence (baseline)"] += any(answer in best[start:end] for answer in gold[question])
    shares = {name: round(n / (quotes if name == "exact quotes" else len(chosen)), 4) for name, n in found.items()}
    figures = {"questions": len(chosen), "quotes": quotes, **shares}
    print(json.dumps(figures, indent=1))
    write_result("answers", figures)


if __name__ == "__main__":
    main()
