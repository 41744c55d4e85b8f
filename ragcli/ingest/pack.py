"""Fill chunks with the blocks of one section, in tokens of the embedding model.

A piece of text is counted once per level at which it is cut, and a chunk once more where the sum over its pieces does
not prove that it fits. The work grows with the text, never with its square.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import chain, pairwise
from typing import Literal, Protocol

from ragcli.text.sentences import sentences
from ragcli.types import Block, BlockKind, Span

# A word of over 100 characters is a single unknown token to BERT: without a bound in characters, 10 MB of base64 would
# fit into one chunk. English has 4 to 5 characters a token, code with its indentation up to 10.
_LONGEST_TOKEN = 16

# The characters that one call counts. An encoding takes some 50 bytes per character, and for itself as much as this
# many characters.
_BATCH = 500_000
_ENCODING = 20

# Characters of a run of words, about 20 tokens. Short runs are for scripts whose tokens are smaller than a character.
_RUN = 80
_SHORT_RUN = 4

_BLANK_LINES = re.compile(r"(?:[^\S\n]*+\n)*+")
_BLANK = re.compile(r"[ \t\n]")  # separates words for every tokenizer; some drop Python's other blanks

# Prose and its sentences may be repeated at the head of the next chunk.
_Role = Literal["heading", "prose", "sentence", "row", "other"]
_ROLES: dict[BlockKind, _Role] = {"heading": "heading", "paragraph": "prose", "list": "prose", "row": "row"}


class TokenCounter(Protocol):
    """The part of a tokenizer that chunking needs."""

    special: int  # tokens that the model adds to a text

    def count(self, texts: Sequence[str]) -> list[int]:
        """Tokens of each text, without special ones and without truncation."""


@dataclass(frozen=True, slots=True)
class _Unit:
    """A span that stays whole; ``cost`` is its tokens, or more when it has too many characters for them."""

    start: int
    end: int
    cost: int
    role: _Role


@dataclass(slots=True)
class _Draft:
    """An unfinished chunk: its own units, and before them the last sentences of the chunk before."""

    units: list[_Unit] = field(default_factory=list)
    lead: list[_Unit] = field(default_factory=list)
    own: int = 0  # cost of the units
    total: int = 0  # cost of the units and the lead

    @property
    def start(self) -> int:
        return (self.lead or self.units)[0].start

    @property
    def end(self) -> int:
        return self.units[-1].end

    @property
    def only_headings(self) -> bool:
        return all(unit.role == "heading" for unit in self.units)


class Packer:
    """Packs sections of ``text`` into chunks of at most ``limit`` tokens that overlap by up to ``overlap``."""

    def __init__(self, text: str, tokenizer: TokenCounter, limit: int, overlap: int) -> None:
        self._text = text
        self._tokenizer = tokenizer
        self._limit = limit
        self._overlap = overlap
        self._longest = limit * _LONGEST_TOKEN
        self._done: list[_Draft] = []
        self._open = _Draft()

    def pack(self, blocks: Sequence[Block]) -> list[Span]:
        """The spans of the chunks of one section, by strictly rising start, trimmed of white space around them."""
        pieces = [(*_trim(self._text, b.start, b.end), _ROLES.get(b.kind, "other")) for b in blocks]
        for units in _tables(self._measured(pieces)):
            whole = _joined(units)
            # Rows are understood best beside their header and each other, but an introduction should not stand alone.
            if whole.cost <= self._limit and (len(units) == 1 or self._open.own >= self._limit // 4):
                units = [whole]
            for unit in units:
                self._add(unit, 0)
        self._close()
        drafts, self._done = self._done, []
        return list(self._fitting(drafts))

    def _add(self, unit: _Unit, level: int) -> None:
        """Put ``unit`` into the open chunk, into the next one, or in pieces into both."""
        draft = self._open
        has_room = not draft.units or (
            draft.total + unit.cost <= self._limit and unit.end - draft.start <= self._longest
        )
        fits = unit.cost <= self._limit
        is_whole = level == len(_SPLITTERS)  # nothing cuts it further
        if has_room and (fits or is_whole):
            self._append(unit)
        elif is_whole or (fits and not draft.only_headings):
            self._close()
            self._append(unit)
        else:
            # A unit that must be cut anyway may follow a few lines, but does not join half a chunk of something else.
            if level == 0 and draft.own >= self._limit // 2 and not draft.only_headings:
                self._close()
            for part in self._cut(unit, level):
                self._add(part, level + 1)

    def _append(self, unit: _Unit) -> None:
        draft = self._open
        draft.units.append(unit)
        draft.own += unit.cost
        draft.total += unit.cost
        if len(draft.units) == 1 and self._done:
            self._lead(draft, self._done[-1])

    def _close(self) -> None:
        if self._open.units:
            if self._done:
                self._even_out(self._done[-1], self._open)
            self._done.append(self._open)
            self._open = _Draft()

    def _even_out(self, before: _Draft, last: _Draft) -> None:
        """Move units from ``before`` to ``last`` while that makes the smaller one larger: a remainder says little."""
        if last.own >= self._limit // 4:
            return
        moved = False
        while len(before.units) > 1 and before.units[-2].role != "heading":
            unit = before.units[-1]
            if before.own - unit.cost <= last.own or last.end - unit.start > self._longest:
                break
            last.units.insert(0, before.units.pop())
            for draft, change in ((before, -unit.cost), (last, unit.cost)):
                draft.own += change
                draft.total += change
            moved = True
        if moved:
            self._lead(last, before)

    def _lead(self, draft: _Draft, before: _Draft) -> None:
        """Repeat the last sentences of the chunk before at the head of ``draft``."""
        draft.lead = self._tail(before.units, min(self._overlap, self._limit - draft.own))
        if draft.end - draft.start > self._longest:
            draft.lead = []
        draft.total = draft.own + sum(unit.cost for unit in draft.lead)

    def _tail(self, units: Sequence[_Unit], room: int) -> list[_Unit]:
        """The last whole sentences of ``units`` that fit into ``room`` tokens, never all of them."""
        kept: list[_Unit] = []
        for unit in reversed(units):
            if unit.role not in {"prose", "sentence"} or room <= 0:
                break
            parts = list(self._cut(unit, 0)) if unit.role == "prose" else [unit]
            for part in reversed(parts[1:] if unit is units[0] else parts):
                room -= part.cost
                if room < 0:
                    return kept[::-1]
                kept.append(part)
        return kept[::-1]

    def _cut(self, unit: _Unit, level: int) -> Iterator[_Unit]:
        """The units of the next lower level."""
        splitters = _PROSE_SPLITTERS if unit.role in {"prose", "sentence"} else _SPLITTERS
        spans = splitters[level](self._text, unit.start, unit.end)
        first = next(spans)  # a unit is never blank
        role = unit.role
        if role == "prose":
            role = "sentence"
        elif role == "sentence" and first != (unit.start, unit.end):
            role = "other"
        if first == (unit.start, unit.end):
            return iter([_Unit(*first, unit.cost, role)])
        return self._measured((start, end, role) for start, end in chain([first], spans))

    def _measured(self, pieces: Iterable[tuple[int, int, _Role]]) -> Iterator[_Unit]:
        """The pieces with their costs. Blank ones are left out, and far too long ones are not counted."""
        group: list[tuple[int, int, _Role]] = []
        size = 0
        for piece in pieces:
            group.append(piece)
            size += _ENCODING + min(piece[1] - piece[0], self._longest)
            if size >= _BATCH:
                yield from self._counted(group)
                group, size = [], 0
        yield from self._counted(group)

    def _counted(self, pieces: Sequence[tuple[int, int, _Role]]) -> Iterator[_Unit]:
        texts = [self._text[start:end] if end - start <= self._longest else "" for start, end, _ in pieces]
        for (start, end, role), tokens in zip(pieces, self._tokenizer.count(texts), strict=True):
            if start < end:
                yield _Unit(start, end, max(tokens, -(-(end - start) // _LONGEST_TOKEN)), role)

    def _fitting(self, drafts: Sequence[_Draft]) -> Iterator[Span]:
        """The drafts as spans, each within the limit by the count of its own text."""
        doubtful = [draft for draft in drafts if self._is_doubtful(draft)]
        counted = self._measured([(draft.start, draft.end, "other") for draft in doubtful])
        over = {draft.start for draft, unit in zip(doubtful, counted, strict=True) if unit.cost > self._limit}
        after = -1
        for draft in drafts:
            # No lead in a chunk that must be cut, nor one that begins before a piece of the chunk before.
            bare = draft.start in over or draft.start <= after
            start = draft.units[0].start if bare else draft.start
            for piece in self._pieces(start, draft.end) if draft.start in over else [(start, draft.end)]:
                yield piece
                after = piece[0]

    def _is_doubtful(self, draft: _Draft) -> bool:
        """Whether the whole could cost more than the sum of its parts, which were counted.

        The pieces of one word may; and blanks between the parts are tokens to some tokenizers.
        """
        gaps = [self._text[one.end : two.start] for one, two in pairwise([*draft.lead, *draft.units])]
        blanks = sum(len(gap.encode()) for gap in gaps)
        return not all(map(_BLANK.search, gaps)) or draft.total + blanks > self._limit

    def _pieces(self, start: int, end: int) -> Iterator[Span]:
        if end - start == 1 or self._tokenizer.count([self._text[start:end]])[0] <= self._limit:
            yield start, end
        else:
            for first, last in _runs(self._text, start, end, (end - start + 1) // 2):
                yield from self._pieces(first, last)


def _tables(units: Iterable[_Unit]) -> Iterator[list[_Unit]]:
    """The rows of each table together, and every other unit alone."""
    table: list[_Unit] = []
    for unit in units:
        if table and not (unit.role == table[-1].role == "row" and unit.start == table[-1].end + 1):
            yield table
            table = []
        table.append(unit)
    if table:
        yield table


def _joined(units: Sequence[_Unit]) -> _Unit:
    cost = sum(unit.cost for unit in units) + len(units) - 1  # to some tokenizers a line end is a token
    return _Unit(units[0].start, units[-1].end, cost, units[0].role)


# -- where a text may be cut: ever smaller pieces, each without white space around it, in time linear in the text -----


def _trim(text: str, start: int, end: int) -> Span:
    """The span without leading blank lines and trailing white space; the indentation of the first line stays."""
    blank = _BLANK_LINES.match(text, start, end)
    start = blank.end() if blank else start
    return start, start + len(text[start:end].rstrip())


def _sentences(text: str, start: int, end: int) -> Iterator[Span]:
    return ((start + first, start + last) for first, last in sentences(text[start:end]))


def _lines(text: str, start: int, end: int) -> Iterator[Span]:
    """The lines that are not blank, with their indentation."""
    while start < end:
        stop = text.find("\n", start, end)
        stop = end if stop < 0 else stop
        first, last = _trim(text, start, stop)
        if first < last:
            yield first, last
        start = stop + 1


def _runs(text: str, start: int, end: int, size: int = _RUN) -> Iterator[Span]:
    """Runs of words, of at most ``size`` characters; a longer word is cut inside."""
    return (match.span() for match in _run_pattern(size).finditer(text, start, end))


def _short_runs(text: str, start: int, end: int) -> Iterator[Span]:
    return _runs(text, start, end, _SHORT_RUN)


@lru_cache(maxsize=8)
def _run_pattern(size: int) -> re.Pattern[str]:
    whole_words = rf"\S(?:.{{0,{size - 2}}}\S)?(?!\S)|" if size > 1 else ""
    # A longer word is cut into half-runs: WordPiece takes time that grows with the square of a word's length.
    return re.compile(rf"{whole_words}\S{{1,{max(1, size // 2)}}}", re.DOTALL)


_Splitter = Callable[[str, int, int], Iterator[Span]]
_SPLITTERS: tuple[_Splitter, ...] = (_lines, _sentences, _runs, _short_runs)
_PROSE_SPLITTERS: tuple[_Splitter, ...] = (_sentences, _lines, _runs, _short_runs)
