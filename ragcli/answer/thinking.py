"""Tell what a language model thinks from what it answers, in the forms that models and servers have for it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator

Think = Callable[[str], None]  # takes the next piece of what the model thinks

# What opens a thought at the beginning of a reply, and what ends it.
_TAGS = ("think", "thinking", "thought", "thoughts", "reasoning", "reflection", "analysis", "scratchpad", "seed:think")
_FINAL_CHANNEL = "<|channel|>final<|message|>"
_FORMS = (
    *((f"<{name}>", f"</{name}>") for tag in _TAGS for name in (tag, tag.capitalize(), tag.upper())),
    ("[THINK]", "[/THINK]"),
    ("◁think▷", "◁/think▷"),
    ("<|begin_of_thought|>", "<|end_of_thought|>"),
    ("<|START_THINKING|>", "<|END_THINKING|>"),
    ("<|inner_prefix|>", "<|inner_suffix|>"),
    ("<|channel|>analysis", _FINAL_CHANNEL),
    ("<|channel|>commentary", _FINAL_CHANNEL),
    ("<|start|>assistant<|channel|>analysis", _FINAL_CHANNEL),
)
_FINAL = re.compile(r"(?:<\|start\|>assistant)?<\|channel\|>final<\|message\|>")
# An end without a beginning: the server's template wrote the opening tag. Quoted in backticks it is text.
_END = re.compile(
    r"(?<!`)(?:</(?:think(?:ing)?|thoughts?|reasoning|reflection|seed:think)>|\[/THINK\]|◁/think▷)(?!`)"
    r"|<\|(?:end_of_thought|END_THINKING|inner_suffix)\|>|<\|channel\|>final<\|message\|>",
    re.IGNORECASE,
)
# What some models put around an answer that follows a thought.
_WRAPPER = re.compile(r"<(answer|response|final_answer|solution)>\s*", re.IGNORECASE)
_WRAPPERS = ("<answer>", "<response>", "<final_answer>", "<solution>")
_LONGEST_END = 30  # characters
_MARKERS = re.compile(
    r"<\|(?:channel\|>(?:analysis|commentary)[^<]*<\|message|message|end|return|start|(?:begin|end)_of_solution"
    r"|(?:START|END)_RESPONSE)\|>(?:assistant)?"
)
# Thoughts begin like this. Such a reply is shown when it is complete.
_MUSES = re.compile(
    r"(?:okay|ok|alright|hmm+|well|wait|let me|let's|let us|first,? (?:i|let|we)|so,? (?:the|i|we)|the user"
    r"|we (?:need|have)|i (?:need|should|have|will|must)|i'll|looking at|to answer|now|got it|right)\b",
    re.IGNORECASE,
)
_OPENINGS = (*(opening for opening, _ in _FORMS), *_WRAPPERS)
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
        self._end = ""  # of the thought that is being read
        self._close = ""  # the tag that closes an answer that is wrapped in tags
        self._begun = False  # the answer has
        self._any = False  # something of the answer was yielded

    def take(self, piece: str) -> Iterator[str | None]:
        self._held += piece
        while True:
            if self._end:
                if not self._in_thought():
                    return
            elif self._begun:
                yield from self._answer()
                return
            elif not self._begins():
                return

    def finish(self) -> Iterator[str | None]:
        if self._end:
            self._think(_MARKERS.sub("", self._held))
        elif self._held:
            yield from self._passed_on(self._held)
        self._held = ""

    def _begins(self) -> bool:
        """Decide how the reply begins; False while that is open."""
        start = self._held.lstrip()
        for opening, close in _FORMS:
            if start.startswith(opening):
                self._end, self._held = close, start[len(opening) :]
                return True
        if any(opening.startswith(start) for opening in _OPENINGS):
            return False  # may still become one; also nothing but white space
        if wrapper := _WRAPPER.match(start):
            self._close, self._held = f"</{wrapper[1]}>", start[wrapper.end() :]
            return True
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
        at = self._held.find(self._end)
        if at < 0:
            kept = max(len(self._held) - _LONGEST_END, 0)
            if kept:
                self._think(_MARKERS.sub("", self._held[:kept]))
                self._held = self._held[kept:]
            return False
        self._think(_MARKERS.sub("", self._held[:at]))
        self._end, self._held = "", self._held[at + len(self._end) :].lstrip()
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
        text = text.replace(self._close, "") if self._close else text
        text = text if self._any else text.lstrip()
        if text:
            self._any = True
            yield text
