"""Tell what a language model thinks from what it answers, in the forms that models and servers have for it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator

Think = Callable[[str], None]  # takes the next piece of what the model thinks

# What opens a thought at the beginning of a reply, and what ends it.
_FORMS = (
    ("<think>", ("</think>",)),
    ("<thinking>", ("</thinking>",)),
    ("<thought>", ("</thought>",)),
    ("<reasoning>", ("</reasoning>",)),
    ("[THINK]", ("[/THINK]",)),
    ("◁think▷", ("◁/think▷",)),
    ("<seed:think>", ("</seed:think>",)),
    ("<|channel|>analysis", ("<|channel|>final<|message|>",)),
    ("<|channel|>commentary", ("<|channel|>final<|message|>",)),
    ("<|start|>assistant<|channel|>analysis", ("<|channel|>final<|message|>",)),
)
_FINAL = re.compile(r"(?:<\|start\|>assistant)?<\|channel\|>final<\|message\|>")
# An end without a beginning: the server's template wrote the opening tag. Quoted in backticks it is text.
_END = re.compile(
    r"(?<!`)(?:</(?:think|thinking|thought|reasoning)>|\[/THINK\]|◁/think▷)(?!`)|<\|channel\|>final<\|message\|>"
)
_LONGEST_END = 30  # characters
_MARKERS = re.compile(
    r"<\|(?:channel\|>(?:analysis|commentary)[^<]*<\|message|message|end|return|start)\|>(?:assistant)?"
)
# Thoughts begin like this. Such a reply is shown when it is complete.
_MUSES = re.compile(
    r"(?:okay|ok|alright|hmm+|well|wait|let me|let's|let us|first,? (?:i|let|we)|so,? (?:the|i|we)|the user"
    r"|we (?:need|have)|i (?:need|should|have|will|must)|i'll|looking at|to answer|now|got it|right)\b",
    re.IGNORECASE,
)
_CITES = re.compile(r"\[\d{1,3}\]")
_HELD = 300  # characters of an answer that are held back at most, until it has cited a passage


def split_thinking(pieces: Iterable[str], think: Think = lambda _text: None) -> Iterator[str | None]:
    """Yield the pieces of the answer in a reply; ``think`` gets the pieces of the thoughts before it.

    None says that all pieces so far were thoughts after all: the end of a thought came without its beginning. So that
    this is rare, the first sentence is held back until it has cited a passage, and what begins like a thought until the
    reply is complete. White space before the answer is dropped.
    """
    reply = _Reply(think)
    for piece in pieces:
        yield from reply.take(piece)
    yield from reply.finish()


def answer_in(text: str) -> str:
    """Return the answer in a complete reply, without what the model thought."""
    answer = ""
    for piece in split_thinking([text]):
        answer = "" if piece is None else answer + piece
    return answer


class _Reply:
    """Reads one reply: what is held, and whether the answer has begun."""

    def __init__(self, think: Think) -> None:
        self._think = think
        self._held = ""
        self._ends: tuple[str, ...] = ()  # of the thought that is being read
        self._begun = False  # the answer has
        self._any = False  # something of the answer was yielded

    def take(self, piece: str) -> Iterator[str | None]:
        self._held += piece
        while True:
            if self._ends:
                if not self._in_thought():
                    return
            elif self._begun:
                yield from self._answer()
                return
            elif not self._begins():
                return

    def finish(self) -> Iterator[str | None]:
        if self._ends:
            self._think(_MARKERS.sub("", self._held))
        elif self._held:
            yield from self._passed_on(self._held)
        self._held = ""

    def _begins(self) -> bool:
        """Decide how the reply begins; False while that is open."""
        start = self._held.lstrip()
        for opening, ends in _FORMS:
            if start.startswith(opening):
                self._ends, self._held = ends, start[len(opening) :]
                return True
        if any(opening.startswith(start) for opening, _ in _FORMS):
            return False  # may still become one; also nothing but white space
        if final := _FINAL.match(start):
            self._held = start[final.end() :]
            return True
        if end := _END.search(self._held):
            self._think(self._held[: end.start()].strip())
            self._held = self._held[end.end() :]
            return True
        if not _MUSES.match(start) and (_CITES.search(start) or len(start) > _HELD):
            self._begun = True
        return self._begun

    def _in_thought(self) -> bool:
        """Pass the thought on; False while its end has not come."""
        found = [(self._held.find(end), end) for end in self._ends if end in self._held]
        if not found:
            kept = max(len(self._held) - _LONGEST_END, 0)
            if kept:
                self._think(_MARKERS.sub("", self._held[:kept]))
                self._held = self._held[kept:]
            return False
        at, end = min(found)
        self._think(_MARKERS.sub("", self._held[:at]))
        self._ends, self._held = (), self._held[at + len(end) :].lstrip()
        return bool(self._held)

    def _answer(self) -> Iterator[str | None]:
        if end := _END.search(self._held):
            self._think(self._held[: end.start()].strip())
            self._held = self._held[end.end() :]
            if self._any:
                yield None
            self._any = self._begun = False
            if self._held.strip() and self._begins():
                yield from self._answer()
            return
        # the last characters may be the beginning of an end
        opened = max(self._held.rfind(sign, -_LONGEST_END) if self._held else -1 for sign in "<[◁")
        cut = opened if opened >= 0 and not _CITES.match(self._held, opened) else len(self._held)
        ready, self._held = self._held[:cut], self._held[cut:]
        yield from self._passed_on(ready)

    def _passed_on(self, text: str) -> Iterator[str]:
        text = _MARKERS.sub("", text)
        text = text if self._any else text.lstrip()
        if text:
            self._any = True
            yield text
