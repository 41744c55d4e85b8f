"""Collections and question files: what is read, what is left out and told, what is refused with file and line."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from ragcli.errors import UsageError
from ragcli.evaluate.datasets import Entry, load_beir, load_questions


def test_a_collection_is_read_as_it_was_written(small):
    dataset = load_beir(small)
    assert dataset.name == "small/test"
    assert dataset.digest == hashlib.sha256((small / "corpus.jsonl").read_bytes()).hexdigest()
    assert list(dataset.corpus) == ["harbour", "oven", "comet", "clock 4", "moss"]
    assert dataset.corpus["moss"] == Entry(
        "Moss", "Moss has no roots and drinks through its leaves, so it can live on bare stone."
    )
    assert list(dataset.queries) == ["q1", "q2", "q3"]
    assert dataset.qrels == {"q1": {"harbour": 1}, "q2": {"oven": 2, "moss": 0}, "q3": {"clock 4": 1}}
    assert dataset.warnings == ()


def test_the_whole_of_an_entry_is_title_blank_text():
    assert Entry("A title", "The text.").whole == "A title The text."
    assert Entry("", "The text.").whole == "The text."


def test_the_header_of_the_judgements_may_be_missing(tmp_path, write_collection):
    with_header = load_beir(write_collection(tmp_path / "a"))
    without = load_beir(write_collection(tmp_path / "b", header=False))
    assert with_header.qrels == without.qrels


def test_ids_may_be_numbers_and_files_may_begin_with_a_byte_order_mark(tmp_path, write_collection):
    folder = write_collection(tmp_path / "a", qrels=[("1", "2", 1)])
    (folder / "corpus.jsonl").write_bytes(b'\xef\xbb\xbf{"_id": 2, "text": "two"}\r\n\r\n')
    (folder / "queries.jsonl").write_text('{"_id": 1, "text": "one?"}')
    dataset = load_beir(folder)
    assert (dataset.queries, dataset.qrels) == ({"1": "one?"}, {"1": {"2": 1}})
    assert dataset.corpus == {"2": Entry("", "two")}


def test_a_split_may_have_queries_of_its_own(small):
    (small / "qrels" / "train.tsv").write_text("t1\tmoss\t1\n")
    (small / "queries.train.jsonl").write_text('{"_id": "t1", "text": "what drinks through its leaves?"}\n')
    assert load_beir(small, "train").queries == {"t1": "what drinks through its leaves?"}
    assert len(load_beir(small, "test").queries) == 3


def test_unknown_ids_are_counted_and_left_out(tmp_path, write_collection):
    qrels = [("q1", "harbour", 1), ("q1", "lighthouse", 1), ("q2", "windmill", 1), ("q9", "oven", 1), ("q3", "moss", 0)]
    dataset = load_beir(write_collection(tmp_path / "a", qrels=qrels))
    assert dataset.qrels == {"q1": {"harbour": 1}}
    assert list(dataset.queries) == ["q1"]
    assert [warning.split()[0] for warning in dataset.warnings] == ["1", "2", "2"]
    assert "not among the queries" in dataset.warnings[0]
    assert "not in the corpus" in dataset.warnings[1]
    assert "no relevant document" in dataset.warnings[2]


@pytest.mark.parametrize("content", ["", "query-id\tcorpus-id\tscore\n", "\n\n"])
def test_judgements_that_are_empty_are_refused(small, content):
    (small / "qrels" / "test.tsv").write_text(content)
    with pytest.raises(UsageError, match=r"test\.tsv holds no judgements"):
        load_beir(small)


def test_judgements_of_another_collection_are_refused(tmp_path, write_collection):
    with pytest.raises(UsageError, match="no judgement fits"):
        load_beir(write_collection(tmp_path / "a", qrels=[("x", "y", 1)]))


@pytest.mark.parametrize(
    ("file", "line", "fact"),
    [
        ("corpus.jsonl", "{", "invalid JSON"),
        ("corpus.jsonl", "[" * 100_000, "invalid JSON"),
        ("corpus.jsonl", "[1]", "not a JSON object"),
        ("corpus.jsonl", '{"text": "x"}', '"_id" is missing'),
        ("corpus.jsonl", '{"_id": "x"}', '"text" is missing'),
        ("corpus.jsonl", '{"_id": "x", "text": "x", "title": 3}', '"title" must be text'),
        ("corpus.jsonl", '{"_id": "moss", "text": "x"}', "line 5 already has the id 'moss'"),
        ("corpus.jsonl", b'{"_id": "x", "text": "\xff"}', "not UTF-8"),
        ("queries.jsonl", '{"_id": "x", "text": " "}', '"text" is missing'),
        ("queries.jsonl", '{"_id": true, "text": "x"}', '"_id" is missing'),
        ("qrels/test.tsv", "q1 harbour 1", "is not a judgement"),
        ("qrels/test.tsv", "q1\tharbour", "is not a judgement"),
        ("qrels/test.tsv", "q1\tharbour\tyes", "is not a judgement"),
        ("qrels/test.tsv", "\tharbour\t1", "is not a judgement"),
    ],
)
def test_a_malformed_line_is_named_with_its_file_and_number(small, file, line, fact):
    path = small / file
    number = len(path.read_bytes().splitlines()) + 1
    path.write_bytes(path.read_bytes() + (line if isinstance(line, bytes) else line.encode()) + b"\n")
    with pytest.raises(UsageError) as caught:
        load_beir(small)
    assert f"{path}, line {number}: " in caught.value.message
    assert fact in caught.value.message
    assert caught.value.hint


@pytest.mark.parametrize("file", ["corpus.jsonl", "queries.jsonl", "qrels/test.tsv"])
def test_a_missing_file_is_named(small, file):
    (small / file).unlink()
    with pytest.raises(UsageError, match=f"there is no .*{Path(file).name}"):
        load_beir(small)


def test_a_split_that_is_not_there_names_those_that_are(small):
    with pytest.raises(UsageError, match="--split: test"):
        load_beir(small, "dev")


def write_lines(path, *rows):
    path.write_text("".join(f"{row if isinstance(row, str) else json.dumps(row)}\n" for row in rows))
    return path


def test_questions_are_read_with_their_places(tmp_path):
    path = write_lines(
        tmp_path / "q.jsonl",
        {"question": "one?", "path": "a/b.md"},
        {"id": "x7", "question": "two?", "path": "c.md", "text": "the answer", "page": 3},
        {"question": "nobody knows", "path": None},
        {"question": "nor this"},
    )
    found = load_questions(path)
    assert [(q.id, q.question, q.path, q.text) for q in found.questions] == [
        ("1", "one?", Path("a/b.md"), None),
        ("x7", "two?", Path("c.md"), "the answer"),
    ]
    assert found.name == "q.jsonl"
    assert not found.synthetic
    assert found.warnings == ("2 questions have no answer in the documents: left out",)


def test_one_synthetic_question_makes_the_set_synthetic(tmp_path):
    rows = ({"question": "a", "path": "b"}, {"question": "c", "path": "b", "synthetic": True})
    assert load_questions(write_lines(tmp_path / "q.jsonl", *rows)).synthetic


@pytest.mark.parametrize(
    ("line", "fact"),
    [
        ("not json", "invalid JSON"),
        ({"path": "a"}, '"question" is missing'),
        ({"question": "a", "path": 3}, '"path" must be text'),
        ({"question": "a", "path": "a", "text": ["b"]}, '"text" must be text'),
        ({"question": "a", "path": "a", "id": "1"}, "line 1 already has the id"),
    ],
)
def test_a_malformed_question_is_named_with_its_line(tmp_path, line, fact):
    path = write_lines(tmp_path / "q.jsonl", {"question": "fine", "path": "b"}, line)
    with pytest.raises(UsageError) as caught:
        load_questions(path)
    assert f"{path}, line 2: " in caught.value.message
    assert fact in caught.value.message


def test_a_file_without_an_answerable_question_is_refused(tmp_path):
    with pytest.raises(UsageError, match="no question with a path"):
        load_questions(write_lines(tmp_path / "q.jsonl", {"question": "a"}))
