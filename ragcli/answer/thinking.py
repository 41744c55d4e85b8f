"""Some models think aloud between tags before they answer; that is no part of the answer."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

_OPEN, _CLOSE = "<think>", "</think>"


def without_thinking(pieces: Iterable[str]) -> Iterator[str]:
    """The pieces of an answer, without a first ``<think>...</think>`` and without white space before the answer."""
    held = ""
    state = "before"
    for piece in pieces:
        if state == "after":
            yield piece
            continue
        held += piece
        if state == "before":
            start = held.lstrip()
            if start.startswith(_OPEN):
                state = "inside"
            elif not _OPEN.startswith(start):  # can no longer become the tag
                state, held = "after", ""
                yield start
        if state == "inside" and _CLOSE in held:
            state, held = "behind", held.partition(_CLOSE)[2]
        if state == "behind" and held.strip():
            state, held, start = "after", "", held.lstrip()
            yield start
    if state == "before" and held.strip():
        yield held.lstrip()
