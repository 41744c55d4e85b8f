"""How ``ragcli ask`` finds passages, gets an answer from them, and prints it."""

from __future__ import annotations

import sys
from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from ragcli.cli.env import Env
from ragcli.errors import ExitCode, UsageError
from ragcli.index.reader import Index, open_index
from ragcli.render import write_json
from ragcli.render.answer import answer_record, write_answer, write_sources
from ragcli.render.terminal import color_wanted, terminal_width
from ragcli.render.visible import visible, visible_lines
from ragcli.retrieve.engine import Searcher, SearchOptions
from ragcli.types import Answer, Results

if TYPE_CHECKING:
    from ragcli.cli.ask_written import Writer


@dataclass(frozen=True, slots=True)
class AskOptions:
    """What to read, who writes the answer (None, None: it is quotes) and how it is shown."""

    k: int
    min_probability: float | None
    llm: str | None
    local: str | None
    base_url: str | None
    strict: bool
    context_tokens: int
    timeout: float
    stream: bool | None
    key: str = field(default="", repr=False)

    @property
    def writer(self) -> str | None:
        """The name of the language model."""
        return self.local or self.llm


def choose_llm(llm: str | None, local: str | None, *, typed: bool) -> str | None:
    """The model to ask on a server: a local one wins over a setting; UsageError when both were ``typed``."""
    if llm and local and typed:
        raise UsageError("--llm and --local name two models", "give one of them")
    return None if local else llm or None


def choose_key(env: Env, key: str, *, trusted: bool) -> str:
    """The key, unless the address stands in a ragcli.toml: such a file may have come with the documents."""
    if key and not trusted:
        env.say("note: OPENAI_API_KEY is not sent to an address from ragcli.toml; name it in OPENAI_BASE_URL")
        return ""
    return key


class Asker:
    """An open index and what is needed to answer from it, each loaded once and when it is first used."""

    def __init__(self, env: Env, index: Index, options: AskOptions) -> None:
        self._env = env
        self._index = index
        self._options = options
        self._streams = _streams(env, options)

    @cached_property
    def _searcher(self) -> Searcher:
        options = self._options
        return Searcher(
            self._index,
            SearchOptions(k=options.k, min_probability=options.min_probability, offline=self._env.offline),
        )

    @cached_property
    def writer(self) -> Writer:
        """The language model, and the prompts for it; not loaded or asked yet."""
        from ragcli.cli.ask_written import Writer  # 50 ms that an answer of quotes need not wait for

        return Writer(self._env, self._index, self._options, streams=self._streams)

    def search(self, question: str) -> Results:
        """The passages to answer from; notes are said."""
        results = self._searcher.search(question)
        for note in results.notes:
            self._env.say(f"note: {note}")
        return results

    def answer(self, question: str, results: Results) -> tuple[Answer, bool]:
        """The answer, and whether its text was already shown while it was written.

        When the language model fails, the passages are shown before LlmUnavailable or ModelUnavailable goes on.
        """
        if self._options.writer is not None:
            return self.writer.answer(question, results)
        from ragcli.answer.extract import extract

        return extract(self._searcher, results, self._options.min_probability), False


def run(env: Env, question: str, options: AskOptions) -> ExitCode:
    """Answer one question."""
    with open_index(env.existing_index(), "hybrid") as index:
        asker = Asker(env, index, options)
        results = asker.search(question)
        by = options.writer or "extract"
        answer, shown = Answer(question, "", (), grounded=True, by=by, notes=results.notes), False
        if results.hits:
            answer, shown = asker.answer(question, results)
        if env.json:
            write_json(answer_record(answer), sys.stdout)
        else:
            show(env, answer, shown=shown)
    return exit_code(answer, strict=options.strict)


def dry_run(env: Env, question: str, options: AskOptions) -> ExitCode:
    """Print what a language model would be sent."""
    with open_index(env.existing_index(), "hybrid") as index:
        asker = Asker(env, index, options)
        results = asker.search(question)
        if not results.hits:
            env.say("nothing found")
            return ExitCode.NOT_FOUND
        prompt = asker.writer.prompt(question, results)
    if env.json:
        messages = [asdict(message) for message in prompt.messages]
        write_json({"schema": 1, "messages": messages, "tokens": prompt.tokens}, sys.stdout)
        return ExitCode.OK
    for message in prompt.messages:
        sys.stdout.write(f"--- {message.role}\n{visible_lines(message.content)}\n")
    sys.stdout.write(f"--- {prompt.tokens} tokens of {visible(index.settings.model)}\n")
    return ExitCode.OK


def show(env: Env, answer: Answer, *, shown: bool) -> None:
    """Print an answer, or only what belongs below it when its text was ``shown`` already; say when there is none."""
    color = color_wanted(sys.stdout)
    if shown:
        write_sources(answer, sys.stdout, Path.cwd(), color=color)
    else:
        width = terminal_width() if sys.stdout.isatty() else None
        write_answer(answer, sys.stdout, Path.cwd(), color=color, width=width)
    if not answer.text:
        env.say("nothing of the answer is borne out" if answer.claims else "the documents do not hold the answer")


def exit_code(answer: Answer, *, strict: bool) -> ExitCode:
    """0 answered, 1 no answer, 4 with ``strict`` when a claim had to be left out."""
    if strict and not all(claim.supported for claim in answer.claims):
        return ExitCode.NOT_GROUNDED
    return ExitCode.OK if answer.text else ExitCode.NOT_FOUND


def _streams(env: Env, options: AskOptions) -> bool:
    """Whether the answer is shown while it is written; UsageError when that cannot be."""
    held = "--json" if env.json else "--strict" if options.strict else ""
    if options.stream and held:
        raise UsageError(f"--stream shows an answer before {held} can hold it back", f"leave out {held} or --stream")
    return (sys.stdout.isatty() if options.stream is None else options.stream) and not held
