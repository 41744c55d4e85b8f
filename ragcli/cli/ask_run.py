"""Run ``ragcli ask``: read its options, print the answer or the prompt."""

from __future__ import annotations

import sys
from dataclasses import asdict
from pathlib import Path

from ragcli.answer.ask import Asker, AskOptions, Outcome
from ragcli.cli.env import Env
from ragcli.errors import ExitCode, UsageError
from ragcli.index.reader import open_index
from ragcli.render import write_json, write_results
from ragcli.render.answer import answer_record, write_answer, write_sources
from ragcli.render.terminal import color_wanted, terminal_width
from ragcli.render.visible import visible, visible_lines
from ragcli.types import Answer, Results


class Screen:
    """Writes an answer to stdout while it is written, and knows whether it did."""

    def __init__(self) -> None:
        self.shown = False

    def __call__(self, text: str) -> None:
        """Write the next piece of the answer."""
        self.shown = True
        sys.stdout.write(visible_lines(text.replace("\r\n", "\n")))
        sys.stdout.flush()


def choose_llm(llm: str | None, local: str | None, *, typed: bool) -> str | None:
    """Return the model to ask on a server: a local one overrides a setting; UsageError when both were ``typed``."""
    if llm and local and typed:
        raise UsageError("--llm and --local name two models", "give one of them")
    return None if local else llm or None


def choose_key(env: Env, key: str, *, trusted: bool) -> str:
    """Return the key, or "" for an address from a ragcli.toml: such a file may have come with the documents."""
    if key and not trusted:
        env.say("note: OPENAI_API_KEY is not sent to an address from ragcli.toml; name it in OPENAI_BASE_URL")
        return ""
    return key


def choose_screen(env: Env, options: AskOptions, stream: bool | None) -> Screen | None:
    """Return the screen for an answer that is shown while it is written; None when it is not.

    ``stream`` is what the user asked for; None: stream to a terminal. UsageError when it cannot be.
    """
    held = "--json" if env.json else "--strict" if options.strict else ""
    if stream and held:
        raise UsageError(f"--stream cannot be combined with {held}", f"leave out {held} or --stream")
    return Screen() if (sys.stdout.isatty() if stream is None else stream) and not held else None


def run(env: Env, question: str, options: AskOptions, *, stream: bool | None) -> ExitCode:
    """Answer one question."""
    screen = choose_screen(env, options, stream)
    with open_index(env.existing_index(), "hybrid") as index:
        asker = Asker(index, options, say=env.say, show=screen)
        results = asker.search(question)
        outcome = asker.answer(results)
        show(env, outcome, results, screen)
    return exit_code(outcome.answer, strict=options.strict)


def dry_run(env: Env, question: str, options: AskOptions) -> ExitCode:
    """Print what a language model would be sent."""
    with open_index(env.existing_index(), "hybrid") as index:
        asker = Asker(index, options, say=env.say)
        results = asker.search(question)
        if not results.hits:
            say_nothing_found(env, results)
            return ExitCode.NOT_FOUND
        prompt = asker.prompt(results)
    if env.json:
        messages = [asdict(message) for message in prompt.messages]
        write_json({"schema": 1, "messages": messages, "tokens": prompt.tokens}, sys.stdout)
        return ExitCode.OK
    for message in prompt.messages:
        sys.stdout.write(f"--- {message.role}\n{visible_lines(message.content)}\n")
    sys.stdout.write(f"--- {prompt.tokens} tokens of {visible(index.settings.model)}\n")
    return ExitCode.OK


def show(env: Env, outcome: Outcome, results: Results, screen: Screen | None) -> None:
    """Print an answer, or what belongs below it when its text is on the ``screen`` already; say when there is none.

    When the language model failed, the passages are printed, and the failure is raised.
    """
    answer, failure = outcome
    color = color_wanted(sys.stdout)
    if env.json:
        write_json(answer_record(answer), sys.stdout)
    elif failure is not None:
        write_results(
            results,
            "text" if sys.stdout.isatty() else "plain",
            sys.stdout,
            base=Path.cwd(),
            color=color,
            width=terminal_width(),
        )
    elif screen is not None and screen.shown:
        write_sources(answer, sys.stdout, Path.cwd(), color=color)
    else:
        width = terminal_width() if sys.stdout.isatty() else None
        write_answer(answer, sys.stdout, Path.cwd(), color=color, width=width)
    if failure is not None:
        raise failure
    if answer.text or env.json:
        return
    if answer.claims:
        env.say("no sentence of the answer is supported by the passages")
    elif results.searched:
        env.say("the documents do not hold the answer")


def say_nothing_found(env: Env, results: Results) -> None:
    """Say that nothing was found, unless there was no document to search, which a note says."""
    if results.searched:
        env.say("nothing found")


def exit_code(answer: Answer, *, strict: bool) -> ExitCode:
    """Return 0 for an answer, 1 for none, 4 with ``strict`` when a claim was left out."""
    if strict and not all(claim.supported for claim in answer.claims):
        return ExitCode.NOT_GROUNDED
    return ExitCode.OK if answer.text else ExitCode.NOT_FOUND
