"""Stages over a small collection: what an index of passages and one of whole documents answer, and how it is told."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from ragcli.errors import UsageError
from ragcli.evaluate.collection import document_name, document_number, kept_folder, passages_index
from ragcli.evaluate.datasets import load_beir
from ragcli.evaluate.measures import HEADLINE
from ragcli.evaluate.report import summarize
from ragcli.evaluate.stages import STAGES, choose_stages, run_stage, time_stages
from ragcli.evaluate.task import judged_task
from ragcli.evaluate.whole import whole_index
from ragcli.index.reader import open_index
from ragcli.models.open import open_query_encoder
from ragcli.models.resolve import DEFAULT_MODEL, resolve


def quiet(_doing, _done, _total):
    pass


@pytest.fixture(scope="module")
def model():
    return resolve(DEFAULT_MODEL)


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("RAGCLI_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def rankings_of(folder, task):
    return {stage.name: run_stage(folder, task, stage, offline=True, report=quiet) for stage in STAGES}


def summary_of(task, rankings, compare):
    return summarize(task, rankings, {ranking.stage: [1.0, 2.0, 9.0] for ranking in rankings}, compare=compare)


def task_of(dataset, folder):
    with open_index(folder, None) as index:
        return judged_task(dataset, index)


def test_whole_documents_rank_by_the_cosine_of_their_whole_text(small, cache, model):
    dataset = load_beir(small)
    folder = whole_index(dataset, model, report=quiet)
    ranking = rankings_of(folder, task_of(dataset, folder))["dense"]
    encoder = open_query_encoder(model)
    rows = encoder.encode([entry.whole for entry in dataset.corpus.values()])
    ids = np.array(list(dataset.corpus))
    for question, text in dataset.queries.items():
        scores = rows @ encoder.encode([text], kind="query")[0]
        assert ranking.names[question] == ids[np.argsort(-scores)].tolist()


def test_the_words_behind_the_window_count_for_keywords_only(tmp_path, write_collection, cache, model):
    corpus = {"long": ("", "boats " * 400 + "zanzibar"), "short": ("", "bread and butter")}
    dataset = load_beir(write_collection(tmp_path / "a", corpus, {"q": "zanzibar"}, [("q", "long", 1)]))
    folder = whole_index(dataset, model, report=quiet)
    with open_index(folder) as index:
        (chunk,) = (chunk for chunk in index.chunks(range(1, 10)).values() if "zanzibar" in chunk.text)
        assert chunk.text == dataset.corpus["long"].whole
    assert rankings_of(folder, task_of(dataset, folder))["keyword"].names["q"] == ["long"]


def test_passages_find_what_was_asked_for_and_each_document_once(small, cache, model):
    dataset = load_beir(small)
    folder = passages_index(dataset, model, offline=True, report=quiet)
    rankings = rankings_of(folder, task_of(dataset, folder))
    assert {q: names[0] for q, names in rankings["dense"].names.items()} == {
        "q1": "harbour", "q2": "oven", "q3": "clock 4"
    }  # fmt: skip
    assert rankings["keyword"].names["q3"][0] == "clock 4"
    assert sorted(rankings["dense"].names["q1"]) == sorted(dataset.corpus)


def test_every_stage_is_timed_on_every_question(small, cache, model):
    dataset = load_beir(small)
    folder = passages_index(dataset, model, offline=True, report=quiet)
    seen = []
    found = time_stages(folder, task_of(dataset, folder), STAGES, offline=True, report=lambda *told: seen.append(told))
    assert {name: len(ms) for name, ms in found.items()} == {stage.name: 3 for stage in STAGES}
    assert min(value for ms in found.values() for value in ms) > 0
    assert seen == [("timing", 1, 3), ("timing", 2, 3), ("timing", 3, 3)]


def test_equal_documents_are_all_found(tmp_path, write_collection, cache, model):
    corpus = {"a": ("", "Boats are painted."), "b": ("", "Bread is baked."), "c": ("", "Boats are painted.")}
    dataset = load_beir(write_collection(tmp_path / "a", corpus, {"q": "painted boats"}, [("q", "c", 1)]))
    folder = passages_index(dataset, model, offline=True, report=quiet)
    names = rankings_of(folder, task_of(dataset, folder))["hybrid"].names["q"]
    # which of the two was indexed first is for the workers to say
    assert (sorted(names[:2]), names[2:]) == (["a", "c"], ["b"])


def test_ids_are_not_searched(tmp_path, write_collection, cache, model):
    corpus = {"zanzibar": ("", "Boats are painted."), "42": ("", "Bread is baked."), "x": ("", "Clouds drift by.")}
    dataset = load_beir(write_collection(tmp_path / "a", corpus, {"q": "zanzibar 42"}, [("q", "x", 1)]))
    for folder in (
        passages_index(dataset, model, offline=True, report=quiet),
        whole_index(dataset, model, report=quiet),
    ):
        assert rankings_of(folder, task_of(dataset, folder))["keyword"].names["q"] == []


def test_documents_without_text_are_told(tmp_path, write_collection, cache, model):
    corpus = {"a": ("", "Boats are painted."), "empty": ("", " "), "b": ("", "Bread is baked.")}
    qrels = [("q", "b", 1), ("q", "empty", 1)]
    dataset = load_beir(write_collection(tmp_path / "a", corpus, {"q": "baked bread"}, qrels))
    for folder in (
        passages_index(dataset, model, offline=True, report=quiet),
        whole_index(dataset, model, report=quiet),
    ):
        task = task_of(dataset, folder)
        assert task.warnings == ("1 of 3 documents have no text and are not in the index",)
        evaluation = summary_of(task, list(rankings_of(folder, task).values()), compare=True)
        assert [stage.measures["R@10"].value for stage in evaluation.stages] == [0.5] * len(evaluation.stages)


@pytest.mark.parametrize("form", ["passages", "whole"])
def test_a_built_index_is_kept_and_a_stopped_build_goes_on(small, cache, model, form):
    dataset = load_beir(small)

    def build(report):
        if form == "whole":
            return whole_index(dataset, model, report=report)
        return passages_index(dataset, model, offline=True, report=report)

    def stop(_doing, _done, _total):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        build(stop)
    folder = build(quiet)
    with open_index(folder) as index:
        assert index.catalog.count("documents") == 5
        commits = index.catalog.commits()
    assert build(stop) == folder  # nothing is done that could be reported
    with open_index(folder) as index:
        assert index.catalog.commits() == commits


def test_another_corpus_has_another_place(tmp_path, write_collection, cache, model):
    one = load_beir(write_collection(tmp_path / "a" / "set"))
    same = load_beir(write_collection(tmp_path / "b" / "set"))
    other = load_beir(write_collection(tmp_path / "c" / "set", {"harbour": ("", "Boats.")}))
    places = [kept_folder(dataset, model, "whole") for dataset in (one, same, other)]
    assert places[0] == places[1] != places[2]
    assert places[0].parent == cache / "eval"
    assert places[0].name.startswith("set-")
    assert kept_folder(one, model, "passages") != places[0]


def test_file_names_are_numbers_and_back():
    numbers = [0, 7, 123_456]
    assert [document_number(Path("/somewhere") / document_name(number)) for number in numbers] == numbers


def test_stages_are_chosen_by_name_in_their_own_order():
    assert [stage.name for stage in choose_stages(["hybrid", "keyword"])] == ["keyword", "hybrid"]
    assert choose_stages([]) == STAGES
    with pytest.raises(UsageError, match="unknown stage 'sparse'; stages: keyword, dense, hybrid"):
        choose_stages(["sparse"])


def test_comparisons_are_of_neighbours_and_of_the_ends(small, cache, model):
    dataset = load_beir(small)
    folder = whole_index(dataset, model, report=quiet)
    task = task_of(dataset, folder)
    rankings = list(rankings_of(folder, task).values())
    evaluation = summary_of(task, rankings, compare=True)
    assert {(stage.ms.value, stage.ms.low, stage.ms.high) for stage in evaluation.stages} == {(2.0, 1.0, 9.0)}
    assert [stage.ms_p95 for stage in evaluation.stages] == pytest.approx([8.3] * len(STAGES))  # 2 + 0.9 * (9 - 2)
    pairs = [(found.first, found.second) for found in evaluation.comparisons]
    assert pairs[: len(STAGES) - 1] == [(a.name, b.name) for a, b in pairwise(STAGES)]
    assert pairs[-1] == (STAGES[0].name, STAGES[-1].name)
    for found in evaluation.comparisons:
        first, second = (next(s for s in evaluation.stages if s.name == name) for name in (found.first, found.second))
        gains = second.headline - first.headline
        assert found.wins + found.ties + found.losses == 3
        assert found.wins - found.losses == np.sign(gains).sum()
        expected = second.measures[HEADLINE].value - first.measures[HEADLINE].value
        assert found.difference == pytest.approx(expected)
    assert len(summary_of(task, rankings[:2], compare=True).comparisons) == 1
    assert summary_of(task, rankings, compare=False).comparisons == ()
