"""``ragcli ask --chat``: a conversation in the terminal."""

from __future__ import annotations

import importlib
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

from ragcli.answer.followup import Turn, read_rewritten, rewrite_prompt, with_last_words
from ragcli.cli.ask_run import Asker, AskOptions, show
from ragcli.cli.env import Env
from ragcli.cli.opener import opener
from ragcli.errors import ExitCode, LlmUnavailable, ModelUnavailable, RagcliError, UsageError
from ragcli.index.reader import Index, open_index
from ragcli.render.answer import place_lines
from ragcli.render.terminal import color_wanted
from ragcli.render.visible import visible
from ragcli.types import Citation

_PROMPT = "ask> "
_COMMANDS = "/sources: what the last answer stands on; /open N: open it there; /quit"


def run(env: Env, question: str | None, options: AskOptions) -> ExitCode:
    """Answer questions until /quit or the end of the input; the first may be given.

    Ctrl-C stops an answer and, while nothing is being answered, the conversation. Questions stay in memory.
    """
    with suppress(ImportError):  # not in every build of Python; without it lines have no history
        importlib.import_module("readline")
    with open_index(env.existing_index(), "hybrid") as index:
        asker = Asker(env, index, options)
        turns: list[Turn] = []
        citations: tuple[Citation, ...] = ()
        env.say(_COMMANDS)
        line = question or _read()
        while line is not None and line != "/quit":
            try:
                if line.startswith("/"):
                    _command(env, index, line, citations)
                elif line:
                    turn, citations = _turn(env, asker, options, line, turns)
                    turns.append(turn)
            except RagcliError as error:
                env.say(f"ragcli: {visible(str(error))}")
            except KeyboardInterrupt:
                env.say("stopped")
            sys.stdout.flush()
            line = _read()
    return ExitCode.OK


def _read() -> str | None:
    """The next line without the blanks around it; None at the end."""
    if not sys.stdin.isatty():
        line = sys.stdin.readline()
        return line.strip() if line else None
    try:
        return input(_PROMPT).strip()
    except EOFError:
        sys.stdout.write("\n")
        return None


def _turn(
    env: Env, asker: Asker, options: AskOptions, line: str, turns: list[Turn]
) -> tuple[Turn, tuple[Citation, ...]]:
    question = _standing_alone(env, asker, options, line, turns) if turns else line
    results = asker.search(question)
    if not results.hits:
        env.say("nothing found")
        return Turn(question, ""), ()
    answer, shown = asker.answer(question, results)
    show(env, answer, shown=shown)
    return Turn(question, answer.text), answer.citations


def _standing_alone(env: Env, asker: Asker, options: AskOptions, line: str, turns: list[Turn]) -> str:
    """The question as it is searched for, which is said when it differs from what was typed."""
    question = ""
    if options.writer is not None:
        try:
            question = read_rewritten(asker.writer.ask(rewrite_prompt(line, turns)))
        except (LlmUnavailable, ModelUnavailable) as error:
            env.say(f"note: the question was not rewritten: {visible(str(error))}")
    question = question or with_last_words(line, turns[-1].question)
    if question != line:
        env.say(visible(f"asked as: {question}"))
    return question


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
        raise UsageError(f"there is no command {name}", _COMMANDS)


def _chosen(given: str, citations: tuple[Citation, ...]) -> Citation:
    for citation in citations:
        if given.strip("[]") == str(citation.number):
            return citation
    numbers = ", ".join(str(citation.number) for citation in citations) or "none yet"
    raise UsageError(f"there is no source {given or 'without a number'}", f"sources: {numbers}")


def _open(index: Index, citation: Citation) -> None:
    row = index.catalog.document(citation.chunk.path)
    if row is None or not row.path.exists():
        raise RagcliError(f"{citation.chunk.path} is no longer there", "bring the index up to date: ragcli index")
    arguments = opener(row.path, row.loader, citation.line, citation.page)
    done = subprocess.run(arguments, check=False)
    if done.returncode:
        raise RagcliError(f"{arguments[0]} ended with exit code {done.returncode}", "set EDITOR to another program")
