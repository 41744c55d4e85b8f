"""Run ``ragcli ask --chat``: a conversation in the terminal."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from ragcli.answer.ask import Asker, AskOptions, Outcome, Show
from ragcli.answer.prompt import Turn
from ragcli.cli.env import Env
from ragcli.cli.open import open_place
from ragcli.errors import ExitCode, RagcliError, UsageError
from ragcli.index.reader import Index, open_index
from ragcli.render.answer import place_lines
from ragcli.render.terminal import color_wanted
from ragcli.types import Citation, Hit, Results

_PROMPT = "ask> "
_COMMANDS = "/help: list the commands; /quit: leave"
_HELP = """\
/sources     list the passages of the last answer
/open N      open source N
/more        show the next passages for the last question
/file N      search only the file of source N; also /file PATH
/file        search all files again
/help        list the commands
/quit        leave
Earlier questions: the up arrow; Ctrl-R searches them"""
_MORE = 5  # passages that /more shows
_MOST_LINES = 1000  # of the history


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
    Ctrl-C stops an answer and, while nothing is being answered, the conversation. On a terminal the questions are kept
    in a file of the user's own for the next conversation.
    """
    with _history(), ExitStack() as stack:
        indexes = [stack.enter_context(open_index(folder, "hybrid")) for folder in env.existing_indexes()]
        talk = _Talk(env, indexes, Asker(indexes, options, say=env.say, show=screen, think=think), show)
        env.say(_COMMANDS)
        line = question or _read()
        while line is not None and line != "/quit":
            try:
                if line.startswith("/"):
                    talk.command(line)
                elif line:
                    talk.ask(line)
            except RagcliError as error:
                env.say(f"ragcli: {error}")
            except KeyboardInterrupt:
                env.say("stopped")
            sys.stdout.flush()
            line = _read()
    return ExitCode.OK


@contextmanager
def _history() -> Iterator[None]:
    """Keep the lines that are typed on a terminal in a file that only the user may read."""
    try:
        readline = importlib.import_module("readline")  # not in every build of Python
    except ImportError:
        readline = None
    if readline is None or not sys.stdin.isatty():
        yield
        return
    from platformdirs import user_state_path

    file = user_state_path("ragcli") / "chat_history"
    with suppress(OSError):
        readline.read_history_file(file)
    readline.set_history_length(_MOST_LINES)
    try:
        yield
    finally:
        with suppress(OSError):
            file.parent.mkdir(parents=True, exist_ok=True)
            file.touch(mode=0o600)
            readline.write_history_file(file)


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


class _Talk:
    """A conversation: the last answer, and which passages were shown for its question."""

    def __init__(
        self, env: Env, indexes: Sequence[Index], asker: Asker, show: Callable[[Outcome, Results], None]
    ) -> None:
        self._env = env
        self._indexes = indexes
        self._asker = asker
        self._show = show
        self._turns: list[Turn] = []
        self._citations: tuple[Citation, ...] = ()
        self._rest: tuple[Hit, ...] = ()  # the passages that /more shows

    def ask(self, line: str) -> None:
        """Answer a question."""
        question = self._asker.stand_alone(line, self._turns) if self._turns else line
        results = self._asker.search(question)
        self._citations, self._rest = (), ()
        if not results.hits:
            if results.searched:  # else a note says that there was no document to search
                self._env.say("nothing found")
            self._turns.append(Turn(question, ""))
            return
        outcome = self._asker.answer(results)
        self._citations = outcome.answer.citations
        quoted = {citation.chunk.id for citation in self._citations} if not outcome.answer.claims else set()
        self._rest = tuple(hit for hit in results.hits if hit.chunk.id not in quoted)
        self._turns.append(Turn(question, outcome.answer.text))
        self._show(outcome, results)

    def command(self, line: str) -> None:
        """Run a command, such as /open 2. Raises UsageError for an unknown one."""
        name, _, given = line.partition(" ")
        given = given.strip()
        if name == "/help":
            sys.stdout.write(f"{_HELP}\n")
        elif name == "/sources":
            if not self._citations:
                self._env.say("there are no sources yet")
            for place in place_lines(self._citations, Path.cwd(), color=color_wanted(sys.stdout)):
                sys.stdout.write(f"{place}\n")
        elif name == "/open":
            _open(self._indexes, _chosen(given, self._citations))
        elif name == "/more":
            self._more()
        elif name == "/file":
            self._file(given)
        else:
            raise UsageError(f"unknown command {name}", "list the commands: /help")

    def _more(self) -> None:
        from ragcli.render.visible import display_path, one_line, visible_name

        if not self._rest:
            self._env.say("there are no more passages; ask on")
        for hit in self._rest[:_MORE]:
            name = visible_name(display_path(hit.chunk.path, Path.cwd()))
            where = f":{hit.snippet.line}" if hit.snippet.page is None else f"  p. {hit.snippet.page}"
            sys.stdout.write(f"{name}{where}\n    {one_line(hit.snippet.text)}\n")
        self._rest = self._rest[_MORE:]

    def _file(self, given: str) -> None:
        if not given:
            self._asker.limit_to(None)
            self._env.say("searching all files")
            return
        if given.strip("[]").isdecimal():
            path = _chosen(given, self._citations).chunk.path
        else:
            path = Path(os.path.abspath(given))  # noqa: PTH100 (as indexed: links are not followed)
        self._asker.limit_to(path)
        self._env.say(f"searching {path} only; /file searches all files again")


def _chosen(given: str, citations: tuple[Citation, ...]) -> Citation:
    for citation in citations:
        if given.strip("[]") == str(citation.number):
            return citation
    numbers = ", ".join(str(citation.number) for citation in citations) or "none yet"
    raise UsageError(f"there is no source {given or 'without a number'}", f"sources: {numbers}")


def _open(indexes: Sequence[Index], citation: Citation) -> None:
    path = citation.chunk.path
    open_place((index.catalog.document(path) for index in indexes), path, citation.line, citation.page)
