"""What counts as found: answers of known items in a real index, and the names that rankings are judged by."""

from __future__ import annotations

from pathlib import Path

import pytest

from ragcli.errors import UsageError
from ragcli.evaluate.datasets import Question, QuestionSet
from ragcli.evaluate.task import document_text, holding, known_item_task
from ragcli.index.reader import open_index
from ragcli.ingest.sync import SyncOptions, sync
from ragcli.retrieve.engine import Searcher, SearchOptions
from ragcli.types import Chunk


def cut(text, *spans):
    """Chunks of a document by hand."""
    return [
        Chunk(
            id=number, path=Path("/a.md"), title="", start=start, end=end, text=text[start:end], bytes=(start, end),
            lines=(1, 1), pages=None, headings=(),
        )
        for number, (start, end) in enumerate(spans)
    ]  # fmt: skip


TEXT = "one two three four five\n\nsix seven eight nine ten\n\n---\n\neleven twelve"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("two three", [0]),
        ("two\n three  four", [0]),  # white space does not matter
        ("seven eight", [1]),
        ("four five six seven eight nine", [1]),  # most of it is in the second
        ("three four five six seven", [0, 1]),  # cut in two
        ("one two three four five six seven eight nine ten", [0, 1]),  # both lie within it
        ("five six", [0, 1]),
        ("eleven twelve", [2]),
        ("thirteen", []),
        ("two four", []),
        ("one. two", []),  # a text, not a pattern
    ],
)
def test_a_passage_that_holds_much_of_the_text_or_lies_within_it_answers(text, expected):
    chunks = cut(TEXT, (0, 23), (25, 49), (56, 69))
    assert [chunk.id for chunk in holding(chunks, text)] == expected


def test_every_place_with_the_text_counts():
    text = "stop here. go on. stop here."
    assert [chunk.id for chunk in holding(cut(text, (0, 10), (11, 17), (18, 28)), "stop here.")] == [0, 2]


def test_the_text_is_that_of_overlapping_chunks_and_spans_stay_true():
    chunks = cut(TEXT, (0, 18), (8, 23), (25, 49), (56, 69))
    found = document_text(chunks)
    assert len(found) == 69
    assert found.split() == TEXT.replace("---", "").split()
    assert all(found[chunk.start : chunk.end] == chunk.text for chunk in chunks)


@pytest.fixture(scope="module")
def shelf(tmp_path_factory):
    """Two folders with a file of the same name in each, and the same passage in two files."""
    base = tmp_path_factory.mktemp("shelf")
    files = {
        "old/boats.md": "# Boats\n\nBoats are painted in spring.\n\n## Ropes\n\nRopes are coiled clockwise.\n",
        "new/boats.md": "# Boats\n\nBoats are painted in autumn now.\n",
        "new/rowboats.md": "# Rowing\n\nRowing is done backwards.\n",
        "new/copy.txt": "Rowing is done backwards.\n",
        "old/copy.txt": "Rowing is done backwards.\n",
    }
    for name, text in files.items():
        (base / name).parent.mkdir(exist_ok=True)
        (base / name).write_text(text)
    sync(base / "index", [base / "old", base / "new"], SyncOptions(workers=1))
    with open_index(base / "index") as index:
        yield base, index


def asked(*questions):
    found = tuple(
        Question(str(number), question, Path(path), text) for number, (question, path, text) in enumerate(questions)
    )
    return QuestionSet("q.jsonl", found, synthetic=False, warnings=())


def named(task, index, question, unique):
    searcher = Searcher(index, SearchOptions(mode="keyword", reranker=None, unique=unique))
    return [name for hit in searcher.search(task.queries[question]).hits for name in task.named(question, hit)]


def test_a_path_is_matched_by_whole_parts_from_its_end(shelf):
    base, index = shelf
    task = known_item_task(asked(("rowing", "rowboats.md", None), ("boats", "old/boats.md", None)), index)
    assert task.qrels == {"0": {str(base / "new/rowboats.md"): 1}, "1": {str(base / "old/boats.md"): 1}}
    assert task.by_document == {"0", "1"}
    with pytest.raises(
        UsageError, match=r"1 questions are about documents that are not in the index, such as oats\.md"
    ):
        known_item_task(asked(("boats", "oats.md", None)), index)


def test_a_path_that_fits_two_documents_is_answered_by_either(shelf):
    _, index = shelf
    task = known_item_task(asked(("painted boats", "boats.md", None)), index)
    names = named(task, index, "0", unique=True)
    assert names == [*task.qrels["0"]] * 2


def test_with_a_text_only_its_passage_is_the_answer(shelf):
    base, index = shelf
    task = known_item_task(
        asked(
            ("boats ropes", "boats.md", "Ropes are\ncoiled clockwise."),
        ),
        index,
    )
    assert task.by_document == frozenset()
    names = named(task, index, "0", unique=False)
    (answer,) = task.qrels["0"]
    assert answer.startswith(f"{base / 'old/boats.md'}#")
    assert names.count(answer) == 1
    assert len(set(names)) == 3


def test_a_copy_of_the_answer_is_the_answer(shelf):
    """The passage stands in two files, and the hit may show either."""
    _, index = shelf
    for folder in ("old", "new"):
        for text in (None, "done backwards."):
            task = known_item_task(asked(("backwards done", f"{folder}/copy.txt", text)), index)
            names = named(task, index, "0", unique=True)
            assert names.count(next(iter(task.qrels["0"]))) == 1


def test_what_cannot_be_asked_is_counted_and_left_out(shelf):
    _, index = shelf
    task = known_item_task(
        asked(("a", "boats.md", None), ("b", "ships.md", None), ("c", "boats.md", "no such sentence")), index
    )
    assert list(task.queries) == ["0"]
    assert [warning.split()[0] for warning in task.warnings] == ["1", "1"]
    assert "ships.md" in task.warnings[0]
    assert "not in their document" in task.warnings[1]


def test_the_first_questions_are_a_task_of_their_own(shelf):
    _, index = shelf
    task = known_item_task(asked(("a", "boats.md", None), ("b", "rowboats.md", None)), index).first(1)
    assert (list(task.queries), list(task.qrels)) == (["0"], ["0"])
