import json
from dataclasses import replace

import numpy as np
import pytest

from ragcli.formats.blocks import LoadOptions
from ragcli.index.catalog.rows import Settings, chunk_key
from ragcli.ingest.cluster.shards import group_of, pack_group, read_shard
from ragcli.ingest.cluster.work import MARK, EmbedStage, Job, ReadAndEmbedStage, ReadStage, fault_here, write_known
from ragcli.ingest.sandbox.frames import pack_frame
from ragcli.ingest.sandbox.limits import Limits
from ragcli.ingest.sandbox.process import Request
from ragcli.models.open import open_query_encoder
from ragcli.models.resolve import DEFAULT_MODEL, resolve
from ragcli.types import Document, Reason, Skipped


@pytest.fixture
def job(tmp_path):
    """A run over three files: two notes, one of them twice the same, and a broken PDF."""
    files = resolve(DEFAULT_MODEL)
    encoder = open_query_encoder(files)
    staging, docs = tmp_path / "index" / "staging-0123456789abcdef", tmp_path / "docs"
    staging.mkdir(parents=True)
    docs.mkdir()
    (docs / "a.txt").write_text("The boats in the harbour are painted in spring.")
    (docs / "b.md").write_text("# Bread\n\nBread rises near a warm oven.\n\n# Comets\n\nA comet grows a tail of dust.")
    (docs / "c.pdf").write_bytes(b"%PDF-1.7 and nothing else")
    (staging / MARK).write_text("mark")
    settings = Settings(files.name, files.revision, files.sha256, encoder.dimension, encoder.window, 200, 30)
    return Job(staging, settings, LoadOptions(), Limits(), (docs, docs / "a.txt"), "mark")


def packed_group(job, *names):
    return pack_frame(pack_group(group_of([Request(job.places[0] / name, None) for name in names])))


def shard_of(job, *names):
    answer = ReadAndEmbedStage(job.to_record())({"group": [packed_group(job, *names)]})
    assert answer["error"] == [""]
    return read_shard(job.staging, answer["shard"][0])


def test_a_job_survives_json(job):
    assert Job.from_record(json.loads(json.dumps(job.to_record()))) == job


def test_files_come_back_with_their_passages_and_the_vectors_that_the_model_gives(job):
    found = {loaded.path.name: (loaded, cut) for loaded, cut in shard_of(job, "a.txt", "b.md", "c.pdf")}
    assert found["c.pdf"][0].outcome.reason is Reason.DAMAGED
    assert found["c.pdf"][1] is None
    encoder = open_query_encoder(resolve(DEFAULT_MODEL))
    for name, count in (("a.txt", 1), ("b.md", 2)):
        loaded, cut = found[name]
        assert isinstance(loaded.outcome, Document)
        assert len(cut.chunks) == count
        for passage in cut.chunks:
            assert loaded.outcome.text[passage.start : passage.end] == passage.text
            np.testing.assert_allclose(
                cut.vectors[chunk_key(passage)], encoder.encode([passage.embedded])[0], atol=1e-5
            )


def test_a_passage_that_the_index_has_comes_without_a_vector(job):
    [(_, cut)] = shard_of(job, "b.md")
    bread, comets = (chunk_key(passage) for passage in cut.chunks)
    others = [bytes([n]) * 16 for n in range(0, 256, 5)]
    write_known(job.staging, sorted([*others, bread]))
    [(_, cut)] = shard_of(job, "b.md")
    assert list(cut.vectors) == [comets]


def test_the_halves_apart_do_what_both_do_together(job):
    together = shard_of(job, "a.txt", "c.pdf")
    read = ReadStage(job.to_record())({"group": [packed_group(job, "a.txt", "c.pdf")]})
    answer = EmbedStage(job.to_record(), 0)(read)
    apart = read_shard(job.staging, answer["shard"][0])
    assert [loaded for loaded, _ in apart] == [loaded for loaded, _ in together]
    assert apart[0][1].chunks == together[0][1].chunks


def test_files_that_kill_one_worker_after_the_other_are_named(job):
    group = packed_group(job, "a.txt", "b.md")
    work = ReadAndEmbedStage(job.to_record())
    answers = [work({"group": [group]}) for _ in range(7)]  # as if six had been killed after they began
    assert [answer["error"] for answer in answers[:6]] == [[""]] * 6
    message, hint = json.loads(answers[6]["error"][0])
    assert str(job.places[0] / "a.txt") in message
    assert "and 1 more" in message
    assert "--exclude" in hint


def test_a_staging_folder_that_is_gone_is_told_of(job):
    for path in job.staging.iterdir():
        path.unlink()
    job.staging.rmdir()
    answer = ReadAndEmbedStage(job.to_record())({"group": [packed_group(job, "a.txt")]})
    assert "No such file" in json.loads(answer["error"][0])[0]


def test_a_machine_that_has_everything_has_no_fault(job):
    assert fault_here(job) is None
    assert [path.name for path in job.staging.iterdir()] == [MARK]


@pytest.mark.parametrize(
    ("change", "fact"),
    [
        (lambda job: replace(job, mark="other"), "sees another folder"),
        (lambda job: replace(job, staging=job.staging / "no"), "cannot work in the index folder"),
        (lambda job: replace(job, places=(job.places[0] / "no",)), "cannot read"),
        (lambda job: replace(job, settings=job.settings._replace(sha256="0" * 64)), "other weights"),
        (lambda job: replace(job, settings=job.settings._replace(model="/no/model")), "no model folder /no/model"),
    ],
)
def test_a_machine_that_lacks_something_says_what(job, change, fact):
    assert fact in fault_here(change(job))[0]


def test_a_file_that_cannot_be_read_has_the_reason_that_it_has_here(job):
    [(loaded, cut)] = shard_of(job, "gone.txt")
    assert loaded.outcome == Skipped(job.places[0] / "gone.txt", Reason.ABSENT, "vanished while it was read")
    assert cut is None
