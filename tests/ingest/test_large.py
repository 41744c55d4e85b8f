"""A document that is larger than a part: chunked, embedded and put on disk part by part, committed whole."""

import random
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ragcli.errors import LoadError
from ragcli.formats import registry
from ragcli.formats.blocks import LoadOptions
from ragcli.index.reader import open_index
from ragcli.index.verify import verify
from ragcli.ingest.sandbox.frames import LargeDocument, pack_parts
from ragcli.ingest.sandbox.limits import Limits
from ragcli.ingest.sandbox.pool import Request, Sandbox
from ragcli.ingest.sync import SyncOptions, sync
from ragcli.models.open import open_query_encoder
from ragcli.models.resolve import DEFAULT_MODEL, resolve
from ragcli.types import Block, Document, Reason, Skipped

OPTIONS = SyncOptions(workers=1, offline=True)
WORDS = "Hafen harbour Fähre ferry “quoted” 灯台 opens closes lantern 🦆 copper storm winter".split()  # noqa: SIM905


def a_text(seed: int, paragraphs: int) -> str:
    rng = random.Random(seed)
    return "\n\n".join(" ".join(rng.choices(WORDS, k=rng.randrange(3, 60))) + "." for _ in range(paragraphs)) + "\n"


def unpacked(document: Document, size: int) -> list:
    packed = [(bytearray(one), bytearray(two)) for one, two in pack_parts(document, size)]
    large = LargeDocument(document.path, document.title, "", (), document.loader)
    large.packed.extend(packed)
    return list(large.parts())


@st.composite
def documents(draw) -> Document:
    text = draw(st.text(st.sampled_from("ab \nß灯🦆\ud800"), min_size=1, max_size=120))
    edges = sorted(draw(st.sets(st.integers(0, len(text)), max_size=12)))
    blocks = tuple(
        Block(start, end, "paragraph", page, ("Head",))
        for page, (start, end) in enumerate(zip(edges[::2], edges[1::2], strict=False), 1)
    )
    return Document(Path("a.txt"), "Title", text, blocks, "text")


@given(documents(), st.integers(1, 40))
def test_parts_are_the_document(document, size):
    parts = unpacked(document, size)
    assert "".join(part.document.text for part in parts) == document.text
    assert all(len(part.document.text) <= size for part in parts)
    pages = [None] * len(document.text)
    for block in document.blocks:
        pages[block.start : block.end] = [block.page] * (block.end - block.start)
    found = [None] * len(document.text)
    for part in parts:
        before = document.text[: part.characters]
        assert (part.bytes, part.lines) == (len(before.encode("utf-8", "surrogatepass")), before.count("\n"))
        for block in part.document.blocks:
            assert block.headings == ("Head",)
            place = slice(part.characters + block.start, part.characters + block.end)
            found[place] = [block.page] * (block.end - block.start)
    assert found == pages


def test_a_part_ends_where_a_block_begins():
    text = a_text(1, 60)
    document = registry.load(Path("a.txt"), text.encode(), LoadOptions())
    starts = {block.start for block in document.blocks}
    assert all(part.characters in {0, *starts} for part in unpacked(document, 1_500))


@pytest.fixture
def docs(tmp_path, monkeypatch):
    monkeypatch.setattr("ragcli.ingest.sandbox.frames.PART", 2_000)
    (tmp_path / "docs").mkdir()
    return tmp_path / "docs"


def assert_whole(index: Path, path: Path) -> None:
    """Every letter of the file is in a passage; places, and the vectors of a few, are those of the file itself."""
    raw = path.read_bytes()
    text = raw.decode()
    assert verify(index).faults == ()
    assert not list(index.glob("staging-*"))
    with open_index(index) as opened:
        (row,) = (row for row in opened.catalog.documents() if row.path == path)
        chunks = opened.catalog.document_chunks(row.id)
        covered = bytearray(len(text))
        for chunk in chunks:
            assert chunk.text == text[chunk.start : chunk.end] == raw[slice(*chunk.bytes)].decode()
            first = text.count("\n", 0, chunk.start) + 1
            assert chunk.lines == (first, first + chunk.text.count("\n"))
            if chunk.pages:
                assert chunk.pages == tuple(text.count("\f", 0, at) + 1 for at in (chunk.start, chunk.end - 1))
            covered[chunk.start : chunk.end] = b"\1" * (chunk.end - chunk.start)
        assert all(covered[at] for at, character in enumerate(text) if character.isalnum())
        encoder = open_query_encoder(resolve(DEFAULT_MODEL, offline=True))
        for chunk in chunks[:: max(1, len(chunks) // 5)]:
            (vector,) = encoder.encode([chunk.embedded])
            assert dict(opened.dense(vector, 10**6))[chunk.id] == pytest.approx(1, abs=1e-3)
        starts = dict(row.pages)
        assert starts == {page: text.index(text.split("\f")[page - 1].strip()) for page in starts}


def test_a_large_document_is_whole_and_in_place(docs, tmp_path):
    large, small = docs / "large.txt", docs / "small.txt"
    large.write_text(a_text(2, 40) + "\f" + a_text(3, 40), encoding="utf-8")
    small.write_text("The harbour opens at six.\n")
    summary = sync(tmp_path / "index", [docs], OPTIONS)
    assert (summary.added, summary.failures) == (2, [])
    assert_whole(tmp_path / "index", large)

    large.write_text(a_text(2, 40) + "\f" + a_text(4, 60), encoding="utf-8")
    summary = sync(tmp_path / "index", [docs], OPTIONS)
    assert (summary.changed, summary.unchanged) == (1, 1)
    assert summary.chunks_reused > 5
    assert_whole(tmp_path / "index", large)
    assert sync(tmp_path / "index", [docs], OPTIONS).unchanged == 2


def test_a_passage_that_comes_again_in_a_later_part_is_embedded_once(docs, tmp_path):
    once = "".join(f"# Part {i}\n\n{text}\n\n" for i, text in enumerate(a_text(5, 25).split("\n\n")))
    assert len(once) > 2_000
    (docs / "large.md").write_text(once * 6, encoding="utf-8")
    summary = sync(tmp_path / "index", [docs], OPTIONS)
    assert summary.chunks_reused > summary.chunks_embedded
    assert_whole(tmp_path / "index", docs / "large.md")


def test_one_line_without_end_and_one_without_blanks(docs, tmp_path):
    (docs / "line.txt").write_text(" ".join(random.Random(6).choices(WORDS, k=2_000)), encoding="utf-8")
    (docs / "signs.txt").write_text("".join(random.Random(7).choices("abcdef", k=7_000)), encoding="utf-8")
    assert sync(tmp_path / "index", [docs], OPTIONS).added == 2
    for name in ("line.txt", "signs.txt"):
        assert_whole(tmp_path / "index", docs / name)


def test_stopped_inside_a_large_document_the_index_is_as_it_was(docs, tmp_path):
    large, index = docs / "large.txt", tmp_path / "index"
    large.write_text(a_text(8, 40), encoding="utf-8")
    sync(index, [docs], OPTIONS)
    with open_index(index) as opened:
        before = opened.catalog.chunk_ids()
    large.write_text(a_text(9, 60), encoding="utf-8")
    reports = iter(range(12))

    def stop(_progress):
        if next(reports, None) is None:
            assert list(index.glob("staging-*"))
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        sync(index, [docs], OPTIONS, stop)
    assert not list(index.glob("staging-*"))
    with open_index(index) as opened:
        assert opened.catalog.chunk_ids() == before
    assert verify(index).faults == ()
    sync(index, [docs], OPTIONS)
    assert_whole(index, large)


def test_without_a_letter_a_large_document_is_empty(docs, tmp_path):
    (docs / "rules.txt").write_text("=-" * 3_000)
    summary = sync(tmp_path / "index", [docs], OPTIONS)
    assert summary.skipped == {Reason.EMPTY: 1}


def loaded(path: Path, limits: Limits, part: int, **how) -> object:
    with Sandbox(1, limits, LoadOptions(), **how) as sandbox:
        return next(iter(sandbox.load([Request(path, None, part)]))).outcome


def test_a_document_in_parts_keeps_to_the_limit_of_its_text(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text(a_text(10, 9_000), encoding="utf-8")
    assert path.stat().st_size > 1 << 20
    assert loaded(path, Limits(output_mib=1), 10_000) == Skipped(path, Reason.TOO_LARGE, "1 MiB of text")
    large = loaded(path, Limits(output_mib=16), 10_000)
    assert isinstance(large, LargeDocument)
    assert "".join(part.document.text for part in large.parts()) == path.read_text(encoding="utf-8")


def test_a_part_that_no_parser_sends_costs_its_file(tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parent))
    for name in ("lie_in_a_part.txt", "nothing_in_a_part.txt", "end_in_a_part.txt"):
        (tmp_path / name).write_text("harbour")
    limits = Limits(seconds=20)
    lie = loaded(tmp_path / "lie_in_a_part.txt", limits, 10, module="misbehaving_worker")
    assert isinstance(lie, LargeDocument)
    with pytest.raises(LoadError, match="invalid reply of the parser"):
        list(lie.parts())
    nothing = loaded(tmp_path / "nothing_in_a_part.txt", limits, 10, module="misbehaving_worker")
    assert isinstance(nothing, LargeDocument)
    assert [part.document.text for part in nothing.parts()] == [""]
    ended = loaded(tmp_path / "end_in_a_part.txt", limits, 10, module="misbehaving_worker")
    assert isinstance(ended, Skipped)
    assert ended.reason is Reason.DAMAGED


@pytest.mark.parametrize("deed", ["lie_in_a_part", "nothing_in_a_part"])
def test_a_run_goes_on_after_a_part_that_no_parser_sends(deed, docs, tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parent))
    monkeypatch.setattr(Sandbox.__init__, "__kwdefaults__", {"module": "misbehaving_worker"})
    (docs / f"{deed}.txt").write_text("harbour " * 9)
    (docs / "good.txt").write_text("The harbour opens at six.\n")
    summary = sync(tmp_path / "index", [docs], SyncOptions(workers=2, offline=True))
    assert summary.added == 1
    assert sum(summary.skipped.values()) == 1
    assert verify(tmp_path / "index").faults == ()
    assert not list((tmp_path / "index").glob("staging-*"))


def test_rows_come_back_from_disk_as_they_were(tmp_path):
    from ragcli.ingest.spool import Spool

    rows = np.random.default_rng(1).standard_normal((5, 8)).astype(np.float32)
    keys = [bytes([i]) * 16 for i in range(5)]
    with Spool(tmp_path, Path("a"), "", 8) as spool:
        spool.append([], [], {})
        assert (len(spool), list(spool.chunks())) == (0, [])
        from tests.index.small_index import new_file

        chunks = new_file("a", ["ä \ud800\n\n\u2028x", "two", "three", "two", "four"], page=3, headings=("H",)).chunks
        spool.append(chunks, [*keys[:3], keys[1], keys[4]], dict(zip(keys, rows, strict=True)))
        assert list(spool.chunks()) == list(chunks)
        assert list(spool.keys_of_chunks()) == [*keys[:3], keys[1], keys[4]]
        assert sorted(spool) == [*keys[:3], keys[4]]
        assert all(np.array_equal(spool[keys[i]], rows[i]) for i in (4, 0, 2, 1))
