"""A file costs at most itself: whatever it holds, it has an outcome, and the others have theirs."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Mapping
from pathlib import Path

import hostile_files
import pytest

from ragcli.formats.blocks import LoadOptions
from ragcli.ingest.chunk import ChunkOptions, chunk
from ragcli.ingest.sandbox.limits import Limits
from ragcli.ingest.sandbox.pool import Request, Sandbox
from ragcli.models.resolve import DEFAULT_MODEL, resolve
from ragcli.models.tokenizer import open_tokenizer
from ragcli.types import Document, Reason, Skipped

GOOD = "The honest file speaks of lighthouses."
LIMITS = Limits(seconds=120, memory_mib=1024)
REFUSED = {Reason.DAMAGED, Reason.EMPTY, Reason.NO_TEXT, Reason.UNSUPPORTED, Reason.ENCRYPTED}


def outcomes(folder: Path, files: Mapping[str, bytes]) -> dict[str, Document | Skipped]:
    """What becomes of each file in a worker; and of an honest file after each, which must be indexed."""
    requests = []
    for number, (name, data) in enumerate(files.items()):
        (folder / name).write_bytes(data)
        (folder / f"honest{number}.txt").write_text(GOOD)
        requests += [Request(folder / name, None), Request(folder / f"honest{number}.txt", None)]
    with Sandbox(1, LIMITS, LoadOptions()) as sandbox:
        found = {loaded.path.name: loaded.outcome for loaded in sandbox.load(requests)}
    for number in range(len(files)):
        assert found.pop(f"honest{number}.txt").text == GOOD
    assert found.keys() == files.keys()
    return found


def test_bombs_are_refused_before_they_unfold(tmp_path):
    found = outcomes(tmp_path, hostile_files.bombs())
    assert len(found.pop("wide.xlsx").blocks) == 301  # rows of 16,384 columns, one of them with a value
    assert found.pop("lying.docx").reason is Reason.DAMAGED
    assert {name: (o.reason, o.detail.split(":")[0]) for name, o in found.items()} == dict.fromkeys(
        found, (Reason.DAMAGED, "zip bomb")
    )


def test_what_is_nested_without_end_is_text_or_damage(tmp_path):
    found = outcomes(tmp_path, hostile_files.nested())
    texts = {name: outcome.text for name, outcome in found.items() if isinstance(outcome, Document)}
    assert texts.keys() >= {"deep.html", "open.html", "deep.json", "deep.xml", "deep.md", "brackets.md"}
    assert all("honest" in texts[name] for name in ("deep.html", "open.html", "deep.json", "deep.xml", "deep.md"))
    assert {found[name].reason for name in found.keys() - texts.keys()} <= REFUSED


def test_pdfs_that_lead_in_circles_end(tmp_path):
    files = hostile_files.looping_pdfs()
    data = hostile_files.good_pdf()
    files["no-xref.pdf"] = data[: data.rindex(b"xref\n")]
    files["cut-xref.pdf"] = data[: data.rindex(b"startxref")]
    found = outcomes(tmp_path, files)
    # the table can be built anew from the objects: the text is still there
    assert {name: found.pop(name).text for name in ("no-xref.pdf", "cut-xref.pdf")} == {
        "no-xref.pdf": "An honest page.",
        "cut-xref.pdf": "An honest page.",
    }
    assert {outcome.reason for outcome in found.values()} <= REFUSED


def test_entities_unfold_to_nothing_and_fetch_nothing(tmp_path):
    secret = tmp_path / "secret"
    secret.write_text(hostile_files.SECRET)
    with socket.create_server(("127.0.0.1", 0)) as server:
        url = f"http://127.0.0.1:{server.getsockname()[1]}/x"
        found = outcomes(tmp_path, hostile_files.entity_files(secret, url))
        server.settimeout(0.2)
        with pytest.raises(TimeoutError):
            server.accept()
    for name, outcome in found.items():
        if isinstance(outcome, Document):
            assert hostile_files.SECRET not in outcome.text, name
            assert len(outcome.text) < 1000, name
        else:
            assert outcome.reason is Reason.DAMAGED, name
    assert {name for name, outcome in found.items() if isinstance(outcome, Document)} >= {"asks.docx", "asks.xhtml"}


def test_a_suffix_is_believed_only_when_the_content_agrees(tmp_path):
    found = outcomes(tmp_path, hostile_files.disguised())
    assert found.pop("pdf.txt").text == "An honest page."
    unsupported = {name for name, outcome in found.items() if outcome.reason is Reason.UNSUPPORTED}
    assert unsupported == {"png.txt", "png.md", "png.html", "png.eml", "zip.csv"}
    assert {found[name].reason for name in found.keys() - unsupported} == {Reason.DAMAGED}


def test_lines_of_ten_megabytes_are_read_and_cut(tmp_path):
    files = hostile_files.long_lines(10 << 20)
    found = outcomes(tmp_path, {name: files[name] for name in ("words.txt", "word.html", "words.csv", "cell.ipynb")})
    assert {name: len(outcome.text) // 1_000_000 for name, outcome in found.items()} == dict.fromkeys(found, 10)


def test_lines_without_end_become_passages_that_cover_them(tmp_path):
    found = outcomes(tmp_path, hostile_files.long_lines(200_000))
    tokenizer = open_tokenizer(resolve(DEFAULT_MODEL))
    for name, outcome in found.items():
        if name.endswith(".eml"):
            assert outcome == Skipped(tmp_path / name, Reason.DAMAGED, "not a mail: it has no mail header")
            continue
        if name == "quotes.csv":  # there is no word in it
            continue
        passages = chunk(outcome, tokenizer, 256, ChunkOptions())
        assert max(tokenizer.count([passage.text for passage in passages])) <= 256, name
        covered = 0
        for passage in passages:
            assert not outcome.text[covered : passage.start].strip(), name
            covered = max(covered, passage.end)
        assert not outcome.text[covered:].strip(), name


@pytest.fixture
def folder(tmp_path):
    docs = tmp_path / "docs"
    docs.mkdir()
    (docs / "honest.txt").write_text(GOOD)
    return docs


def listing(ragcli, *arguments: str) -> dict[str, str]:
    """The reason of every file that is not indexed, by name."""
    found = json.loads(ragcli("list", "--not-indexed", "--json", *arguments).stdout)
    return {Path(entry["path"]).name: entry["reason"] for entry in found["not_indexed"]}


def test_a_folder_of_hostile_files_costs_those_files(ragcli, folder):
    files = hostile_files.disguised() | hostile_files.looping_pdfs()
    bombs = hostile_files.bombs()
    files |= {name: bombs[name] for name in ("bomb.docx", "bomb.xlsx", "bomb.epub")}
    files["locked.pdf"] = hostile_files.encrypted_pdf()
    for name, data in files.items():
        (folder / name).write_bytes(data)
    done = ragcli("index", str(folder), "--json")
    assert done.returncode == 3, done.stderr
    assert json.loads(done.stdout)["added"] == 2  # honest.txt and pdf.txt
    reasons = listing(ragcli)
    assert reasons.keys() == files.keys() - {"pdf.txt"}
    assert (reasons["locked.pdf"], reasons["bomb.docx"], reasons["png.txt"]) == ("encrypted", "damaged", "unsupported")
    assert json.loads(ragcli("verify", "--json").stdout)["sound"]
    assert GOOD in ragcli("query", "lighthouses", "-k", "1", "--mode", "keyword").stdout
    again = json.loads(ragcli("index", "--json").stdout)
    assert (again["added"], again["changed"], len(again["failures"])) == (0, 0, len(done_failures(done)))


def done_failures(done: subprocess.CompletedProcess[str]) -> list[dict]:
    return json.loads(done.stdout)["failures"]


def test_a_password_opens_what_was_encrypted(ragcli, folder):
    (folder / "locked.pdf").write_bytes(hostile_files.encrypted_pdf())
    assert ragcli("index", str(folder)).returncode == 3
    assert listing(ragcli) == {"locked.pdf": "encrypted"}
    assert ragcli("index", "--password", "a wrong one").returncode == 3
    assert ragcli("index", "--password", hostile_files.PASSWORD).returncode == 0
    assert "behind a password" in ragcli("query", "password", "--mode", "keyword", "--format", "plain").stdout


def test_what_is_no_regular_file_is_named_and_never_opened(ragcli, folder):
    os.mkfifo(folder / "fifo.txt")
    (folder / "endless.txt").symlink_to("/dev/zero")
    (folder / "self.txt").symlink_to("self.txt")
    expected = {"fifo.txt": "not a regular file", "socket.txt": "not a regular file", "endless.txt": "symlink"}
    if os.geteuid() == 0:
        try:
            os.mknod(folder / "zero.txt", 0o666 | 0o020000, os.makedev(1, 5))
        except PermissionError:  # root in a container need not be able to
            pass
        else:
            expected["zero.txt"] = "not a regular file"
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(folder / "socket.txt"))
        done = ragcli("index", str(folder))
    assert done.returncode == 0, done.stderr
    assert listing(ragcli) == expected | {"self.txt": "symlink"}


CHURN = """
import os, random, sys
from pathlib import Path
rng, folder = random.Random(1), Path(sys.argv[1])
print("ready", flush=True)
while True:
    path = folder / f"{rng.randrange(30)}.md"
    what = rng.randrange(6)
    try:
        if what == 0:
            path.unlink(missing_ok=True)
        elif what == 1:
            os.truncate(path, rng.randrange(40))
        elif what == 2:
            path.rename(folder / f"{rng.randrange(30)}.md")
        elif what == 3 and not path.exists():
            os.mkfifo(path)
        elif path.is_fifo():
            path.unlink()
        else:
            path.write_text(f"Line {rng.random()} that changes.\\n" * rng.randrange(1, 40))
    except OSError:  # it is a pipe, or gone
        pass
"""


def test_files_that_shrink_grow_and_vanish_while_they_are_read(ragcli, folder):
    churn = subprocess.Popen([sys.executable, "-c", CHURN, str(folder)], stdout=subprocess.PIPE, text=True)
    try:
        churn.stdout.readline()
        codes = {ragcli("index", str(folder)).returncode for _ in range(3)}
    finally:
        churn.kill()
        churn.communicate()
    assert codes <= {0, 3}
    done = ragcli("index", "--json")
    assert done.returncode in {0, 3}, done.stderr
    assert json.loads(ragcli("verify", "--json").stdout)["sound"]
    indexed = {Path(document["path"]).name for document in json.loads(ragcli("list", "--json").stdout)["documents"]}
    regular = {path.name for path in folder.iterdir() if path.is_file() and path.stat().st_size}
    assert indexed == regular - listing(ragcli).keys()
    assert "honest.txt" in indexed
    # what a run found while everything moved is what a fresh run finds now that nothing does
    assert ragcli("index", str(folder), "--index", "fresh").returncode in {0, 3}
    assert chunks(ragcli, "default") == chunks(ragcli, "fresh")


def chunks(ragcli, index: str) -> dict[str, object]:
    found = json.loads(ragcli("list", "--json", "--index", index).stdout)["documents"]
    return {document["path"]: (document["sha256"], document["chunks"]) for document in found}


NAMES = [
    b"two\nlines.txt", b"bell\x07.txt", b"red\x1b[31m.txt", b"title\x1b]0;pwned\x07.txt",
    b"link\x1b]8;;http:evil.example\x1b\\x.txt", "gpj.\u202etxt.txt".encode(), "zero\u200bwidth.txt".encode(),
    b"latin\xe9.txt", b"\xff\xfe\x9b31m.txt", b"-rf.txt", b"--json.txt", b" .txt", b"'\"$(touch pwned)`.txt",
    b"[bold]x[bold].txt", b"a" * 251 + b".txt", b"=cmd.txt", b"\r.txt", b"tab\t.txt", "\u2028.txt".encode(),
]  # fmt: skip


def test_every_name_that_a_file_can_have(ragcli, folder):
    for number, name in enumerate(NAMES):
        Path(os.fsdecode(os.fsencode(folder) + b"/" + name)).write_text(f"File number {number} about lighthouses.")
    done = ragcli("index", str(folder), "--json")
    assert done.returncode == 0, done.stderr
    listed = {document["path"] for document in json.loads(ragcli("list", "--json").stdout)["documents"]}
    assert {os.fsencode(path).rpartition(b"/")[2] for path in listed} == {*NAMES, b"honest.txt"}
    found = ragcli("query", "lighthouses", "-k", "50", "--mode", "keyword", "--paths", "-0").stdout
    names = {name.replace(b"\r", b"\n") for name in (*NAMES, b"honest.txt")}  # as text is read from a pipe here
    assert {os.fsencode(path).rpartition(b"/")[2] for path in found.split("\0")[:-1]} == names
    for document in json.loads(ragcli("list", "--json").stdout)["documents"]:
        assert Path(document["path"]).exists()
    assert ragcli("remove", str(folder / "-rf.txt")).returncode == 0


def test_a_file_that_grows_without_end_is_bounded_by_memory(tmp_path):
    path = tmp_path / "log.txt"
    path.write_text(GOOD)
    stop = threading.Event()

    def grow() -> None:
        with path.open("ab") as file:
            while not stop.is_set() and file.tell() < 2 << 30:
                file.truncate(file.tell() + (64 << 20))  # sparse: no block of it is on disk
                file.seek(0, os.SEEK_END)

    thread = threading.Thread(target=grow)
    thread.start()
    try:
        with Sandbox(1, Limits(seconds=60, memory_mib=512), LoadOptions()) as sandbox:
            outcome = next(iter(sandbox.load([Request(path, None)]))).outcome
    finally:
        stop.set()
        thread.join()
    assert isinstance(outcome, Document) or outcome.reason in {Reason.OUT_OF_MEMORY, Reason.UNSUPPORTED}
