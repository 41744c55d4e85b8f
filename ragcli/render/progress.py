"""The live progress line that long commands show on a terminal."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from ragcli.render.visible import visible

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

_BAR_WIDTH = 24
_LONGEST_DETAIL = 40  # characters


class ProgressBar:
    """Bars on stderr, one per step; without a terminal every call does nothing."""

    def __init__(self, bars: Progress | None) -> None:
        self._bars = bars
        self._tasks: dict[str, TaskID] = {}

    def show(
        self,
        step: str,
        done: float,
        total: float | None,
        *,
        label: str | None = None,
        unit: str | None = None,
        detail: str = "",
        left: float | None = None,
    ) -> None:
        """Update the bar of ``step``, which the first call adds.

        ``done`` of ``total`` (None: unknown) sets the bar. ``label`` stands before it and is ``step`` when None. Behind
        it stand ``done/total``, or the rate in ``unit`` per second when a unit is given, the time that has passed, the
        seconds that are ``left``, and at most 40 characters of ``detail``. Without a unit, and without ``left``, the
        rest is expected to go as what was done. Every text is made visible.
        """
        if self._bars is None:
            return
        if step not in self._tasks:
            self._tasks[step] = self._bars.add_task(visible(step), total=None, count="", detail="", ends=None)
        task = self._tasks[step]
        seconds = self._bars.tasks[self._bars.task_ids.index(task)].elapsed or 0.0
        if unit is None:
            count = f"{done:g}/{total:g}" if total is not None else f"{done:g}"
            if left is None and total is not None and done:
                left = seconds * max(0.0, total - done) / done
        else:
            count = f"{done / seconds:.0f} {unit}/s" if done and seconds else ""
        self._bars.update(
            task,
            description=visible(step if label is None else label),
            completed=done,
            total=total,
            count=count,
            detail=visible(detail[:_LONGEST_DETAIL]),
            # rich forgets its own estimate whenever the total changes, as it does with each file that is indexed
            ends=None if left is None else seconds + left,
        )

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Draw nothing inside, where something is asked: what is written there without a line break is seen."""
        if self._bars is None:
            yield
            return
        self._bars.stop()
        try:
            yield
        finally:
            self._bars.start()


@contextmanager
def progress_bar(*, quiet: bool = False) -> Iterator[ProgressBar]:
    """A bar that is drawn on stderr and erased at the end; with ``quiet``, in a pipe and on a dumb terminal, none."""
    if quiet or not sys.stderr.isatty() or os.environ.get("TERM") == "dumb":
        yield ProgressBar(None)
        return
    from datetime import timedelta

    from rich.console import Console
    from rich.progress import BarColumn, Progress, ProgressColumn, Task, TextColumn, TimeElapsedColumn
    from rich.text import Text

    class Left(ProgressColumn):
        """The time that is left, which also goes down between two calls of ``show``."""

        def render(self, task: Task) -> Text:
            ends = task.fields["ends"]
            left = "-:--:--" if ends is None else str(timedelta(seconds=round(max(0.0, ends - (task.elapsed or 0.0)))))
            return Text(left, style="progress.remaining")

    # Without markup: a label or a file name may hold "[bold]".
    with Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=_BAR_WIDTH),
        TextColumn("{task.fields[count]}", markup=False),
        TimeElapsedColumn(),
        TextColumn("left"),
        Left(),
        TextColumn("{task.fields[detail]}", markup=False),
        console=Console(stderr=True),
        transient=True,
    ) as bars:
        yield ProgressBar(bars)
