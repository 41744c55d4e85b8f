import os
import pty
import re
import subprocess
import sys

import pytest

PROGRAM = """
import time
from ragcli.render.progress import progress_bar
with progress_bar({options}) as bar:
    bar.show("files", 3, 10, label="3/10 files", unit="chunks", detail="[bold]\\x1b[31mnotes.md")
    bar.show("encoding", 7, 20)
    time.sleep(0.3)
    bar.show("encoding", 12, 20)
    time.sleep(0.3)
"""


PROGRAM_OF_AN_ESTIMATE = """
import time
from ragcli.render.progress import progress_bar
with progress_bar() as bar:
    bar.show("index", 1, None)
    bar.show("index", 1, 100, left=90.2)
    time.sleep(1.3)
    for number in range(4):
        bar.show("index", 2 + number, 100.5 + number, left=20.4 - number / 10)
        time.sleep(0.1)
"""


def on_a_terminal(program="", **variables):
    """What the program writes to a terminal on stderr."""
    leader, follower = pty.openpty()
    environment = {**os.environ, "TERM": "xterm", "COLUMNS": "140", **variables}
    process = subprocess.Popen(
        [sys.executable, "-c", program or PROGRAM.format(options="")],
        stdout=subprocess.PIPE,
        stderr=follower,
        env=environment,
    )
    os.close(follower)
    shown = b""
    try:
        while piece := os.read(leader, 4096):
            shown += piece
    except OSError:  # how Linux says that the other end was closed
        pass
    os.close(leader)
    assert process.wait(60) == 0
    assert process.stdout.read() == b""
    process.stdout.close()
    return shown.decode()


def test_each_step_has_a_line_with_its_count_or_rate():
    shown = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", on_a_terminal())
    assert "3/10 files" in shown
    assert re.search(r"\d+ chunks/s", shown)
    assert "7/20" in shown
    assert "12/20" in shown


def test_the_time_that_is_left_stands_behind_the_bar():
    """Also when the total changes with every call, as it does while files are read."""
    shown = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", on_a_terminal(PROGRAM_OF_AN_ESTIMATE))
    left = [60 * int(minutes) + int(seconds) for minutes, seconds in re.findall(r"left 0:(\d\d):(\d\d)", shown)]
    assert {90, 89} <= set(left)  # it goes down between two calls
    assert left == sorted(left, reverse=True)
    assert left[-1] == 20


def test_a_file_name_is_neither_markup_nor_a_terminal_sequence():
    assert "[bold]\u241b[31mnotes.md" in re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", on_a_terminal())


@pytest.mark.parametrize(("options", "variables"), [("quiet=True", {}), ("", {"TERM": "dumb"})])
def test_nothing_is_drawn_for_a_quiet_run_or_a_dumb_terminal(options, variables):
    assert on_a_terminal(PROGRAM.format(options=options), **variables) == ""


def test_nothing_is_drawn_in_a_pipe_and_rich_is_not_loaded():
    program = PROGRAM.format(options="") + "\nimport sys; print('rich' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("False\n", "")
