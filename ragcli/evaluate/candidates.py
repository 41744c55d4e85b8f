"""What a document offers to ask for: its sections by their headings, its definitions, its sentences."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import groupby

from ragcli.evaluate.task import document_text
from ragcli.text.sentences import sentences
from ragcli.types import Chunk

# A longer section is not a known item: too much of it answers.
_LONGEST_SECTION = 3  # chunks

_FEWEST_WORDS, _MOST_WORDS = 8, 40
_TELLING = re.compile(r"[^\W\d_]{3,}")  # what counts as a word of a heading
_PROSE = 0.9  # share of letters and blanks below which a sentence is taken for code or a formula

_NUMBERING = re.compile(r"(?:\d+(?:\.\d+)+[.)]?|(?:\d+|[IVX]+|[A-Z])[.)])\s+")
_DEFINITION = re.compile(
    r"(?:(?P<article>an?)\s+)?(?P<thing>[^\W\d_][\w'’/+-]*(?:\s[\w'’/+-]+){0,3}?)\s+(?P<verb>is|are)\s+"
    r"(?:an?|the|any|one\s+of)\s",
    re.IGNORECASE,
)


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


# A subject with one of these names nothing by itself.
_VAGUE = _words(
    """a above aim all also an another any answer as at because below both but by case cause difference each either
    every few first for from goal he here how i idea if in it its key last latter main many most neither next no none of
    on one ones only or other our out point problem purpose question reason result same second she so solution some
    step such task that the their them there these they thing third this those to two value we what when where which
    while who whose why with you your"""
)
# Headings that say which part of a document follows, and not what it is about.
_PARTS = _words(
    """abstract acknowledgements acknowledgments appendix background conclusion conclusions contents description
    details discussion example examples introduction limitations links methods more note notes options other overview
    parameters reading references related requirements results returns setup summary synopsis todo usage"""
)


def sections(chunks: Sequence[Chunk]) -> Iterator[tuple[str, str]]:
    """(question, text) for each short section of a document whose heading, with the one above it, says what it is."""
    text = document_text(chunks)
    for headings, group in groupby(chunks, key=lambda chunk: chunk.headings):
        section = list(group)
        names = [_NUMBERING.sub("", name, count=1).strip() for name in headings]
        if names and len(section) <= _LONGEST_SECTION:
            question = _subject(section[0].title, names)
            if question:
                yield question, text[section[0].start : section[-1].end]


def _subject(title: str, names: Sequence[str]) -> str | None:
    """The last heading, with what stands above it when it says too little by itself; None when both do."""
    name = names[-1]
    if name.casefold() in _PARTS:
        return None
    above = names[-2] if len(names) > 1 else title
    both = f"{above}: {name}" if above != name else name
    return next((subject for subject in (name, both) if len(_TELLING.findall(subject)) > 1), None)


def definition(sentence: str) -> str | None:
    """``what is a segment`` for ``A segment is a file ...``; None for a sentence that defines nothing."""
    found = _DEFINITION.match(sentence)
    if found is None or any(word.casefold() in _VAGUE for word in found["thing"].split()):
        return None
    thing = " ".join(found["thing"].split())
    if not found["article"] and thing[1:].islower():
        thing = thing[0].lower() + thing[1:]  # a capital that only begins the sentence
    article = f"{found['article'].lower()} " if found["article"] else ""
    return f"what {found['verb'].lower()} {article}{thing}"


def prose(chunks: Sequence[Chunk]) -> list[str]:
    """The sentences of a document, 8 to 40 words each, that are neither headings nor code."""
    text = document_text(chunks)
    return [text[start:end] for start, end in sentences(text) if _is_prose(text[start:end])]


def _is_prose(sentence: str) -> bool:
    letters = sum(character.isalpha() or character.isspace() for character in sentence)
    return (
        _FEWEST_WORDS <= len(sentence.split()) <= _MOST_WORDS
        and sentence[0].isupper()
        and sentence[-1] in ".!?。"
        and letters >= _PROSE * len(sentence)
    )
