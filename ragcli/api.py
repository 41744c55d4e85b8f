"""Functions of the public Python API: what ``ragcli NAME`` does on the command line, ``ragcli.NAME`` does here.

``ragcli.sync`` and ``ragcli.repair`` are those of ``ragcli.ingest`` themselves.

Paths are ``str`` or ``Path`` and every option has a default. Nothing is printed and no model is loaded before it is
needed. All errors are subclasses of :class:`ragcli.RagcliError`.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from ragcli.types import Answer, Mode, Results

if TYPE_CHECKING:
    from ragcli.answer.ask import AskOptions, Outcome
    from ragcli.index.reader import Index
    from ragcli.index.verify import Report as VerifyReport
    from ragcli.retrieve.engine import SearchOptions
    from ragcli.retrieve.rerank import Verdict

AnyPath = str | Path
Say = Callable[[str], None]


def open_index(index: AnyPath, mode: Mode | None = "hybrid") -> AbstractContextManager[Index]:
    """Open the index in the folder ``index`` for reading: ``with ragcli.open_index("notes-index") as index: ...``.

    The index stays in the state in which it was opened, whatever is written to it meanwhile; readers never wait.
    ``mode`` says what will be searched: "hybrid", "dense" or "keyword"; None opens the catalog alone.

    Raises IndexNotFound, IndexFormat and IndexDamaged when the ``with`` block begins.
    """
    from ragcli.index import reader

    return reader.open_index(Path(index), mode)


def search(index: Index | AnyPath, question: str, options: SearchOptions | None = None) -> Results:
    """Return the passages that answer ``question`` best: ``Results.hits``, best first, at most ``options.k`` (10).

    ``index`` is an open index or its folder. The models are loaded in each call; for many questions, make one
    ``ragcli.Searcher`` of an open index.

    Raises UsageError for a blank question, IndexNotFound, IndexFormat, IndexDamaged, ModelUnavailable, ModelMismatch
    and CalibrationMissing.
    """
    from ragcli.retrieve.engine import Searcher, SearchOptions

    options = options or SearchOptions()
    with _opened(index, options.mode) as opened:
        return Searcher(opened, options).search(question)


def ask(
    index: Index | AnyPath,
    question: str,
    options: AskOptions | None = None,
    *,
    say: Say = lambda _line: None,
    show: Say | None = None,
) -> Answer:
    """Answer ``question`` from the documents, with citations; ``Answer.text`` is "" when they do not hold an answer.

    By default the answer is at most three quotes, letter for letter. With ``options.llm`` or ``options.local`` a
    language model writes it, and each sentence is checked against the passages that it cites: see ``Answer.claims``.
    ``say`` gets notes, one line each. ``show`` gets the pieces of a written answer as they arrive, before the check.

    Raises what :func:`search` raises, and LlmUnavailable when the language model gives no answer.
    """
    from ragcli.answer.ask import Asker

    with _opened(index, "hybrid") as opened:
        asker = Asker(opened, options, say=say, show=show)
        answer, failure = asker.answer(asker.search(question))
    if failure is not None:
        raise failure
    return answer


class AnswerStream:
    """The pieces of an answer as they arrive: ``for piece in stream: ...``. At the end, ``answer`` is the whole."""

    def __init__(self, pieces: Generator[str, None, Answer]) -> None:
        self._pieces = pieces
        self.answer: Answer | None = None  # checked; None until the last piece was read

    def __iter__(self) -> Iterator[str]:
        """Yield the pieces; the index is open meanwhile."""
        self.answer = yield from self._pieces


def stream_answer(
    index: Index | AnyPath,
    question: str,
    options: AskOptions | None = None,
    *,
    say: Say = lambda _line: None,
    think: Say | None = None,
) -> AnswerStream:
    """Answer ``question`` as :func:`ask` does, and hand the text over piece by piece, before it is checked.

    An answer of quotes is one piece, and one that the documents do not hold is none. ``think`` gets what a language
    model thinks before it answers. Reading the pieces raises what :func:`ask` raises.
    """
    from ragcli.answer.ask import Asker

    def pieces() -> Generator[str, None, Answer]:
        with _opened(index, "hybrid") as opened:
            asker = Asker(opened, options, say=say, think=think)
            stream = asker.stream(asker.search(question))
            streamed = False
            while True:
                try:
                    piece = next(stream)
                except StopIteration as end:
                    outcome: Outcome = end.value
                    break
                streamed = True
                yield piece
        if outcome.failure is not None:
            raise outcome.failure
        if outcome.answer.text and not streamed:
            yield outcome.answer.text
        return outcome.answer

    return AnswerStream(pieces())


def rerank(
    question: str,
    texts: Sequence[str],
    *,
    reranker: str | None = None,
    offline: bool = False,
    say: Say = lambda _line: None,
) -> list[Verdict]:
    """Return a verdict for each of ``texts``, the one that answers ``question`` best first.

    ``Verdict.position`` is the position of the text in ``texts``, from 0; ``score`` is in [0, 1]; ``probability`` is
    the probability that the text answers, in (0, 1), or None where no calibration fits ``reranker``. ``reranker`` is
    the name or folder of a cross-encoder; None is the one that ships. With ``offline`` no model is downloaded. ``say``
    gets notes, one line each.

    Raises UsageError for a blank question, and ModelUnavailable.
    """
    from ragcli.errors import UsageError
    from ragcli.models.files import DEFAULT_RERANKER
    from ragcli.retrieve.rerank import rerank_texts
    from ragcli.text.terms import make_question

    if not question.strip():
        raise UsageError("the question is empty", "ask something")
    judged = rerank_texts(make_question(question), texts, reranker=reranker or DEFAULT_RERANKER, offline=offline)
    for note in judged.notes:
        say(f"note: {note}")
    return list(judged.verdicts)


def verify(index: AnyPath) -> VerifyReport:
    """Check the index in the folder ``index``; it is sound when ``VerifyReport.faults`` is empty.

    Checked are the catalog, the checksum of every file, and that each chunk has one vector and one keyword entry.

    Raises IndexNotFound, IndexFormat, and IndexDamaged when the index cannot be opened.
    """
    from ragcli.index.verify import verify as check

    return check(Path(index))


@contextmanager
def _opened(index: Index | AnyPath, mode: Mode) -> Iterator[Index]:
    if not isinstance(index, str | Path):
        yield index
        return
    with open_index(index, mode) as opened:
        yield opened
