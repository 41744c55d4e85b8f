"""Archives, mailboxes and attachments in an index: what a run does with what is in a file."""

import io
import os
import tarfile
import time
import zipfile
from datetime import UTC, datetime
from email.message import EmailMessage
from pathlib import Path

import pytest

from ragcli.errors import RagcliError, UsageError
from ragcli.formats import registry
from ragcli.formats.blocks import LoadOptions
from ragcli.index.reader import open_index
from ragcli.index.verify import verify
from ragcli.index.writer import Writer
from ragcli.ingest.changes import compare
from ragcli.ingest.discover import Rules
from ragcli.ingest.plan import preview
from ragcli.ingest.repair import recheck
from ragcli.ingest.roots import forget
from ragcli.ingest.sandbox.limits import Limits
from ragcli.ingest.sandbox.pool import Request, Sandbox, extract
from ragcli.ingest.sync import SyncOptions, sync
from ragcli.retrieve.engine import Searcher, SearchOptions
from ragcli.retrieve.filters import Filters, parse_date
from ragcli.types import Document, Reason, Skipped

OPTIONS = SyncOptions(workers=1, offline=True)
SAMPLES = Path(__file__).resolve().parents[2] / "sample_docs"


def pack(path: Path, files: dict[str, str | bytes]) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in files.items():
            archive.writestr(zipfile.ZipInfo(name, (2026, 3, 4, 5, 6, 8)), text)
    os.utime(path, ns=(path.stat().st_mtime_ns + 10**9,) * 2)
    time.sleep(0.15)  # a file that has only just changed is read once more


def texts(index: Path, below: Path) -> dict[str, str]:
    """The text of each document, by its path below a folder."""
    with open_index(index) as opened:
        return {
            str(row.path.relative_to(below)): " ".join(c.text.strip() for c in opened.catalog.document_chunks(row.id))
            for row in opened.catalog.documents()
        }


def listed(index: Path, below: Path) -> dict[str, str]:
    """What is not indexed, and why."""
    with open_index(index, None) as opened:
        return {str(one.path.relative_to(below)): str(one.reason) for one in opened.catalog.skipped()}


@pytest.fixture
def docs(tmp_path) -> Path:
    (tmp_path / "docs").mkdir()
    return tmp_path / "docs"


@pytest.fixture
def index(tmp_path) -> Path:
    return tmp_path / "index"


def message(subject: str, body: str, day: int = 5) -> EmailMessage:
    made = EmailMessage()
    made["From"], made["Subject"] = "ann@example.org", subject
    made["Date"] = f"Thu, {day:02} Feb 2024 10:00:00 +0000"
    made.set_content(body)
    return made


def test_an_archive_of_a_folder_gives_the_passages_of_the_folder(tmp_path, docs, index):
    packed = tmp_path / "packed"
    packed.mkdir()
    with zipfile.ZipFile(packed / "samples.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for path in map(SAMPLES.joinpath, ("sampling.txt", "chunking.md", "reading-room-notebook.pdf")):
            (docs / path.name).write_bytes(path.read_bytes())
            archive.write(path, path.name)
    sync(index, [docs], OPTIONS)
    sync(tmp_path / "other", [packed], OPTIONS)
    for question in ("what is nucleus sampling", "when did test accuracy cross 90 per cent", "how long is a chunk"):
        found = []
        for folder in (index, tmp_path / "other"):
            with open_index(folder) as opened:
                hits = Searcher(opened, SearchOptions(k=5)).search(question).hits
            found.append([(h.chunk.path.name, h.chunk.text, h.chunk.pages, h.chunk.lines) for h in hits])
        assert found[0] == found[1]
        assert len(found[0]) == 5


def test_archives_in_archives_give_the_passages_of_the_folder_to_the_second(tmp_path, docs, index):
    packed = tmp_path / "packed"
    packed.mkdir()
    inner, third = io.BytesIO(), io.BytesIO()
    with tarfile.open(fileobj=third, mode="w:gz") as archive:
        archive.add(SAMPLES / "chunking.md", "deep/chunking.md")
    with tarfile.open(fileobj=inner, mode="w:gz") as archive:
        for path in map(SAMPLES.joinpath, ("sampling.txt", "chunking.md")):
            (docs / path.name).write_bytes(path.read_bytes())
            archive.add(path, f"notes/{path.name}")
        info = tarfile.TarInfo("third.tgz")
        info.size = len(third.getvalue())
        archive.addfile(info, io.BytesIO(third.getvalue()))
    pack(packed / "outer.zip", {"backup/inner.tar.gz": inner.getvalue()})
    sync(index, [docs], OPTIONS)
    sync(tmp_path / "other", [packed], OPTIONS)
    for question in ("what is nucleus sampling", "how long is a chunk"):
        found = []
        for folder in (index, tmp_path / "other"):
            with open_index(folder) as opened:
                hits = Searcher(opened, SearchOptions(k=5)).search(question).hits
            found.append([(h.chunk.path.name, h.chunk.text, h.chunk.lines) for h in hits])
        assert found[0] == found[1]
        assert len(found[0]) == 5
    with open_index(tmp_path / "other", None) as opened:
        (refused,) = opened.catalog.skipped()
    assert str(refused.path.relative_to(packed)) == "outer.zip/backup/inner.tar.gz/third.tgz"
    assert refused.detail == "archives in archives too deep"


def test_an_unchanged_archive_is_not_opened_and_a_changed_one_reads_what_changed(docs, index):
    pack(docs / "a.zip", {"one.txt": "The gate opens.", "two.txt": "The tide turns.", "bad.pdf": "no pdf", ".x/y": "z"})
    summary = sync(index, [docs], OPTIONS)
    assert (summary.added, [failure.path.name for failure in summary.failures]) == (3, ["bad.pdf"])
    assert texts(index, docs) == {"a.zip": "", "a.zip/one.txt": "The gate opens.", "a.zip/two.txt": "The tide turns."}
    assert listed(index, docs) == {"a.zip/bad.pdf": "damaged", "a.zip/.x": "hidden"}
    with open_index(index, None) as opened:
        assert not compare(opened.catalog, {docs: Rules()}, LoadOptions(), []).due

    again = sync(index, [docs], OPTIONS)
    assert (again.unchanged, again.added, again.changed, again.removed) == (3, 0, 0, 0)
    assert [failure.path.name for failure in again.failures] == ["bad.pdf"]

    os.utime(docs / "a.zip", (1, 1))
    touched = sync(index, [docs], OPTIONS)
    assert (touched.unchanged, touched.added, touched.changed, touched.removed) == (3, 0, 0, 0)
    assert [failure.path.name for failure in touched.failures] == ["bad.pdf"]

    pack(docs / "a.zip", {"one.txt": "The gate opens.", "three.txt": "The mill stands."})
    changed = sync(index, [docs], OPTIONS)
    assert (changed.unchanged, changed.added, changed.changed, changed.removed) == (1, 1, 1, 1)
    assert texts(index, docs) == {
        "a.zip": "",
        "a.zip/one.txt": "The gate opens.",
        "a.zip/three.txt": "The mill stands.",
    }
    assert listed(index, docs) == {}

    (docs / "a.zip").unlink()
    assert sync(index, [docs], OPTIONS).removed == 0  # it was the only file: a disk may not be mounted
    assert sync(index, [docs], SyncOptions(workers=1, offline=True, remove_missing=True)).removed == 3
    assert texts(index, docs) == {}
    assert not verify(index).faults


def test_what_is_left_out_or_a_folder_now_takes_its_members_along(docs, index):
    pack(docs / "a.zip", {"one.txt": "The gate opens.", "bad.pdf": "no pdf"})
    sync(index, [docs], OPTIONS)
    without = SyncOptions(workers=1, offline=True, rules=Rules(archives=False))
    assert sync(index, [docs], without).removed == 2
    assert listed(index, docs) == {"a.zip": "excluded"}
    assert sync(index, [docs], OPTIONS).removed == 0  # the rule is kept
    assert sync(index, [docs], SyncOptions(workers=1, offline=True, rules=Rules(hidden=True))).added == 2

    (docs / "a.zip").unlink()
    (docs / "a.zip").mkdir()
    (docs / "a.zip" / "one.txt").write_text("A real file.")
    sync(index, [docs], OPTIONS)
    assert texts(index, docs) == {"a.zip/one.txt": "A real file."}
    assert listed(index, docs) == {}


def test_a_mailbox_takes_up_new_messages_and_is_searched_by_their_dates(docs, index):
    def store(*messages: EmailMessage) -> None:
        data = b"".join(b"From x\n" + one.as_bytes() + b"\n\n" for one in messages)
        (docs / "inbox.mbox").write_bytes(data)
        os.utime(docs / "inbox.mbox", (len(data), len(data)))

    first, second = message("Gate", "The gate opens at six.", 5), message("Mill", "The mill stands still.", 9)
    first.add_attachment("Rent is due monthly.", filename="lease.txt")
    store(first)
    assert sync(index, [docs], OPTIONS).added == 3
    store(first, second)
    summary = sync(index, [docs], OPTIONS)
    assert (summary.added, summary.changed, summary.unchanged, summary.removed) == (1, 1, 2, 0)
    assert list(texts(index, docs)) == [
        "inbox.mbox", "inbox.mbox/1.eml", "inbox.mbox/1.eml/lease.txt", "inbox.mbox/2.eml"
    ]  # fmt: skip
    (docs / "letter.eml").write_bytes(message("Barge", "The barge and the gate.", 7).as_bytes())
    sync(index, [docs], OPTIONS)
    with open_index(index) as opened:
        days = {}
        for day in ("2024-02-06", "2024-02-08", "2024-02-10"):
            options = SearchOptions(k=9, filters=Filters(after=parse_date(day)))
            hits = Searcher(opened, options).search("gate mill barge rent").hits
            days[day] = sorted(str(hit.chunk.path.relative_to(docs)) for hit in hits)
    assert days == {
        "2024-02-06": ["inbox.mbox/2.eml", "letter.eml"],
        "2024-02-08": ["inbox.mbox/2.eml"],
        "2024-02-10": [],
    }
    with open_index(index, None) as opened:
        sent = {row.path.name: row.dated_ns for row in opened.catalog.documents()}
    assert datetime.fromtimestamp(sent["letter.eml"] / 1e9, UTC).isoformat() == "2024-02-07T10:00:00+00:00"


def test_a_run_that_ends_in_an_archive_goes_on_in_it(docs, index, monkeypatch):
    pack(docs / "a.zip", {f"{n}.txt": f"Gate number {n} opens." for n in range(6)})
    commit = Writer.commit
    left = [0, 1]

    def refuse_third(self, batch):
        if batch.added and not left:
            raise RagcliError("no space left")
        if batch.added:
            left.pop()
        commit(self, batch)

    with monkeypatch.context() as patch:
        patch.setattr(Writer, "commit", refuse_third)
        patch.setattr("ragcli.ingest.sync._COMMIT_CHUNKS", 1)
        patch.setattr("ragcli.ingest.embed.SLICE", 1)
        patch.setattr("ragcli.ingest.sync.SLICE", 1, raising=False)
        with pytest.raises(RagcliError, match="no space left"):
            sync(index, [docs], OPTIONS)
    half = texts(index, docs)
    assert 0 < len(half) < 7
    assert "a.zip" not in half  # so that the next run opens it again
    summary = sync(index, [docs], OPTIONS)
    assert (summary.unchanged, summary.added) == (len(half), 7 - len(half))
    assert len(texts(index, docs)) == 7
    assert not verify(index).faults


@pytest.fixture
def misbehaving(monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parent))


@pytest.mark.usefixtures("misbehaving")
def test_a_member_that_kills_its_parser_costs_itself(docs):
    pack(docs / "a.zip", {"a.txt": "before", "crash.x": "x", "hang.x": "x", "b.txt": "behind"})
    limits = Limits(seconds=2.0)
    with Sandbox(1, limits, LoadOptions(), module="misbehaving_members") as sandbox:
        loaded = list(sandbox.load([Request(docs / "a.zip", None)]))
    found = {str(one.path.relative_to(docs)): one.outcome for one in loaded}
    assert list(found) == ["a.zip/a.txt", "a.zip/crash.x", "a.zip/hang.x", "a.zip/b.txt", "a.zip"]
    assert isinstance(found["a.zip"], Document)
    assert [found[f"a.zip/{name}.txt"].text for name in "ab"] == ["before", "behind"]
    assert found["a.zip/crash.x"].reason is Reason.DAMAGED
    assert found["a.zip/hang.x"] == Skipped(docs / "a.zip" / "hang.x", Reason.TIMED_OUT, "2 s")
    assert all(one.container == docs / "a.zip" for one in loaded[:-1])


@pytest.mark.usefixtures("misbehaving")
def test_a_parser_that_was_taken_over_cannot_name_other_files(docs):
    pack(docs / "a.zip", {"a.txt": "x"})
    for name in ("../b.txt", "/etc/passwd", "a//b", "", "a\0b"):
        with Sandbox(1, Limits(), LoadOptions(), module="misbehaving_members") as sandbox:
            (docs / "lie.x").write_text(name)
            (loaded,) = sandbox.load([Request(docs / "lie.x", None)])
        assert loaded.path == docs / "lie.x"
        assert loaded.outcome.detail.startswith("invalid reply of the parser")


def test_a_new_password_or_limit_reads_only_what_failed_for_it(docs, index):
    pack(docs / "a.zip", {"one.txt": "The gate opens.", "long.txt": "word " * 300_000})
    tight = SyncOptions(workers=1, offline=True, limits=Limits(output_mib=1))
    assert [one.path.name for one in sync(index, [docs], tight).failures] == []
    assert listed(index, docs) == {"a.zip/long.txt": "too large"}
    with open_index(index, None) as opened:
        (due,) = compare(opened.catalog, {docs: Rules()}, LoadOptions(), []).due
        assert due.known_sha256 is None
        assert set(due.members.digests()) == {"one.txt"}


def test_the_other_commands_know_members(docs, index):
    inner = io.BytesIO()
    with zipfile.ZipFile(inner, "w") as archive:
        archive.writestr("deep.md", "# Tides\n\nHigh water at nine.\n")
    pack(docs / "a.zip", {"one.txt": "The gate opens.", "in.zip": inner.getvalue()})
    assert [(one.action, one.path.name) for one in preview(index, [docs], OPTIONS)] == [("add", "a.zip")]
    sync(index, [docs], OPTIONS)
    assert preview(index, [docs], OPTIONS) == []
    assert recheck(index).documents == 4
    assert extract(docs / "a.zip", "in.zip/deep.md", LoadOptions(), Limits()).startswith(b"# Tides")
    with pytest.raises(RagcliError, match="not in the file any more"):
        extract(docs / "a.zip", "gone.md", LoadOptions(), Limits())
    with pytest.raises(UsageError, match=r"part of .*a\.zip"):
        forget(index, [docs / "a.zip" / "one.txt"])
    assert forget(index, [docs / "a.zip"]).documents == 4
    assert sync(index, [docs], OPTIONS).added == 0


def test_a_run_says_once_what_it_reads_again_because_a_loader_improved(docs, index, monkeypatch):
    pack(docs / "a.zip", {"one.md": "# Tides\n\nHigh water at nine.", "two.txt": "The gate opens."})
    (docs / "b.md").write_text("# Mill\n\nThe mill stands.")
    (docs / "c.md").write_text("# Barge\n\nThe barge waits.")
    sync(index, [docs], OPTIONS)
    newer = registry._LOADERS["markdown"]._replace(version=registry._LOADERS["markdown"].version + 1)
    monkeypatch.setitem(registry._LOADERS, "markdown", newer)
    (docs / "c.md").write_text("# Barge\n\nThe barge waits no longer.")
    summary = sync(index, [docs], OPTIONS)
    assert summary.improved == {"markdown": 2}
    assert (summary.changed, summary.chunks_embedded) == (4, 1)  # with the archive
    assert sync(index, [docs], OPTIONS).improved == {}


def test_an_archive_moves_with_its_folder(tmp_path, docs, index):
    pack(docs / "a.zip", {"one.txt": "The gate opens.", "bad.pdf": "no pdf"})
    sync(index, [docs], OPTIONS)
    moved = docs.rename(tmp_path / "moved")
    summary = sync(index, [moved], OPTIONS)
    assert [move.documents for move in summary.moved] == [2]
    assert (summary.unchanged, summary.added, summary.removed) == (2, 0, 0)
    assert texts(index, moved) == {"a.zip": "", "a.zip/one.txt": "The gate opens."}
    assert listed(index, moved) == {"a.zip/bad.pdf": "damaged"}


def test_secrets_in_an_archive_stay_out(docs, index):
    pack(docs / "a.zip", {"id_rsa": "key words", "one.txt": "The gate opens."})
    sync(index, [docs], OPTIONS)
    assert listed(index, docs) == {"a.zip/id_rsa": "secret"}
    taken = SyncOptions(workers=1, offline=True, rules=Rules(include_secrets=True))
    assert sync(index, [docs], taken).added == 1
    assert texts(index, docs)["a.zip/id_rsa"] == "key words"
