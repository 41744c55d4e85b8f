"""The picker of ``ragcli query -I``: hits that change while the question is typed, and the passage of one of them."""

from __future__ import annotations

import asyncio
import io
import os
import signal
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path

from prompt_toolkit.application import Application
from prompt_toolkit.buffer import Buffer
from prompt_toolkit.document import Document
from prompt_toolkit.filters import Condition
from prompt_toolkit.formatted_text import ANSI, StyleAndTextTuples, to_formatted_text
from prompt_toolkit.input import Input, create_input
from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent
from prompt_toolkit.keys import Keys
from prompt_toolkit.layout import (
    BufferControl,
    ConditionalContainer,
    Dimension,
    FormattedTextControl,
    HSplit,
    Layout,
    Window,
)
from prompt_toolkit.layout.processors import BeforeInput
from prompt_toolkit.output import Output
from prompt_toolkit.output.vt100 import Vt100_Output
from prompt_toolkit.styles import Style
from prompt_toolkit.utils import get_cwidth

from ragcli.errors import RagcliError, UsageError
from ragcli.render import write_results
from ragcli.render.lines import place
from ragcli.render.passage import CUT, flat
from ragcli.render.visible import fresh_mark, visible
from ragcli.types import Hit, Results
from ragcli.units import human_number

Ask = Callable[[str, bool], "Future[Results]"]  # a question, and whether its hits are reranked
Open = Callable[[Hit], None]

# A fast typist needs 100 ms per key. A pause is what comes after a word.
_TYPING_SECONDS = 0.08
_PAUSE_SECONDS = 0.35

_WHOLE = 1000  # lines around the snippet: the whole passage
_ROWS_FOR_PREVIEW = 12  # a lower window has room for the list alone
_ESCAPE_SECONDS = 0.05  # in which the rest of a key's sequence must come
_KEYS = "type a question · ↑ ↓ choose · {choose} print its place · Esc leave"

_STYLE = Style.from_dict(
    {"prompt": "ansicyan", "rule": "ansibrightblack", "quiet": "ansibrightblack", "error": "ansired", "chosen": "bold",
     "place": "ansicyan", "pointer": "ansimagenta bold"}
)  # fmt: skip


def pick(ask: Ask, open_: Open, first: str, *, reranks: bool, prints: bool) -> tuple[Results | None, bool]:
    """Let the user type a question and choose a hit, on the terminal, whatever stdin and stdout are.

    ``ask`` answers in another thread; it is asked for reranked hits, with ``reranks``, once nothing was typed for a
    moment. Enter calls ``open_`` and goes on; with ``prints`` it chooses, as Ctrl-Y always does. Returns the results
    with the chosen hit alone, or None, and whether a hit was opened. Raises UsageError without a terminal.
    """
    with _terminal() as (keys, screen):
        picker = _Picker(ask, open_, first, keys, screen, reranks=reranks, prints=prints)
        return picker.run(), picker.has_opened


@contextmanager
def _terminal() -> Iterator[tuple[Input, Output]]:
    """Open the terminal of this process for reading and writing."""
    if os.environ.get("TERM", "dumb") == "dumb":
        raise UsageError("-I needs a terminal that can move its cursor", "set TERM, or leave out -I")
    try:
        descriptor = os.open(_terminal_path(), os.O_RDWR | os.O_NOCTTY)
    except OSError as error:
        raise UsageError(f"-I needs a terminal: {error.strerror}", "leave out -I") from error
    with open(descriptor) as keys, open(descriptor, "w", closefd=False) as screen:  # noqa: PTH123 (a descriptor)
        yield create_input(keys), Vt100_Output.from_pty(screen, term=os.environ["TERM"])
        with suppress(OSError):  # the terminal was closed
            screen.flush()


def _terminal_path() -> str:
    # by its own name where one is known: the kqueue of macOS does not watch /dev/tty
    for descriptor in (2, 0):
        with suppress(OSError):
            return os.ttyname(descriptor)
    return "/dev/tty"


class _Picker:
    """The screen: the question, the hits, and the passage of the hit that is pointed at."""

    def __init__(
        self, ask: Ask, open_: Open, first: str, keys: Input, screen: Output, *, reranks: bool, prints: bool
    ) -> None:
        self.has_opened = False
        self._ask, self._open, self._reranks, self._prints = ask, open_, reranks, prints
        self._results: Results | None = None  # of what is typed, or of what was typed before it
        self._at = 0  # the hit that is pointed at
        self._moved = False  # since the question changed
        self._doing = self._error = ""
        self._work: asyncio.Task[None] | None = None
        self._question = Buffer(document=Document(first), multiline=False, on_text_changed=lambda _: self._typed())
        self._application: Application[Results | None] = Application(
            self._layout(), style=_STYLE, key_bindings=self._bindings(), full_screen=True, input=keys, output=screen,
            erase_when_done=True,
        )  # fmt: skip
        self._application.ttimeoutlen = _ESCAPE_SECONDS
        self._shown: tuple[Hit, int, int, StyleAndTextTuples] | None = None  # the last preview

    def run(self) -> Results | None:
        """Return the results with the chosen hit alone; None when the user left."""
        try:
            return self._application.run(pre_run=self._begin)
        except (EOFError, OSError):  # the terminal was closed
            return None

    def _begin(self) -> None:
        with suppress(NotImplementedError):
            loop = asyncio.get_running_loop()
            loop.add_signal_handler(signal.SIGTERM, lambda: self._leave(None))  # the terminal is put in order first
        self._typed()

    def _leave(self, results: Results | None) -> None:
        if self._application.is_running and not self._application.is_done:
            self._application.exit(result=results)

    # -- questions ----------------------------------------------------------------------------------------------------

    def _typed(self) -> None:
        """Search for what is typed now; an answer to what was typed before is not waited for."""
        if self._work is not None:
            self._work.cancel()
            self._work = None
        self._moved, self._doing, self._error = False, "", ""
        text = self._question.text
        if not text.strip():
            self._results, self._at = None, 0
        elif self._application.is_running:
            self._work = self._application.create_background_task(self._answer(text))

    async def _answer(self, text: str) -> None:
        try:
            await asyncio.sleep(_TYPING_SECONDS)
            await self._search(text, rerank=False, then="reranking" if self._reranks else "")
            if self._reranks:
                await asyncio.sleep(_PAUSE_SECONDS)
                await self._search(text, rerank=True)
        except RagcliError as error:
            self._results, self._doing, self._error = None, "", str(error)
        except Exception as error:  # noqa: BLE001 (a bug ends the picker, and is reported below it)
            self._application.exit(exception=error)
        self._application.invalidate()

    async def _search(self, text: str, *, rerank: bool, then: str = "") -> None:
        self._doing = self._doing or "searching"
        self._application.invalidate()
        results = await asyncio.wrap_future(self._ask(text, rerank))
        known = self._hit
        self._results, self._doing, self._at = results, then, 0
        if self._moved and known is not None:  # who points at a hit keeps it
            ids = [(hit.chunk.path, hit.chunk.id) for hit in results.hits]
            with suppress(ValueError):
                self._at = ids.index((known.chunk.path, known.chunk.id))
        self._application.invalidate()

    # -- what is shown ------------------------------------------------------------------------------------------------

    @property
    def _hits(self) -> tuple[Hit, ...]:
        return self._results.hits if self._results else ()

    @property
    def _hit(self) -> Hit | None:
        return self._hits[self._at] if self._hits else None

    def _size(self) -> tuple[int, int]:
        size = self._application.output.get_size()
        return size.rows, size.columns

    def _layout(self) -> Layout:
        prompt = Window(
            BufferControl(self._question, input_processors=[BeforeInput("> ", style="class:prompt")]), height=1
        )
        rows = Window(
            FormattedTextControl(self._rows), wrap_lines=False,
            height=lambda: Dimension(min=1, preferred=self._list_rows(), max=self._list_rows()),
            always_hide_cursor=True,
        )  # fmt: skip
        preview = Window(FormattedTextControl(self._preview), wrap_lines=True, always_hide_cursor=True)
        rule = Window(FormattedTextControl(self._rule), height=1)
        has_room = Condition(lambda: self._size()[0] >= _ROWS_FOR_PREVIEW)
        below = [Window(height=1, char="─", style="class:rule"), preview]
        root = HSplit([prompt, rule, rows, *(ConditionalContainer(part, has_room) for part in below), Window()])
        return Layout(root, focused_element=prompt)

    def _list_rows(self) -> int:
        """The lines of the list: two fifths of the window, or all of a low one."""
        rows, _ = self._size()
        most = rows - 2 if rows < _ROWS_FOR_PREVIEW else max(4, rows * 2 // 5)
        return max(1, min(most, len(self._hits) or 1))

    def _rule(self) -> StyleAndTextTuples:
        """The line below the question: how many hits there are, what goes on, and the notes of the search."""
        columns = self._size()[1]
        said = [f"{self._at + 1}/{len(self._hits)}"] if self._hits else []
        said += [self._doing] if self._doing else []
        style = "class:error" if self._error else "class:rule"
        said += [self._error] if self._error else list(self._results.notes) if self._results else []
        text = _beginning(visible(" · ".join(said)), columns - 4)
        return [("class:rule", "── "), (style, text), ("class:rule", " " + "─" * columns if text else "─" * columns)]

    def _rows(self) -> StyleAndTextTuples:
        if not self._question.text.strip():
            return [("class:quiet", _KEYS.format(choose="Enter" if self._prints else "Enter open · Ctrl-Y"))]
        if not self._hits:
            is_empty = self._results is not None and not self._doing
            return [("class:quiet", "nothing found" if is_empty else "")]
        columns = self._size()[1]
        shown: StyleAndTextTuples = []
        for number, hit in enumerate(self._hits):
            chosen = number == self._at
            mark = f" {fresh_mark(hit.fresh)}" if fresh_mark(hit.fresh) else ""
            score = human_number(hit.score) if hit.probability is None else f"{hit.probability:.0%}"
            where = _end(visible(place(hit, Path.cwd())), columns - 8 - len(mark))
            style = "class:chosen" if chosen else ""
            shown += [("[SetCursorPosition]", "")] if chosen else []
            shown += [
                ("class:pointer", "▌" if chosen else " "),
                ("class:quiet", f"{score:>5} "),
                (f"{style} class:place", where),
                ("class:error", mark),
                (style, f"  {flat(hit)}" + ("\n" if number + 1 < len(self._hits) else "")),
            ]
        return shown

    def _preview(self) -> StyleAndTextTuples:
        """The passage of the chosen hit, as ``ragcli query`` prints it, scrolled to its snippet."""
        hit, columns = self._hit, self._size()[1]
        if hit is None or self._results is None:
            return []
        if self._shown is None or self._shown[:3] != (hit, self._at, columns):
            out = io.StringIO()
            write_results(
                replace(self._results, hits=(hit,)), "text", out, base=Path.cwd(), context=_WHOLE, color=True,
                width=columns, first=self._at + 1,
            )  # fmt: skip
            shown = list(to_formatted_text(ANSI(out.getvalue().rstrip("\n"))))
            shown.insert(_snippet_start(shown), ("[SetCursorPosition]", ""))
            self._shown = hit, self._at, columns, shown
        return self._shown[3]

    # -- keys ---------------------------------------------------------------------------------------------------------

    def _bindings(self) -> KeyBindings:
        keys = KeyBindings()

        def on(*names: str, eager: bool = True) -> Callable[[Callable[[KeyPressEvent], None]], None]:
            def bind(handler: Callable[[KeyPressEvent], None]) -> None:
                for name in names:
                    keys.add(name, eager=eager)(handler)

            return bind

        on("up", "c-p")(lambda _: self._move(-1))
        on("down", "c-n")(lambda _: self._move(1))
        on("pageup")(lambda _: self._move(-self._list_rows()))
        on("pagedown")(lambda _: self._move(self._list_rows()))
        on("escape", "c-c", "c-g", "c-q")(lambda _: self._leave(None))
        on("c-y")(lambda _: self._choose())
        on("enter")(lambda _: self._choose() if self._prints else self._open_chosen())
        on("c-z")(lambda event: event.app.suspend_to_background())
        on("c-l")(lambda event: event.app.renderer.clear())

        @on("c-d", eager=True)
        def _(event: KeyPressEvent) -> None:
            if event.current_buffer.text:
                event.current_buffer.delete()
            else:
                self._leave(None)

        @on("<sigint>")
        def _(_event: KeyPressEvent) -> None:
            self._leave(None)

        @on(Keys.BracketedPaste.value)
        def _(event: KeyPressEvent) -> None:
            event.current_buffer.insert_text(" ".join(event.data.split()))

        return keys

    def _move(self, lines: int) -> None:
        if self._hits:
            self._at = max(0, min(len(self._hits) - 1, self._at + lines))
            self._moved = True

    def _choose(self) -> None:
        if self._hit is not None and self._results is not None:
            self._leave(replace(self._results, hits=(self._hit,)))

    def _open_chosen(self) -> None:
        hit = self._hit
        if hit is not None:
            self._application.create_background_task(self._open_on_terminal(hit))

    async def _open_on_terminal(self, hit: Hit) -> None:
        from prompt_toolkit.application import run_in_terminal

        try:
            await run_in_terminal(lambda: self._open(hit), in_executor=True)
            self.has_opened = True
        except RagcliError as error:
            self._error = str(error)
        self._application.invalidate()


def _snippet_start(shown: StyleAndTextTuples) -> int:
    """Return where the snippet begins in a hit: behind its place, its headings and the dimmed text before it."""
    begun = False
    for number, (style, text, *_) in enumerate(shown):
        begun = begun or text == "\n"
        if begun and text.strip() and not any(word in style for word in ("dim", "cyan", "red")):
            return number
    return 0


def _beginning(text: str, columns: int) -> str:
    """Return as much of the beginning of ``text`` as fits into ``columns``."""
    return text if get_cwidth(text) <= columns else _fitting(text, columns - 1) + CUT


def _end(text: str, columns: int) -> str:
    """Return as much of the end of ``text`` as fits into ``columns``: of a path, the name and the line."""
    return text if get_cwidth(text) <= columns else CUT + _fitting(text[::-1], columns - 1)[::-1]


def _fitting(text: str, columns: int) -> str:
    for number, character in enumerate(text):
        columns -= get_cwidth(character)
        if columns < 0:
            return text[:number]
    return text
