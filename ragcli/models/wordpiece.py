"""BERT's tokenizer for short ASCII texts, over a vocabulary kept in the cache: it splits a question in 2 ms.

The tokenizers library takes 25 ms to load, as long as the model takes to encode the question. This module keeps the
vocabulary in a form that needs no parsing: sorted lines, of which a search touches a few.
"""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from ragcli.models.digest import cache_folder, identity

if TYPE_CHECKING:
    from collections.abc import Mapping

LONGEST = 256  # characters; the library splits longer texts

_VERSION = 2
# BERT's pre-tokenizer splits lower-case ASCII into words and single punctuation signs.
_WORD = re.compile(r"[a-z0-9]+|[!-/:-@\[-`{-~]")
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
_LETTERS_OF_A_WORD = 100  # BERT takes a longer word as unknown
_PREFIX = "##"


class Vocabulary(NamedTuple):
    """The pieces of one tokenizer."""

    lines: bytes  # "piece id", sorted, each between line breaks
    unknown: int
    before: tuple[int, ...]  # special tokens around a text
    after: tuple[int, ...]
    longest: int  # characters of the longest piece

    @property
    def special(self) -> int:
        """How many special tokens are added to a text."""
        return len(self.before) + len(self.after)

    def ids(self, text: str) -> list[int] | None:
        """The tokens of ``text`` without special ones, as the library gives them; None where the library is needed.

        It is needed for texts that are long or not ASCII.
        """
        if len(text) > LONGEST or not text.isascii():
            return None
        found: list[int] = []
        for word in _WORD.findall(_CONTROL.sub("", text).lower()):
            found += self._pieces(word)
        return found

    def _pieces(self, word: str) -> list[int]:
        """The longest piece that the word begins with, then the longest of the rest; one unknown when there is none."""
        if len(word) > _LETTERS_OF_A_WORD:
            return [self.unknown]
        found: list[int] = []
        start = 0
        while start < len(word):
            prefix = _PREFIX if start else ""
            for end in range(min(len(word), start + self.longest), start, -1):
                piece = self._id(prefix + word[start:end])
                if piece is not None:
                    break
            else:
                return [self.unknown]
            found.append(piece)
            start = end
        return found

    def _id(self, piece: str) -> int | None:
        key = piece.encode("ascii") + b" "
        low, high = 0, len(self.lines)
        while low < high:  # the line sought, if there is one, begins in [low, high)
            start = self.lines.rfind(b"\n", 0, (low + high) // 2 + 1) + 1
            end = self.lines.find(b"\n", start)
            line = self.lines[start:end]
            if line.startswith(key):
                return int(line[len(key) :])
            if line < key:
                low = end + 1
            else:
                high = min(start, (low + high) // 2)
        return None


def cached(path: Path) -> Vocabulary | None:
    """The vocabulary that ``remember`` kept for this tokenizer.json; None without one, or when the file changed."""
    try:
        data = _store(path).read_bytes()
        head, _, lines = data.partition(b"\n")
        about = json.loads(head)
        if about["source"] != _source(path):
            return None
        return Vocabulary(lines, about["unknown"], tuple(about["before"]), tuple(about["after"]), about["longest"])
    except (OSError, ValueError, KeyError, TypeError):  # absent or damaged: it only saves time
        return None


def remember(path: Path) -> None:
    """Keep the vocabulary of a tokenizer.json, if ``Vocabulary`` splits text with it as the library does."""
    store = _store(path)
    temporary = store.with_name(f".{store.name}.{os.getpid()}")
    try:
        source = _source(path)
        found = _vocabulary(json.loads(path.read_bytes()))
        if found is None or source != _source(path):
            return
        about = {
            "source": source, "unknown": found.unknown, "before": found.before, "after": found.after,
            "longest": found.longest,
        }  # fmt: skip
        store.parent.mkdir(parents=True, exist_ok=True)
        temporary.write_bytes(json.dumps(about).encode("ascii") + b"\n" + found.lines)
        temporary.replace(store)
    except OSError:  # a read-only home must not stop a query
        return


def _source(path: Path) -> list[Any]:
    return [_VERSION, os.path.realpath(path), *identity(path)]


def _store(path: Path) -> Path:
    import zlib  # built in, unlike the digests of hashlib, which cost 3 ms

    return cache_folder() / f"vocabulary-{zlib.crc32(os.fsencode(os.path.realpath(path))):08x}"


def _vocabulary(saved: Mapping[str, Any]) -> Vocabulary | None:
    """The vocabulary in a parsed tokenizer.json; None unless it is BERT's tokenizer for lower-case text."""
    model, normalizer = saved.get("model") or {}, saved.get("normalizer") or {}
    added = saved.get("added_tokens") or []
    around = _around(saved.get("post_processor") or {})
    is_known = (
        model.get("type") == "WordPiece"
        and model.get("continuing_subword_prefix") == _PREFIX
        and model.get("max_input_chars_per_word") == _LETTERS_OF_A_WORD
        and normalizer.get("type") == "BertNormalizer"
        and normalizer.get("lowercase") is True
        and normalizer.get("clean_text") is True
        and (saved.get("pre_tokenizer") or {}).get("type") == "BertPreTokenizer"
        and all(token.get("special") for token in added)  # others are found in texts, too
    )
    vocabulary: dict[str, int] = model.get("vocab") or {}
    unknown = vocabulary.get(model.get("unk_token", ""))
    if not is_known or around is None or unknown is None:
        return None
    # the texts are ASCII, so their pieces are too
    pieces = sorted(f"{piece} {i}".encode("ascii") for piece, i in vocabulary.items() if _can_occur(piece))
    longest = max((len(piece) for piece in vocabulary), default=1)
    return Vocabulary(b"\n".join(pieces) + b"\n", unknown, *around, longest)


def _can_occur(piece: str) -> bool:
    return bool(piece) and piece.isascii() and piece.isprintable() and " " not in piece


def _around(processor: Mapping[str, Any]) -> tuple[tuple[int, ...], tuple[int, ...]] | None:
    """The special tokens before and after a single text; None when the file does not say so plainly."""
    if processor.get("type") != "TemplateProcessing":
        return None
    before: list[int] = []
    after: list[int] = []
    place = before
    for part in processor.get("single", []):
        if "Sequence" in part:
            place = after
        else:
            place += processor["special_tokens"][part["SpecialToken"]["id"]]["ids"]
    return (tuple(before), tuple(after)) if place is after else None
