"""How far a run has come: for whoever watches it, for a reader of the unfinished index, and for the next estimate."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

from ragcli.formats.registry import PICTURE_SUFFIXES, is_text
from ragcli.index.catalog.documents import Catalog

if TYPE_CHECKING:
    from ragcli.ingest.changes import Due
    from ragcli.ingest.embed import Embedder

# Below this many chunks a rate is mostly start-up time and says nothing about the next run.
_RATE_CHUNKS = 200

# What is expected of a suffix before a file of it was read: a text of 200 tokens is some 700 bytes, and what a parser
# unpacks holds pictures and markup too.
_TEXTS_PER_BYTE = 1 / 700
_TEXTS_PER_PACKED_BYTE = 1 / 10_000
_NO_TEXT = 0.3  # in place of no text at all, which has no logarithm
_FADING = 0.9  # what each file, and each slice of texts, leaves of the weight of those before it


class Progress(NamedTuple):
    """Files and bytes read so far, chunks found so far and how many of them have a vector."""

    files_done: int
    files_total: int
    bytes_done: int
    bytes_total: int
    chunks_done: int
    chunks_found: int
    doing: str  # a file name, or a step that takes long
    seconds_left: float | None = None  # estimated; None: nothing is known yet


def store_run(catalog: Catalog, files_done: int, files_total: int) -> None:
    """Note how far the run of this process has come. Expects a transaction."""
    record = {"done": files_done, "files": files_total, "pid": os.getpid(), "host": os.uname().nodename}
    catalog.set_value("run", record)


def clear_run(catalog: Catalog) -> None:
    """Note that the run of this process has reached its end."""
    if catalog.value("run", _as_read) is not None:
        with catalog.transaction():
            catalog.set_value("run", None)


def _as_read(value: Any) -> Any:  # noqa: ANN401 (what a run noted, or None once it ended)
    return value


def _texts_per_byte(suffix: str) -> float:
    """Return how many texts to embed a byte of a file holds, by its suffix alone."""
    if suffix in PICTURE_SUFFIXES:
        return 0.0
    return _TEXTS_PER_BYTE if is_text(suffix) else _TEXTS_PER_PACKED_BYTE


class _Kind:
    """Files of one suffix: how much of them is left to read, and what became of the others.

    How many texts a byte holds differs from file to file by factors, in PDF and Office formats above all, and one book
    of text among pictures would stand for them all in a mean. So it is the mean of the logarithms. A run reads the
    largest files first, and these are the poorest in text: what was read last counts most.
    """

    def __init__(self, texts_per_byte: float) -> None:
        self.left = 0.0  # bytes that were not read
        self._weight = 1.0 if texts_per_byte else 0.0  # of what is expected: one file
        self._logarithms = math.log(texts_per_byte) if texts_per_byte else 0.0
        self.bytes = self.waited = 0.0  # read, and the seconds in which the run had nothing else to do

    def read(self, size: float, texts: int, waited: float) -> None:
        """Count bytes as read, and the texts that they held."""
        self.left = max(0.0, self.left - size)
        self.bytes = _FADING * self.bytes + size
        self.waited = _FADING * self.waited + waited
        if size > 0:
            self._weight = _FADING * self._weight + 1
            self._logarithms = _FADING * self._logarithms + math.log((texts + _NO_TEXT) / size)

    @property
    def texts_left(self) -> float:
        """How many texts are expected in what is left."""
        return self.left * math.exp(self._logarithms / self._weight) if self._weight else 0.0


class Clock:
    """Counts what a run has read, when it last committed, and how long the rest will take.

    The process that reads, embeds and commits does one thing at a time. So the time that is left is the time that it
    will wait for files, by the bytes of each suffix, and the time to embed and commit the texts in them.
    """

    def __init__(self, due: Sequence[Due], now: Callable[[], float] = time.monotonic) -> None:
        """``now`` tells the time, in seconds."""
        self._now = now
        self.files_total = len(due)
        self.files_read = 0
        self._bytes_total = sum(item.found.size for item in due)
        self._bytes = self._part = 0  # of files that were read, and of the one that is read in parts
        self._started = self._committed = now()
        self._kinds: dict[str, _Kind] = {}
        for item in due:
            self._kind(item).left += item.found.size
        self._texts = 0  # to embed, that were found before the last file was read
        self._slices = 0
        self._embedded = self._embedding = 0.0  # texts, and seconds for them, lately
        self._waited_until = self._started  # what came before it is counted

    def _kind(self, due: Due) -> _Kind:
        suffix = due.found.path.suffix.lower()
        if suffix not in self._kinds:
            self._kinds[suffix] = _Kind(_texts_per_byte(suffix))
        return self._kinds[suffix]

    def read(self, due: Due, embedder: Embedder) -> None:
        """Count a file as read, and its texts as found."""
        self._count(due, due.found.size - self._part, embedder)
        self.files_read += 1
        self._bytes += due.found.size
        self._part = 0

    def read_part(self, due: Due, share: float, embedder: Embedder) -> None:
        """Count the file that is being read as read up to this share of it."""
        part = round(due.found.size * min(1.0, share))
        self._count(due, part - self._part, embedder)
        self._part = part

    def _count(self, due: Due, size: int, embedder: Embedder) -> None:
        now, texts = self._now(), embedder.embedded + embedder.waiting
        self._kind(due).read(size, texts - self._texts, now - self._waited_until)
        self._waited_until, self._texts = now, texts

    @contextmanager
    def stopped(self) -> Iterator[None]:
        """Count what is done inside as no part of the work: it is done once."""
        began = self._now()
        yield
        self._waited_until += self._now() - began

    @contextmanager
    def embedding(self, embedder: Embedder) -> Iterator[None]:
        """Measure what is done inside as the time that texts take once they were read."""
        began, before = self._now(), embedder.embedded
        yield
        seconds, texts = self._now() - began, embedder.embedded - before
        self._slices += 1
        if self._slices == 2:  # the first one warmed the model up, and stood for all until now
            self._embedded = self._embedding = 0.0
        self._embedded = _FADING * self._embedded + texts
        self._embedding = _FADING * self._embedding + seconds
        self._waited_until += seconds

    def seconds_left(self, embedder: Embedder) -> float | None:
        """Estimate how long the rest of the run takes; None before that can be known."""
        read = sum(kind.bytes for kind in self._kinds.values())
        if not read or (embedder.waiting and not self._embedded):
            return None
        usual = sum(kind.waited for kind in self._kinds.values()) / read
        texts, waiting = float(embedder.waiting), 0.0
        for kind in self._kinds.values():
            texts += kind.texts_left
            waiting += kind.left * (kind.waited / kind.bytes if kind.bytes else usual)
        return waiting + (texts * self._embedding / self._embedded if self._embedded else 0.0)

    def committed(self) -> None:
        """Take this moment as that of the last commit."""
        self._committed = self._now()

    def since_commit(self) -> float:
        """Seconds since the last commit."""
        return self._now() - self._committed

    def expected(self, embedder: Embedder) -> int:
        """How many texts the whole run will embed, going by what has been read so far."""
        share = (self._bytes + self._part) / self._bytes_total if self._bytes_total else 1.0
        return round((embedder.embedded + embedder.waiting) / share) if share else embedder.waiting

    def progress(self, embedder: Embedder | None, doing: str) -> Progress:
        """The state of the run. Without an embedder nothing has been chunked yet."""
        return Progress(
            files_done=self.files_read,
            files_total=self.files_total,
            bytes_done=self._bytes + self._part,
            bytes_total=self._bytes_total,
            chunks_done=embedder.found - embedder.waiting if embedder else 0,
            chunks_found=embedder.found if embedder else 0,
            doing=doing,
            seconds_left=self.seconds_left(embedder) if embedder else None,
        )

    def store_rate(self, catalog: Catalog, embedder: Embedder) -> None:
        """Remember chunks per second, everything included, for ``ragcli index --plan``."""
        if embedder.embedded >= _RATE_CHUNKS:
            with catalog.transaction():
                catalog.set_value("chunks_per_second", embedder.embedded / (self._now() - self._started))
