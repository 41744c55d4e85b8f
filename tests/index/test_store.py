"""Where vectors are: how a store is named, and what an index that names one may do before the user has."""

import json
import sqlite3
from contextlib import closing, suppress

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from small_index import SETTINGS, begin, change, vector_of

from ragcli.errors import RagcliError, UsageError
from ragcli.index.catalog.rows import Settings, StoreState
from ragcli.index.milvus.address import Address, parse_address
from ragcli.index.milvus.store import digest
from ragcli.index.reader import open_index
from ragcli.index.stores import stored_form
from ragcli.index.vectors.segments import Segments, as_stored, exact_scores, write_segment
from ragcli.index.writer import open_writer

NAMES = st.from_regex(r"[A-Za-z_][A-Za-z0-9_]{0,40}", fullmatch=True)


@given(st.sampled_from(["localhost", "10.0.0.7", "milvus.example"]), st.integers(1, 65535), NAMES, st.booleans(),
       st.sampled_from(["flat", "hnsw"]))  # fmt: skip
def test_an_address_is_remembered_in_one_form(host, port, name, tls, kind):
    address = Address(host, port, name, tls, kind)
    assert parse_address(address.uri) == address
    assert stored_form(address.uri) == address.uri
    assert address.uri.startswith(address.endpoint + "/")


def test_what_may_be_left_out_of_an_address():
    assert stored_form("files") == ""
    assert parse_address("milvus://Host/c").uri == "milvus://host:19530/c"
    assert parse_address("milvus://h/c?index=flat").uri == "milvus://h:19530/c"


@given(st.text(max_size=60))
def test_anything_else_is_refused(text):
    with suppress(UsageError):
        address = parse_address(text)
        assert text.lower().startswith(("milvus://", "milvus+tls://"))
        assert address.collection in text


@pytest.mark.parametrize("uri", ["milvus://me:hush@h/c", "milvus://hush@h/c", "milvus://h/c?token=hush"])
def test_credentials_are_refused_and_not_repeated(uri):
    with pytest.raises(UsageError) as refused:
        parse_address(uri)
    assert "hush" not in str(refused.value)
    assert "RAGCLI_MILVUS_TOKEN" in str(refused.value)


def test_settings_without_a_store_are_as_they_were_before_there_was_a_choice():
    assert "store" not in SETTINGS.to_record()
    assert Settings.from_record(SETTINGS.to_record()) == SETTINGS
    moved = Settings.from_record({**SETTINGS.to_record(), "store": "milvus://h:1/c"})
    assert Settings.from_record(moved.to_record()) == moved
    assert moved.store == "milvus://h:1/c"


@pytest.mark.parametrize(
    "record",
    [
        {"owner": "x", "collection": "c", "timestamp": 1, "cleared": 1},
        {"owner": "0" * 32, "collection": "../c", "timestamp": 1, "cleared": 1},
        {"owner": "0" * 32, "collection": "c", "timestamp": 1 << 63, "cleared": 1},
        {"owner": "0" * 32, "collection": "c", "timestamp": 1, "cleared": -1},
        {"owner": "0" * 32},
    ],
)
def test_a_state_that_no_store_is_in_is_refused(record):
    with pytest.raises((KeyError, ValueError)):
        StoreState.from_record(record)
    state = StoreState("0" * 32, "c", 5, 6)
    assert StoreState.from_record(json.loads(json.dumps(state.to_record()))) == state


def test_rows_are_rounded_and_scored_as_a_segment_does(tmp_path):
    rows = np.stack([vector_of(f"row {i}", 384) for i in range(300)])
    rows[100] = rows[7]
    segment = write_segment(tmp_path, "seg-0001-00000001.faiss", list(enumerate(rows)), [], [])
    with_segment = Segments(tmp_path, [segment], 384)
    held = with_segment.reconstruct(range(300))
    kept = as_stored(rows)
    assert all((kept[i] == held[i]).all() for i in range(300))
    for i in range(20):
        query = vector_of(f"question {i}", 384)
        scores = exact_scores(query, kept).tolist()
        assert with_segment.search(query, 300) == sorted(enumerate(scores), key=lambda hit: (-hit[1], hit[0]))


def test_a_checksum_tells_ids_and_rows_apart():
    row, other = as_stored(np.stack([vector_of("a"), vector_of("b")]))
    assert len({digest(1, row), digest(2, row), digest(1, other)}) == 3
    assert -(1 << 63) <= digest(1, row) < 1 << 63


@pytest.fixture
def index_from_elsewhere(tmp_path, monkeypatch):
    """An index whose catalog says that its vectors are on a server."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "settings"))
    folder = tmp_path / "i"
    begin(folder)
    change(folder, {"/d/a.txt": ["pear", "apple"]})
    with open_writer(folder) as writer, writer.catalog.transaction():
        writer.catalog.set_value("index", {**SETTINGS.to_record(), "store": "milvus://127.0.0.1:9/c"})
        writer.catalog.set_value("store", StoreState("0" * 32, "c").to_record())
    return folder


def test_an_index_does_not_choose_which_server_is_asked(index_from_elsewhere):
    for mode in ("hybrid", "dense"):
        with (
            pytest.raises(UsageError, match="is not trusted on this machine"),
            open_index(index_from_elsewhere, mode),
        ):
            pass
    with open_index(index_from_elsewhere, "keyword") as index:
        assert [i for i, _ in index.keyword(["pear"], 5)] == [2]


@pytest.mark.parametrize("store", ["milvus://u:p@h/c", "file:///etc/passwd", "x", "milvus://h/c?index=x"])
def test_an_invalid_store_address_in_an_index_is_damage(index_from_elsewhere, store):
    with open_writer(index_from_elsewhere) as writer, writer.catalog.transaction():
        writer.catalog.set_value("index", {**SETTINGS.to_record(), "store": store})
    with pytest.raises(RagcliError, match="saved in this index is invalid"), open_index(index_from_elsewhere):
        pass


def test_an_absent_server_does_not_stop_a_writer(index_from_elsewhere):
    with closing(sqlite3.connect(index_from_elsewhere / "catalog.sqlite3")) as db:
        before = db.execute("SELECT count(*) FROM chunks").fetchone()
    with open_writer(index_from_elsewhere) as writer, writer.catalog.transaction():
        writer.catalog.ledger.set_left_over([("milvus://127.0.0.1:9/c", "c__g1")])
        writer.catalog.ledger.reserve(3)  # as a writer that was killed leaves it
    with open_writer(index_from_elsewhere) as writer:
        assert writer.catalog.ledger.left_over() == [("milvus://127.0.0.1:9/c", "c__g1")]  # for a better day
        assert len(writer.catalog.ledger.pending()) == 1
        assert (writer.catalog.count("chunks"),) == before
