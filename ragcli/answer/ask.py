"""The answer line: search -> quotes of the best passages, or a language model's answer that is checked.

Nothing is printed here: callbacks take what a user may want to see meanwhile.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from functools import cached_property, lru_cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from ragcli.errors import LlmUnavailable, ModelUnavailable, RagcliError, UsageError
from ragcli.index.reader import Index
from ragcli.retrieve.engine import Searcher, SearchOptions
from ragcli.types import Answer, Results

if TYPE_CHECKING:
    from ragcli.answer.claims import LiveCheck
    from ragcli.answer.llm import Endpoint
    from ragcli.answer.prompt import Message, Prompt, Turn

# The prompt, the model and the checks of a written answer are imported in functions: an answer of quotes would wait
# 50 ms for them.

Say = Callable[[str], None]  # takes one line for the user
Show = Callable[[str], None]  # takes the next piece of an answer that is being written
Write = Callable[[Sequence["Message"], Say, Show], Iterator[str]]

_TRIES = 4  # prompts, each with fewer passages, until one fits into the model's window


@dataclass(frozen=True, slots=True)
class AskOptions:
    """How many passages are read, and who writes the answer: without ``llm`` and ``local`` it is quotes."""

    k: int = 8  # passages that are read
    min_probability: float | None = None  # in [0, 1]: only passages at least this likely to answer
    llm: str | None = None  # the name of a language model on a server
    local: str | None = None  # or a transformers model in this process: hf:FOLDER or hf:ORG/NAME
    base_url: str | None = None  # of the server's OpenAI-compatible API; None: https://api.openai.com/v1
    key: str = field(default="", repr=False)  # of that API
    strict: bool = False  # leave out sentences that their citations do not support
    context_tokens: int = 3000  # the longest prompt, in tokens of the embedding model
    timeout: float = 120  # seconds that a server may be silent
    offline: bool = False  # download no model, and ask a server on this machine only

    @property
    def writer(self) -> str | None:
        """The name of the language model; None when the answer is quotes."""
        return self.local or self.llm


class Outcome(NamedTuple):
    """An answer, and why the language model gave none: then ``answer`` has no text and cites the passages."""

    answer: Answer
    failure: RagcliError | None = None


class Asker:
    """Open indexes with the models that answer from them, each loaded once and when it is first used."""

    def __init__(
        self,
        index: Index | Sequence[Index],
        options: AskOptions | None = None,
        *,
        say: Say = lambda _line: None,
        show: Show | None = None,
        think: Show | None = None,
        base: Path | None = None,
    ) -> None:
        """Prepare to answer from ``index``, or from several of them; nothing is loaded or sent yet.

        ``say`` takes notes, one line each. ``show`` takes the text of a written answer piece by piece, with " [?]"
        behind each sentence that is not supported, and a line break at its end; a refusal is not shown. ``think`` takes
        what the model thinks before it answers. A language model gets paths relative to ``base`` (None: the current
        folder).
        """
        self._indexes = [index] if isinstance(index, Index) else list(index)
        self._options = options or AskOptions()
        self._say = say
        self._show = show
        self._think = think or (lambda _text: None)
        self._base = base

    @cached_property
    def _searcher(self) -> Searcher:
        options = self._options
        wanted = SearchOptions(k=options.k, min_probability=options.min_probability, offline=options.offline)
        if len(self._indexes) == 1:
            return Searcher(self._indexes[0], wanted)
        from ragcli.retrieve.several import SeveralSearcher

        return SeveralSearcher(self._indexes, wanted)

    def search(self, question: str) -> Results:
        """Return the passages to answer from; their notes are said. Raises what a search raises."""
        results = self._searcher.search(question)
        for note in results.notes:
            self._say(f"note: {note}")
        return results

    def limit_to(self, path: Path | None) -> None:
        """Search only the document at ``path``; None: all. Raises UsageError when the index does not hold it."""
        if len(self._indexes) > 1:
            raise UsageError("one file can be searched in one index only", "start with one -i")
        document = None if path is None else self._indexes[0].catalog.document(path)
        if path is not None and document is None:
            raise UsageError(f"{path} is not in the index", "see what is: ragcli list")
        self._searcher.documents = None if document is None else [document.id]

    def answer(self, results: Results) -> Outcome:
        """Answer the question of ``results`` from their hits; without hits the answer has no text.

        Raises UsageError when the best passage does not fit into the prompt, and for an invalid address, key or name.
        """
        pieces = self._pieces(results, marks=self._show is not None)
        while True:
            try:
                piece = next(pieces)
            except StopIteration as end:
                found: Outcome = end.value
                return found
            if self._show is not None:
                self._show(piece)

    def stream(self, results: Results) -> Generator[str, None, Outcome]:
        """Yield the pieces of a written answer as they arrive, and return the whole, checked.

        Nothing is yielded of a refusal and of an answer of quotes. Raises what :meth:`answer` raises.
        """
        return (yield from self._pieces(results, marks=False))

    def _pieces(self, results: Results, *, marks: bool) -> Generator[str, None, Outcome]:
        if not results.hits:
            by = self._options.writer or "extract"
            return Outcome(Answer(results.query, "", (), grounded=True, by=by, notes=results.notes))
        if self._options.writer is not None:
            return (yield from self._written(results, self._options.writer, marks=marks))
        from ragcli.answer.extract import extract

        answer = extract(self._searcher, results, self._options.min_probability)
        for note in answer.notes[len(results.notes) :]:
            self._say(f"note: {note}")
        return Outcome(answer)

    def prompt(self, results: Results, budget: int | None = None) -> Prompt:
        """Return what a language model would be sent, of at most ``budget`` tokens (None: ``context_tokens``).

        A note says when not all passages fit. Raises UsageError when not even one does.
        """
        from ragcli.answer.prompt import build_prompt
        from ragcli.models.resolve import resolve_stored
        from ragcli.models.tokenizer import open_tokenizer

        prompt = build_prompt(
            results.query,
            results.hits,
            count=open_tokenizer(resolve_stored(self._indexes[0].settings.model)).count,
            budget=budget or self._options.context_tokens,
            base=self._base or Path.cwd(),
        )
        if len(prompt.hits) < len(results.hits):
            window = "the model's context window" if budget else "--context-tokens"
            self._say(f"note: {len(prompt.hits)} of {len(results.hits)} passages fit into {window}")
        return prompt

    def stand_alone(self, question: str, turns: Sequence[Turn]) -> str:
        """Return a follow-up question as it is searched for after ``turns``, of which there is at least one.

        A language model rewrites it. Without one, or when it fails, the words of the last question are added where the
        new one seems to refer to it. A changed question is said.
        """
        from ragcli.answer.prompt import read_rewritten, rewrite_prompt, with_last_words

        rewritten = ""
        if self._options.writer is not None:
            from ragcli.answer.thinking import answer_in

            try:
                pieces = self._write(rewrite_prompt(question, turns), lambda _note: None, lambda _text: None)
                rewritten = read_rewritten(answer_in("".join(pieces)))
            except (LlmUnavailable, ModelUnavailable) as error:
                self._say(f"note: the question was not rewritten: {error}")
        rewritten = rewritten or with_last_words(question, turns[-1].question)
        if rewritten != question:
            self._say(f"asked as: {rewritten}")
        return rewritten

    @cached_property
    def _supports(self) -> Callable[[str, str], float | None]:
        """What the searcher says; no pair is read twice."""
        return lru_cache(maxsize=1024)(self._searcher.supports)

    def _written(self, results: Results, by: str, *, marks: bool) -> Generator[str, None, Outcome]:
        from ragcli.answer.claims import passages_cited, written_answer
        from ragcli.answer.prompt import injection_notes

        prompt = self.prompt(results)
        notes = list(results.notes)

        def add(note: str) -> None:
            notes.append(note)
            self._say(f"note: {note}")

        for note in injection_notes(prompt.hits):
            add(note)
        try:
            prompt, text = yield from self._text_that_fits(results, prompt, add, marks=marks)
            answer = written_answer(
                results.query,
                text,
                prompt.hits,
                by=by,
                supports=self._supports,
                strict=self._options.strict,
                notes=notes,
            )
        except (LlmUnavailable, ModelUnavailable) as error:
            passages = passages_cited(results.hits)
            return Outcome(
                Answer(results.query, "", passages, grounded=False, by=by, notes=(*notes, str(error))), error
            )
        return Outcome(answer)

    def _text_that_fits(
        self, results: Results, prompt: Prompt, note: Say, *, marks: bool
    ) -> Generator[str, None, tuple[Prompt, str]]:
        """Yield what the model writes; return the prompt that fits into its window, and the text."""
        from ragcli.answer.llm import ContextOverflow

        for tried in range(1, _TRIES + 1):
            try:
                live = None
                if marks:
                    from ragcli.answer.claims import LiveCheck

                    live = LiveCheck([hit.chunk for hit in prompt.hits], results.query, self._supports)
                return prompt, (yield from self._text(prompt.messages, note, live))
            except ContextOverflow as error:
                if len(prompt.hits) <= 1 or tried == _TRIES:
                    raise
                # the model counts other tokens, and its answer needs some of the window
                room = error.window // 2 if error.window else prompt.tokens // 2
                try:
                    prompt = self.prompt(results, min(room, prompt.tokens * 3 // 4))
                except UsageError:
                    raise error from None
        raise AssertionError

    def _text(self, messages: Sequence[Message], note: Say, live: LiveCheck | None) -> Generator[str, None, str]:
        """Yield what the model writes, with the marks of ``live``, and return the whole without them.

        Raises LlmUnavailable when the model only thinks.
        """
        from ragcli.answer.claims import may_become_refusal
        from ragcli.answer.thinking import split_thinking

        text, shown, thought = "", False, False
        late: list[str] = []  # notes that would stand in the middle of a line of the answer

        def add(line: str) -> None:
            (late.append if shown else note)(line)

        def think(piece: str) -> None:
            nonlocal thought
            thought = thought or bool(piece.strip())
            self._think(piece)

        failure: BaseException | None = None
        try:
            for piece in split_thinking(self._write(messages, add, think), think):
                if piece is None:  # and so some of it was shown
                    yield from _rest(live)
                    yield "\n\n(so far the model was thinking; its answer:)\n\n"
                    text = ""
                    continue
                text += piece
                if not may_become_refusal(text):
                    new = piece if shown else text
                    if thought and not shown:
                        self._think("\n")  # the answer begins on a line of its own
                    yield from _marked(new, live)
                    shown = True
        except (RagcliError, KeyboardInterrupt) as error:
            failure = error
        if thought and not shown:
            self._think("\n")
        if shown:
            yield from _rest(live)
            yield "\n"
        for line in late:
            note(line)
        if failure is not None:
            raise failure
        self._require_answer(text, thought=thought)
        return text

    def _require_answer(self, text: str, *, thought: bool) -> None:
        if thought and not text.strip():
            raise LlmUnavailable(
                f"{self._options.writer} thought until its length limit and gave no answer",
                "give it a larger context window, or a model that does no thinking",
            )

    @cached_property
    def _write(self) -> Write:
        """The open language model. Raises LlmUnavailable, ModelUnavailable, UsageError."""
        options = self._options
        if options.local:
            from ragcli.models.torch.generator import open_generator

            generator = open_generator(options.local, offline=options.offline)
            return lambda messages, note, _think: generator.stream([asdict(message) for message in messages], note)
        from ragcli.answer.llm import stream_chat

        endpoint = _endpoint(options)
        self._say(f"asking {endpoint.model} at {endpoint.host}")
        return partial(stream_chat, endpoint)


def _marked(piece: str, live: LiveCheck | None) -> Iterable[str]:
    return (piece,) if live is None else live.feed(piece)


def _rest(live: LiveCheck | None) -> Iterable[str]:
    return () if live is None else live.finish()


def available_models(options: AskOptions) -> list[str]:
    """Return the names of the models at ``options.base_url``. Raises LlmUnavailable and UsageError."""
    from ragcli.answer.llm import list_models

    return list_models(_endpoint(options))


def _endpoint(options: AskOptions) -> Endpoint:
    from ragcli.answer.llm import DEFAULT_URL, open_endpoint

    if not options.base_url and not options.key:
        raise LlmUnavailable(
            f"{DEFAULT_URL} wants a key", "set OPENAI_API_KEY, or name your own server with --base-url"
        )
    return open_endpoint(
        options.base_url or DEFAULT_URL,
        options.llm or "",
        key=options.key,
        timeout=options.timeout,
        offline=options.offline,
        context_tokens=options.context_tokens,
    )
