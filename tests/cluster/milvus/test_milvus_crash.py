"""Killed anywhere, client or server: the index answers as before or after a commit, and the next run ends it."""

import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing, suppress

import pytest

pytest.importorskip("pymilvus", reason="needs pymilvus: make test-cluster installs it")

FILES = 40


@pytest.fixture
def documents(tmp_path):
    folder = tmp_path / "docs"
    folder.mkdir()
    for i in range(FILES):
        rows = [
            f"Pier {i}, berth {row}: a boat of {row * i} tons, painted in colour {(row + i) % 9}." for row in range(30)
        ]
        (folder / f"{i}.txt").write_text("\n\n".join(rows))
    return folder


@pytest.fixture
def started(tmp_path):
    """Start the command as a user does, without waiting for it."""
    settings = {"RAGCLI_HOME": str(tmp_path / "home"), "XDG_CONFIG_HOME": str(tmp_path / "settings")}
    processes = []

    def start(*arguments):
        process = subprocess.Popen(
            [sys.executable, "-m", "ragcli", *arguments], env={**os.environ, **settings},
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        processes.append(process)
        return process

    yield start
    for process in processes:
        process.kill()
        process.communicate()


def wait_for_commit(process, catalog, wanted=1):
    """Until a commit is under way for the ``wanted``th time: ids are reserved, and the server is being written to."""
    seen, inside = 0, False
    while process.poll() is None:
        with suppress(sqlite3.Error), closing(sqlite3.connect(f"file:{catalog}?mode=ro", uri=True)) as db:
            pending = bool(db.execute("SELECT count(*) FROM pending").fetchone()[0])
            seen += pending and not inside
            inside = pending
            if seen == wanted:
                return True
        time.sleep(0.001)
    return False


def paths(ragcli, query="a boat at a pier"):
    done = ragcli("query", "-i", "m", "--no-rerank", "--mode", "dense", "-k", "500", "--json", query)
    return done.returncode, sorted({hit["path"] for hit in json.loads(done.stdout)["hits"]}) if done.stdout else []


@pytest.fixture
def before(server, ragcli, documents):
    """What an index on the server finds that has one document, while the others are still to be added."""
    (documents / "first").mkdir()
    (documents / "first" / "a.txt").write_text("A boat at a pier, before all others.")
    assert ragcli("index", "-i", "m", "--store", server.uri(), str(documents / "first")).returncode == 0
    found = paths(ragcli)
    assert found[0] == 0
    return found


def test_a_run_killed_in_a_commit_is_ended_by_the_next(server, ragcli, started, documents, before, tmp_path):
    catalog = tmp_path / "home" / "m" / "catalog.sqlite3"
    for delay in (0.0, 0.02, 0.1, 0.3):
        run = started("index", "-i", "m", str(documents))
        if wait_for_commit(run, catalog):
            time.sleep(delay)
        os.kill(run.pid, signal.SIGKILL)
        run.wait()
        code, found = paths(ragcli)
        assert code == 0
        assert set(before[1]) <= set(found)  # what was committed is there, the rest as far as a commit reached
        assert ragcli("verify", "-i", "m").returncode == 0, "half a commit is no fault: nobody sees it"
        for path in documents.glob("*.txt"):  # something to do for the next one, too
            path.write_text(path.read_text() + f"\n\nAnd a boat that came after {delay}.")
    done = ragcli("index", "-i", "m")
    assert done.returncode == 0, done.stderr
    assert ragcli("index", "-i", "m").stderr.startswith(f"{FILES + 1} unchanged")
    sound = ragcli("verify", "-i", "m")
    assert sound.returncode == 0, sound.stdout
    client = server.client()
    with closing(sqlite3.connect(catalog)) as db:
        chunks = [row[0] for row in db.execute("SELECT id FROM chunks ORDER BY id")]
        dead = [row[0] for row in db.execute("SELECT chunk FROM dead WHERE in_vectors = 1")]
        name = json.loads(db.execute("SELECT value FROM settings WHERE key = 'store'").fetchone()[0])["collection"]
    rows = client.query(name, filter="id >= 0", output_fields=["id"], consistency_level="Strong")
    client.close()
    assert sorted(row["id"] for row in rows) == sorted({*chunks, *dead})
    # the same documents in files, where ids, which only ties go by, are others
    assert ragcli("index", "-i", "files", str(documents)).returncode == 0
    for query in ("a boat of colour 3", "painted at berth 7", "before all others"):
        answers = [
            [hit["score"] for hit in json.loads(done.stdout)["hits"]]
            for name in ("m", "files")
            for done in [ragcli("query", "-i", name, "--no-rerank", "--mode", "dense", "-k", "9", "--json", query)]
        ]
        assert answers[0] == pytest.approx(answers[1], abs=1e-3)  # a batch of others gives the last digits others


def test_a_server_killed_in_a_run_serves_the_old_index_when_it_is_back(
    server, ragcli, started, documents, before, tmp_path
):
    catalog = tmp_path / "home" / "m" / "catalog.sqlite3"
    run = started("index", "-i", "m", str(documents))
    assert wait_for_commit(run, catalog)
    server.kill()
    begun = time.monotonic()
    out, err = run.communicate(timeout=400)
    assert (run.returncode, out, err.count("\n")) == (2, "", 1), err
    assert "does not answer" in err
    assert time.monotonic() - begun < 300
    away = ragcli("query", "-i", "m", "boats")
    assert (away.returncode, away.stdout) == (2, "")
    assert ragcli("query", "-i", "m", "--mode", "keyword", "boat").returncode == 0  # words are here
    server.start()
    assert paths(ragcli) == before
    assert ragcli("index", "-i", "m").returncode == 0
    assert len(paths(ragcli)[1]) == FILES + 1
    sound = ragcli("verify", "-i", "m")
    assert sound.returncode == 0, sound.stdout


def test_a_move_to_a_server_that_is_killed_is_taken_up_again(lite, ragcli, started, documents, tmp_path):
    uri = lite.uri()
    assert ragcli("index", "-i", "m", str(documents)).returncode == 0
    before = paths(ragcli)
    for _ in range(2):
        run = started("index", "-i", "m", "--store", uri)
        wait_for_commit(run, tmp_path / "home" / "m" / "rebuild" / "catalog.sqlite3")
        os.kill(run.pid, signal.SIGKILL)
        run.wait()
        assert paths(ragcli) == before  # files answer until all is there
        assert '"store": "files"' in ragcli("status", "-i", "m", "--json").stdout
    assert ragcli("index", "-i", "m", "--store", uri).returncode == 0
    assert paths(ragcli) == before
    assert ragcli("verify", "-i", "m").returncode == 0
