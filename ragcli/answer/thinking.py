"""Tell what a language model thinks from what it answers, in the forms that models and servers have for it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator

Think = Callable[[str], None]  # takes the next piece of what the model thinks

# What opens a thought at the beginning of a reply, and what ends it.
_TAG = re.compile(
    r"(?<!`)<(?P<name>think(?:ing)?|thoughts?|reason(?:ing)?|reflection|analysis|scratchpad|seed:think|longcat_think"
    r"|rationale|chain_of_thought|cot|(?:inner_)?monologue)(?:\s[^<>]{0,100})?>(?!`)"
    r"|<(?P<details>details)(?:\s[^<>]{0,100})?>\s{0,5}<summary>[^<]{0,60}(?:think|thought|reason)[^<]{0,60}</summary>",
    re.IGNORECASE,
)
_UNFINISHED_TAG = re.compile(
    r"<(?:[\w:]*|[\w:]+\s[^<>]{0,100}|details[^<>]{0,100}>\s{0,5}(?:<[^>]*(?:>[^<]{0,120}(?:</?\w*)?)?)?)"
)
_FINAL_CHANNEL = "<|channel|>final"
_LONGEST_HEADER = 80  # characters of the header of a channel
_FORMS = (
    ("[THINK]", "[/THINK]"),
    ("◁think▷", "◁/think▷"),
    ("<|begin_of_thought|>", "<|end_of_thought|>"),
    ("<|START_THINKING|>", "<|END_THINKING|>"),
    ("<|inner_prefix|>", "<|inner_suffix|>"),
    ("<|think|>", "<|end|>"),
    ("<unused94>thought", "<unused95>"),
    ("```thinking\n", "\n```"),
    ("```reasoning\n", "\n```"),
    ("<|channel|>analysis", _FINAL_CHANNEL),
    ("<|channel|>commentary", _FINAL_CHANNEL),
    ("<|start|>assistant<|channel|>analysis", _FINAL_CHANNEL),
)
_FINAL = re.compile(r"(?:<\|start\|>assistant)?<\|channel\|>final[^<]{0,20}(?:<\|constrain\|>\w{0,20})?<\|message\|>")
# An end without a beginning: the server's template wrote the opening tag. Quoted in backticks it is text.
_END = re.compile(
    r"(?<!`)(?:</(?:think(?:ing)?|thoughts?|reason(?:ing)?|rationale|reflection|seed:think|longcat_think)>|\[/THINK\]"
    r"|◁/think▷|<unused95>)(?!`)"
    r"|<\|(?:end_of_thought|END_THINKING|inner_suffix)\|>|<\|channel\|>final<\|message\|>",
    re.IGNORECASE,
)
# What some models put around an answer that follows a thought.
_WRAPPER = re.compile(r"<(answer|response|final_answer|solution|output)>\s*", re.IGNORECASE)
_WRAPPERS = ("<answer>", "<response>", "<final_answer>", "<solution>", "<output>")
# Thoughts and answers that words tell apart, which an answer may begin with too. Without the second there is no first.
_LABELLED = re.compile(
    r"(?:[*#>\s]*(?:thoughts?|thinking|reasoning|analysis)(?: process)?[*\s]*:|here (?:is|are) my (?:thought|reasoning)"
    r"|#+[ *]*(?:thoughts?|thinking|reasoning|analysis)\b|analysis(?=[A-Z\"']))",
    re.IGNORECASE,
)
_LABEL = re.compile(
    r"^[*#>\s]*(?:final |my )?(?:answer|response)[*\s]*:[*]*\s*|^#+[ *]*(?:final )?(?:answer|response)[*]*\s*$"
    r"|^here (?:is|are) my (?:final )?(?:response|answer):?|\[BEGIN FINAL RESPONSE\]"
    r"|(?<=[^\w\s])assistant\s?final(?=\S)",
    re.IGNORECASE | re.MULTILINE,
)
_LABEL_ENDS = re.compile(r"\s*\[END FINAL RESPONSE\]")
_LONGEST_END = 30  # characters
_MARKERS = re.compile(
    r"<\|(?:channel\|>(?:analysis|commentary)[^<]*<\|message|message|end|begin|content|return|start|(?:begin|end)_of_solution"
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
        self._opening = ""  # of a thought in the middle of the answer
        self._close = ""  # the tag that closes an answer that is wrapped in tags
        self._begun = False  # the answer has
        self._any = False  # something of the answer was yielded
        self._last = ""  # character of that
        self._is_apart = True  # white space at the front of the next piece is not needed

    def take(self, piece: str) -> Iterator[str | None]:
        self._held += piece
        while True:
            if self._end:
                if not self._in_thought():
                    return
            elif self._begun:
                yield from self._answer()
                if not self._end:
                    return
            elif not self._begins():
                return

    def finish(self) -> Iterator[str | None]:
        if self._end and self._begun:  # what looked like a thought is not closed: it is text
            yield from self._passed_on(self._opening + self._held)
        elif self._end:
            self._think(_MARKERS.sub("", self._held))
        elif self._held:
            yield from self._passed_on(self._without_labels(self._held))
        self._held = ""

    def _without_labels(self, text: str) -> str:
        """Return the answer in a complete reply that tells it from the thoughts by a word: Thought: ... Answer: ..."""
        if self._begun or not (_MUSES.match(text.lstrip()) or _LABELLED.match(text)):
            return text
        label = _LABEL.search(text)
        if label is None or not text[label.end() :].strip() or not text[: label.start()].strip():
            return text
        self._think(text[: label.start()].strip())
        return _LABEL_ENDS.sub("", text[label.end() :].lstrip())

    def _begins(self) -> bool:
        """Decide how the reply begins; False while that is open."""
        start = self._held.lstrip()
        for opening, close in _FORMS:
            if start.startswith(opening):
                self._end, self._held = close, start[len(opening) :]
                return True
        if tag := _TAG.match(start):
            self._end, self._held = f"</{tag['name'] or tag['details']}>", start[tag.end() :]
            return True
        if any(opening.startswith(start) for opening in _OPENINGS) or _UNFINISHED_TAG.fullmatch(start):
            return False  # may still become one; also nothing but white space
        if wrapper := _WRAPPER.match(start):
            self._close, self._held = f"</{wrapper[1]}>", start[wrapper.end() :]
            return True
        if final := _FINAL.match(start):
            self._held = start[final.end() :]
            return True
        if _FINAL_CHANNEL in start[:_LONGEST_HEADER] and len(start) < _LONGEST_HEADER:
            return False
        end, tag = _END.search(self._held), _TAG.search(self._held)
        if end and tag and tag.start() < end.start():  # a thought in the middle of the answer
            self._begun = True
            return True
        if end:
            self._think(self._held[: end.start()].strip())
            self._held = self._held[end.end() :]
            return True
        is_thought = _MUSES.match(start) or _LABELLED.match(start)
        if not is_thought and (_CITES.search(start) or len(start) > _HELD):
            self._begun = True
        return self._begun

    def _in_thought(self) -> bool:
        """Pass the thought on; False while its end has not come."""
        at = self._held.find(self._end)
        if at < 0:
            kept = 0 if self._begun else max(len(self._held) - _LONGEST_END, 0)
            if kept:
                self._think(_MARKERS.sub("", self._held[:kept]))
                self._held = self._held[kept:]
            return False
        self._think(_MARKERS.sub("", self._held[:at]))
        at = at if self._end == _FINAL_CHANNEL else at + len(self._end)
        self._end, self._held = "", self._held[at:].lstrip() if self._last.isspace() else self._held[at:]
        self._is_apart = self._is_apart or self._last.isspace()
        return bool(self._held)

    def _answer(self) -> Iterator[str | None]:
        end = _END.search(self._held)
        tag = _TAG.search(self._held)
        if tag and not (end and end.start() < tag.start()):
            self._opening, self._end = tag.group(), f"</{tag['name'] or tag['details']}>"
            before, self._held = self._held[: tag.start()], self._held[tag.end() :]
            yield from self._passed_on(before)
            return
        if end:
            self._think(self._held[: end.start()].strip())
            self._held = self._held[end.end() :]
            if self._any:
                yield None
            self._any = self._begun = False
            self._is_apart = True
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
        text = text.lstrip() if self._is_apart else text
        if text:
            self._is_apart, self._last = False, text[-1]
            self._any = True
            yield text
