"""The dataclasses that flow between the steps: all are frozen, and none does I/O.

A span is a pair of character offsets ``[start, end)`` into ``Document.text``. Every block, chunk, snippet and citation
is a slice of that text. Scores are higher-is-better everywhere.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple

from ragcli.text.exact import NOTHING, Exact

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

# A record is a passage of its own: no other text joins it.
BlockKind = Literal["paragraph", "heading", "code", "row", "list", "record"]
Mode = Literal["hybrid", "dense", "keyword"]
Span = tuple[int, int]
PartName = Literal["fused", "dense", "keyword", "rerank"]
# The file behind a passage beside what was indexed of it.
Fresh = Literal["same", "changed", "gone"]
DOUBTED = "[?]"  # stands behind a sentence of an answer that its citations do not support


class Reason(StrEnum):
    """Why a file is not indexed. Users and JSON read the value."""

    UNSUPPORTED = "unsupported"
    IGNORED = "ignored"
    EXCLUDED = "excluded"
    HIDDEN = "hidden"
    SYMLINK = "symlink"
    NOT_A_FILE = "not a regular file"
    TOO_LARGE = "too large"
    EMPTY = "empty"
    NO_TEXT = "no text layer (needs OCR)"
    ENCRYPTED = "encrypted"
    DAMAGED = "damaged"
    TIMED_OUT = "timed out"
    OUT_OF_MEMORY = "out of memory"
    UNREADABLE = "unreadable"
    SECRET = "secret"  # noqa: S105 (the reason, no password)
    ABSENT = "not there"  # what was indexed stays: a disk may not be mounted

    @property
    def is_failure(self) -> bool:
        """True when the file should have been indexed and was not; such a run ends with exit code 3."""
        return self in _FAILURES


_FAILURES = {
    Reason.ENCRYPTED,
    Reason.DAMAGED,
    Reason.TIMED_OUT,
    Reason.OUT_OF_MEMORY,
    Reason.UNREADABLE,
    Reason.NO_TEXT,
    Reason.ABSENT,
}


@dataclass(frozen=True, slots=True)
class Block:
    """A span of ``Document.text`` with one structural role; blocks are in order and do not overlap."""

    start: int
    end: int
    kind: BlockKind
    page: int | None = None  # 1-based; slides and sheets count as pages; None where the format has none
    headings: tuple[str, ...] = ()  # path in force, outermost first; a heading block's path ends with itself
    columns: str = ""  # of a table row that does not name its values: the header of the table, on one line


class Member(NamedTuple):
    """A file in a file: of an archive or a mailbox, or attached to a message.

    ``content`` is its bytes, or why it cannot be had: a reason, its detail, and for how many files it stands.
    """

    name: str  # as the container writes it
    content: bytes | tuple[Reason, str, int]
    mtime_ns: int | None = None  # None: that of the container


@dataclass(frozen=True, slots=True)
class Document:
    """The text of one file and its structure. An archive or a mailbox has no text of its own, only members."""

    path: Path
    title: str  # from the content (metadata or first heading), "" when it has none; never the file name
    text: str
    blocks: tuple[Block, ...]
    loader: str
    warnings: tuple[str, ...] = ()  # for the user, such as pages without a text layer
    dated_ns: int | None = None  # when a message was sent; None: the time of the file counts
    members: Iterable[Member] = field(default=(), repr=False, compare=False)  # read once, and only by the loader's side


@dataclass(frozen=True, slots=True)
class Chunk:
    """A passage: ``text == Document.text[start:end]``, at most as long as the embedding model's window."""

    id: int
    path: Path
    title: str
    start: int
    end: int
    text: str
    bytes: Span  # the same span in the UTF-8 form of Document.text
    lines: Span  # 1-based, inclusive, in Document.text (the file's own lines where the format is text)
    pages: Span | None  # 1-based, inclusive
    headings: tuple[str, ...]
    columns: str = ""  # the header of the table that the passage begins in the middle of, or words that its lines break

    @property
    def embedded(self) -> str:
        """The text that the model and the keyword index read: title and headings, then the passage."""
        context = embedding_context(self.title, self.headings)
        return "\n".join(part for part in (context, self.columns, self.text) if part)

    @property
    def sha256(self) -> str:
        """Hex digest of the span's UTF-8 bytes; it shows whether the passage has changed."""
        import hashlib  # 10 ms of a start that shows no digest

        return hashlib.sha256(self.text.encode("utf-8", "surrogatepass")).hexdigest()


# In characters: a longer context would crowd out the passage itself. The deepest headings say the most.
_LONGEST_CONTEXT = 160


def embedding_context(title: str, headings: tuple[str, ...]) -> str:
    """Return ``title > heading > heading``, cut from the front to 160 characters; "" when there is neither."""
    names = [name for name in (title, *headings) if name]
    unique = [name for i, name in enumerate(names) if i == 0 or name != names[i - 1]]
    while len(unique) > 1 and len(" > ".join(unique)) > _LONGEST_CONTEXT:
        unique.pop(0)
    return " > ".join(unique)[:_LONGEST_CONTEXT]


@dataclass(frozen=True, slots=True)
class Question:
    """A question, read once: every later step uses these parts."""

    text: str  # as it was typed
    terms: tuple[str, ...]  # distinct, in order, without stop words unless nothing else remains
    vector: npt.NDArray[np.float32] | None = field(default=None, compare=False, repr=False)  # (d,), a unit row
    exact: Exact = NOTHING  # what is asked for letter for letter
    content: str = ""  # the text without stop words, in a language that the shipped models are not made for

    @property
    def read(self) -> str:
        """The text that the models read: without quotation marks around phrases."""
        return self.content or self.exact.text or self.text


@dataclass(frozen=True, slots=True)
class Part:
    """What one list says about a hit: its score there and its 1-based rank by that score; None, None: not in it."""

    name: PartName
    rank: int | None
    score: float | None


@dataclass(frozen=True, slots=True)
class Snippet:
    """The best sentence of a hit, with its own place: a chunk may start a page before its best sentence.

    ``line``, ``page`` and ``column`` are those of the first match, of ``start`` where there is none.
    """

    start: int
    end: int
    text: str  # == Document.text[start:end]
    line: int
    page: int | None
    matches: tuple[Span, ...]  # offsets into ``text`` of the words that match the question
    cut: tuple[bool, bool] = (False, False)  # whether ``text`` starts, and ends, inside a sentence
    column: int = 1  # in bytes of UTF-8, from 1


@dataclass(frozen=True, slots=True)
class Hit:
    """One result: a chunk, its score with all that went into it, and the other places of the same passage."""

    chunk: Chunk
    score: float
    snippet: Snippet
    parts: tuple[Part, ...]
    probability: float | None = None  # that it answers, in (0, 1); None where no calibration fits the models
    copies: tuple[Path, ...] = ()  # other documents with the identical passage
    signals: Mapping[str, float] = field(default_factory=dict)  # what the probability is made of
    fresh: Fresh | None = None  # None: nothing is known about the file
    alike: tuple[Hit, ...] = ()  # hits in other documents that say almost the same
    readable: bool = True  # False: the models do not know the script of the question or the passage
    index: str = ""  # the name of the index that holds it, or its folder; "" where one index was searched


@dataclass(frozen=True, slots=True)
class Results:
    """The hits of one question, best first."""

    question: Question
    mode: Mode
    hits: tuple[Hit, ...]
    notes: tuple[str, ...] = ()  # for the user, such as a question longer than the model's window
    details: tuple[str, ...] = ()  # how the hits were found, for --explain
    answered: float | None = None  # the probability that the documents hold an answer; None where it is not known
    searched: bool = True  # False: there was no document to search; the last note says why
    asked: str = ""  # the question before words were corrected; "": as it stands in ``question``

    @property
    def query(self) -> str:
        """The text of the question as it was asked."""
        return self.asked or self.question.text

    @property
    def likely(self) -> float | None:
        """``answered``, or the probability of the best hit where the hits are too few to tell that."""
        if self.answered is not None:
            return self.answered
        return max((hit.probability for hit in self.hits if hit.probability is not None), default=None)


@dataclass(frozen=True, slots=True)
class Citation:
    """A quote with its place. ``quote == Document.text[start:end]``, letter for letter."""

    number: int  # from 1, as the answer names it
    chunk: Chunk
    quote: str
    start: int
    end: int
    line: int
    page: int | None
    mark: Span | None = None  # offsets into ``quote`` of the phrase that was asked for
    fresh: Fresh | None = None  # the file beside what was indexed of it; None: nothing is known
    columns: str = ""  # the header of the table that the quote is a row of


@dataclass(frozen=True, slots=True)
class Claim:
    """One sentence of a written answer, and whether the passages that it cites support it."""

    text: str
    numbers: tuple[int, ...]  # of the citations it names
    supported: bool
    reason: str = ""  # why it is not supported


@dataclass(frozen=True, slots=True)
class Answer:
    """The documents' answer to a question, or that they give none."""

    question: str
    text: str  # "" when there is no answer
    citations: tuple[Citation, ...]  # the quotes, or the passages that a written answer was given
    grounded: bool  # every claim is supported by what it cites; quotes always are
    by: str  # "extract", or the name of the language model
    probability: float | None = None  # that the documents hold the answer, in (0, 1)
    claims: tuple[Claim, ...] = ()  # of a written answer
    notes: tuple[str, ...] = ()  # for the user


@dataclass(frozen=True, slots=True)
class Skipped:
    """A file that is not indexed, or a folder that was not entered, and the reason."""

    path: Path
    reason: Reason
    detail: str = ""
    files: int = 1  # a folder that was not entered counts the files below it
