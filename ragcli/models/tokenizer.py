"""The model's own tokenizer, through the tokenizers library and without transformers."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from ragcli.errors import ModelUnavailable, refuse_environment
from ragcli.models.files import ModelFiles, transformer_folder
from ragcli.models.wordpiece import Vocabulary, cached, remember

if TYPE_CHECKING:
    import tokenizers

# Its threads would start in every process that splits text, gain nothing there (tokenising is about 1 % of encoding),
# and make it warn when a worker is forked later.
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

_SURROGATE = re.compile("[\ud800-\udfff]")


class PairInput(NamedTuple):
    """A query and a passage as one input."""

    ids: list[int]
    types: list[int]  # the segment of each token


class Tokenizer:
    """Counts and places tokens exactly as the model sees them, but cuts nothing off."""

    special: int  # how many special tokens the model adds to a text

    def __init__(self, source: tokenizers.Tokenizer | Path, vocabulary: Vocabulary | None = None) -> None:
        """``source`` may be the path of a tokenizer.json, which is read when ``vocabulary`` is not enough."""
        self._source = source
        self._vocabulary = vocabulary
        self.special = vocabulary.special if vocabulary else self._backend.num_special_tokens_to_add(False)

    @property
    def _backend(self) -> tokenizers.Tokenizer:
        if isinstance(self._source, Path):
            self._source = _read(self._source)
        return self._source

    def count(self, texts: Sequence[str]) -> list[int]:
        """Tokens of each text, special ones not counted."""
        if (short := self._short(texts)) is not None:
            return [len(ids) for ids in short]
        batch = self._backend.encode_batch_fast([encodable(text) for text in texts], add_special_tokens=False)
        return [len(encoding) for encoding in batch]

    def spans(self, texts: Sequence[str]) -> list[list[tuple[int, int]]]:
        """Character offsets [start, end) of each token in each text, special tokens left out."""
        batch = self._backend.encode_batch([encodable(text) for text in texts], add_special_tokens=False)
        return [encoding.offsets for encoding in batch]

    def ids(self, texts: Sequence[str], window: int) -> list[list[int]]:
        """The model's input: token ids with the special ones, at most ``window`` of them (the end of a text is cut)."""
        if self._vocabulary is not None and (short := self._short(texts)) is not None:
            before, after = self._vocabulary.before, self._vocabulary.after
            return [[*before, *ids[: window - self.special], *after] for ids in short]
        batch = self._backend.encode_batch_fast([encodable(text) for text in texts], add_special_tokens=False)
        for encoding in batch:
            encoding.truncate(window - self.special)
        return [self._backend.post_process(encoding).ids for encoding in batch]

    def pairs(self, query: str, passages: Sequence[str], window: int) -> list[PairInput]:
        """The model's input for the query with each passage, at most ``window`` tokens of the two together."""
        asked = self._backend.encode_batch([encodable(query)], add_special_tokens=False)[0]
        batch = self._backend.encode_batch_fast([encodable(text) for text in passages], add_special_tokens=False)
        most = window - self._backend.num_special_tokens_to_add(True)
        found = []
        for told in batch:
            kept_query, kept_passage = _room(len(asked), len(told), most)
            first = asked
            if kept_query < len(asked):
                first = self._backend.encode_batch([encodable(query)], add_special_tokens=False)[0]
                first.truncate(kept_query)
            told.truncate(kept_passage)
            joined = self._backend.post_process(first, told)
            found.append(PairInput(joined.ids, joined.type_ids))
        return found

    def unknown_share(self, text: str) -> float:
        """The share of the characters of ``text`` that the model cannot tell apart, blanks not counted, in [0, 1].

        They are in unknown tokens: a whole sentence in Thai or Amharic becomes one or two of them.
        """
        unknown = getattr(self._backend.model, "unk_token", None)
        letters = len("".join(text.split()))
        if unknown is None or not letters or text.isascii():
            return 0.0
        encoding = self._backend.encode_batch([encodable(text)], add_special_tokens=False)[0]
        spans = [span for token, span in zip(encoding.tokens, encoding.offsets, strict=True) if token == unknown]
        return sum(len("".join(text[start:end].split())) for start, end in spans) / letters

    def _short(self, texts: Sequence[str]) -> list[list[int]] | None:
        """The ids of a question without the library; None where the library is loaded or needed."""
        if self._vocabulary is None or len(texts) != 1 or not isinstance(self._source, Path):
            return None
        ids = self._vocabulary.ids(texts[0])
        return None if ids is None else [ids]


def _room(query: int, passage: int, most: int) -> tuple[int, int]:
    """How many tokens of each text of a pair are kept: the longer one is cut first, and both where both are long.

    This is the rule "longest first" of the tokenizers library.
    """
    if query + passage <= most:
        return query, passage
    short, long = sorted((query, passage))
    long = max(short, most - short) if short <= most else short
    if short + long > most:
        short, long = most // 2, most - most // 2
    return (short, long) if query <= passage else (long, short)


def encodable(text: str) -> str:
    """The text with U+FFFD for each lone surrogate, which tokenizers refuse; the offsets stay the same."""
    return text if text.isascii() else _SURROGATE.sub("\ufffd", text)


@lru_cache(maxsize=4)  # a query needs it both to encode and to count
def open_tokenizer(files: ModelFiles) -> Tokenizer:
    """The tokenizer of a model; ModelUnavailable when it is absent or unreadable."""
    path = transformer_folder(files.folder) / "tokenizer.json"
    if not path.is_file():
        return Tokenizer(_convert(files))
    if (vocabulary := cached(path)) is not None:
        return Tokenizer(path, vocabulary)
    tokenizer = Tokenizer(_read(path))
    remember(path)
    return tokenizer


def _read(path: Path) -> tokenizers.Tokenizer:
    try:
        data = path.read_bytes()
    except OSError as error:
        refuse_environment(path, error)
        raise ModelUnavailable(f"{path} cannot be read: {error.strerror}", "fetch the model again") from error
    try:
        return _parse(data)
    except Exception as error:  # the library raises bare Exception for every parse error
        refuse_environment(path, error)
        raise ModelUnavailable(f"{path} cannot be read: {error}", "fetch the model again") from error


@lru_cache(maxsize=2)  # 20 ms; an encoder and a reranker of one family have the same
def _parse(data: bytes) -> tokenizers.Tokenizer:
    import tokenizers  # 5 ms; a question that the vocabulary splits does not need it

    return _prepared(tokenizers.Tokenizer.from_buffer(data))


def _convert(files: ModelFiles) -> tokenizers.Tokenizer:
    from transformers import AutoTokenizer  # 1 s and more: only for models without tokenizer.json

    folder = transformer_folder(files.folder)
    try:
        slow = AutoTokenizer.from_pretrained(str(folder), local_files_only=True)
    except (OSError, ValueError, ImportError) as error:
        raise ModelUnavailable(f"the model {files.name} has no readable tokenizer: {error}") from error
    if not slow.is_fast:
        raise ModelUnavailable(
            f"the model {files.name} has no fast tokenizer, so the places of its tokens are unknown",
            "choose a model with a tokenizer.json",
        )
    return _prepared(slow.backend_tokenizer)


def _prepared(backend: tokenizers.Tokenizer) -> tokenizers.Tokenizer:
    """The tokenizer without cutting and padding; ``[SEP]`` in a text is text there, and not the end of it."""
    backend.no_truncation()
    backend.no_padding()
    backend.encode_special_tokens = True
    return backend
