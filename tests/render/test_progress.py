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


def on_a_terminal(options="", **variables):
    """What the program writes to a terminal on stderr."""
    leader, follower = pty.openpty()
    environment = {**os.environ, "TERM": "xterm", "COLUMNS": "140", **variables}
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM.format(options=options)],
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


def test_a_file_name_is_neither_markup_nor_a_terminal_sequence():
    assert "[bold]\u241b[31mnotes.md" in re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", on_a_terminal())


@pytest.mark.parametrize(("options", "variables"), [("quiet=True", {}), ("", {"TERM": "dumb"})])
def test_nothing_is_drawn_for_a_quiet_run_or_a_dumb_terminal(options, variables):
    assert on_a_terminal(options, **variables) == ""


def test_nothing_is_drawn_in_a_pipe_and_rich_is_not_loaded():
    program = PROGRAM.format(options="") + "\nimport sys; print('rich' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("False\n", "")
