"""Finds passages that speak to the language model instead of the reader.

They stay data, between tags that they cannot close; but who reads the answer should know. A document about prompts may
be found too: a note is shown, nothing is left out.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence

from ragcli.types import Hit

_LONGEST = 80  # characters of the words that a note quotes

_ADDRESSED = re.compile(
    r"""
    \b(?:ignore|disregard|forget|override|bypass)\b[^.\n]{0,40}?
        \b(?:previous|prior|above|earlier|preceding|foregoing|all|your|these|those|system)\b[^.\n]{0,30}?
        \b(?:instructions?|prompts?|rules?|directions?|directives?|guidelines?|messages?)\b
    | \byou\ are\ (?:now|no\ longer)\ (?:an?|the|my|called|acting|dan|bound|unrestricted|free)\b
    | \b(?:from\ now\ on|instead),?\ (?:you\ (?:are|will|must|should|shall)|act\ as|pretend|respond|answer|reply)\b
    | \b(?:reveal|print|repeat|show|output|leak|change|replace|new|your|my)\b[^.\n]{0,30}\bsystem\ (?:prompt|message)\b
    | ^\W*system\ (?:prompt|message|instructions?)\s*:
    | \b(?:if|since|as)\ you\ are\ an?\ (?:ai|llm|assistant|chat\s?bot|(?:large\ )?language\ model)\b
    | \b(?:attention|note\ to|message\ (?:to|for)|instructions?\ (?:to|for)|dear|hey),?\ (?:the\ |an?\ |any\ |all\ )*
        (?:ai|llms?|(?:ai\ )?assistants?|chat\s?bots?|(?:large\ )?language\ models?)\b
    | \bdo\ not\ (?:tell|inform|warn|alert)\ (?:the\ )?user\b
    | <\|\s*(?:im_start|im_end|system|user|assistant|endoftext|eot_id|begin_of_text|start_header_id|end_header_id)\s*\|>
    | \[/?INST\] | <</?SYS>> | <(?:start|end)_of_turn> | ^\#{2,3}\s*(?:system|instruction|human|assistant)\s*:
    """,
    re.IGNORECASE | re.MULTILINE | re.VERBOSE,
)
# Tag characters mirror ASCII and are drawn as nothing; a real use of them, after a black flag, is a few letters long.
_TAGS = re.compile("(?<![\U0001f3f4\U000e0020-\U000e007e])[\U000e0020-\U000e007e]{4,}")
_TAG_BASE = 0xE0000
_RUN_OF_BLANKS = re.compile(r"[^\S\n]+")


def addressed(text: str) -> str:
    """The first words of ``text`` that speak to a language model, at most 80 characters; "" when none do."""
    if hidden := _TAGS.search(text):
        return "".join(chr(ord(character) - _TAG_BASE) for character in hidden.group())[:_LONGEST]
    # letters in disguise (full-width, with invisible characters between them) are still read by a model
    plain = "".join(c for c in unicodedata.normalize("NFKC", text) if unicodedata.category(c) != "Cf")
    found = _ADDRESSED.search(_RUN_OF_BLANKS.sub(" ", plain)) or _ADDRESSED.search(" ".join(plain.split()))
    return found.group().strip()[:_LONGEST] if found else ""


def injection_notes(hits: Sequence[Hit]) -> tuple[str, ...]:
    """A line for each of the numbered passages that addresses the model."""
    found = (
        (number, hit, addressed("\n".join((*hit.chunk.headings, hit.chunk.text)))) for number, hit in enumerate(hits, 1)
    )
    return tuple(
        f'passage [{number}] of {hit.chunk.path.name} addresses the language model ("{words}"): read it with care'
        for number, hit, words in found
        if words
    )
