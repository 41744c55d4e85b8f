"""Run ``ragcli ask --chat``: a conversation in the terminal."""

from __future__ import annotations

import importlib
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from ragcli.answer.ask import Asker, AskOptions, Outcome, Show
from ragcli.answer.prompt import Turn
from ragcli.cli.env import Env
from ragcli.cli.open import opener
from ragcli.errors import ExitCode, RagcliError, UsageError
from ragcli.index.reader import Index, open_index
from ragcli.render.answer import place_lines
from ragcli.render.terminal import color_wanted
from ragcli.types import Citation, Results

_PROMPT = "ask> "
_COMMANDS = "/sources: list what the last answer cites; /open N: open source N; /quit: leave"


def run(
    env: Env,
    question: str | None,
    options: AskOptions,
    screen: Show | None,
    think: Show | None,
    show: Callable[[Outcome, Results], None],
) -> ExitCode:
    """Answer questions until /quit or the end of the input; the first one may be given.

    ``screen`` takes an answer while it is written, ``think`` what the model thinks, and ``show`` a finished answer.
    Ctrl-C stops an answer and, while nothing is being answered, the conversation. Questions stay in memory.
    """
    with suppress(ImportError):  # not in every build of Python; without it lines have no history
        importlib.import_module("readline")
    with open_index(env.existing_index(), "hybrid") as index:
        asker = Asker(index, options, say=env.say, show=screen, think=think)
        turns: list[Turn] = []
        citations: tuple[Citation, ...] = ()
        env.say(_COMMANDS)
        line = question or _read()
        while line is not None and line != "/quit":
            try:
                if line.startswith("/"):
                    _command(env, index, line, citations)
                elif line:
                    turn, citations = _turn(env, asker, show, line, turns)
                    turns.append(turn)
            except RagcliError as error:
                env.say(f"ragcli: {error}")
            except KeyboardInterrupt:
                env.say("stopped")
            sys.stdout.flush()
            line = _read()
    return ExitCode.OK


def _read() -> str | None:
    """Return the next line without the blanks around it; None at the end."""
    if not sys.stdin.isatty():
        line = sys.stdin.readline()
        return line.strip() if line else None
    try:
        return input(_PROMPT).strip()
    except EOFError:
        sys.stdout.write("\n")
        return None


def _turn(
    env: Env, asker: Asker, show: Callable[[Outcome, Results], None], line: str, turns: list[Turn]
) -> tuple[Turn, tuple[Citation, ...]]:
    question = asker.stand_alone(line, turns) if turns else line
    results = asker.search(question)
    if not results.hits:
        if results.searched:  # else a note says that there was no document to search
            env.say("nothing found")
        return Turn(question, ""), ()
    outcome = asker.answer(results)
    show(outcome, results)
    return Turn(question, outcome.answer.text), outcome.answer.citations


def _command(env: Env, index: Index, line: str, citations: tuple[Citation, ...]) -> None:
    name, _, given = line.partition(" ")
    if name == "/sources":
        if not citations:
            env.say("there are no sources yet")
        for place in place_lines(citations, Path.cwd(), color=color_wanted(sys.stdout)):
            sys.stdout.write(f"{place}\n")
    elif name == "/open":
        _open(index, _chosen(given.strip(), citations))
    else:
        raise UsageError(f"unknown command {name}", _COMMANDS)


def _chosen(given: str, citations: tuple[Citation, ...]) -> Citation:
    for citation in citations:
        if given.strip("[]") == str(citation.number):
            return citation
    numbers = ", ".join(str(citation.number) for citation in citations) or "none yet"
    raise UsageError(f"there is no source {given or 'without a number'}", f"sources: {numbers}")


def _open(index: Index, citation: Citation) -> None:
    row = index.catalog.document(citation.chunk.path)
    if row is None or not row.path.exists():
        raise RagcliError(f"{citation.chunk.path} no longer exists", "bring the index up to date: ragcli index")
    arguments = opener(row.path, row.loader, citation.line, citation.page)
    done = subprocess.run(arguments, check=False)
    if done.returncode:
        raise RagcliError(f"{arguments[0]} ended with exit code {done.returncode}", "set EDITOR to another program")
