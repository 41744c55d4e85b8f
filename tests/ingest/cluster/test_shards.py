import hashlib
import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ragcli.errors import RagcliError
from ragcli.index.catalog.rows import chunk_key
from ragcli.ingest.chunk import ChunkOptions, chunk
from ragcli.ingest.cluster.shards import (
    ReadFile,
    group_of,
    pack_file,
    pack_group,
    read_shard,
    unpack_file,
    unpack_group,
    write_shard,
)
from ragcli.ingest.sandbox.frames import HEADER, pack_frame, unpack_frame
from ragcli.ingest.sandbox.process import Loaded, Request
from ragcli.types import Block, Document, Reason, Skipped

# names are bytes, and text may hold anything: lone surrogates, which UTF-8 cannot hold, among it
paths = st.binary(min_size=1, max_size=9).map(lambda raw: Path("/d") / os.fsdecode(raw.translate(None, b"/\0.")))
texts = st.text(st.characters(), max_size=60)


class Words:
    """A tokenizer that counts words."""

    special = 2

    def count(self, parts):
        return [len(part.split()) for part in parts]


@st.composite
def documents(draw):
    text, blocks = "", []
    for kind, words in draw(st.lists(st.tuples(st.sampled_from(["paragraph", "heading"]), texts), max_size=4)):
        page = draw(st.none() | st.integers(1, 9))
        headings = tuple(draw(st.lists(texts, max_size=2)))
        columns = draw(st.sampled_from(["", words]))
        blocks.append(Block(len(text), len(text) + len(words), kind, page, headings, columns))
        text += f"{words}\n\n"
    return Document(draw(paths), draw(texts), text, tuple(blocks), "text", tuple(draw(st.lists(texts, max_size=2))))


def through_json(frame):
    return unpack_frame(pack_frame(frame)[HEADER.size :])


@given(documents())
def test_a_document_and_its_passages_come_back_letter_for_letter(document):
    chunks = tuple(chunk(document, Words(), 128, ChunkOptions(20, 3)))
    file = ReadFile(Loaded(document.path, "a" * 64, 12, 34, document), chunks)
    assert unpack_file(through_json(pack_file(file))) == file


@given(paths, st.sampled_from(Reason), texts)
def test_a_file_that_failed_comes_back_with_its_reason(path, reason, detail):
    file = ReadFile(Loaded(path, "", 0, 0, Skipped(path, reason, detail)))
    assert unpack_file(through_json(pack_file(file))) == file


def test_a_file_that_did_not_change_comes_back_as_such():
    file = ReadFile(Loaded(Path("/d/a"), "b" * 64, 1, 2, None))
    assert unpack_file(through_json(pack_file(file))) == file


@given(st.lists(st.tuples(paths, st.none() | st.just("c" * 64)), max_size=4))
def test_a_group_comes_back_and_its_name_is_fixed_by_what_is_asked_for(files):
    group = group_of([Request(path, known) for path, known in files])
    assert unpack_group(through_json(pack_group(group))) == group
    assert group_of(group.requests) == group
    assert group_of([*group.requests, Request(Path("/d/more"), None)]).name != group.name


def frame_of(text):
    document = Document(Path("/d/a.txt"), "", text, (Block(0, len(text), "paragraph"),), "text")
    chunks = tuple(chunk(document, Words(), 128, ChunkOptions(20, 3)))
    return pack_file(ReadFile(Loaded(document.path, "a" * 64, 12, 34, document), chunks)), chunks


def test_a_shard_holds_vectors_as_float32_and_nothing_that_is_pickled(tmp_path):
    frame, chunks = frame_of("The boats in the harbour are painted in spring.")
    row = np.arange(4, dtype=np.float32) / 7
    shard = write_shard(tmp_path, "f" * 32, [frame], {chunk_key(chunks[0]): row})
    [(loaded, cut)] = read_shard(tmp_path, shard)
    assert cut is not None
    assert (loaded.outcome.text[:9], cut.chunks) == ("The boats", chunks)
    np.testing.assert_array_equal(cut.vectors[chunk_key(chunks[0])], row)
    content = (tmp_path / shard).read_bytes()
    assert hashlib.sha256(content[32:]).digest() == content[:32]
    assert b"'descr': '<f4'" in content


def test_a_task_that_is_done_again_replaces_its_shard(tmp_path):
    for _ in range(2):
        write_shard(tmp_path, "f" * 32, [frame_of("One two.")[0]], {})
    assert [path.name for path in tmp_path.iterdir()] == [f"{'f' * 32}.shard"]


@pytest.mark.parametrize("damage", [lambda data: data[:-1], lambda data: data[:40] + b"x" + data[41:], lambda _: b""])
def test_a_shard_that_is_not_what_was_written_is_refused(tmp_path, damage):
    path = tmp_path / write_shard(tmp_path, "f" * 32, [frame_of("One two.")[0]], {})
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(RagcliError, match="does not match its checksum; is the index folder shared"):
        read_shard(tmp_path, path.name)


def test_a_shard_that_is_not_there_is_told_of(tmp_path):
    with pytest.raises(RagcliError, match="which a worker wrote"):
        read_shard(tmp_path, "0.shard")
