"""Check a written answer sentence by sentence: each passage that it cites must exist and support the sentence."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from ragcli.answer.compare import amounts_held, contradicted, in_common, miscounted, readings
from ragcli.answer.facts import Evidence, evidence, known_names, missing
from ragcli.answer.prompt import REFUSAL
from ragcli.errors import LlmUnavailable
from ragcli.text.sentences import sentences
from ragcli.types import DOUBTED, Answer, Chunk, Citation, Claim, Hit, Span

Supports = Callable[[str, str], float | None]

# The sentence is taken as a question, and this is the least probability that the passage answers it. In
# benchmarks/claims.txt all passages about something else lie below 0.01, and 1 % of the true paraphrases below 0.02.
LEAST_SUPPORT = 0.02
# The least share of a sentence's words that a cited passage holds, where the reranker sees no support in it.
LEAST_SHARE = 0.4
_LONGEST_SENTENCE = 120  # characters of a passage's sentence in a reason

_CITATION = re.compile(
    r"[\[【]\s*\^?(?:passages?|sources?)?\s*(?P<numbers>\d{1,4}(?:\s*(?:,|;|&|and|-|–)\s*\d{1,4})*)(?:†[^\]】\n]*)?\s*[\]】]"
    r"(?:\([^()\s]*\))?",
    re.IGNORECASE,
)
_CODE = re.compile(r"```.*?(?:```|\Z)|`[^`\n]*`", re.DOTALL)
_FENCE = "```"
_RANGE = re.compile(r"(\d+)(?:\s*[-–]\s*(\d+))?")
_WIDEST_RANGE = 50
_BULLET = re.compile(r"\s*(?:(?:[-*+•]|\d{1,3}[.)]|#{1,6}|>)\s+)*")
_HEADING = re.compile(r"\s*(?:#{1,6}\s.*|\*\*[^*\n]+\*\*:?)\s*")
_EMPTY_LINES = re.compile(r"\n[^\S\n]*\n(?:[^\S\n]*\n)+")
_SIGNS = re.compile(r"[\W_]+")
_LONGEST_REFUSAL = 400  # characters of an answer that only says in its own words that there is none
# A sentence that says that the passages hold no answer.
_HOLDERS = r"\b(?:passages?|documents?|context|sources?|texts?|excerpts?|information|material)\b"
_NOTHING_FOUND = re.compile(
    rf"{_HOLDERS}[^.!?]{{0,60}}(?:\b(?:not|no|nothing|neither|never)\b|n't\b)"
    r"[^.!?]{0,40}\b(?:contain|hold|answer|mention|say|specif|state|provide|include|give|discuss|address"
    r"|cover|describe|indicate|tell|information|enough|about)"
    r"|\b(?:can|could|do|does|did|is|are|was|were|am|will)(?: not|not|n't)\b[^.!?]{0,40}\b(?:answer|find|found"
    r"|determine|tell|say|mentioned|specified|stated|contained|included|provided|available|enough|sufficient)\b[^.!?]{0,60}"
    rf"(?:{_HOLDERS}|\bquestion\b|[.!]?$)"
    r"|\bunable to (?:answer|find|determine|tell)\b|\bthere is (?:no|not enough|nothing)\b[^.!?]{0,40}"
    r"\b(?:information|mention|answer|passages?|documents?|context|evidence)\b"
    rf"|\bno (?:answer|information|mention)\b[^.!?]{{0,60}}(?:{_HOLDERS}|\b(?:found|available|provided|given)\b)"
    r"|\b(?:Dokumente|Passagen|Textstellen|Abschnitte|Quellen|Texte)\b[^.!?]{0,80}\b(?:nicht|nichts|keine[nrs]?)\b"
    r"|\bles (?:documents|passages|extraits|sources)\b[^.!?]{0,40}\b(?:pas|rien|aucune?)\b"
    r"|\b[Ll]os (?:documentos|pasajes|textos)\b[^.!?]{0,20}\bno\b|\bno (?:contienen|mencionan|responden)\b",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Checked:
    """A claim and its place: ``claim.text == answer[start:end]``."""

    start: int
    end: int
    claim: Claim


@dataclass(frozen=True, slots=True)
class _Sentence:
    start: int
    end: int
    numbers: tuple[int, ...]
    words: str  # without citations, bullets and marks of headings


def written_answer(
    question: str,
    text: str,
    hits: Sequence[Hit],
    *,
    by: str,
    supports: Supports,
    strict: bool,
    notes: Sequence[str] = (),
) -> Answer:
    """Check the answer ``text``, which a language model wrote from ``hits``, the passages of its prompt in their order.

    A refusal has no text, claims or citations. With ``strict``, unsupported sentences are taken out of the text and
    stay among the claims. Raises LlmUnavailable when ``text`` is blank.
    """
    text = text.strip()
    if not text:
        raise LlmUnavailable(f"{by} gave an empty answer", "ask again, or ask another model")
    if is_refusal(text):
        return Answer(question, "", (), grounded=True, by=by, notes=tuple(notes))
    checked = check_claims(text, [hit.chunk for hit in hits], question, supports)
    claims = tuple(one.claim for one in checked)
    return Answer(
        question,
        strike(text, checked) if strict else text,
        passages_cited(hits),
        grounded=bool(claims) and all(claim.supported for claim in claims),
        by=by,
        claims=claims,
        notes=tuple(notes),
    )


def check_claims(text: str, passages: Sequence[Chunk], question: str, supports: Supports) -> list[Checked]:
    """Check each sentence of ``text`` that claims something, in order, against the ``passages`` it cites.

    ``supports(claim, passage)`` is the probability that the passage supports the claim. Where it is None, only numbers,
    names and quotations are looked up. Headings, and lines that lead up to a list, claim nothing unless they hold a
    fact.
    """
    found = _sentences(text)
    claims = [one for one in found if one.numbers or not _leads_up(text[one.start : one.end], one.words)] or found
    names = known_names([question, *(chunk.embedded for chunk in passages)])
    return [
        Checked(one.start, one.end, Claim(text[one.start : one.end], one.numbers, not reason, reason))
        for one in claims
        for reason in [_objection(one, passages, names, supports)]
    ]


class LiveCheck:
    """Marks the sentences of an answer while it is written: each as soon as the next one has begun."""

    def __init__(self, passages: Sequence[Chunk], question: str, supports: Supports) -> None:
        """Check against ``passages`` as :func:`check_claims` does."""
        self._passages = passages
        self._supports = supports
        self._names = known_names([question, *(chunk.embedded for chunk in passages)])
        self._text = ""  # from the first sentence that is not finished
        self._shown = 0  # characters of that
        self._only_refuses = True  # no sentence so far says anything else

    def feed(self, piece: str) -> Iterator[str]:
        """Yield what can be shown now: the text, and " [?]" behind a sentence that is not supported."""
        self._text += piece
        found = _sentences(self._text)
        for one in found[:-1]:
            yield from self._finished(one)
        if len(found) > 1:
            self._drop(found[-2].end)
        # what follows the last sentence waits until it is known whether it belongs to it
        end = found[-1].end - (found[-2].end if len(found) > 1 else 0) if found else 0
        if end > self._shown:
            yield self._text[self._shown : end]
            self._shown = end

    def finish(self) -> Iterator[str]:
        """Yield the rest, at the end of the answer."""
        for one in _sentences(self._text):
            yield from self._finished(one)
        yield self._text[self._shown :].rstrip()
        self._text, self._shown = "", 0

    def _finished(self, one: _Sentence) -> Iterator[str]:
        yield self._text[self._shown : one.end]
        self._shown = max(self._shown, one.end)
        claims = one.numbers or not _leads_up(self._text[one.start : one.end], one.words)
        self._only_refuses = self._only_refuses and _says_nothing_found(one)
        if claims and not self._only_refuses and _objection(one, self._passages, self._names, self._supports):
            yield f" {DOUBTED}"

    def _drop(self, end: int) -> None:
        self._text = self._text[end:]
        self._shown = max(0, self._shown - end)


def passages_cited(hits: Sequence[Hit]) -> tuple[Citation, ...]:
    """Return the passages as a model was given them, numbered; the quote of each is its best sentence."""
    return tuple(
        Citation(
            number,
            hit.chunk,
            hit.snippet.text,
            hit.snippet.start,
            hit.snippet.end,
            hit.snippet.line,
            hit.snippet.page,
            fresh=hit.fresh,
        )
        for number, hit in enumerate(hits, 1)
    )


def strike(text: str, checked: Sequence[Checked]) -> str:
    """Return ``text`` without the claims that are not supported; "" when no claim is supported."""
    if not any(one.claim.supported for one in checked):
        return ""
    kept: list[str] = []
    at = 0
    for one in checked:
        if not one.claim.supported:
            kept.append(text[at : one.start].rstrip(" \t"))
            at = one.end
    kept.append(text[at:])
    return _EMPTY_LINES.sub("\n\n", "".join(kept)).strip()


def is_refusal(text: str) -> bool:
    """Whether the answer says that there is none: in the sentence that the prompt asks for, or in its own words."""
    if _is_asked_refusal(text):
        return True
    found = _sentences(text) if len(text) <= _LONGEST_REFUSAL else []
    return bool(found) and all(map(_says_nothing_found, found))


def may_become_refusal(text: str) -> bool:
    """Whether the first pieces of an answer are, or may still grow into, the refusal that the prompt asks for."""
    return _is_asked_refusal(text) or _bare(REFUSAL).startswith(_bare(text))


def _is_asked_refusal(text: str) -> bool:
    return _bare(text).startswith(_bare(REFUSAL))


def _says_nothing_found(one: _Sentence) -> bool:
    """Whether a sentence says that the passages hold no answer, and cites none and names no number."""
    return not one.numbers and _NOTHING_FOUND.search(one.words) is not None and not re.search(r"\d", one.words)


def _bare(text: str) -> str:
    return _SIGNS.sub(" ", text.casefold()).strip()


def _objection(one: _Sentence, passages: Sequence[Chunk], names: frozenset[str], supports: Supports) -> str:
    """Return why the sentence is not supported; "" when it is."""
    if not one.numbers:
        return "it cites no passage"
    unknown = [number for number in one.numbers if not 1 <= number <= len(passages)]
    if unknown:
        return f"there is no passage {_listed(unknown)}"
    cited = [passages[number - 1] for number in one.numbers]
    brackets = _listed(one.numbers)
    read = [readings(chunk.embedded) for chunk in cited]
    every = [sentence for passage in read for sentence in passage]
    held = amounts_held(one.words, every)
    lacking = [fact for fact in missing(one.words, _evidence(cited), names) if fact not in held]
    lacking = lacking or miscounted(one.words, every)
    if lacking:
        return f"{', '.join(lacking)} {'is' if len(lacking) == 1 else 'are'} not in {brackets}"
    if other := contradicted(one.words, every):
        return f'{brackets} says otherwise: "{_shortened(other)}"'
    known = [supports(one.words, chunk.embedded) for chunk in cited]
    shares = [in_common(one.words, passage) for passage in read]
    if all(found is not None and found < LEAST_SUPPORT for found in known) and max(shares) < LEAST_SHARE:
        return f"{brackets} does not seem to say so (probability {max(found or 0 for found in known):.0%})"
    for number, share, found in zip(one.numbers, shares, known, strict=True):
        unlike = share < LEAST_SHARE if share < max(shares) / 2 else share < LEAST_SHARE / 2
        if unlike and (found is None or found < LEAST_SUPPORT):
            return f"[{number}] is about something else"
    return ""


def _shortened(sentence: str) -> str:
    """Return a sentence of a passage in one line, cut where it is long."""
    line = " ".join(sentence.split())
    return line if len(line) <= _LONGEST_SENTENCE else f"{line[:_LONGEST_SENTENCE].rsplit(' ', 1)[0]} ..."


def _evidence(cited: Sequence[Chunk]) -> Evidence:
    # The model was shown the name of the file and the headings too.
    return evidence([f"{chunk.path.name}\n{chunk.embedded}" for chunk in cited])


def _leads_up(line: str, words: str) -> bool:
    """Whether a sentence only announces what follows: a heading, or a line that ends with a colon, without a fact."""
    announces = _HEADING.fullmatch(line) is not None or words.rstrip("*_ ").endswith(":")
    return announces and not missing(words, evidence([]))


def _listed(numbers: Sequence[int]) -> str:
    return "".join(f"[{number}]" for number in numbers)


def _sentences(text: str) -> list[_Sentence]:
    """Return the sentences that hold a letter or figure, each with the citations in it and behind it."""
    code = [match.span() for match in _CODE.finditer(text)]
    citations = [match for match in _CITATION.finditer(text) if not _inside(match.start(), code)]
    spans = _joined(text, sentences(_masked(text, citations)), code)
    # What stands between two sentences belongs to the first: "It is so. [1] And that is why."
    starts = [start for start, _ in spans]
    ends = [end for _, end in spans]
    numbers: list[list[int]] = [[] for _ in spans]
    for citation in citations:
        home = bisect_right(starts, citation.start()) - 1
        if home >= 0:
            numbers[home] += _cited(citation["numbers"])
            ends[home] = max(ends[home], citation.end())
    found = []
    for start, end, cited in zip(starts, ends, numbers, strict=True):
        words = _without(text, (start, end), citations)
        if any(character.isalnum() for character in words):
            found.append(_Sentence(start, end, tuple(dict.fromkeys(cited)), words))
        elif cited and found:  # a line of citations alone
            last = found.pop()
            found.append(_Sentence(last.start, end, tuple(dict.fromkeys([*last.numbers, *cited])), last.words))
    return found


def _without(text: str, span: Span, citations: Sequence[re.Match[str]]) -> str:
    """Return the words of a sentence, without its citations and the sign of a list or heading before it."""
    parts: list[str] = []
    at, end = span
    for citation in citations:
        if at <= citation.start() < end:
            parts.append(text[at : citation.start()].rstrip())
            at = citation.end()
    return _BULLET.sub("", "".join([*parts, text[at:end]]), count=1).strip()


def _masked(text: str, citations: Sequence[re.Match[str]]) -> str:
    """Blank the citations out, or at the start of a line make them opening brackets, so that the text splits well."""
    masked = text
    for citation in citations:
        line = text.rfind("\n", 0, citation.start()) + 1
        sign = " " if text[line : citation.start()].strip() else "("
        masked = masked[: citation.start()] + sign * len(citation.group()) + masked[citation.end() :]
    return masked


def _joined(text: str, spans: Sequence[Span], code: Sequence[Span]) -> list[Span]:
    """Join a block of code with the sentence before it: its lines are not sentences."""
    blocks = [span for span in code if text.startswith(_FENCE, span[0])]
    joined: list[Span] = []
    for start, end in spans:
        if joined and _inside(start, blocks):
            joined[-1] = (joined[-1][0], end)
        else:
            joined.append((start, end))
    return joined


def _cited(numbers: str) -> list[int]:
    """Return the numbers of ``1, 3-5``."""
    found: list[int] = []
    for first, last in _RANGE.findall(numbers):
        low, high = int(first), int(last or first)
        found += range(low, high + 1) if low <= high < low + _WIDEST_RANGE else [low, high]
    return found


def _inside(at: int, spans: Sequence[Span]) -> bool:
    return any(start <= at < end for start, end in spans)
