"""ragcli reads a few bytes of files whose layout tantivy and FAISS do not promise: here the libraries write such files,
and what ragcli reads in them must be what the libraries say of them."""

import json
import struct
from importlib.metadata import version

import faiss
import numpy as np
import tantivy

from ragcli.index.keywords import files as keyword_files
from ragcli.index.keywords.tantivy_index import Keywords
from ragcli.index.vectors import faiss_files

# The versions whose files ragcli/index/keywords/files.py and ragcli/index/vectors/faiss_files.py were written for.
TANTIVY = "0.27.0"
FAISS = "1.15.1"


def same(found, wanted, message):
    assert found == wanted, f"{message}: ragcli reads {found!r}, the library says {wanted!r}"


def test_the_files_of_tantivy_are_laid_out_as_ragcli_reads_them(tmp_path):
    advice = (
        f"index/keywords/files.py was written for tantivy {TANTIVY}, and {version('tantivy')} is installed. Look at "
        "the files of an index that it writes, then change what differs, or pin tantivy below this version. "
    )
    keywords = Keywords(tmp_path, create=True)
    keywords.update([(i, 1, f"word{i} all") for i in range(20)], [])
    keywords.update([(i, 2, f"word{i} all") for i in range(20, 23)], [3, 4])
    searcher = tantivy.Index.open(str(tmp_path)).searcher()
    try:
        segments = list(keyword_files._segments(tmp_path))
        named = {*keyword_files._segment_files(tmp_path), "meta.json"}
        faults = keyword_files.check_files(tmp_path)
    except (OSError, ValueError) as error:
        raise AssertionError(f"{advice}_segments() cannot read meta.json: {error}") from error
    same(len(segments), searcher.num_segments, f"{advice}_segments() reads the segments in meta.json")
    live = sum(count - dead for _, count, dead, _ in segments)
    same(live, searcher.num_docs, f"{advice}_segments() reads max_doc and deletes in meta.json")
    managed = set(json.loads((tmp_path / ".managed.json").read_bytes()))
    same(named, managed, f"{advice}_KINDS and _segment_files() name the files of a segment, .managed.json lists them")
    here = {path.name for path in tmp_path.iterdir() if not path.name.startswith(".")}
    same(named, here, f"{advice}_segment_files() names the files in the folder")
    same(faults, [], f"{advice}_has_its_checksum() reads the end of each file: JSON with its CRC-32, length, mark")
    for name in sorted(named - {"meta.json"}):
        data = (tmp_path / name).read_bytes()
        footer = json.loads(data[data.rindex(b'{"version"') : -8])
        same(set(footer), {"version", "crc"}, f"{advice}_has_its_checksum() reads the end of {name}")
        broken = bytes([data[0] ^ 1]) + data[1:]
        assert not keyword_files._has_its_checksum(broken), f"{advice}the checksum in {name} does not cover its bytes"


def test_the_files_of_faiss_are_laid_out_as_ragcli_reads_them(tmp_path):
    advice = (
        f"index/vectors/faiss_files.py was written for FAISS {FAISS}, and {version('faiss-cpu')} is installed. Look at "
        "the files that it writes, then change what differs, or pin faiss-cpu below this version. "
    )
    rng = np.random.default_rng(0)
    rows, dimension, lists = rng.standard_normal((50, 6)).astype(np.float32), 6, 4
    ids = np.arange(100, 150, dtype=np.int64)

    segment = faiss_files.empty_segment(dimension)
    segment.add_with_ids(rows, ids)
    data = written(segment, tmp_path / "segment", lambda file: faiss_files.check_segment_form(file, 50, None), advice)
    head = len(faiss_files.segment_head(dimension, 50))
    kept = np.frombuffer(data[head : head + 2 * 6 * 50], "<f2").reshape(50, 6).astype(np.float32)
    told = segment.index.reconstruct_n(0, 50)
    same(kept.tolist(), told.tolist(), f"{advice}segment_head() ends where the rows of a segment begin")
    at = head + 2 * 6 * 50
    same(struct.unpack("<Q", data[at : at + 8]), (50,), f"{advice}the number of ids follows the rows of a segment")
    same(np.frombuffer(data[at + 8 :], "<i8").tolist(), ids.tolist(), f"{advice}the ids of a segment end the file")

    inverted = faiss_files.empty_lists(dimension, lists)
    inverted.train(rows)
    inverted.add_with_ids(rows, ids)
    path = tmp_path / "inverted"
    data = written(inverted, path, lambda file: faiss_files.check_lists_form(file, 50, lists, dimension), advice)
    first, second = faiss_files.lists_heads(dimension, lists, 50)
    at = len(first) + 4 * dimension * lists
    centres = np.frombuffer(data[len(first) : at], "<f4").reshape(lists, dimension)
    told = inverted.quantizer.reconstruct_n(0, lists)
    same(centres.tolist(), told.tolist(), f"{advice}lists_heads() ends where the centres begin")
    at += len(second)
    lengths = np.frombuffer(data[at : at + 8 * lists], "<u8").tolist()
    told = [inverted.invlists.list_size(i) for i in range(lists)]
    same(lengths, told, f"{advice}the lengths of the lists follow the second header of lists_heads()")


def written(index, path, check, advice):
    """The bytes that FAISS writes for ``index``, once ragcli has checked their form."""
    faiss.write_index(index, str(path))
    with path.open("rb") as file:
        try:
            check(file.fileno())
        except ValueError as error:
            raise AssertionError(f"{advice}The check of a {path.name} refuses what FAISS wrote: {error}") from error
    return path.read_bytes()
