"""The query line over the sample index, checked against the lists it is made of."""

from __future__ import annotations

import io
import json
import math
import shutil
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from ragcli.api import search
from ragcli.errors import CalibrationMissing, UsageError
from ragcli.index.reader import open_index
from ragcli.models.files import DEFAULT_RERANKER, ModelFiles
from ragcli.models.open import open_query_encoder, open_reranker
from ragcli.models.resolve import resolve, resolve_reranker
from ragcli.retrieve import DEFAULT_CANDIDATES
from ragcli.retrieve.engine import Searcher, SearchOptions
from ragcli.retrieve.filters import Filters, select
from ragcli.retrieve.fuse import fuse
from ragcli.retrieve.probability import save_calibration
from ragcli.text import sentences, terms
from ragcli.text.terms import query_terms
from ragcli.types import Chunk

SAMPLES = Path(__file__).resolve().parents[2] / "sample_docs"
QUESTIONS = [json.loads(line)["question"] for line in (SAMPLES / "questions.jsonl").read_text().splitlines()][::4]


@pytest.fixture(scope="module")
def index(sample_home):
    with open_index(sample_home / "samples") as opened:
        yield opened


@pytest.mark.parametrize("question", QUESTIONS)
def test_hits_stand_in_the_order_of_the_fused_lists(index, question):
    encoder = open_query_encoder(resolve(index.settings.model))
    dense = index.dense(encoder.encode([question], kind="query")[0], 200)
    keyword = index.keyword(query_terms(question), 200)
    fused = dict(fuse(dense, keyword))
    hits = search(index, question, SearchOptions(k=10, reranker=None)).hits
    assert len(hits) == 10
    assert [hit.score for hit in hits] == sorted((hit.score for hit in hits), reverse=True)
    for hit in hits:
        assert hit.score == pytest.approx(fused[hit.chunk.id])
        parts = {part.name: (part.rank, part.score) for part in hit.parts}
        ranks = {i: rank for rank, (i, _) in enumerate(dense, 1)}
        assert parts["dense"][0] == ranks.get(hit.chunk.id)
        ranks = {i: rank for rank, (i, _) in enumerate(keyword, 1)}
        assert parts["keyword"][0] == ranks.get(hit.chunk.id)


def ranked_by(scores: dict[int, float]) -> dict[int, int]:
    """Ranks from 1 by falling score."""
    return {i: rank for rank, i in enumerate(sorted(scores, key=lambda i: (-scores[i], i)), 1)}


def scaled_by_hand(scores: dict[int, float]) -> dict[int, float]:
    low, high = min(scores.values()), max(scores.values())
    return {i: (score - low) / (high - low) for i, score in scores.items()}


@pytest.mark.parametrize("question", QUESTIONS)
def test_the_rank_in_each_list_is_that_of_the_raw_score(index, question):
    """With the models that ship, which put the hits in an order that no list has."""
    encoder = open_query_encoder(resolve(index.settings.model))
    dense = dict(index.dense(encoder.encode([question], kind="query")[0], 200))
    keyword = dict(index.keyword(query_terms(question), 200))
    fused = dict.fromkeys([*dense, *keyword], 0.0)
    for found in (dense, keyword):
        for i, score in scaled_by_hand(found).items():
            fused[i] += score / 2
    best = passages(index, question)[:DEFAULT_CANDIDATES]
    logits = open_reranker(resolve_reranker(DEFAULT_RERANKER)).scores(question, [chunk.embedded for chunk in best])
    rerank = {chunk.id: float(logit) for chunk, logit in zip(best, logits, strict=True)}
    hits = search(index, question).hits
    assert any(hit.chunk.id in rerank for hit in hits)
    for name, scores in (("dense", dense), ("keyword", keyword), ("fused", fused), ("rerank", rerank)):
        ranks = sorted(scores, key=lambda i: -scores[i])
        for hit in hits:
            told = {part.name: (part.rank, part.score) for part in hit.parts if part.rank is not None}
            if hit.chunk.id not in scores:
                assert name not in told
                continue
            rank, score = told[name]
            assert score == pytest.approx(scores[hit.chunk.id], abs=1e-4), name
            # equal scores are in the order of their paths
            assert scores[ranks[rank - 1]] == pytest.approx(scores[hit.chunk.id], abs=1e-4), name


@pytest.mark.parametrize("question", QUESTIONS)
def test_no_words_are_shown_twice(index, question, tiny):
    hits = search(index, question, SearchOptions(k=20, reranker=tiny.name)).hits
    for place, hit in enumerate(hits):
        for better in hits[:place]:
            if better.chunk.path == hit.chunk.path:
                assert hit.snippet.end <= better.snippet.start or better.snippet.end <= hit.snippet.start


def test_a_snippet_is_a_slice_of_its_chunk(index):
    for question in QUESTIONS:
        for hit in search(index, question, SearchOptions(reranker=None)).hits:
            offset = hit.chunk.start
            assert hit.chunk.text[hit.snippet.start - offset : hit.snippet.end - offset] == hit.snippet.text
            assert hit.chunk.lines[0] <= hit.snippet.line <= hit.chunk.lines[1]
            if hit.chunk.pages:
                assert hit.chunk.pages[0] <= hit.snippet.page <= hit.chunk.pages[1]


def test_a_filter_gives_the_best_of_what_it_leaves(index):
    everything = search(index, "attention", SearchOptions(k=1000, reranker=None)).hits
    pdf = Filters(types=("pdf",))
    only = search(index, "attention", SearchOptions(k=3, mode="dense", reranker=None, filters=pdf)).hits
    best = search(index, "attention", SearchOptions(k=1000, mode="dense", reranker=None)).hits
    assert [h.chunk.id for h in only] == [h.chunk.id for h in best if h.chunk.path.suffix == ".pdf"][:3]
    assert len(everything) > 30


def test_a_searcher_answers_many_questions_alike(index):
    searcher = Searcher(index, SearchOptions(k=5))
    first = [searcher.search(question).hits for question in QUESTIONS[:4]]
    assert [search(index, question, SearchOptions(k=5)).hits for question in QUESTIONS[:4]] == first


@pytest.mark.parametrize("question", [QUESTIONS[0], "what are pre-trained word vectors?"])
def test_a_question_is_split_once_and_no_passage_twice(index, question, monkeypatch):
    calls: Counter[tuple[str, str]] = Counter()

    def count(name, function):
        def counted(text, *arguments):
            calls[name, text] += 1
            return function(text, *arguments)

        return counted

    from ragcli.render import write_results

    search(index, question)  # what is kept for the whole process, such as the stop words, is split here
    for owner, name in [(terms, "query_terms"), (terms, "terms"), (terms, "term_spans"), (sentences, "sentences")]:
        function = getattr(owner, name)
        for module in [module for key, module in sys.modules.items() if key.startswith("ragcli.")]:
            if getattr(module, name, None) is function:
                monkeypatch.setattr(module, name, count(name, function))
    write_results(search(index, question), "plain", io.StringIO(), base=Path("/"))
    assert [(text, times) for (name, text), times in calls.items() if name == "query_terms"] == [(question, 1)]
    assert set(calls.values()) == {1}
    split = [name for name, text in calls if text != question]
    # every hit for its coverage, every shown one and those left out beside it for its snippet
    assert 10 <= split.count("terms") <= 20
    assert 10 <= split.count("sentences") <= 20


def test_a_blank_query_is_refused(index):
    with pytest.raises(UsageError, match="empty"):
        search(index, " \t")


@pytest.fixture(autouse=True)
def _own_models(monkeypatch, tmp_path):
    monkeypatch.setenv("RAGCLI_MODELS", str(tmp_path / "models"))


@pytest.fixture(scope="module")
def tiny(make_cross_encoder) -> ModelFiles:
    """A cross-encoder that no combination was fitted for: its logit alone decides."""
    return resolve_reranker(str(make_cross_encoder()))


def passages(index, question: str, mode: str = "hybrid", documents: set[int] | None = None) -> list[Chunk]:
    """The distinct passages in the order of the lists."""
    encoder = open_query_encoder(resolve(index.settings.model))
    dense = index.dense(encoder.encode([question], kind="query")[0], 200, documents)
    keyword = index.keyword(query_terms(question), 200, documents)
    ranked = {"hybrid": fuse(dense, keyword), "dense": dense, "keyword": keyword}[mode]
    chunks = index.chunks([i for i, _ in ranked])
    return list({chunks[i].text: chunks[i] for i, _ in reversed(ranked)}.values())[::-1]


def reranked(tiny: ModelFiles, question: str, chunks: list[Chunk]) -> list[int]:
    """Their ids by falling logit."""
    logits = open_reranker(tiny).scores(question, [chunk.embedded for chunk in chunks])
    return [chunks[i].id for i in np.argsort(-logits, kind="stable")]


@pytest.mark.parametrize("mode", ["hybrid", "dense", "keyword"])
def test_the_best_candidates_are_put_in_the_order_of_their_logits(index, tiny, mode):
    plain = passages(index, QUESTIONS[0], mode)
    expected = reranked(tiny, QUESTIONS[0], plain[:9])
    assert expected != [chunk.id for chunk in plain[:9]]
    expected += [chunk.id for chunk in plain[9:]]
    hits = search(index, QUESTIONS[0], SearchOptions(k=500, mode=mode, reranker=tiny.name, candidates=9)).hits
    found = [hit.chunk.id for hit in hits]
    assert len(found) > 12
    assert found[0] == expected[0]
    assert found == [i for i in expected if i in found]  # neighbours that repeat a better hit are left out
    lists = ["fused", "dense", "keyword"] if mode == "hybrid" else [mode]
    assert [part.name for part in hits[0].parts] == [*lists, "rerank"]
    rerank = hits[0].parts[-1]
    assert (rerank.name, rerank.rank) == ("rerank", 1)
    assert rerank.score == pytest.approx(max(h.signals["logit"] for h in hits if "logit" in h.signals))


def test_more_hits_than_candidates_go_on_in_the_order_of_the_lists(index, tiny):
    results = search(index, QUESTIONS[1], SearchOptions(k=30, reranker=tiny.name, candidates=4))
    assert len(results.hits) == 30
    scores = [hit.score for hit in results.hits]
    assert scores == sorted(scores, reverse=True)
    reranked = ["rerank" in {part.name for part in hit.parts} for hit in results.hits]
    assert 1 <= sum(reranked) <= 4
    assert reranked == sorted(reranked, reverse=True)
    ranks = [hit.parts[0].rank for hit in results.hits[sum(reranked) :]]
    assert ranks == sorted(ranks)
    assert results.details[0].startswith("reranked 4 of 4 candidates in ")


BROAD = "attention heads"  # two words, so that no passage is first for holding the query as it is written


def test_a_filter_acts_before_the_candidates_are_chosen(index, tiny):
    pdf = Filters(types=("pdf",))
    expected = reranked(tiny, BROAD, passages(index, BROAD, documents=select(index.catalog.documents(), pdf))[:6])
    hits = search(index, BROAD, SearchOptions(reranker=tiny.name, candidates=6, filters=pdf)).hits
    assert {hit.chunk.path.suffix for hit in hits} == {".pdf"}
    found = [hit.chunk.id for hit in hits if "logit" in hit.signals]
    assert found[0] == expected[0]
    assert found == [i for i in expected if i in found]


def test_of_each_document_the_hit_that_the_reranker_likes_best(index, tiny):
    plain = passages(index, BROAD)
    paths = {chunk.id: chunk.path for chunk in plain}
    best: dict[Path, int] = {}
    for i in reranked(tiny, BROAD, plain[:30]) + [chunk.id for chunk in plain[30:]]:
        best.setdefault(paths[i], i)
    hits = search(index, BROAD, SearchOptions(reranker=tiny.name, candidates=30, unique=True)).hits
    assert [hit.chunk.id for hit in hits] == list(best.values())[:10]
    assert len(hits) == 10


# the logit alone, and hits that were not reranked next to never
FIT = {
    "reranked": {"bias": 0.0, "dense": 0.0, "coverage": 0.0, "late": 0.0, "logit": 1.0},
    "scored": {"bias": 0.0, "logit": 1.0},
    "retrieved": {"bias": -20.0, "dense": 0.0, "coverage": 0.0},
    "ranking": {"fused": 0.2, "late": 0.2, "logit": 0.6},
}


def test_only_what_is_likely_enough_is_shown(index, tiny):
    save_calibration(index.settings.sha256, tiny.sha256, FIT)
    everything = search(index, QUESTIONS[2], SearchOptions(k=500, reranker=tiny.name, candidates=20)).hits
    for hit in everything:
        logits = [part.score for part in hit.parts if part.name == "rerank"]
        assert hit.probability == pytest.approx(1 / (1 + math.exp(-logits[0])) if logits else 1 / (1 + math.exp(20)))
    logits = sorted(hit.signals["logit"] for hit in everything if "logit" in hit.signals)
    least = 1 / (1 + math.exp(-logits[len(logits) // 2]))
    options = SearchOptions(k=500, reranker=tiny.name, candidates=20, min_probability=least)
    likely = search(index, QUESTIONS[2], options).hits
    assert [hit.chunk.id for hit in likely] == [hit.chunk.id for hit in everything if hit.probability >= least]
    assert 0 < len(likely) < len(logits)
    none = SearchOptions(reranker=tiny.name, min_probability=0.999999)
    assert search(index, QUESTIONS[2], none).hits == ()


def test_a_probability_that_nothing_was_fitted_for_is_refused(index, tiny):
    with pytest.raises(CalibrationMissing, match="ragcli models calibrate"):
        Searcher(index, SearchOptions(reranker=tiny.name, mode="keyword", min_probability=0.5))
    assert {hit.probability for hit in search(index, "x", SearchOptions(reranker=tiny.name, mode="keyword")).hits} <= {
        None
    }


def test_scores_that_are_no_numbers_give_the_order_of_the_lists_and_a_note(index, make_cross_encoder, tmp_path):
    folder = Path(shutil.copytree(make_cross_encoder(), tmp_path / "broken"))
    tensors = load_file(folder / "model.safetensors")
    tensors["classifier.bias"][0] = np.nan
    save_file(tensors, folder / "model.safetensors")
    broken = search(index, QUESTIONS[0], SearchOptions(reranker=str(folder)))
    plain = search(index, QUESTIONS[0], SearchOptions(reranker=None))
    assert [(hit.chunk.id, hit.score) for hit in broken.hits] == [(hit.chunk.id, hit.score) for hit in plain.hits]
    assert [note for note in broken.notes if "not numbers" in note and "broken" in note]
    assert plain.notes == ()


def test_an_empty_index_has_no_hits(ragcli, tiny, tmp_path):
    (tmp_path / "void").mkdir()
    assert ragcli("index", str(tmp_path / "void")).returncode == 0
    with open_index(tmp_path / "home" / "default") as empty:
        for mode in ("hybrid", "dense", "keyword"):
            results = search(empty, "anything", SearchOptions(mode=mode, reranker=tiny.name))
            assert (results.hits, results.details) == ((), ())
