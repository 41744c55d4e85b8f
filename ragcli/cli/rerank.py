"""``ragcli rerank``: a stage in a pipe."""

import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import typer

from ragcli.cli.command import command
from ragcli.cli.env import Env, MinProb, Reranker, Server
from ragcli.errors import ExitCode, UsageError


@command(index=False, home=False)
def rerank(
    env: Env,
    *,
    query: Annotated[str, typer.Argument(metavar="QUERY", help="The question that the lines should answer.")],
    k: Annotated[
        int | None, typer.Option("-k", "--top", metavar="N", min=1, help="Only the N best.", rich_help_panel="Results")
    ] = None,
    min_prob: MinProb = None,
    field: Annotated[
        str, typer.Option(metavar="NAME", help="Which field of a JSON record is read.", rich_help_panel="Ranking")
    ] = "text",
    reranker: Reranker = None,
    server: Server = "auto",
) -> ExitCode:
    """Sort lines or JSON records from stdin, the best answer first.

    Lines come out unchanged. JSON records, one object per line, get a field "rerank" with rank, score and
    probability. Blank lines are dropped; --json turns lines into records.

    Examples:
      rg -n timeout | ragcli rerank "why does a request fail" | head
      ragcli query "rotation" --no-rerank -k 50 --jsonl | ragcli rerank "how often?"
      jq -c '.[]' issues.json | ragcli rerank "crash on start" --field body

    Exit code 1: nothing came in, or nothing as likely as --min-prob asks.

    """
    if not query.strip():
        raise UsageError("the query is empty", 'ask something: ... | ragcli rerank "why does it fail"')
    if sys.stdin.isatty():
        raise UsageError("rerank reads lines from a pipe", f'rg -n word | ragcli rerank "{query}"')
    # As bytes: what is not UTF-8 goes out as it came in, and so does a Windows line end.
    text = sys.stdin.buffer.read().decode("utf-8", "surrogateescape")
    items = _items(text.split("\n"), field)
    if not items:
        return ExitCode.NOT_FOUND
    verdicts, notes = _judged(env, query, items, reranker, server, probability=min_prob is not None)
    for note in notes:
        env.say(f"note: {note}")
    rank = 0
    for position, score, probability in verdicts:
        if min_prob is not None and (probability is None or probability < min_prob):
            continue
        rank += 1
        record = {"rank": rank, "score": score, "probability": probability}
        _write(items[position], record, as_json=env.json)
        if rank == k:
            break
    return ExitCode.OK if rank else ExitCode.NOT_FOUND


def _judged(
    env: Env, query: str, items: "Sequence[_Item]", reranker: str | None, choice: str, *, probability: bool
) -> "tuple[Sequence[tuple[int, float, float | None]], Sequence[str]]":
    """Return position, score and probability of each item, the best first, and notes."""
    from ragcli.serve.client import Choice

    texts = [item.text for item in items]
    if reranker is None:  # the server does not know the folder that the name of a reranker may mean
        asked = {"text": query, "texts": texts, "probability": probability, "offline": env.offline}
        found = Choice(choice).ask("rerank", asked)
        if found is not None:
            return found[0], found[1]
    from ragcli.serve.questions import rerank

    return rerank(query, texts, reranker=reranker, offline=env.offline, probability=probability)


@dataclass(frozen=True, slots=True)
class _Item:
    """One line of stdin: the line, its JSON record if it is one, and the text that is read."""

    line: str
    record: dict[str, Any] | None
    text: str


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


def _write(item: _Item, judged: dict[str, Any], *, as_json: bool) -> None:
    from ragcli.render import write_json_line

    if item.record is None and not as_json:
        sys.stdout.buffer.write(item.line.encode("utf-8", "surrogateescape") + b"\n")
        return
    record = item.record if item.record is not None else {"text": item.text}
    write_json_line(record | {"rerank": judged}, sys.stdout)
