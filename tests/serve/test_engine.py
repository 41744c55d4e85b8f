"""The engine in this process: how many questions compute and wait, what stays open, and what is closed."""

from __future__ import annotations

import json
import os
import threading
import time
from pathlib import Path

import pytest

from ragcli.errors import IndexNotFound, UsageError
from ragcli.index.reader import open_index
from ragcli.ingest.sync import sync
from ragcli.models import open as models
from ragcli.retrieve.engine import Searcher, SearchOptions
from ragcli.serve import wire
from ragcli.serve.engine import Engine, TooManyQuestions
from ragcli.serve.questions import SEARCH, read_fields, search, search_options, searcher
from ragcli.types import Chunk


@pytest.fixture
def engine(monkeypatch):
    """An engine whose models are closed at the end, so that other tests load their own."""
    monkeypatch.setattr(models, "_kept", None)
    made: list[Engine] = []

    def make(**options) -> Engine:
        made.append(Engine(**options))
        return made[-1]

    yield make
    for one in made:
        one.close()


def options_of(**fields) -> SearchOptions:
    return search_options(read_fields(fields, SEARCH))


def test_the_same_results_from_every_thread_as_from_a_searcher(engine, sample_home):
    folder = sample_home / "samples"
    asked = [("attention heads", {}), ("byte pairs", {"k": 3}), ("recall", {"type": ["md"], "mode": "dense"})]
    with open_index(folder) as index:
        expected = [Searcher(index, options_of(**fields)).search(text) for text, fields in asked]
    running = engine(computing=3)
    found = [
        running.submit(lambda desk, t=text, f=fields: search(desk.index(folder), t, options_of(**f)))
        for _ in range(4)
        for text, fields in asked
    ]
    for number, future in enumerate(found):
        results = future.result(300)
        assert results.hits == expected[number % 3].hits
        assert results.notes == expected[number % 3].notes


def test_a_question_computes_in_its_own_thread_alone(engine, sample_home):
    """FAISS would let others wait for it in a loop, which took a quarter of a server's processor time."""
    import faiss

    def threads(desk):
        search(desk.index(sample_home / "samples"), "attention heads", options_of(rerank=False))
        together.wait(60)  # so that each of the three has a question
        return faiss.omp_get_max_threads()

    together = threading.Barrier(3)
    running = engine(computing=3)
    assert [one.result(120) for one in [running.submit(threads) for _ in range(3)]] == [1, 1, 1]


def test_what_goes_over_the_wire_comes_back_whole(sample_home):
    with open_index(sample_home / "samples") as index:
        results = Searcher(index, SearchOptions(k=20)).search("how can a network run backwards?")
    back = wire.unpack(json.loads(json.dumps(wire.pack(results))))
    assert back == results


def test_a_path_that_is_not_text_comes_back_whole():
    path = Path(os.fsdecode(b"/notes/\xff\xfe \x1b[31m.md"))
    chunk = Chunk(1, path, "", 0, 3, "a\ud800b", (0, 3), (1, 1), None, ("h",), "")
    assert wire.unpack(json.loads(json.dumps(wire.pack(chunk)))) == chunk


def test_as_many_compute_as_threads_as_many_wait_as_fit_and_the_next_are_refused(engine):
    running = engine(computing=2, waiting=3)
    computing, release = threading.Semaphore(0), threading.Event()

    def block(_desk):
        computing.release()
        release.wait(60)
        return threading.current_thread().name

    first = [running.submit(block) for _ in range(2)]
    for _ in first:
        assert computing.acquire(timeout=30)
    waiting = [running.submit(block) for _ in range(3)]
    assert running.load == (2, 3, 0)
    with pytest.raises(TooManyQuestions):
        running.submit(block)
    assert waiting[2].cancel()
    release.set()
    names = {future.result(30) for future in [*first, *waiting[:2]]}
    assert len(names) == 2
    assert running.run(lambda _desk: 7) == 7


def test_an_error_reaches_the_one_who_asked_and_the_thread_goes_on(engine, tmp_path):
    running = engine(computing=1)
    with pytest.raises(IndexNotFound):
        running.run(lambda desk: desk.index(tmp_path))
    with pytest.raises(UsageError):
        running.run(lambda _desk: options_of(mode="deep"))
    assert running.run(lambda _desk: 1) == 1


def make_index(folder: Path, text: str) -> Path:
    notes = folder.parent / f"{folder.name}-notes"
    notes.mkdir(exist_ok=True)
    (notes / "a.txt").write_text(text)
    sync(folder, notes)
    return folder


def test_only_the_last_indexes_stay_open(engine, tmp_path):
    folders = [make_index(tmp_path / f"i{number}", f"Boat {number} is painted.") for number in range(3)]
    running = engine(computing=1, indexes=2)
    opened = [running.run(lambda desk, f=folder: desk.index(f)) for folder in folders]
    assert running.run(len) == 2
    assert running.run(lambda desk: desk.index(folders[2])) is opened[2]
    assert running.run(lambda desk: desk.index(folders[0])) is not opened[0]


def test_a_question_to_more_indexes_than_stay_open_has_them_all(engine, tmp_path):
    folders = [make_index(tmp_path / f"i{number}", f"Boat {number} is painted.") for number in range(3)]
    running = engine(computing=1, indexes=1)
    options = options_of(mode="keyword", rerank=False, all=True)

    def texts(desk) -> set[str]:
        hits = searcher(desk.indexes(folders), options).search("boat").hits
        return {hit.chunk.text for hit in hits}

    assert running.run(texts) == {f"Boat {number} is painted." for number in range(3)}
    running.run(lambda desk: desk.index(folders[0]))
    assert running.run(texts) == {f"Boat {number} is painted." for number in range(3)}


def test_an_index_that_changed_is_opened_again_and_one_that_did_not_is_not(engine, tmp_path):
    folder = make_index(tmp_path / "i", "Boat 1 is painted.")
    running = engine(computing=1)

    def text() -> str:
        return running.run(lambda desk: search(desk.index(folder), "boat", options_of(rerank=False)).hits[0].chunk.text)

    first = running.run(lambda desk: desk.index(folder))
    assert running.run(lambda desk: desk.index(folder)) is first
    assert text() == "Boat 1 is painted."
    make_index(folder, "Boat 2 is painted blue.")
    assert text() == "Boat 2 is painted blue."


def wait_for(holds, seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_an_open_index_does_not_hold_the_log_of_the_writer(engine, tmp_path):
    """A snapshot that stayed open would keep every later page in the log, which then grows with each commit."""
    folder = make_index(tmp_path / "i", "Boat 1 is painted.")
    running = engine(computing=1)
    running.run(lambda desk: desk.index(folder))
    make_index(folder, "Boat 2 is painted.")
    wait_for(lambda: running.run(len) == 0 or time.sleep(2.5))
    make_index(folder, "Boat 3 is painted.")
    log = folder / "catalog.sqlite3-wal"
    assert not log.exists() or log.stat().st_size == 0


def test_what_nobody_uses_is_closed(engine, sample_home):
    running = engine(computing=1, unload_seconds=0.0)
    folder = sample_home / "samples"
    running.run(lambda desk: search(desk.index(folder), "attention", options_of()))
    kept = models.keep_open()
    assert len(kept) == 2
    wait_for(lambda: len(kept) == 0)
    assert running.run(lambda desk: search(desk.index(folder), "attention", options_of())).hits


def test_logits_are_remembered_per_question_and_passage(engine, sample_home):
    running = engine(computing=1)
    folder = sample_home / "samples"
    fields = {"k": 10, "candidates": 5}
    first = running.run(lambda desk: search(desk.index(folder), "what is attention", options_of(**fields)))
    reranker = next(model for role, model in models.keep_open().opened() if role == "reranker")
    counted: list[int] = []
    scores = reranker._reranker.scores
    reranker._reranker.scores = lambda query, passages: counted.append(len(passages)) or scores(query, passages)
    again = running.run(lambda desk: search(desk.index(folder), "what is attention", options_of(**fields)))
    assert (again.hits, counted) == (first.hits, [])
    running.run(lambda desk: search(desk.index(folder), "what is attention", options_of(k=10, candidates=7)))
    running.run(lambda desk: search(desk.index(folder), "what is recall", options_of(**fields)))
    assert counted == [2, 5]
