"""Read judgements of rankings: a BEIR folder, or a JSONL file of questions about the user's own documents."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ragcli.errors import UsageError

DEFAULT_SPLIT = "test"

_BEIR = "a BEIR folder has corpus.jsonl, queries.jsonl and qrels/<split>.tsv"
_BOM = b"\xef\xbb\xbf"

Qrels = dict[str, dict[str, int]]


@dataclass(frozen=True, slots=True)
class Entry:
    """One document of a collection."""

    title: str  # "" when it has none
    text: str

    @property
    def whole(self) -> str:
        """Title, a blank, text: what published figures were measured on."""
        return f"{self.title} {self.text}".strip()


@dataclass(frozen=True, slots=True)
class Dataset:
    """A collection with questions and judgements: grades by document id by question id, at least one above 0 each."""

    name: str  # folder/split
    digest: str  # sha256 of the corpus file
    corpus: dict[str, Entry]
    queries: dict[str, str]  # those that are judged, in the order of their file
    qrels: Qrels
    warnings: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Question:
    """A question about the documents of an index, and the place of its answer."""

    id: str  # its own, else its line number
    question: str
    path: Path  # the end of the document's path
    text: str | None  # the passage that answers it; None: any passage of the document does


@dataclass(frozen=True, slots=True)
class QuestionSet:
    """The answerable questions of a JSONL file, in its order; at least one."""

    name: str
    questions: tuple[Question, ...]
    synthetic: bool  # made by ``ragcli eval make``, all or some
    warnings: tuple[str, ...]


def load_beir(folder: Path, split: str = DEFAULT_SPLIT) -> Dataset:
    """The collection in ``folder`` with the questions of one split.

    Judgements that name an unknown question or document are left out and counted in ``warnings``, and so are
    questions that are left without a relevant document. Raises UsageError, with file and line, for what is missing or
    malformed, and when nothing is judged.
    """
    grades = _read_qrels(_qrels_file(folder, split))
    corpus, digest = _read_corpus(_existing(folder / "corpus.jsonl"))
    own = folder / f"queries.{split}.jsonl"
    queries = _read_queries(own if own.is_file() else _existing(folder / "queries.jsonl"))

    known = {q: found for q, found in grades.items() if q in queries}
    qrels = {q: {d: grade for d, grade in found.items() if d in corpus} for q, found in known.items()}
    judged = {q: found for q, found in qrels.items() if any(grade > 0 for grade in found.values())}
    warnings = [
        f"{count} {what}"
        for count, what in (
            (len(grades) - len(known), "judged questions are not among the queries: left out"),
            (_size(known) - _size(qrels), "judgements name documents that are not in the corpus: left out"),
            (len(qrels) - len(judged), "questions have no relevant document: left out"),
        )
        if count
    ]
    name = f"{folder.resolve().name}/{split}"
    if not judged:
        raise UsageError(f"{name}: no judgement fits the queries and the corpus", "do these files belong together?")
    asked = {q: text for q, text in queries.items() if q in judged}
    return Dataset(name, digest, corpus, asked, {q: judged[q] for q in asked}, tuple(warnings))


def load_questions(path: Path) -> QuestionSet:
    """The questions of a JSONL file: ``{question, path, text?, id?, synthetic?}`` per line.

    Those without a path have no answer in the documents: they are counted in ``warnings`` and left out. Raises
    UsageError, with file and line, for what is malformed, and when no question is left.
    """
    questions: list[Question] = []
    seen: dict[str, int] = {}
    unanswerable = 0
    synthetic = False
    for number, row in _rows(path):
        place = f"{path}, line {number}"
        question = _string(row, "question", place)
        where = _optional(row, "path", place)
        text = _optional(row, "text", place)
        name = _name(row["id"], place) if row.get("id") is not None else str(number)
        _once(name, number, seen, place)
        synthetic = synthetic or row.get("synthetic") is True
        if where is None:
            unanswerable += 1
        else:
            questions.append(Question(name, question, Path(where), text))
    if not questions:
        raise UsageError(f"{path} has no question with a path", "write each line as: {question, path, text?}")
    warnings = (f"{unanswerable} questions have no answer in the documents: left out",) if unanswerable else ()
    return QuestionSet(path.name, tuple(questions), synthetic, warnings)


def _size(qrels: Qrels) -> int:
    return sum(map(len, qrels.values()))


def _existing(path: Path) -> Path:
    if not path.is_file():
        raise UsageError(f"there is no {path}", _BEIR)
    return path


def _qrels_file(folder: Path, split: str) -> Path:
    path = folder / "qrels" / f"{split}.tsv"
    splits = sorted(file.stem for file in (folder / "qrels").glob("*.tsv"))
    if not path.is_file() and splits:
        raise UsageError(f"there is no {path}", f"choose with --split: {', '.join(splits)}")
    return _existing(path)


def _read_corpus(path: Path) -> tuple[dict[str, Entry], str]:
    corpus: dict[str, Entry] = {}
    seen: dict[str, int] = {}
    for number, row in _rows(path):
        place = f"{path}, line {number}"
        name = _name(row.get("_id"), place, "_id")
        _once(name, number, seen, place)
        # blank documents are part of some collections: nothing finds them, and that is right
        text = row.get("text")
        if not isinstance(text, str):
            raise UsageError(f'{place}: "text" is missing', _BEIR)
        corpus[name] = Entry(_optional(row, "title", place) or "", text)
    if not corpus:
        raise UsageError(f"{path} is empty", _BEIR)
    with path.open("rb") as file:
        return corpus, hashlib.file_digest(file, "sha256").hexdigest()


def _read_queries(path: Path) -> dict[str, str]:
    queries: dict[str, str] = {}
    seen: dict[str, int] = {}
    for number, row in _rows(path):
        place = f"{path}, line {number}"
        name = _name(row.get("_id"), place, "_id")
        _once(name, number, seen, place)
        queries[name] = _string(row, "text", place)
    return queries


def _read_qrels(path: Path) -> Qrels:
    qrels: Qrels = {}
    for number, line in _lines(path):
        columns = [column.strip() for column in line.split("\t")]
        is_grade = len(columns) == 3 and columns[2].removeprefix("-").isdecimal()
        if number == 1 and len(columns) == 3 and not is_grade:
            continue  # the header, which not every collection has
        if not is_grade or not columns[0] or not columns[1]:
            raise UsageError(
                f"{path}, line {number}: {line!r:.80} is not a judgement",
                "write each line as: question, document, grade, with tabs",
            )
        qrels.setdefault(columns[0], {})[columns[1]] = int(columns[2])
    if not qrels:
        raise UsageError(f"{path} holds no judgements", "write each line as: question, document, grade, with tabs")
    return qrels


def _lines(path: Path) -> Iterator[tuple[int, str]]:
    """(number, line) for each line that is not blank; numbers count from 1."""
    with path.open("rb") as file:
        for number, raw in enumerate(file, 1):
            try:
                line = raw.removeprefix(_BOM if number == 1 else b"").decode("utf-8").rstrip("\r\n")
            except UnicodeDecodeError as error:
                raise UsageError(f"{path}, line {number}: not UTF-8", "save the file as UTF-8") from error
            if line.strip():
                yield number, line


def _rows(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    for number, line in _lines(path):
        try:
            row = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise UsageError(f"{path}, line {number}: invalid JSON: {error}", "fix or remove the line") from error
        if not isinstance(row, dict):
            raise UsageError(f"{path}, line {number}: not a JSON object", "fix or remove the line")
        yield number, row


def _string(row: dict[str, Any], key: str, place: str) -> str:
    value = row.get(key)
    if not isinstance(value, str) or not value.strip():
        raise UsageError(f'{place}: "{key}" is missing', "fix or remove the line")
    return value


def _optional(row: dict[str, Any], key: str, place: str) -> str | None:
    """The text of a key that may be absent, null or blank: these mean the same."""
    value = row.get(key)
    if value is not None and not isinstance(value, str):
        raise UsageError(f'{place}: "{key}" must be text', "fix or remove the line")
    return value if value and value.strip() else None


def _name(value: object, place: str, key: str = "id") -> str:
    """An id, which some collections write as a number."""
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    if not isinstance(value, str) or not value.strip():
        raise UsageError(f'{place}: "{key}" is missing', "fix or remove the line")
    return value.strip()


def _once(name: str, number: int, seen: dict[str, int], place: str) -> None:
    if name in seen:
        raise UsageError(f"{place}: line {seen[name]} already has the id {name!r}", "fix or remove the line")
    seen[name] = number
