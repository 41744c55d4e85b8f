"""The long-lived object behind every face: threads that answer, with models and indexes that stay open.

An index is looked at before each question and opened again when it changed, so no answer is stale. A model is opened on
its first use, and its logits are remembered. What nobody used for a while is closed.
"""

from __future__ import annotations

import queue
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from ragcli.errors import IndexBusy, RagcliError
from ragcli.index.catalog.documents import Catalog
from ragcli.index.layout import CATALOG
from ragcli.index.reader import Index, open_index
from ragcli.models.open import keep_open

Answer = TypeVar("Answer")

COMPUTING = 2  # questions at a time; reranking alone keeps two cores busy
WAITING = 64  # questions in the queue; a client that waits for more than these would give up first
INDEXES = 4  # that stay open in each thread
UNLOAD_SECONDS = 600.0  # without a question until models and indexes are closed

# An open snapshot keeps the writer's log from being cut back, and deleted files on the disk: a thread without work
# closes an index that changed after this many seconds.
_TICK = 2.0


class TooManyQuestions(RagcliError):
    """The queue is full."""

    def __init__(self) -> None:
        super().__init__("too many questions are waiting", "ask again in a second")


class Desk:
    """The open indexes of one thread: a connection of SQLite belongs to the thread that made it."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._open: OrderedDict[Path, _Opened] = OrderedDict()

    def index(self, folder: Path) -> Index:
        """Return the index in ``folder`` in its newest state. Raises IndexNotFound, IndexFormat, IndexDamaged."""
        opened = self._open.get(folder)
        if opened is None or not opened.is_current():
            try:
                fresh = _Opened(folder)
            except IndexBusy:  # a writer commits faster than files can be opened: the last state still answers
                if opened is None:
                    raise
                return opened.index
            except BaseException:
                self._close(folder)
                raise
            self._close(folder)
            self._open[folder] = opened = fresh
            while len(self._open) > self._most:
                self._close(next(iter(self._open)))
        self._open.move_to_end(folder)
        return opened.index

    def indexes(self, folders: Sequence[Path]) -> list[Index]:
        """Return the indexes in ``folders``, all open at once, in their newest state. Raises what ``index`` raises."""
        most, self._most = self._most, max(self._most, len(folders))
        try:
            return [self.index(folder) for folder in folders]
        finally:
            self._most = most

    def close_stale(self) -> None:
        """Close every index that changed since it was opened."""
        for folder in [folder for folder, opened in self._open.items() if not opened.is_current()]:
            self._close(folder)

    def close(self) -> None:
        """Close every index."""
        for folder in list(self._open):
            self._close(folder)

    def __len__(self) -> int:
        return len(self._open)

    def _close(self, folder: Path) -> None:
        opened = self._open.pop(folder, None)
        if opened is not None:
            opened.close()


class _Opened:
    """An open index, and a second connection that sees what was committed since."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        with ExitStack() as stack:
            self._place = _place(folder)
            self._watch = Catalog.open(folder)
            stack.callback(self._watch.close)
            self._version = self._watch.version()  # first: a commit in between is then noticed
            self.index = stack.enter_context(open_index(folder, "hybrid"))
            self._stack = stack.pop_all()

    def is_current(self) -> bool:
        """Whether the folder still holds this index, and nothing was committed to it."""
        try:
            return _place(self._folder) == self._place and self._watch.version() == self._version
        except (OSError, RagcliError):
            return False

    def close(self) -> None:
        with suppress(RagcliError):
            self._stack.close()


def _place(folder: Path) -> tuple[int, int]:
    """What tells an index from another one that was made under its name."""
    try:
        stat = (folder / CATALOG).stat()
    except OSError:
        return 0, 0
    return stat.st_dev, stat.st_ino


class Load(NamedTuple):
    """What an engine is doing: questions being answered, questions that wait, and answers so far."""

    computing: int
    waiting: int
    answered: int


class Engine:
    """Threads that answer questions, at most ``computing`` at a time; so many more wait, and the next are refused."""

    def __init__(
        self,
        computing: int = COMPUTING,
        waiting: int = WAITING,
        indexes: int = INDEXES,
        unload_seconds: float = UNLOAD_SECONDS,
    ) -> None:
        """Start the threads; nothing is opened yet."""
        self._models = keep_open()
        self._jobs: queue.Queue[tuple[Future[Any], Callable[[Desk], Any]] | None] = queue.Queue(waiting)
        self._unload_seconds = unload_seconds
        self._lock = threading.Lock()
        self._computing = self._answered = 0
        self.last_used = time.monotonic()
        self._threads = [
            threading.Thread(target=self._work, args=(Desk(indexes),), name=f"ragcli-{number}", daemon=True)
            for number in range(computing)
        ]
        for thread in self._threads:
            thread.start()

    def submit(self, answer: Callable[[Desk], Answer]) -> Future[Answer]:
        """Have a thread call ``answer``; raises TooManyQuestions when the queue is full."""
        future: Future[Answer] = Future()
        self.last_used = time.monotonic()
        try:
            self._jobs.put_nowait((future, answer))
        except queue.Full:
            raise TooManyQuestions from None
        return future

    def run(self, answer: Callable[[Desk], Answer]) -> Answer:
        """Return what ``answer`` returns, or raise what it raises."""
        return self.submit(answer).result()

    @property
    def load(self) -> Load:
        """What the engine is doing now."""
        return Load(self._computing, self._jobs.qsize(), self._answered)

    def close(self) -> None:
        """Answer the questions that wait, then end the threads."""
        for _ in self._threads:
            self._jobs.put(None)
        for thread in self._threads:
            thread.join()
        self._models.clear()

    def _work(self, desk: Desk) -> None:
        while True:
            try:
                job = self._jobs.get(timeout=_TICK)
            except queue.Empty:
                self._tidy(desk)
                continue
            if job is None:
                desk.close()
                return
            self._answer(desk, *job)

    def _answer(self, desk: Desk, future: Future[Any], answer: Callable[[Desk], Any]) -> None:
        if not future.set_running_or_notify_cancel():
            return  # who asked is gone
        with self._lock:
            self._computing += 1
        try:
            found = answer(desk)
        except BaseException as error:  # noqa: BLE001 (the one who asked raises it)
            future.set_exception(error)
        else:
            future.set_result(found)
        finally:
            self.last_used = time.monotonic()
            with self._lock:
                self._computing -= 1
                self._answered += 1

    def _tidy(self, desk: Desk) -> None:
        if time.monotonic() - self.last_used < self._unload_seconds:
            desk.close_stale()
        elif len(desk) or len(self._models):
            desk.close()
            self._models.clear()
