"""What is around a run: closed descriptors, other users, little memory. None of it is a bug or damage."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from ragcli.errors import RagcliError, environment_fault, refuse_environment

PROGRAM = f"{sys.executable} -m ragcli"


@pytest.fixture
def folder(tmp_path, ragcli) -> Path:
    """An index ``i`` of a folder ``docs`` with a file and a subfolder."""
    (tmp_path / "docs" / "sub").mkdir(parents=True)
    (tmp_path / "docs" / "a.txt").write_text("The heron stands in the water.")
    (tmp_path / "docs" / "sub" / "b.txt").write_text("The clock strikes thirteen.")
    assert ragcli("index", "docs", "-i", "./i", cwd=tmp_path).returncode == 0
    return tmp_path


def shell(folder: Path, command: str, *before: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*before, "sh", "-c", command], cwd=folder, capture_output=True, text=True, check=False,
        env=os.environ | {"RAGCLI_HOME": str(folder / "home")},
    )  # fmt: skip


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_a_closed_descriptor_is_like_dev_null(folder, closed):
    assert shell(folder, f"{PROGRAM} index docs -i ./other {closed}").returncode == 0
    assert "sound: 2 documents" in shell(folder, f"{PROGRAM} verify -i ./other").stderr
    for arguments, code in (
        ("query heron --mode keyword", 0),
        ("list", 0),
        ("verify", 0),
        ("query - --mode keyword", 1),
    ):
        done = shell(folder, f"{PROGRAM} {arguments} -i ./other {closed} {'' if '<' in closed else '< /dev/null'}")
        assert (done.returncode, "bug" in done.stderr) == (code, False), (arguments, done.stderr)


def test_what_cannot_be_said_ends_no_run(folder):
    (folder / "docs" / "c.txt").write_text("A comet grows a tail.")
    assert shell(folder, f"{PROGRAM} index docs -i ./i 2>/dev/full").returncode == 0
    assert shell(folder, f"{PROGRAM} verify -i ./i 2>/dev/full").returncode == 0
    assert shell(folder, f"{PROGRAM} verify -i ./nosuch 2>/dev/full").returncode == 2
    done = shell(folder, f"({PROGRAM} verify -i ./i; echo $? >code) 2>&1 >/dev/null | true; cat code")
    assert done.stdout == "0\n"


@pytest.mark.parametrize("mask", ["022", "027", "077"])
def test_every_file_of_an_index_has_the_rights_that_the_umask_gives(folder, mask):
    assert shell(folder, f"umask {mask}; {PROGRAM} index docs -i ./shared").returncode == 0
    (folder / "docs" / "c.txt").write_text("A comet grows a tail.")
    assert shell(folder, f"umask {mask}; {PROGRAM} index docs -i ./shared").returncode == 0
    wanted = 0o666 & ~int(mask, 8)
    for path in (folder / "shared").rglob("*"):
        if path.is_file():
            assert path.stat().st_mode & 0o777 in (wanted, wanted & 0o644), path


needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
OTHER_USER = ("setpriv", "--bounding-set=-dac_override,-dac_read_search,-fowner", "--inh-caps=-all")


@needs_root
def test_another_user_reads_an_index_and_a_refusal_is_called_one(folder):
    for path in ((folder / "i"), *(folder / "i").rglob("*")):
        os.chown(path, 12345, 12345)
    query = f"{PROGRAM} query heron --no-rerank -l -i ./i"
    assert shell(folder, query, *OTHER_USER).stdout.splitlines()[0] == "docs/a.txt"
    assert shell(folder, f"{PROGRAM} verify -i ./i", *OTHER_USER).returncode == 0
    for name in ("vectors", "keywords"):
        (folder / "i" / name).chmod(0o700)
        for command in ("query heron --no-rerank", "verify"):
            done = shell(folder, f"{PROGRAM} {command} -i ./i", *OTHER_USER)
            assert done.returncode == 2
            assert "ermission denied" in done.stderr, done.stderr
            assert not any(word in done.stderr for word in ("damaged", "repair", "bug", "fault")), done.stderr
        (folder / "i" / name).chmod(0o755)


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (OSError(13, "Permission denied"), "permission denied"),
        (OSError(12, "Cannot allocate memory"), "not enough memory"),
        (MemoryError(), "not enough memory"),
        (RuntimeError("std::bad_alloc"), "not enough memory"),
        (ValueError('Os { code: 24, kind: Uncategorized, message: "Too many open files" }'), "too many open files"),
        (OSError(2, "No such file or directory"), None),
        (ValueError("the content is not what was written"), None),
    ],
)
def test_what_the_machine_refuses_is_told_from_damage(error, said):
    fault = environment_fault(error)
    assert (fault and fault[0]) == said
    if said is None:
        refuse_environment("x", error)
    else:
        with pytest.raises(RagcliError, match=said):
            refuse_environment("x", error)


@pytest.mark.parametrize("options", [["--force"], ["--chunk-size", "100"], ["--chunk-size", "100", "--force"]])
@pytest.mark.parametrize("part", ["a.txt", "sub", "."])
def test_a_part_of_a_known_folder_rebuilds_the_whole_and_leaves_nothing_behind(folder, ragcli, part, options):
    done = ragcli("index", part, "-i", "../i", *options, cwd=folder / "docs")
    assert done.returncode == 0, done.stderr
    assert "2 added" in done.stderr
    assert not (folder / "i" / "rebuild").exists()
    assert "sound: 2 documents" in ragcli("verify", "-i", "./i", cwd=folder).stderr


def test_a_rebuild_that_was_stopped_does_not_bar_one_with_other_settings(folder, ragcli):
    script = f"""
import ragcli.ingest.sync as line
from ragcli.ingest.options import ChunkOptions
def stop(progress):
    raise KeyboardInterrupt
line.sync({str(folder / "i")!r}, [], line.SyncOptions(workers=1, offline=True, chunks=ChunkOptions(50, 10)), stop)
"""
    for options in (["--chunk-size", "60"], ["--force"]):
        subprocess.run([sys.executable, "-c", script], capture_output=True, check=False)
        assert (folder / "i" / "rebuild").exists()
        assert ragcli("index", "-i", "./i", *options, "--dry-run", cwd=folder).stdout.count("add\t") == 2
        done = ragcli("index", "-i", "./i", *options, cwd=folder)
        assert (done.returncode, "2 added" in done.stderr) == (0, True), done.stderr
        assert not (folder / "i" / "rebuild").exists()


@pytest.mark.parametrize("value", ["inf", "nan", "-inf", "1e300"])
def test_a_timeout_is_a_number_of_seconds(folder, ragcli, value):
    for command in (["index", "docs"], ["ask", "heron"]):
        done = ragcli(*command, "-i", "./i", f"--timeout={value}", cwd=folder)
        assert done.returncode == 2
        assert done.stderr.count("\n") == 1
        assert "bug" not in done.stderr


def test_one_of_a_thing_is_not_several(folder, ragcli):
    (folder / "docs" / "sub" / "b.txt").unlink()
    said = [ragcli("index", "-i", "./i", cwd=folder).stderr]
    said += [ragcli(command, "-i", "./i", cwd=folder).stderr for command in ("verify", "status")]
    said += [ragcli("export", "x.ragcli", "-i", "./i", cwd=folder).stderr]
    said += [ragcli("remove", "docs", "-i", "./i", cwd=folder).stderr]
    assert "1 document" in "".join(said)
    for noun in ("documents", "chunks", "segments", "files", "folders", "faults"):
        assert f" 1 {noun}" not in " " + " ".join(said)


def test_an_unreadable_folder_is_a_failure_and_no_negative_number(folder, ragcli):
    (folder / "docs" / "sub").chmod(0)
    command = f"{PROGRAM} index docs -i ./i"
    done = shell(folder, command, *(OTHER_USER if os.geteuid() == 0 else ()))
    assert done.returncode == 3
    assert "2 failed" not in done.stderr
    assert "1 failed" in done.stderr
    assert "-1" not in done.stderr
    deep = shell(folder, f"{PROGRAM} verify --deep -i ./i", *(OTHER_USER if os.geteuid() == 0 else ()))
    assert (deep.returncode, deep.stdout.count("b.txt: it cannot be read again")) == (3, 1)
    assert ragcli("remove", "docs/sub/b.txt", "-i", "./i", cwd=folder).returncode == 0


def test_an_interrupted_first_run_says_so_everywhere(folder, ragcli):
    for i in range(6):
        (folder / "docs" / f"{i}.txt").write_text(f"Heron number {i} stands in the water.")
    script = f"""
import ragcli.ingest.sync as line
line._COMMIT_CHUNKS = 1
def stop(progress):
    if progress.files_done == 3:
        raise KeyboardInterrupt
line.sync({str(folder / "new")!r}, {str(folder / "docs")!r}, line.SyncOptions(workers=1, offline=True), stop)
"""
    subprocess.run([sys.executable, "-c", script], capture_output=True, check=False)
    status = ragcli("status", "-i", "./new", cwd=folder)
    assert "go on with: ragcli index -i ./new" in status.stdout
    assert " of 8 files" in status.stdout
    assert '"running": false' in ragcli("status", "-i", "./new", "--json", cwd=folder).stdout
    query = ragcli("query", "heron", "--mode", "keyword", "-i", "./new", "--json", cwd=folder)
    assert "note: the last run was interrupted" in query.stderr
    assert "note: the last run was interrupted" in ragcli("list", "-i", "./new", cwd=folder).stderr
    requests = [
        {"id": 1, "method": "initialize", "params": {"protocolVersion": "2025-06-18"}},
        {"id": 2, "method": "tools/call", "params": {"name": "status", "arguments": {}}},
    ]
    lines = "".join(json.dumps({"jsonrpc": "2.0", **request}) + "\n" for request in requests)
    told = ragcli("mcp", "-i", "./new", stdin=lines, cwd=folder).stdout.splitlines()
    assert len(told) == 2
    assert all("the last run was interrupted" in line for line in told)
    assert "the last run was interrupted" in query.stdout
    assert ragcli("index", "-i", "./new", cwd=folder).returncode == 0
    assert "interrupted" not in ragcli("query", "heron", "--mode", "keyword", "-i", "./new", cwd=folder).stderr
    assert "incomplete" not in ragcli("status", "-i", "./new", cwd=folder).stdout


def test_a_current_folder_that_is_gone_is_named(folder):
    for command in ("query heron -i ../i", "index", "status"):
        done = shell(folder, f"mkdir -p gone; cd gone; rmdir ../gone; {PROGRAM} {command}")
        assert (done.returncode, done.stderr.count("\n")) == (2, 1), done.stderr
        assert "the current folder no longer exists" in done.stderr
