"""The signals of the best candidates for many questions, as the search finds them, for fitting the score.

    python -m training.signals [POOL ...] [--reranker NAME] [--depth 12]

Each pool is one collection: passages of the training sources, Cranfield, SciFact (train claims; its test split is not
looked at) and the functions of installed packages. A question is asked of its own pool, where its passage is known,
and a few of other pools are asked too, which nothing answers. Writes training/work/signals-<reranker>/POOL.jsonl and,
once, POOL.texts.json. A pool that is there already is left as it is.
"""

from __future__ import annotations

import argparse
import ast
import importlib.util
import json
import random
import re
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.collections import load as load_beir
from ragcli.index.keywords.tantivy_index import Keywords
from ragcli.models.files import DEFAULT_RERANKER
from ragcli.models.open import open_index_encoder, open_query_encoder, open_reranker
from ragcli.models.resolve import DEFAULT_MODEL, resolve, resolve_reranker
from ragcli.retrieve.fuse import fuse
from ragcli.text.exact import holds_phrase
from ragcli.text.terms import query_terms, terms
from training.sources import HELD_OUT, SQUAD_HELD_OUT, TRAIN, rows_of

WORK = Path(__file__).parent / "work"
DEPTH = 200  # of each list
KEPT = 40  # candidates of the fused list
FOREIGN = 15  # questions of other pools that are asked of each
# (source, questions to fit on, passages at most) by pool. The development questions of HELD_OUT come on top.
POOLS: dict[str, list[tuple[str, int, int]]] = {
    "squad": [("squad-train36", 200, 1690)],
    "rust": [("rust-book", 80, 1205)],
    "psychology": [("openstax2014-psychology", 0, 1440)],
    "handbook": [("handbook-18f", 50, 1300)],
    "wikipedia": [("nq-open-oracle", 60, 2480), ("qed-dev", 20, 326), ("clapnq-dev", 20, 600)],
    "oss": [("oss-docs", 80, 1500)],
    "biology": [("openstax2014-biology", 70, 1500)],
    "qmd": [("qmd-hyde", 60, 1200)],
    "history": [("openstax2014-ushistory", 50, 1000)],
    "medicine": [("pubmedqa-nontest", 20, 500), ("medquad", 30, 800)],
    "peps": [("python-peps", 50, 1200)],
    "powershell": [("powershell-docs", 40, 1000)],
    "economics": [("openstax2014-economics", 40, 1000)],
    "tldr": [("tldr-pages", 30, 700)],
}
# Queries made from the passages themselves, by the pools that they are made of.
LITERAL = {"pasted": ("rust", "psychology"), "terms": ("biology", "economics", "psychology"), "identifiers": ("code",)}
LITERAL_QUESTIONS = 40  # of each pool
# Only for what is left out: notes, so many lines a passage, and questions of general knowledge over other pools.
NOTES = Path(__file__).with_name("notes.txt")
LINES = (1, 3, 8)
SHORT = tuple(f"{part}-{lines}" for part in ("home", "team", "travel") for lines in LINES)
GENERAL = ("rust", "handbook", "history", "peps", "psychology", "code", "tldr", "qmd", "medicine")
ABOUT = (*SHORT, *(f"general-{pool}" for pool in GENERAL))
BEIR = {"cranfield": "test", "scifact": "train"}
BEIR_QUESTIONS = 120
CODE = ("urllib3", "rich", "openpyxl", "pypdf", "pygments", "fsspec", "networkx")
CODE_QUESTIONS = 80
CODE_PASSAGES = 400  # of each package


@dataclass
class Asked:
    """A question, its passages (position -> grade), and where it comes from."""

    query: str
    relevant: dict[int, int]
    source: str
    kind: str
    document: str = ""
    development: bool = False


@dataclass
class Collection:
    """Passages, each with a title or "", and questions."""

    texts: list[str] = field(default_factory=list)
    titles: list[str] = field(default_factory=list)
    questions: list[Asked] = field(default_factory=list)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pools", nargs="*", default=[*BEIR, "code", *POOLS, *LITERAL, *ABOUT])
    parser.add_argument("--reranker", default=DEFAULT_RERANKER)
    parser.add_argument("--depth", type=int, default=12, help="candidates that the reranker reads")
    options = parser.parse_args()
    folder = WORK / f"signals-{options.reranker}"
    folder.mkdir(parents=True, exist_ok=True)
    reranker = open_reranker(resolve_reranker(options.reranker))
    for name in options.pools:
        target = folder / f"{name}.jsonl"
        if target.exists():
            continue
        collection = load_pool(name)
        started = time.monotonic()
        search = _Search(collection)
        print(f"{name}: {len(collection.texts)} passages, {time.monotonic() - started:.0f} s", flush=True)
        (folder / f"{name}.texts.json").write_text(json.dumps([collection.texts, collection.titles]))
        with target.with_suffix(".new").open("w") as out:
            for asked in [*collection.questions, *([] if name in ABOUT else foreign(name))]:
                found = search.candidates(asked)
                shown = [search.read(i) for i in found["ids"][: options.depth]]
                found["logit"] = [round(float(x), 4) for x in reranker.scores(asked.query, shown)]
                out.write(json.dumps({"pool": name, **found}) + "\n")
        target.with_suffix(".new").rename(target)
        print(f"{name}: {len(collection.questions)} questions, {time.monotonic() - started:.0f} s", flush=True)


def load_pool(name: str) -> Collection:
    """The pool, the same in every run."""
    if name in BEIR:
        return _beir(name)
    if name in LITERAL:
        return _literal(name)
    if name in SHORT:
        return _notes(*name.split("-"))
    if name in ABOUT:
        made = load_pool(name.removeprefix("general-"))
        return Collection(made.texts, made.titles, [foreign_question(query) for query in _parts()["general"]])
    return _code() if name == "code" else _pairs(name)


def foreign(name: str) -> Iterator[Asked]:
    """Questions of other pools: few passages here answer one."""
    rng = random.Random(f"foreign {name}")
    others = [(pool, *part) for pool, parts in POOLS.items() if pool != name for part in parts if part[1]]
    for _ in range(FOREIGN):
        _, source, _, _ = rng.choice(others)
        row = rng.choice(list(rows_of(TRAIN / f"{source}.jsonl.gz")))
        yield Asked(row["query"], {}, source, "foreign", row["doc"])


def _pairs(name: str) -> Collection:
    made = Collection()
    place: dict[str, int] = {}

    def placed(text: str, title: str) -> int:
        if text not in place:
            place[text] = len(made.texts)
            made.texts.append(text)
            made.titles.append(title)
        return place[text]

    for source, count, passages in POOLS[name]:
        rng = random.Random(f"signals {source}")
        rows = list(rows_of(TRAIN / f"{source}.jsonl.gz"))
        rng.shuffle(rows)
        titled = source.startswith(("squad", "nq", "qed", "clapnq"))
        held = [row for row in rows if source != "squad-train36" or row["doc"] in SQUAD_HELD_OUT]
        held = held[: HELD_OUT.get(source, 0)]
        documents = {row["doc"] for row in held} | (set(SQUAD_HELD_OUT) if source == "squad-train36" else set())
        by_kind: dict[str, list[dict[str, Any]]] = {}
        for row in rows:
            if row["doc"] not in documents:
                by_kind.setdefault(row.get("kind", ""), []).append(row)
        fitted = [row for part in by_kind.values() for row in part[: -(-count // len(by_kind))]][:count]
        for row in [*held, *fitted]:
            title = row["doc"].replace("_", " ") if titled else ""
            made.questions.append(
                Asked(
                    row["query"],
                    {placed(row["positive"], title): 1},
                    source,
                    row.get("kind", ""),
                    row["doc"],
                    row in held,
                )
            )
        corpus = TRAIN / f"{source}.corpus.jsonl.gz"
        others = list(rows_of(corpus)) if corpus.exists() else [row | {"text": row["positive"]} for row in rows]
        rng.shuffle(others)
        most = len(made.texts) + passages
        for row in others:
            if len(made.texts) >= most:
                break
            placed(row["text"], row["doc"].replace("_", " ") if titled else "")
    return made


def _beir(name: str) -> Collection:
    data = load_beir(name, BEIR[name])
    made = Collection()
    place = {document: i for i, document in enumerate(data.corpus)}
    for text in data.corpus.values():
        title, _, body = text.removeprefix("# ").partition("\n\n") if text.startswith("# ") else ("", "", text)
        made.texts.append(body[:1400])
        made.titles.append(title)
    for question in list(data.queries)[:BEIR_QUESTIONS]:
        relevant = {place[d]: grade for d, grade in data.qrels[question].items() if d in place}
        kind = "claim" if name == "scifact" else "question"
        made.questions.append(Asked(data.queries[question], relevant, name, kind, question, name == "cranfield"))
    return made


def _parts() -> dict[str, list[str]]:
    """The lines of notes.txt by part."""
    parts: dict[str, list[str]] = {}
    for line in NOTES.read_text(encoding="utf-8").splitlines()[3:]:
        if line.startswith("# "):
            parts[line[2:]] = []
        else:
            parts[list(parts)[-1]].append(line)
    return parts


def _notes(name: str, lines: str) -> Collection:
    """One part of notes.txt, so many lines a passage; the questions of the other parts are asked too."""
    made = Collection()
    for part, notes in _parts().items():
        if part == name:
            texts = [note.split(" | ")[0] for note in notes]
            made.texts = ["\n".join(texts[i : i + int(lines)]) for i in range(0, len(texts), int(lines))]
            made.titles = [""] * len(made.texts)
        for i, note in enumerate(notes):
            for query in note.split(" | ")[part != "general" :]:
                relevant = {i // int(lines): 1} if part == name else {}
                made.questions.append(
                    Asked(query, relevant, "notes", "question", str(i)) if relevant else foreign_question(query)
                )
    return made


def foreign_question(query: str) -> Asked:
    """A question that the pool does not answer."""
    return Asked(query, {}, "notes", "foreign")


def _code() -> Collection:
    """Functions without their docstrings; the first sentence of the docstring asks for the function."""
    made = Collection()
    asked = []
    for package in CODE:
        spec = importlib.util.find_spec(package)
        if spec is None or spec.submodule_search_locations is None:
            continue
        paths = sorted(Path(next(iter(spec.submodule_search_locations))).rglob("*.py"))
        found = [one for path in paths for one in functions(path)]
        for text, sentence in found[:CODE_PASSAGES]:
            if text:
                if sentence:
                    asked.append((sentence, len(made.texts), package))
                made.texts.append(text[:1200])
                made.titles.append("")
    rng = random.Random("signals code")
    rng.shuffle(asked)
    for sentence, position, package in asked[:CODE_QUESTIONS]:
        made.questions.append(Asked(sentence, {position: 1}, "code", "title", package))
    return made


def _literal(name: str) -> Collection:
    """Pasted lines, terms alone, or identifiers: what holds or defines them is known from the texts."""
    made = Collection()
    for pool in LITERAL[name]:
        rng = random.Random(f"literal {pool}")
        part = load_pool(pool)
        base = len(made.texts)
        made.texts += part.texts
        made.titles += part.titles
        asked: list[Asked] = []
        if name == "terms":
            for one in part.questions:
                term = one.query.removeprefix("what is ").strip(" ?")
                if term != one.query.strip(" ?") and len(term.split()) <= 2:
                    relevant = {base + i: grade for i, grade in one.relevant.items()}
                    asked.append(Asked(term, relevant, one.source, "term", one.document))
        for text in rng.sample(part.texts, len(part.texts)) if name != "terms" else []:
            declared = re.match(r"\s*def (\w{6,})", text)
            words = text.split()
            if name == "pasted" and len(words) > 20:
                first = rng.randrange(len(words) - 9)
                query = " ".join(words[first : first + 8])
                held = {base + i: 1 for i, other in enumerate(part.texts) if holds_phrase(other, query)}
                asked.append(Asked(query, held, pool, "pasted", query))
            elif name == "identifiers" and declared and sum(f"def {declared[1]}" in t for t in part.texts) == 1:
                form = ("{}", "def {}", "where is {} defined")[len(asked) % 3]
                asked.append(Asked(form.format(declared[1]), {base + part.texts.index(text): 1}, pool, "name"))
        rng.shuffle(asked)
        made.questions += asked[:LITERAL_QUESTIONS]
    return made


def functions(path: Path) -> Iterator[tuple[str, str]]:
    """Each function of a file as (its source without the docstring, the docstring's first sentence or "")."""
    source = path.read_text(encoding="utf-8", errors="replace")
    try:
        tree = ast.parse(source)
    except SyntaxError:
        return
    lines = source.splitlines()
    for node in ast.walk(tree):
        if not isinstance(node, ast.FunctionDef) or node.end_lineno is None or node.end_lineno - node.lineno < 4:
            continue
        body, first = list(lines[node.lineno - 1 : node.end_lineno]), node.body[0]
        sentence = ""
        if ast.get_docstring(node) and first.end_lineno is not None:
            sentence = (ast.get_docstring(node) or "").split("\n\n")[0].replace("\n", " ").split(". ")[0].strip(" .")
            del body[first.lineno - node.lineno : first.end_lineno - node.lineno + 1]
        words = sentence.split()
        yield "\n".join(body), sentence if 4 <= len(words) <= 20 and ":" not in sentence else ""


class _Search:
    """A collection with its vectors and its keyword index, searched as ragcli searches a folder."""

    def __init__(self, collection: Collection) -> None:
        self.collection = collection
        self.asking = open_query_encoder(resolve(DEFAULT_MODEL))
        texts = [self.read(i) for i in range(len(collection.texts))]
        encoder = open_index_encoder(resolve(DEFAULT_MODEL), len(texts))
        self.vectors = np.concatenate([encoder.encode(texts[i : i + 256]) for i in range(0, len(texts), 256)])
        self.folder = tempfile.TemporaryDirectory()
        self.keywords = Keywords(Path(self.folder.name) / "keywords", create=True)
        self.keywords.update([(i, i, " ".join(terms(text))) for i, text in enumerate(texts)], [])

    def read(self, i: int) -> str:
        """The text of a passage as the models read it: under its title."""
        title = self.collection.titles[i]
        return f"{title}\n{self.collection.texts[i]}" if title else self.collection.texts[i]

    def candidates(self, asked: Asked) -> dict[str, Any]:
        """The best of the fused list in order, with what both lists say."""
        dense = self.vectors @ self.asking.encode([asked.query], kind="query")[0]
        nearest = [(int(i), float(dense[i])) for i in np.argsort(-dense, kind="stable")[:DEPTH]]
        bm25 = dict(self.keywords.search(query_terms(asked.query), DEPTH))
        ranked = fuse(nearest, list(bm25.items()))[:KEPT]
        listed = {i for i, _ in nearest}
        ids: Sequence[int] = [i for i, _ in ranked]
        return {
            "query": asked.query, "source": asked.source, "kind": asked.kind, "document": asked.document,
            "development": asked.development, "relevant": {str(i): grade for i, grade in asked.relevant.items()},
            "ids": ids, "fused": [round(score, 5) for _, score in ranked],
            "dense": [round(float(dense[i]), 5) for i in ids], "listed": [i in listed for i in ids],
            "least": round(nearest[-1][1], 5), "bm25": [round(bm25.get(i, 0.0), 4) for i in ids],
        }  # fmt: skip


if __name__ == "__main__":
    main()
