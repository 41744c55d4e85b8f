"""An answer for people and as a record for programs."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import TextIO

from ragcli.render.record import SCHEMA_VERSION, Record, chunk_record
from ragcli.render.terminal import terminal_width
from ragcli.render.visible import display_path, fresh_mark, one_line, visible, visible_lines, visible_name
from ragcli.text.markup import markup, visible_parts
from ragcli.text.sentences import units
from ragcli.types import DOUBTED, Answer, Citation, Claim, Span

_MEASURE = 100  # columns; wider lines are hard to read, however wide the window
_INDENT = 4
_WORD = 12  # columns that are left free at the end of a line, for a word that is still being written
_PARTS = re.compile(r"\n|[^\S\n]+|\S+")
_BLANKS = re.compile(r"\s+")
_BOLD, _DIM, _RED, _CYAN, _MARK, _RESET = "\x1b[1m", "\x1b[2m", "\x1b[31m", "\x1b[36m", "\x1b[1;33m", "\x1b[0m"


def write_answer(answer: Answer, out: TextIO, base: Path, *, color: bool, width: int | None) -> None:
    """Write quotes, each below its place, or a written answer with its unsupported sentences and the places it cites.

    For an answer without text, only the sentences that were struck out of it are written. Paths below ``base`` are
    shown relative to it. With a ``width``, quotes are wrapped to it, at most 100 columns.
    """
    if answer.claims:
        if answer.text:
            out.write(f"{visible_lines(_marked(answer))}\n")
        write_sources(answer, out, base, color=color)
        return
    room = None if width is None else min(width, _MEASURE) - _INDENT
    for number, citation in enumerate(answer.citations if answer.text else ()):
        if number:
            out.write("\n")
        out.write(f"{_place(citation, base, color=color)}\n")
        if citation.columns:
            out.write(f"{' ' * _INDENT}{_dim(one_line(citation.columns), color)}\n")
        for line in _quote(citation, color=color):
            for part in _wrapped(line, room):
                out.write(f"{' ' * _INDENT}{part}\n")


def write_sources(answer: Answer, out: TextIO, base: Path, *, color: bool) -> None:
    """Write what stands below a written answer: its unsupported sentences with the reasons, and the places it cites."""
    doubted = [claim for claim in answer.claims if not claim.supported]
    struck = bool(doubted) and not any(claim.text in answer.text for claim in doubted)
    if doubted:
        out.write("\nnot supported, and left out of the answer:\n" if struck else "\nnot supported:\n")
        for text, reason in dict.fromkeys((claim.text, claim.reason) for claim in doubted):  # small models repeat
            out.write(f"  {one_line(text)}\n    {_dim(one_line(reason), color)}\n")
    cited = {number for claim in answer.claims if claim.supported or not struck for number in claim.numbers}
    shown = [citation for citation in answer.citations if citation.number in cited]
    if shown:
        out.write("\n")
        out.writelines(f"{line}\n" for line in place_lines(shown, base, color=color))


def place_lines(citations: Sequence[Citation], base: Path, *, color: bool) -> Iterator[str]:
    """Yield one line per citation: its number, path, line or page, and headings."""
    return (_place(citation, base, color=color) for citation in citations)


def answer_record(answer: Answer) -> Record:
    """Return the record that ``ragcli ask --json`` prints; ``schema/answer.json`` describes it."""
    return {
        "schema": SCHEMA_VERSION,
        "question": answer.question,
        "text": answer.text,
        "by": answer.by,
        "grounded": answer.grounded,
        "probability": answer.probability,
        "citations": [_citation_record(citation) for citation in answer.citations],
        "claims": [_claim_record(claim) for claim in answer.claims],
        "notes": list(answer.notes),
    }


def _citation_record(citation: Citation) -> Record:
    quote = {"text": citation.quote, "start": citation.start, "end": citation.end, "columns": citation.columns}
    mark = list(citation.mark) if citation.mark else None
    return (
        {"number": citation.number}
        | chunk_record(citation.chunk)
        | {"page": citation.page, "line": citation.line, "fresh": citation.fresh, "quote": quote | {"mark": mark}}
    )


def _claim_record(claim: Claim) -> Record:
    return {
        "text": claim.text,
        "citations": list(claim.numbers),
        "supported": claim.supported,
        "reason": claim.reason,
    }


def _marked(answer: Answer) -> str:
    """Return the text with a sign behind each sentence that is not supported."""
    parts: list[str] = []
    at = 0
    for claim in answer.claims:  # slices of the text in their order; struck ones are not in it
        found = answer.text.find(claim.text, at)
        if found < 0:
            continue
        end = found + len(claim.text)
        parts.append(answer.text[at:end])
        if not claim.supported:
            parts.append(f" {DOUBTED}")
        at = end
    return "".join([*parts, answer.text[at:]])


def _place(citation: Citation, base: Path, *, color: bool) -> str:
    name = visible_name(display_path(citation.chunk.path, base))
    where = f":{citation.line}" if citation.page is None else f"  p. {citation.page}"
    headings = " › ".join(one_line(heading) for heading in citation.chunk.headings)
    bold, cyan, reset = (_BOLD, _CYAN, _RESET) if color else ("", "", "")
    stale = f"  {fresh_mark(citation.fresh)}" if fresh_mark(citation.fresh) else ""
    red = _RED if color and stale else ""
    line = f"[{citation.number}] {bold}{name}{reset}{cyan}{where}{reset}{red}{stale}{reset if red else ''}"
    return f"{line}  {_dim(headings, color)}" if headings else line


def _dim(text: str, color: bool) -> str:
    return f"{_DIM}{text}{_RESET}" if color else text


def _quote(citation: Citation, *, color: bool) -> Iterator[str]:
    """Yield the quote in visible lines; a paragraph of the document is one line, for the caller to wrap.

    Marks of quotations, comments and tags of the document are not shown.
    """
    quote, mark = citation.quote, citation.mark
    hidden = markup(quote, citation.chunk.path)
    for start, end in units(quote):
        line = ""
        for first, last in visible_parts(hidden, start, end) or [(start, end)]:
            edges = sorted({first, last, *(at for at in mark or () if first < at < last)})
            line += "".join(
                f"{_MARK}{text}{_RESET}" if color and mark and _within((s, e), mark) else text
                for s, e in pairwise(edges)
                for text in [visible(_BLANKS.sub(" ", quote[s:e]))]
            )
        if line.strip():
            yield line.strip()


def _within(span: Span, mark: Span) -> bool:
    return mark[0] <= span[0] and span[1] <= mark[1]


def _wrapped(line: str, room: int | None) -> list[str]:
    if room is None or len(line) <= room // 2:  # no character takes more than two columns
        return [line]
    from rich.console import Console
    from rich.text import Text

    console = Console(force_terminal=True, color_system="standard", legacy_windows=False, width=room, highlight=False)
    with console.capture() as captured:
        console.print(Text.from_ansi(line), end="")
    return [part.rstrip() for part in captured.get().splitlines()]


class Wrapping:
    """Wraps an answer at blanks while it is written, to the width of the terminal; blocks of code stay as they are."""

    def __init__(self) -> None:
        """Begin at the start of a line."""
        from rich.cells import cell_len

        self._measure = cell_len
        self._width = min(terminal_width(), _MEASURE)
        self._column = 0
        self._line = ""  # what is known of the line of the answer
        self._fenced = False

    def take(self, piece: str) -> str:
        """Return the next piece as it is written."""
        written: list[str] = []
        for part in _PARTS.findall(piece):
            if part == "\n":
                self._fenced ^= self._line.lstrip().startswith("```")
                self._line, self._column = "", 0
                written.append(part)
                continue
            self._line += part
            size = self._measure(part)
            if part.isspace() and not self._fenced and self._column and self._column + size >= self._width - _WORD:
                # the next word may not fit, and it comes in pieces
                written.append("\n")
                self._column = 0
            else:
                written.append(part)
                self._column += size
        return "".join(written)
