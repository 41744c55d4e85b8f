"""Load files in parser processes, each under limits of time, memory and output.

One thread per process sends requests and waits for replies, so that the clock of a file stops when the process is done
with it, and not when the consumer, who may be busy for many seconds, takes the result.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

from ragcli.formats.blocks import LoadOptions
from ragcli.ingest.sandbox.limits import Limits
from ragcli.ingest.sandbox.process import Drawing, Loaded, ParserProcess, Picture, Request

__all__ = ["Drawing", "Loaded", "Picture", "Request", "Sandbox", "draw", "extract"]

_WORKER = "ragcli.ingest.sandbox.worker"
_LOOK_AHEAD = 2  # requests per process: one that it reads, and one that waits for it or for the consumer
_MOST_WAITING = 64  # results that wait for the consumer: the members of an archive are many


class Sandbox:
    """Parser processes for one run; leaving the context kills them all."""

    def __init__(self, workers: int, limits: Limits, options: LoadOptions, *, module: str = _WORKER) -> None:
        self._workers = workers
        self._limits = limits
        self._options = options
        self._module = module
        self._crews: list[_Crew] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        for crew in self._crews:
            crew.stop()

    def load(self, requests: Iterable[Request]) -> Iterator[Loaded]:
        """Yield the members of each file and then the file, as they are done, a few requests ahead of the consumer.

        Processes start when there is work for them and are killed when the iteration ends or is given up. Raises
        RagcliError when one cannot be started.
        """
        crew = _Crew(self._limits, self._options, self._module)
        self._crews.append(crew)
        workers = max(1, self._workers)
        waiting = 0
        try:
            for request in requests:
                while waiting and (waiting >= workers * _LOOK_AHEAD or crew.has_result()):
                    loaded = crew.result()
                    waiting -= loaded.container is None
                    yield loaded
                    del loaded
                waiting += 1
                crew.submit(request, threads=min(workers, waiting))
            while waiting:
                loaded = crew.result()
                waiting -= loaded.container is None
                yield loaded
                del loaded
        finally:
            crew.stop()
            self._crews.remove(crew)


def extract(container: Path, name: str, options: LoadOptions, limits: Limits) -> bytes:
    """The bytes of the member ``name`` (a path below the file ``container``), unpacked in a process of its own.

    Raises LoadError, and RagcliError when the process cannot be started.
    """
    process = ParserProcess(limits, _WORKER)
    try:
        process.greet(options)
        return process.extract(container, name)
    finally:
        process.end()


def draw(file: Path, drawing: Drawing, options: LoadOptions, limits: Limits) -> Picture:
    """A page of the PDF ``file``, or of a member of it, drawn in a process of its own.

    Raises LoadError, and RagcliError when the process cannot be started.
    """
    process = ParserProcess(limits, _WORKER)
    try:
        process.greet(options)
        return process.draw(file, drawing)
    finally:
        process.end()


class _Crew:
    """The threads, processes and queues of one iteration."""

    def __init__(self, limits: Limits, options: LoadOptions, module: str) -> None:
        self._limits = limits
        self._options = options
        self._module = module
        self._requests: queue.SimpleQueue[Request | None] = queue.SimpleQueue()
        self._results: queue.Queue[Loaded | Exception] = queue.Queue(_MOST_WAITING)
        self._threads: list[threading.Thread] = []
        self._lock = threading.Lock()  # guards the next two: no process may start after stop() has killed the others
        self._alive: list[ParserProcess] = []
        self._stopped = False

    def submit(self, request: Request, threads: int) -> None:
        """Queue a request and make sure that there are at least ``threads`` threads."""
        self._requests.put(request)
        if len(self._threads) < threads:
            self._threads.append(threading.Thread(target=self._work, name="sandbox", daemon=True))
            self._threads[-1].start()

    def has_result(self) -> bool:
        return not self._results.empty()

    def result(self) -> Loaded:
        """The next result, as soon as there is one."""
        result = self._results.get()
        if isinstance(result, Exception):
            raise result
        return result

    def stop(self) -> None:
        """Kill the processes and wait for the threads."""
        with self._lock:
            self._stopped = True
            alive = list(self._alive)
        for worker in alive:
            worker.kill()
        for _ in self._threads:
            self._requests.put(None)
        for thread in self._threads:
            thread.join()

    def _work(self) -> None:
        worker: ParserProcess | None = None
        try:
            while (request := self._requests.get()) is not None:
                rest: Request | None = request
                while rest is not None:
                    worker = worker or self._start()
                    if worker is None:
                        return
                    for loaded in worker.load(rest):
                        self._put(loaded)
                        del loaded  # the text of a large file must not stay until the next one is read
                    rest = worker.rest
                    if not worker.is_reusable:
                        self._end(worker)
                        worker = None
        except Exception as error:  # noqa: BLE001 (a thread has no caller: the consumer raises it)
            self._put(error)
        finally:
            if worker is not None:
                self._end(worker)

    def _put(self, result: Loaded | Exception) -> None:
        """Hand over a result, as soon as the consumer has taken enough of the others."""
        while not self._stopped:
            with suppress(queue.Full):
                self._results.put(result, timeout=0.1)
                return

    def _start(self) -> ParserProcess | None:
        with self._lock:
            if self._stopped:
                return None
            worker = ParserProcess(self._limits, self._module)
            self._alive.append(worker)
        worker.greet(self._options)
        return worker

    def _end(self, worker: ParserProcess) -> None:
        with self._lock:
            self._alive.remove(worker)
        worker.end()
