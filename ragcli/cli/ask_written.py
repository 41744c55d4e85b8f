"""How ``ragcli ask`` has a language model write the answer, shows it meanwhile, and checks it."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING

from ragcli.answer.claims import may_become_refusal
from ragcli.answer.injection import injection_notes
from ragcli.answer.prompt import Message, Prompt, build_prompt
from ragcli.answer.thinking import without_thinking
from ragcli.answer.written import passages_cited, written_answer
from ragcli.cli.env import Env
from ragcli.errors import LlmUnavailable, ModelUnavailable
from ragcli.index.reader import Index
from ragcli.models.files import DEFAULT_RERANKER
from ragcli.models.open import open_query_encoder
from ragcli.models.resolve import resolve_stored
from ragcli.models.tokenizer import open_tokenizer
from ragcli.render import write_json, write_results
from ragcli.render.answer import answer_record
from ragcli.render.terminal import color_wanted, terminal_width
from ragcli.render.visible import visible, visible_lines
from ragcli.retrieve.judge import Judge, open_judge
from ragcli.types import Answer, Results

if TYPE_CHECKING:
    from ragcli.cli.ask_run import AskOptions

Note = Callable[[str], None]
Write = Callable[[Sequence[Message], Note], Iterator[str]]


class Writer:
    """A language model, opened when it is first asked, and what checks what it writes."""

    def __init__(self, env: Env, index: Index, options: AskOptions, *, streams: bool) -> None:
        self._env = env
        self._index = index
        self._options = options
        self._streams = streams

    def prompt(self, question: str, results: Results) -> Prompt:
        """What the model would be sent; says when not all passages fit."""
        files = resolve_stored(self._index.settings.model)
        prompt = build_prompt(
            question, results.hits,
            count=open_tokenizer(files).count, budget=self._options.context_tokens, base=Path.cwd(),
        )  # fmt: skip
        if len(prompt.hits) < len(results.hits):
            self._env.say(f"note: {len(prompt.hits)} of {len(results.hits)} passages fit into --context-tokens")
        return prompt

    def answer(self, question: str, results: Results) -> tuple[Answer, bool]:
        """The checked answer, and whether its text was already shown while it was written.

        When the model fails, the passages are shown before LlmUnavailable or ModelUnavailable goes on.
        """
        prompt = self.prompt(question, results)
        by = self._options.writer or ""
        notes = list(results.notes)

        def add(note: str) -> None:
            notes.append(note)
            self._env.say(visible(f"note: {note}"))

        for note in injection_notes(prompt.hits):
            add(note)
        try:
            text, shown = self._written(prompt.messages, add)
            answer = written_answer(
                question, text, prompt.hits,
                by=by, supports=self._supports, strict=self._options.strict, notes=notes,
            )  # fmt: skip
        except (LlmUnavailable, ModelUnavailable) as error:
            passages = passages_cited(results.hits)
            failed = Answer(question, "", passages, grounded=False, by=by, notes=(*notes, str(error)))
            self._show_passages(failed, results)
            raise
        return answer, shown

    def ask(self, messages: Sequence[Message]) -> str:
        """What the model says to ``messages``; LlmUnavailable, ModelUnavailable."""
        return "".join(without_thinking(self._write(messages, lambda _note: None)))

    @cached_property
    def _write(self) -> Write:
        """The open model; LlmUnavailable, ModelUnavailable, UsageError."""
        options = self._options
        if options.local:
            from ragcli.models.torch.generator import open_generator

            generator = open_generator(options.local, offline=self._env.offline)
            return lambda messages, note: generator.stream([asdict(message) for message in messages], note)
        from ragcli.answer.llm import DEFAULT_URL, open_endpoint, stream_chat

        if not options.base_url and not options.key:
            raise LlmUnavailable(
                f"{DEFAULT_URL} wants a key", "set OPENAI_API_KEY, or name your own server with --base-url"
            )
        endpoint = open_endpoint(
            options.base_url or DEFAULT_URL, options.llm or "",
            key=options.key, timeout=options.timeout, offline=self._env.offline,
        )  # fmt: skip
        self._env.say(visible(f"asking {endpoint.model} at {endpoint.host}"))
        return partial(stream_chat, endpoint)

    @cached_property
    def _judge(self) -> Judge:
        encoder = open_query_encoder(resolve_stored(self._index.settings.model))
        return open_judge(encoder, DEFAULT_RERANKER, offline=self._env.offline)

    def _written(self, messages: Sequence[Message], note: Note) -> tuple[str, bool]:
        """The text, and whether it was shown; a refusal never is."""
        text, shown = "", False
        late: list[str] = []  # notes that would stand in the middle of a line of the answer

        def tell(told: str) -> None:
            (late.append if shown else note)(told)

        try:
            for piece in without_thinking(self._write(messages, tell)):
                text += piece
                if self._streams and not may_become_refusal(text):
                    sys.stdout.write(visible_lines((piece if shown else text).replace("\r\n", "\n")))
                    sys.stdout.flush()
                    shown = True
        finally:
            if shown:
                sys.stdout.write("\n")
                sys.stdout.flush()
            for told in late:
                note(told)
        return text, shown

    def _supports(self, claim: str, passage: str) -> float | None:
        return self._judge.answers(claim, passage)

    def _show_passages(self, failed: Answer, results: Results) -> None:
        if self._env.json:
            write_json(answer_record(failed), sys.stdout)
            return
        write_results(
            results, "text" if sys.stdout.isatty() else "plain", sys.stdout,
            base=Path.cwd(), color=color_wanted(sys.stdout), width=terminal_width(),
        )  # fmt: skip
