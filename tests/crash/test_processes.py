import subprocess
import sys
import time

import pytest
from processes import together

HOLDER = """
import sys, time
from pathlib import Path
from ragcli.index.writer import open_writer
with open_writer(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def holder(tmp_path):
    command = [sys.executable, "-c", HOLDER, tmp_path / "home" / "default"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "held\n"
    yield process
    process.kill()
    process.communicate()


@pytest.fixture
def docs(tmp_path):
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "boat.md").write_text("# Boat\n\nThe boat left the harbour.\n")
    return tmp_path / "docs"


def test_readers_see_whole_documents_while_one_process_writes(memory_path):
    shared = together(memory_path, seconds=4, readers=3)
    assert shared.failures == ()
    assert shared.runs >= 1
    assert shared.looks >= 3


def test_a_second_writer_is_told_who_holds_the_index(ragcli, docs, holder):
    done = ragcli("index", str(docs))
    assert done.returncode == 2
    assert f"process {holder.pid} on " in done.stderr
    assert " since 20" in done.stderr
    assert "--wait" in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_writer_that_waits_goes_on_when_the_other_one_is_dead(tmp_path, docs, holder):
    """Nobody frees the lock of a killed process but the system."""
    command = [sys.executable, "-m", "ragcli", "index", docs, "--wait", "--home", tmp_path / "home"]
    waiting = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    line = waiting.stderr.readline()
    assert f"process {holder.pid} on " in line
    assert line.endswith("; waiting\n")
    time.sleep(0.3)
    assert waiting.poll() is None
    holder.kill()
    said = waiting.communicate(timeout=60)[1]
    assert waiting.returncode == 0
    assert said.startswith("1 added")
