"""An index whose vectors are in Milvus answers, changes and heals as one whose vectors are in files."""

import json
import random
from pathlib import Path

import pytest

pytest.importorskip("pymilvus", reason="needs pymilvus: make test-cluster installs it")

from small_index import DIMENSION, SETTINGS, assert_sound, batch_of, commit, new_file, vector_of

from ragcli.errors import IndexBusy, IndexDamaged
from ragcli.index.reader import open_index
from ragcli.index.verify import verify
from ragcli.index.writer import Batch, open_writer
from ragcli.ingest.repair import repair

PROJECT = Path(__file__).resolve().parents[3]


@pytest.fixture
def twins(tmp_path, server, trusted):
    """The same index twice: vectors in files, and in a collection of its own."""
    uri = server.uri()
    trusted(uri)
    folders = tmp_path / "files", tmp_path / "milvus"
    for folder, store in zip(folders, ("", uri), strict=True):
        with open_writer(folder) as writer:
            writer.start(SETTINGS._replace(store=store))
    return folders


def change_both(folders, added=None, removed=()):
    for folder in folders:
        with open_writer(folder) as writer:
            commit(writer, added, removed)
            writer.tidy()


def same_answers(folders, queries, ks=(1, 10, 200), documents=None):
    with open_index(folders[0]) as files, open_index(folders[1]) as milvus:
        for query in queries:
            for k in ks:
                wanted = files.dense(query, k, documents)
                assert milvus.dense(query, k, documents) == wanted  # ids, order, and scores to the bit
    return wanted


def questions(count, dimension=DIMENSION):
    return [vector_of(f"question {i}", dimension) for i in range(count)]


def texts(name, count):
    return [f"{name} passage {i}" for i in range(count)]


def collection(folder):
    with open_index(folder, None) as index:
        return index.catalog.ledger.store_state().collection


def held(server, folder):
    client = server.client()
    found = client.query(collection(folder), filter="id >= 0", output_fields=["id"], consistency_level="Strong")
    client.close()
    return sorted(row["id"] for row in found)


def test_real_embeddings_give_the_same_ids_in_the_same_order(tmp_path, server, trusted):
    from ragcli.models.open import open_index_encoder
    from ragcli.models.resolve import DEFAULT_MODEL, resolve

    words = [path.read_text("utf-8") for path in sorted((PROJECT / "sample_docs").glob("*.md"))]
    words += [path.read_text("utf-8") for path in sorted((PROJECT / "sample_docs").glob("*.txt"))]
    sentences = list(
        dict.fromkeys(s.strip() for text in words for s in text.replace("\n", " ").split(". ") if len(s) > 30)
    )
    assert len(sentences) > 240
    encoder = open_index_encoder(resolve(DEFAULT_MODEL), len(sentences))
    rows = dict(zip(sentences, encoder.encode(sentences), strict=True))
    asked, stored = sentences[:200], sentences[40:]
    settings = SETTINGS._replace(dimension=len(rows[sentences[0]]))
    uri = server.uri()
    trusted(uri)
    folders = tmp_path / "files", tmp_path / "milvus"
    for folder, store in zip(folders, ("", uri), strict=True):
        with open_writer(folder) as writer:
            writer.start(settings._replace(store=store))
            for start in range(0, len(stored), 50):
                # every tenth sentence stands in several documents: equal scores, which the lower id wins
                part = stored[start : start + 50] + stored[::10]
                new = new_file(f"/d/{start}.txt", part)
                vectors = {key: rows[chunk.text] for key, chunk in zip(new.keys, new.chunks, strict=True)}
                writer.commit(Batch(added=[new], vectors=vectors))
            writer.tidy()
    queries = [rows[sentence] for sentence in asked]
    same_answers(folders, queries)
    with open_index(folders[0]) as index:
        documents = [row.id for row in index.catalog.documents()][::2]
    same_answers(folders, queries[:50], documents=documents)
    assert verify(folders[1]).faults == ()


def test_more_equal_scores_than_are_asked_for_at_first(twins):
    change_both(twins, {f"/d/{i}.txt": ["the very same words"] * 30 for i in range(10)})
    wanted = same_answers(twins, [vector_of("the very same words"), *questions(3)], ks=(1, 7, 100, 300, 400))
    assert len(wanted) == 300


def test_filters_act_before_the_cut(twins):
    change_both(twins, {f"/d/{i}.txt": texts(f"d{i}", 20) for i in range(12)})
    with open_index(twins[0]) as index:
        documents = [row.id for row in index.catalog.documents()]
    for chosen in (documents[:1], documents[::3], documents, []):
        found = same_answers(twins, questions(20), ks=(1, 5, 1000), documents=chosen)
        assert len(found) == 20 * len(chosen)


def test_changes_go_through_and_what_died_is_removed_by_the_next_writer(server, twins):
    dice = random.Random(1)
    names = [f"/d/{i}.txt" for i in range(15)]
    change_both(twins, {name: texts(name, 10) for name in names})
    for turn in range(6):
        gone = dice.sample(names, 3)
        changed = {name: texts(f"{name} turn {turn}", dice.randint(1, 12)) for name in names if name not in gone}
        with open_index(twins[0]) as index:
            known = {str(row.path) for row in index.catalog.documents()}
        change_both(twins, dict(dice.sample(sorted(changed.items()), 4)), [name for name in gone if name in known])
        same_answers(twins, questions(10))
        assert verify(twins[1]).faults == ()
    change_both(twins, {"/d/last.txt": ["the end"]})
    with open_index(twins[1]) as index:
        assert held(server, twins[1]) == index.catalog.chunk_ids()
        assert index.catalog.ledger.dead("in_vectors") == []
    assert_sound(twins[1])


def test_a_repeated_write_doubles_nothing(server, twins):
    change_both(twins, {"/d/a.txt": texts("a", 5)})
    with open_writer(twins[1]) as writer:
        rows = writer.store().stored([2, 3, 4])
        for _ in range(3):
            writer.store().write([(i, 1, rows[i]) for i in sorted(rows)], [])
    assert held(server, twins[1]) == [2, 3, 4, 5, 6]
    same_answers(twins, questions(5))


def test_a_reader_sees_what_was_committed_before_it_opened(server, twins):
    for turn in range(8):
        change_both(twins, {f"/d/{turn}.txt": texts(f"t{turn}", 3)})
        same_answers(twins, [vector_of(f"t{turn} passage 1")], ks=(1,))  # at once, with no time to settle
    with open_index(twins[1], None) as index:
        timestamp = index.catalog.ledger.store_state().timestamp
    assert (timestamp > 0) == (server.kind == "real")  # milvus-lite has no clock, and needs none


def test_a_reader_answers_from_its_own_state_or_says_that_it_cannot(twins):
    change_both(twins, {"/d/a.txt": texts("a", 5), "/d/b.txt": texts("b", 5)})
    query = vector_of("a passage 2")
    with open_index(twins[0]) as files, open_index(twins[1]) as milvus:
        before = files.dense(query, 20)
        assert milvus.dense(query, 20) == before
        change_both(twins[1:], {"/d/a.txt": texts("new a", 5)})
        assert milvus.dense(query, 20) == before  # the new is not shown, the old is still there
        change_both(twins[1:], {"/d/c.txt": texts("c", 5)})  # a second writer removes what died in the first
        with pytest.raises(IndexBusy, match="changed since it was opened"):
            milvus.dense(query, 20)


def test_what_a_failed_commit_wrote_is_never_shown_and_removed(server, twins):
    change_both(twins, {"/d/a.txt": texts("a", 5)})
    with open_writer(twins[1]) as writer:
        with writer.catalog.transaction():
            first = writer.catalog.ledger.reserve(4)
        # as far as a writer comes that is killed before it has committed
        writer.store().write([(first + i, first, vector_of("needle")) for i in range(1, 4)], [])
    same_answers(twins, [vector_of("needle")])
    assert len(held(server, twins[1])) == 8
    assert verify(twins[1]).faults == ()
    change_both(twins, {"/d/b.txt": texts("b", 2)})
    assert len(held(server, twins[1])) == 7
    assert_sound(twins[1])


def boats(ragcli):
    done = ragcli("query", "-i", "m", "--json", "--no-rerank", "boats of kind nine")
    hits = json.loads(done.stdout)["hits"]
    return [(hit["path"], hit["chunk"]) for hit in hits], [hit["score"] for hit in hits]


def test_verify_finds_and_repair_mends(server, ragcli, tmp_path, trusted):
    folder = tmp_path / "home" / "m"
    documents = tmp_path / "docs"
    documents.mkdir()
    for i in range(6):
        (documents / f"{i}.txt").write_text(f"The number of this harbour is {i}, and boats of kind {i * i} lie in it.")
    uri = server.uri()
    assert ragcli("index", "-i", "m", "--store", uri, str(documents)).returncode == 0
    places, scores = boats(ragcli)
    as_before = places, pytest.approx(scores, abs=1e-3)  # what is embedded among others differs in the last digits
    ids = held(server, folder)
    client = server.client()
    name = collection(folder)
    rows = client.query(name, filter=f"id in {ids}", output_fields=["*"], consistency_level="Strong")
    rows = {row["id"]: row for row in rows}
    client.delete(name, filter=f"id in [{ids[0]}]")
    changed = {**rows[ids[1]], "vector": rows[ids[2]]["vector"]}
    unknown = {**rows[ids[2]], "id": 10**12}
    client.upsert(name, [changed, unknown])
    found = ragcli("verify", "-i", "m")
    assert found.returncode == 2
    assert "1 chunk without a vector" in found.stdout
    assert "1 vectors do not match their checksum" in found.stdout
    assert "vector of 1 unknown chunk" in found.stdout
    repaired = ragcli("repair", "-i", "m")
    assert (repaired.returncode, repaired.stderr) == (
        0, "vectors on the server: 2 chunks embedded, 0 reused, 1 orphan removed\n",
    )  # fmt: skip
    assert ragcli("verify", "-i", "m").returncode == 0
    assert boats(ragcli) == as_before
    assert held(server, folder) == ids
    client.drop_collection(name)
    client.close()
    lost = ragcli("query", "-i", "m", "boats")
    assert (lost.returncode, lost.stdout) == (2, "")
    assert "ragcli repair" in lost.stderr
    assert ragcli("verify", "-i", "m").returncode == 2
    assert "6 chunks embedded" in ragcli("repair", "-i", "m").stderr
    assert boats(ragcli) == as_before


def test_vectors_move_between_files_and_a_server_without_being_made_again(server, ragcli, tmp_path):
    documents = tmp_path / "docs"
    documents.mkdir()
    for i in range(4):
        (documents / f"{i}.txt").write_text(f"Lighthouse {i} burns {i + 3} lamps.")
    uri = server.uri()
    ragcli("index", "-i", "m", str(documents))
    answers = [ragcli("query", "-i", "m", "--jsonl", "--no-rerank", "lamps of a lighthouse").stdout]
    for store in (uri, "files", uri):
        moved = ragcli("index", "-i", "m", "--store", store)
        assert moved.returncode == 0, moved.stderr
        assert "0 chunks embedded" in moved.stderr or "chunks embedded" not in moved.stderr
        assert "4 reused" in moved.stderr or "chunks" not in moved.stderr
        answers.append(ragcli("query", "-i", "m", "--jsonl", "--no-rerank", "lamps of a lighthouse").stdout)
        assert f'"store": "{store}"' in ragcli("status", "-i", "m", "--json").stdout
    scores = [[(hit["path"], hit["score"]) for hit in map(json.loads, answer.splitlines())] for answer in answers]
    assert scores[0] == scores[1] == scores[2] == scores[3]
    ragcli("index", "-i", "m")  # the next writer removes the collection that the way back to files left
    client = server.client()
    name = uri.rsplit("/", 1)[1]
    assert [c for c in client.list_collections() if c.startswith(f"{name}_") or c == name] == [f"{name}__g4"]
    client.close()
    assert ragcli("verify", "-i", "m").returncode == 0


def test_an_index_on_a_server_is_not_exported(server, twins, ragcli, tmp_path):
    change_both(twins, {"/d/a.txt": texts("a", 2)})
    done = ragcli("export", "-i", str(twins[1]), str(tmp_path / "x"))
    assert done.returncode == 2
    assert "--store files" in done.stderr
    assert not (tmp_path / "x").exists()


def test_thousands_of_unknown_vectors_are_damage_not_an_empty_answer(server, tmp_path, trusted):
    uri = server.uri()
    trusted(uri)
    near = vector_of("needle")
    with open_writer(tmp_path / "i") as writer:
        writer.start(SETTINGS._replace(store=uri))
        writer.commit(batch_of([new_file("/d/a.txt", texts("a", 3))]))
        with writer.catalog.transaction():
            writer.catalog.ledger.skip_ids(30_000)  # ids that were given out, and whose entities stayed
        writer.store().write([(i, 1, near) for i in range(100, 16_600)], [])
        writer.commit(batch_of([new_file("/d/b.txt", texts("b", 2))]))
    with open_index(tmp_path / "i") as index, pytest.raises(IndexDamaged, match="ragcli repair"):
        index.dense(near, 3)
    assert verify(tmp_path / "i").faults == ("vector of 16,500 unknown chunks, the first is 100",)
    assert repair(tmp_path / "i").removed == 16_500
    assert verify(tmp_path / "i").faults == ()
    with open_index(tmp_path / "i") as index:
        assert len(index.dense(near, 9)) == 5


def test_what_is_held_is_read_piece_by_piece(server, twins, monkeypatch):
    change_both(twins, {f"/d/{i}.txt": texts(f"d{i}", 7) for i in range(6)})
    monkeypatch.setattr("ragcli.index.milvus.store._IDS", 5)
    monkeypatch.setattr("ragcli.index.milvus.store._NUMBERS", 4 * DIMENSION)
    assert verify(twins[1]).faults == ()
    client, name = server.client(), collection(twins[1])
    ids = held(server, twins[1])
    rows = client.query(name, filter=f"id in {ids}", output_fields=["*"], consistency_level="Strong")
    client.upsert(name, [{**rows[0], "id": i} for i in (-5, 10**6)])
    client.delete(name, filter=f"id in {ids[3:6]}")
    client.close()
    missing, unknown = verify(twins[1]).faults
    assert missing == f"3 chunks without a vector, the first is {ids[3]}"
    assert unknown == "vector of 2 unknown chunks, the first is -5"
