"""What can be asked, for every face alike: fields with the names of the command line's options, and their answers.

A field that is missing, or null, has the default of the command line.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from ragcli.errors import UsageError
from ragcli.retrieve import DEFAULT_CANDIDATES

if TYPE_CHECKING:
    from ragcli.index.reader import Index
    from ragcli.retrieve.engine import Searcher, SearchOptions
    from ragcli.retrieve.rerank import Verdict
    from ragcli.types import Answer, Chunk, Fresh, Mode, Results

# Searches, models and catalogs are imported in functions: the command line asks a server without loading them.

Fields = Mapping[str, Any]

MODES: tuple[Mode, ...] = ("hybrid", "dense", "keyword")
_MOST_HITS = 1_000  # and candidates, and lines of context: more would keep the others waiting


class Field(NamedTuple):
    """One field of a question: its JSON type, what it means, and its default."""

    kind: str  # a type of JSON Schema; "strings" is a list of them
    about: str
    default: Any = None
    least: float = 0
    most: float = _MOST_HITS


SEARCH: dict[str, Field] = {
    "k": Field("integer", "How many passages.", 10, least=1),
    "min_prob": Field("number", "Only what answers with at least this probability, 0 to 1.", most=1),
    "all": Field("boolean", "Also what does not seem to answer.", False),
    "unique": Field("boolean", "At most one passage per file.", False),
    "path": Field("strings", "Only files that match one of these globs: *.md, docs/*, a folder.", ()),
    "type": Field("strings", "Only files of these kinds: pdf, md, docx.", ()),
    "after": Field("string", "Only files modified on or after this date, as 2026-11-21."),
    "before": Field("string", "Only files modified before this date."),
    "mode": Field("string", "Search by meaning (dense), by words (keyword) or both (hybrid).", "hybrid"),
    "rerank": Field("boolean", "Rerank the best candidates with a cross-encoder.", True),
    "candidates": Field("integer", "How many candidates are reranked.", DEFAULT_CANDIDATES, least=1),
    "budget": Field("string", "Rerank as many as fit into this time: 300ms, 1s."),
}
ASK: dict[str, Field] = {
    "k": Field("integer", "How many passages are read.", 8, least=1),
    "min_prob": SEARCH["min_prob"],
}
SHOW: dict[str, Field] = {"context": Field("integer", "Lines to show before and after.", 0)}


def read_fields(given: Fields, known: Mapping[str, Field]) -> dict[str, Any]:
    """Return the value of each of ``known``; UsageError says which one is invalid, and how to write it."""
    for name in given:
        if name not in known:
            raise UsageError(f"there is no field {name!r}", f"fields: {', '.join(known)}")
    return {name: _value(name, given.get(name), field) for name, field in known.items()}


def _value(name: str, value: Any, field: Field) -> Any:  # noqa: ANN401 (JSON)
    if value is None:
        return field.default
    if field.kind == "strings":
        if isinstance(value, list | tuple) and all(isinstance(one, str) for one in value):
            return tuple(value)
        raise UsageError(f"invalid {name}: {value!r}", "write a list of strings")
    if field.kind == "boolean" or isinstance(value, bool):
        if isinstance(value, bool) and field.kind == "boolean":
            return value
    elif field.kind == "string":
        if isinstance(value, str):
            return value
    elif isinstance(value, int | float if field.kind == "number" else int) and field.least <= value <= field.most:
        return value
    written = {"boolean": "true or false", "string": "a string"}
    hint = written.get(field.kind, f"{_a(field.kind)} from {field.least:g} to {field.most:g}")
    raise UsageError(f"invalid {name}: {value!r}", f"write {hint}")


def _a(kind: str) -> str:
    return f"an {kind}" if kind == "integer" else f"a {kind}"


def json_schema(field: Field) -> dict[str, Any]:
    """Return a field of a question as JSON Schema."""
    found: dict[str, Any] = {"description": field.about}
    if field.kind == "strings":
        return found | {"type": "array", "items": {"type": "string"}}
    found["type"] = field.kind
    if field.kind in ("integer", "number"):
        found |= {"minimum": field.least, "maximum": field.most}
    return found if field.default is None else found | {"default": field.default}


def index_base(*indexes: Index) -> Path:
    """Return the folder that relative paths mean to a program: the one that holds all that is indexed."""
    roots = [str(root) for index in indexes for root in index.catalog.roots()]
    return Path(os.path.commonpath(roots)) if roots else Path(os.sep)


# -- search -----------------------------------------------------------------------------------------------------------


def search_options(
    fields: Fields, *, base: Path | None = None, reranker: str | None = None, offline: bool = False
) -> SearchOptions:
    """Return the options that all ``SEARCH`` fields make. Raises UsageError for an unknown mode, time or date.

    Relative globs are below ``base`` (None: the current folder). ``reranker`` None is the default one.
    """
    from ragcli.models.files import DEFAULT_RERANKER
    from ragcli.retrieve.engine import SearchOptions
    from ragcli.retrieve.filters import Filters, parse_date

    after, before, budget = fields["after"], fields["before"], fields["budget"]
    return SearchOptions(
        k=fields["k"],
        mode=read_mode(fields["mode"]),
        reranker=(reranker or DEFAULT_RERANKER) if fields["rerank"] else None,
        candidates=fields["candidates"],
        budget=read_seconds(budget) if budget else None,
        min_probability=fields["min_prob"],
        filters=Filters(
            paths=tuple(fields["path"] or ()),
            types=tuple(fields["type"] or ()),
            after=parse_date(after) if after else None,
            before=parse_date(before) if before else None,
            base=base,
        ),
        floor=not fields["all"],
        unique=fields["unique"],
        offline=offline,
    )


def read_mode(given: str) -> Mode:
    """Return the mode of that name; UsageError for an unknown one."""
    for mode in MODES:
        if given == mode:
            return mode
    raise UsageError(f"unknown mode {given!r}", f"modes: {', '.join(MODES)}")


def read_seconds(text: str) -> float:
    """Return the seconds of ``300ms``, ``1.5s`` or ``2`` (seconds); UsageError for another form."""
    found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*(ms|s|)", text.strip())
    if not found:
        raise UsageError(f"invalid time {text!r}", "write it as 300ms or 1.5s")
    return float(found[1]) / (1000 if found[2] == "ms" else 1)


def search(index: Index, text: str, options: SearchOptions) -> Results:
    """Return the best passages for ``text``. Raises what ``retrieve.engine.Searcher`` raises."""
    return searcher([index], options).search(text)


def searcher(indexes: Sequence[Index], options: SearchOptions, names: Sequence[str] = ()) -> Searcher:
    """Return what searches one index, or several at once, whose hits are of the index ``names`` or of its folder's.

    Raises what ``retrieve.engine.Searcher`` raises.
    """
    if len(indexes) > 1:
        from ragcli.retrieve.several import SeveralSearcher

        return SeveralSearcher(indexes, options, names)
    from ragcli.retrieve.engine import Searcher

    return Searcher(indexes[0], options)


# -- ask, rerank, show ------------------------------------------------------------------------------------------------


def ask(
    index: Index | Sequence[Index],
    question: str,
    fields: Fields,
    *,
    offline: bool = False,
    say: Callable[[str], None] = lambda _: None,
) -> tuple[Answer, Results]:
    """Answer with quotes from one index or several; also return the passages that were read.

    ``say`` takes their notes, a line each.
    """
    from ragcli.answer.ask import Asker, AskOptions

    options = AskOptions(k=fields["k"], min_probability=fields["min_prob"], offline=offline)
    asker = Asker(index, options, say=say)
    results = asker.search(question)
    return asker.answer(results).answer, results


class Reranked(NamedTuple):
    """The texts that were reranked, the best first: position in the list that was given, score, probability."""

    verdicts: list[tuple[int, float, float | None]]
    notes: list[str]


def rerank(
    query: str, texts: list[str], *, reranker: str | None = None, offline: bool = False, probability: bool = False
) -> Reranked:
    """Rerank ``texts``; with ``probability`` raise CalibrationMissing where none is known."""
    from ragcli.models.files import DEFAULT_RERANKER
    from ragcli.models.resolve import DEFAULT_MODEL, resolve
    from ragcli.models.tokenizer import open_tokenizer
    from ragcli.retrieve.rerank import rerank_texts
    from ragcli.text.language import is_unreadable
    from ragcli.text.terms import make_question

    unknown_share = open_tokenizer(resolve(DEFAULT_MODEL)).unknown_share
    is_read = not is_unreadable(query, unknown_share)

    def probability_of(verdict: Verdict) -> float | None:
        readable = is_read and not is_unreadable(texts[verdict.position], unknown_share)
        return verdict.probability if readable else None

    judged = rerank_texts(
        make_question(query), texts, reranker=reranker or DEFAULT_RERANKER, offline=offline,
        probability_needed=probability,
    )  # fmt: skip
    verdicts = [(verdict.position, verdict.score, probability_of(verdict)) for verdict in judged.verdicts]
    return Reranked(verdicts, judged.notes)


class Shown(NamedTuple):
    """The passage behind a reference, with lines around it, and the number of the first line."""

    chunk: Chunk
    text: str
    line: int
    fresh: Fresh | None  # the file beside what was indexed of it

    def record(self) -> dict[str, Any]:
        """What ``ragcli show --json`` prints."""
        from ragcli.render.record import chunk_record

        context = {"text": self.text, "line": self.line}
        return {"schema": 1, **chunk_record(self.chunk), "fresh": self.fresh, "context": context}


def show(index: Index, reference: str, context: int, base: Path | None = None) -> Shown:
    """Return the passage behind ``reference``; its path is relative to ``base`` (None: the current folder)."""
    from ragcli.retrieve.freshness import Freshness
    from ragcli.retrieve.reference import find_reference, text_around

    place = find_reference(index, reference, base)
    text, line = text_around(index, place, context)
    return Shown(place.chunk, text, line, Freshness(index.catalog).of(place.chunk.path))
