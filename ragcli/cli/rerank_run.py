"""Run ``ragcli rerank``: read lines or records, put them in order, write them."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ragcli.cli.env import Env
from ragcli.errors import ExitCode, UsageError
from ragcli.render import write_json_line
from ragcli.retrieve.rerank import rerank_texts
from ragcli.text.terms import make_question


@dataclass(frozen=True, slots=True)
class _Item:
    """One line of stdin: the line, its JSON record if it is one, and the text that is read."""

    line: str
    record: dict[str, Any] | None
    text: str


def run(env: Env, query: str, *, field: str, k: int | None, reranker: str, min_probability: float | None) -> ExitCode:
    """Read all of stdin and write it in its new order."""
    if not query.strip():
        raise UsageError("the query is empty", 'ask something: ... | ragcli rerank "why does it fail"')
    if sys.stdin.isatty():
        raise UsageError("rerank reads lines from a pipe", f'rg -n word | ragcli rerank "{query}"')
    # As bytes: what is not UTF-8 goes out as it came in, and so does a Windows line end.
    text = sys.stdin.buffer.read().decode("utf-8", "surrogateescape")
    items = _items(text.split("\n"), field)
    if not items:
        return ExitCode.NOT_FOUND
    judged = rerank_texts(
        make_question(query),
        [item.text for item in items],
        reranker=reranker,
        offline=env.offline,
        probability_needed=min_probability is not None,
    )
    for note in judged.notes:
        env.say(f"note: {note}")
    rank = 0
    for verdict in judged.verdicts:
        if min_probability is not None and (verdict.probability is None or verdict.probability < min_probability):
            continue
        rank += 1
        record = {"rank": rank, "score": verdict.score, "probability": verdict.probability}
        _write(items[verdict.position], record, as_json=env.json)
        if rank == k:
            break
    return ExitCode.OK if rank else ExitCode.NOT_FOUND


def _items(lines: Sequence[str], field: str) -> list[_Item]:
    """Read records when the first line that is not blank is a JSON object, else lines; UsageError names a bad line."""
    filled = [(number, line) for number, line in enumerate(lines, 1) if line.strip()]
    if not filled or not filled[0][1].lstrip().startswith("{") or _parsed(filled[0][1]) is None:
        return [_Item(line, None, line.removesuffix("\r")) for _, line in filled]
    items = []
    for number, line in filled:
        record = _parsed(line)
        if record is None:
            raise UsageError(
                f"stdin, line {number} is not a JSON object, but the first line is", "give objects only, or lines only"
            )
        text = record.get(field)
        if not isinstance(text, str):
            known = ", ".join(sorted(key for key, value in record.items() if isinstance(value, str))) or "none"
            raise UsageError(
                f"stdin, line {number}: the record has no text in {field!r}", f"--field NAME; fields with text: {known}"
            )
        items.append(_Item(line, record, text))
    return items


def _parsed(line: str) -> dict[str, Any] | None:
    try:
        value = json.loads(line)
    except ValueError:
        return None
    return value if isinstance(value, dict) else None


def _write(item: _Item, rerank: dict[str, Any], *, as_json: bool) -> None:
    if item.record is None and not as_json:
        sys.stdout.buffer.write(item.line.encode("utf-8", "surrogateescape") + b"\n")
        return
    record = item.record if item.record is not None else {"text": item.text}
    write_json_line(record | {"rerank": rerank}, sys.stdout)
