"""Check citations against the files as they are now: whether the quoted words still stand there.

Citations are read from ``ragcli ask --json``, from what ``ragcli ask`` and ``ragcli query`` print, and from any text
that repeats their lines.
"""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from ragcli.errors import UsageError
from ragcli.text.sentences import sentences

if TYPE_CHECKING:
    from ragcli.types import Document

State = Literal["holds", "moved", "changed", "gone"]

_PLACE = re.compile(
    r"\s*(?:>\s*)?\[(?P<number>\d{1,4})\] (?P<path>\S.*?)(?::(?P<line>\d+)|  p\. (?P<page>\d+))(?:  .*)?"
)
_HIT = re.compile(r"(?P<path>[^\s:][^:\n]*):(?P<line>\d+):(?:\d+:)?\s?(?P<text>.*\S)")
_INDENTED = re.compile(r"(?:>\s?)?\s{4}(?P<text>.*\S)\s*")
_JSON = re.compile(r"\s*(?:\{|\[\s*[\[{])")
_BLANKS = re.compile(r"\s+")
_ALIKE = 0.5  # the least likeness of a sentence that is taken for the changed quote
_LONGEST = 2000  # characters of a quote that are compared with other sentences


@dataclass(frozen=True, slots=True)
class Cited:
    """A citation as it was read: where some words are said to stand."""

    number: int | None  # in the answer
    path: Path
    line: int | None
    page: int | None
    quote: str  # "" when only the place is named


@dataclass(frozen=True, slots=True)
class Finding:
    """What became of a citation."""

    cited: Cited
    state: State
    line: int | None = None  # where the words stand now, or what they became
    page: int | None = None
    now: str = ""  # of a changed quote: the sentence that is most like it; of a gone file: why


def read_citations(text: str, base: Path) -> list[Cited]:
    """Return the citations in ``text``, in order; relative paths are below ``base``. Raises UsageError without any."""
    found = list(_from_json(text, base) if _JSON.match(text) else _from_text(text, base))
    if not found:
        raise UsageError(
            "no citations found", "give the output of ragcli ask, with or without --json, or of ragcli query"
        )
    return found


def check_citations(cited: Sequence[Cited], documents: Mapping[Path, Document | str]) -> Iterator[Finding]:
    """Yield a finding for each citation, in order. ``documents`` has each file as it is now, or why there is none."""
    for one in cited:
        document = documents[one.path]
        yield Finding(one, "gone", now=document) if isinstance(document, str) else _find(one, document)


def _find(cited: Cited, document: Document) -> Finding:
    if not cited.quote:
        lines = document.text.count("\n") + 1
        pages = max((block.page or 0 for block in document.blocks), default=0)
        there = cited.line <= lines if cited.line else (cited.page or 0) <= pages
        return Finding(cited, "holds" if there else "changed", cited.line, cited.page)
    places = _places(cited.quote, document.text)
    if places:
        known = [(_line(document, place), _page(document, place)) for place in places]
        if any(line == cited.line if cited.page is None else page == cited.page for line, page in known):
            return Finding(cited, "holds", cited.line, cited.page)
        line, page = min(known, key=lambda place: abs((place[0] or 0) - (cited.line or 0)))
        return Finding(cited, "moved", line, page)
    start, now = _most_alike(cited.quote, document.text)
    if not now:
        return Finding(cited, "changed")
    return Finding(cited, "changed", _line(document, start), _page(document, start), now)


def _places(quote: str, text: str) -> list[int]:
    """Return where the words of ``quote`` stand in ``text``, whatever the white space between them."""
    words = quote.split()
    first = re.escape(words[0])
    places = []
    for match in re.finditer(first, text):
        at = match.end()
        for word in words[1:]:
            while at < len(text) and text[at].isspace():
                at += 1
            if not text.startswith(word, at):
                break
            at += len(word)
        else:
            places.append(match.start())
    return places


def _most_alike(quote: str, text: str) -> tuple[int, str]:
    """Return the sentence of ``text`` that is most like the quote, and where it starts; (0, "") when none is."""
    wanted = _BLANKS.sub(" ", quote)[:_LONGEST]
    matcher = difflib.SequenceMatcher(b=wanted, autojunk=False)
    best, found = _ALIKE, (0, "")
    for start, end in sentences(text):
        matcher.set_seq1(_BLANKS.sub(" ", text[start:end])[:_LONGEST])
        if matcher.real_quick_ratio() > best and matcher.quick_ratio() > best and (alike := matcher.ratio()) > best:
            best, found = alike, (start, _BLANKS.sub(" ", text[start:end]))
    return found


def _line(document: Document, at: int) -> int:
    return document.text.count("\n", 0, at) + 1


def _page(document: Document, at: int) -> int | None:
    return next((block.page for block in reversed(document.blocks) if block.start <= at), None)


def _from_json(text: str, base: Path) -> Iterator[Cited]:
    """Yield the citations and hits of JSON records, one or several behind each other."""
    decoder = json.JSONDecoder()
    at = 0
    try:
        while at < len(text):
            record, end = decoder.raw_decode(text, at)
            at = end + len(text[end:]) - len(text[end:].lstrip())
            yield from _of_record(record, base)
    except (ValueError, RecursionError) as error:
        raise UsageError("the citations are invalid JSON", "give the output of ragcli ask --json") from error
    except (AttributeError, KeyError, TypeError) as error:
        raise UsageError("the JSON has no citations of ragcli", "give the output of ragcli ask --json") from error


def _of_record(record: Any, base: Path) -> Iterator[Cited]:  # noqa: ANN401 (JSON)
    if isinstance(record, list):
        for one in record:
            yield from _of_record(one, base)
        return
    if "snippet" in record:  # a line of query --jsonl
        yield _cited(record, record["snippet"]["text"], base)
    cited = {number for claim in record.get("claims", ()) for number in claim["citations"]}
    for one in record.get("citations", ()):
        if not record.get("claims") or one["number"] in cited:
            yield _cited(one, one["quote"]["text"], base)
    for one in record.get("hits", ()):
        yield _cited(one, one["snippet"]["text"], base)


def _cited(record: dict[str, Any], quote: str, base: Path) -> Cited:
    number, line, page = record.get("number", record.get("rank")), record["line"], record["page"]
    return Cited(number, base / str(record["path"]), int(line), None if page is None else int(page), str(quote))


def _from_text(text: str, base: Path) -> Iterator[Cited]:
    """Yield the citations in lines such as ``[1] notes/ops.md:42``, with the quote indented below, and grep lines."""
    lines = text.splitlines()
    for i, line in enumerate(lines):
        if match := _PLACE.fullmatch(line):
            quote = []
            for below in lines[i + 1 :]:
                indented = _INDENTED.fullmatch(below)
                if indented is None:
                    break
                quote.append(indented["text"])
            number = int(match["number"])
        elif (match := _HIT.fullmatch(line)) and Path(match["path"]).suffix:
            quote, number = [match["text"]], None
        else:
            continue
        where = match.groupdict()
        at_line, page = (int(where[name]) if where.get(name) else None for name in ("line", "page"))
        yield Cited(number, base / where["path"], at_line, page, "\n".join(quote))
