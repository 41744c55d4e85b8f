"""Killed anywhere, or out of disk anywhere, an index opens as it was before or after (see crash_child.py)."""

import random
import subprocess
import sys
import time
from pathlib import Path

import pytest
from small_index import assert_sound, change, contents

from ragcli.index.writer import open_writer

CHILD = Path(__file__).parent / "crash_child.py"


@pytest.mark.parametrize(
    ("name", "kind", "every", "at_least"),
    [
        ("first", "kill", 1, 15),
        ("first", "full-then-on", 2, 15),
        ("commit", "kill", 1, 15),
        ("commit", "full-then-on", 2, 15),
        ("large", "kill", 1, 15),
        ("large", "full-then-on", 2, 15),
        ("tidy", "kill", 1, 8),
        ("tidy", "full-then-on", 1, 8),
        ("lists", "kill", 2, 10),
        ("lists", "full-then-on", 3, 10),
        ("lists again", "kill", 2, 10),
        ("lists again", "full-then-on", 3, 10),
        ("exactly", "kill", 1, 8),
        ("exactly", "full-then-on", 2, 8),
        ("rebuild", "kill", 11, 90),  # most steps are one file of many that is linked or removed
        ("rebuild", "full-then-on", 13, 90),
    ],
)
def test_a_fault_at_any_step_leaves_the_old_or_the_new_index(memory_path, name, kind, every, at_least):
    done = subprocess.run(
        [sys.executable, CHILD, memory_path, name, kind, str(every)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) >= at_least


ENDLESS = """
import sys; sys.path.insert(0, sys.argv[2])
from pathlib import Path
from small_index import commit
from ragcli.index.writer import open_writer
folder = Path(sys.argv[1])
with open_writer(folder) as writer:
    n = max([int(row.path.name) for row in writer.catalog.documents()], default=0)
    while True:
        n += 1
        commit(writer, {f"/d/{n}": [f"first {n}", f"second {n}"]}, [f"/d/{n - 5}"])
        print(n, flush=True)
"""


def test_killed_at_any_time_what_was_committed_is_there(memory_path):
    """Also within tantivy, SQLite and faiss, which the faults above only surround."""
    folder = memory_path / "index"
    change(folder, {"/d/1": ["first 1", "second 1"]})
    rng = random.Random(3)
    said = 1
    for _ in range(8):
        child = subprocess.Popen(
            [sys.executable, "-c", ENDLESS, folder, CHILD.parent], stdout=subprocess.PIPE, text=True
        )
        child.stdout.readline()
        time.sleep(rng.uniform(0, 0.15))
        child.kill()
        told = child.communicate()[0].split()
        said = int(told[-1]) if told else said
        found = contents(folder)
        last = max(int(Path(path).name) for path in found)
        assert last in range(said, last + 1)
        assert found == {f"/d/{n}": [f"first {n}", f"second {n}"] for n in range(max(1, last - 4), last + 1)}
        with open_writer(folder):
            pass
        assert_sound(folder)
