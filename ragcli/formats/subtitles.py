"""Subtitles (SubRip, WebVTT, SBV): what is said, joined to sentences, each passage with the time at which it begins."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from ragcli.formats.blocks import LoadOptions, TextBuilder
from ragcli.formats.decode import decode
from ragcli.types import Document

_TIME = r"(?:(\d{1,3}):)?(\d{1,2}):(\d{2})[.,]\d{1,3}"
_TIMES = re.compile(rf"[ \t]*{_TIME}(?:[ \t]*-->[ \t]*|,){_TIME}.*")
_SPEAKER = re.compile(r"<v(?:\.[^ >]*)?[ \t]+([^>]+)>")
_NAMED = re.compile(r"([^\W\d_][^:\n]{0,40}): (?=\S)")
_TAG = re.compile(r"</?[a-zA-Z0-9][^<>]*>|\{\\?[a-zA-Z][^{}]*\}")
_SENTENCE_END = re.compile(r"[.!?…。！？][\"'”’)\]]*\Z")
_PAUSE = 4  # seconds without a word end a passage
_LONG = 300  # characters after which the end of a sentence does, and
_LONGEST = 900  # after which any line does


class _Cue(NamedTuple):
    start: int  # seconds
    end: int
    lines: list[str]


def load(path: Path, data: bytes, options: LoadOptions) -> Document:
    """The passages of a film in order; LoadError(EMPTY) when nothing is said."""
    del options
    text, warnings = decode(data)
    builder = TextBuilder()
    passage, begun, ended, speaker = "", 0, 0, ""
    before: list[str] = []
    for cue in _cues(text):
        # Captions made while the film runs repeat the line above the new one.
        lines = [line for number, line in enumerate(cue.lines) if number or line not in before[-1:]]
        before = cue.lines
        is_over = (_SENTENCE_END.search(passage) and len(passage) > _LONG) or len(passage) > _LONGEST
        if passage and (is_over or cue.start - ended > _PAUSE):
            builder.add(f"[{_clock(begun)}] {passage}")
            passage = ""
        words = " ".join(lines)
        if named := _NAMED.match(words):
            # A transcript names the speaker in each cue, also within a sentence.
            if named[1] == speaker and passage and not _SENTENCE_END.search(passage):
                words = words[named.end() :]
            speaker = named[1]
        if words:
            begun = begun if passage else cue.start
            passage = f"{passage} {words}".strip()
        ended = cue.end
    builder.add(f"[{_clock(begun)}] {passage}" if passage else "")
    return builder.build(path, "", warnings)


def _cues(text: str) -> Iterator[_Cue]:
    cue: _Cue | None = None
    for line in text.split("\n"):
        if times := _TIMES.fullmatch(line):
            if cue is not None:
                yield cue
            cue = _Cue(_seconds(times, 1), _seconds(times, 4), [])
        elif not line.strip():
            if cue is not None:
                yield cue
            cue = None
        elif cue is not None and (said := _said(line)):
            cue.lines.append(said)
    if cue is not None:
        yield cue


def _seconds(times: re.Match[str], first: int) -> int:
    return 3600 * int(times[first] or 0) + 60 * int(times[first + 1]) + int(times[first + 2])


def _said(line: str) -> str:
    return " ".join(html.unescape(_TAG.sub("", _SPEAKER.sub(r"\1: ", line))).split())


def _clock(seconds: int) -> str:
    return f"{seconds // 3600}:{seconds // 60 % 60:02d}:{seconds % 60:02d}"
