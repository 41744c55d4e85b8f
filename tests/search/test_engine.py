"""The query line over the sample index, checked against the lists it is made of."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ragcli.errors import UsageError
from ragcli.index.reader import open_index
from ragcli.models.encoder import open_query_encoder
from ragcli.models.resolve import resolve
from ragcli.search.engine import Searcher, SearchOptions, search
from ragcli.search.filters import Filters
from ragcli.search.fuse import fuse
from ragcli.search.terms import query_terms

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
    hits = search(index, question, SearchOptions(k=10)).hits
    assert len(hits) == 10
    assert [hit.score for hit in hits] == sorted((hit.score for hit in hits), reverse=True)
    for hit in hits:
        assert hit.score == pytest.approx(fused[hit.chunk.id])
        parts = {part.name: (part.rank, part.score) for part in hit.parts}
        ranks = {i: rank for rank, (i, _) in enumerate(dense, 1)}
        assert parts["dense"][0] == ranks.get(hit.chunk.id)
        ranks = {i: rank for rank, (i, _) in enumerate(keyword, 1)}
        assert parts["keyword"][0] == ranks.get(hit.chunk.id)


@pytest.mark.parametrize("question", QUESTIONS)
def test_no_words_are_shown_twice(index, question):
    hits = search(index, question, SearchOptions(k=20)).hits
    for place, hit in enumerate(hits):
        for better in hits[:place]:
            if better.chunk.path == hit.chunk.path:
                assert hit.snippet.end <= better.snippet.start or better.snippet.end <= hit.snippet.start


def test_a_snippet_is_a_slice_of_its_chunk(index):
    for question in QUESTIONS:
        for hit in search(index, question).hits:
            offset = hit.chunk.start
            assert hit.chunk.text[hit.snippet.start - offset : hit.snippet.end - offset] == hit.snippet.text
            assert hit.chunk.lines[0] <= hit.snippet.line <= hit.chunk.lines[1]
            if hit.chunk.pages:
                assert hit.chunk.pages[0] <= hit.snippet.page <= hit.chunk.pages[1]


def test_a_filter_gives_the_best_of_what_it_leaves(index):
    everything = search(index, "attention", SearchOptions(k=1000)).hits
    only = Searcher(index, SearchOptions(k=3, mode="dense", filters=Filters(types=("pdf",)))).search("attention").hits
    best = Searcher(index, SearchOptions(k=1000, mode="dense")).search("attention").hits
    assert [h.chunk.id for h in only] == [h.chunk.id for h in best if h.chunk.path.suffix == ".pdf"][:3]
    assert len(everything) > 30


def test_a_searcher_answers_many_questions_alike(index):
    searcher = Searcher(index, SearchOptions(k=5))
    first = [searcher.search(question) for question in QUESTIONS]
    assert [search(index, question, SearchOptions(k=5)) for question in QUESTIONS] == first


def test_a_blank_query_is_refused(index):
    with pytest.raises(UsageError, match="empty"):
        search(index, " \t")
