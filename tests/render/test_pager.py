"""Output that is longer than the screen goes through a pager: real programs on a real pseudo-terminal."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import shutil
import struct
import subprocess
import sys
import termios
import time
from pathlib import Path

import pytest

PROGRAM = """
import sys
from ragcli.render.terminal import paged
with paged(sys.stdout, wanted={wanted}) as out:
    for number in range({lines}):
        out.write(f"line {{number}}" + {tail!r} + "\\n")
print("after")
"""
ROWS, COLUMNS = 10, 40


def on_a_terminal(*command, cwd=None, keys=b"", columns=COLUMNS, **variables):
    """The exit code, and what a terminal of 10 rows was written."""
    leader, follower = pty.openpty()
    fcntl.ioctl(leader, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, columns, 0, 0))
    environment = {key: value for key, value in os.environ.items() if key not in {"PAGER", "LESS", "COLUMNS"}}
    process = subprocess.Popen(
        command, stdin=follower, stdout=follower, stderr=follower, cwd=cwd, start_new_session=True,
        env={**environment, "TERM": "xterm", **variables},
    )  # fmt: skip
    os.close(follower)
    os.write(leader, keys)
    shown = b""
    deadline = time.monotonic() + 60
    while process.poll() is None or select.select([leader], [], [], 0)[0]:
        assert time.monotonic() < deadline, shown
        if select.select([leader], [], [], 0.1)[0]:
            try:
                shown += os.read(leader, 1 << 16)
            except OSError:  # how Linux says that the other end was closed
                break
    os.close(leader)
    return process.wait(60), shown.decode().replace("\r\n", "\n")


def run(lines, tail="", *, wanted=True, **variables):
    return on_a_terminal(sys.executable, "-c", PROGRAM.format(lines=lines, tail=tail, wanted=wanted), **variables)


@pytest.fixture
def pager(tmp_path) -> Path:
    """A pager that keeps what it is given in the file ``paged``, and says so."""
    script = tmp_path / "my pager"
    script.write_text(f'#!/bin/sh\ncat > "{tmp_path}/paged"\necho "[paged $* LESS=$LESS]"\n')
    script.chmod(0o755)
    return script


def test_what_is_longer_than_the_screen_goes_to_the_pager(pager, tmp_path):
    code, shown = run(ROWS, RAGCLI_PAGER=f"'{pager}' -x", PAGER="false")
    assert (code, shown) == (0, "[paged -x LESS=FRX]\nafter\n")
    assert (tmp_path / "paged").read_text() == "".join(f"line {number}\n" for number in range(ROWS))


@pytest.mark.parametrize(
    ("lines", "tail"), [(ROWS - 1, ""), (4, "x" * COLUMNS), (4, "每" * 30), (8, "\x1b[1m" * 20 + "\x1b[0m")]
)
def test_what_fits_on_the_screen_is_written_at_once(pager, tmp_path, lines, tail):
    code, shown = run(lines, tail, PAGER=f"'{pager}'")
    assert code == 0
    assert shown == "".join(f"line {number}{tail}\n" for number in range(lines)) + "after\n"
    assert not (tmp_path / "paged").exists()


@pytest.mark.parametrize(("lines", "tail"), [(5, "x" * COLUMNS), (5, "每" * 20)])
def test_lines_that_wrap_take_more_rows(pager, tmp_path, lines, tail):
    run(lines, tail, PAGER=f"'{pager}'")
    assert (tmp_path / "paged").read_text().count(tail) == lines


@pytest.mark.parametrize(
    "variables",
    [
        {"RAGCLI_PAGER": ""},
        {"RAGCLI_PAGER": "cat"},
        {"PAGER": "no-such-pager-anywhere"},
        {"PAGER": "'open quotation"},
        {"PATH": "/nowhere"},  # less is missing
        {"TERM": "dumb"},
    ],
)
def test_without_a_pager_the_terminal_gets_all(variables):
    assert run(ROWS, **variables) == (0, "".join(f"line {number}\n" for number in range(ROWS)) + "after\n")


def test_a_pager_that_is_not_wanted_is_not_started(pager):
    assert run(ROWS, wanted=False, PAGER=f"'{pager}'")[1].startswith("line 0\n")


def test_who_leaves_the_pager_early_is_told_nothing():
    assert run(100_000, PAGER="head -n 1") == (0, "line 0\nafter\n")
    assert run(100_000, PAGER="false") == (0, "after\n")


@pytest.mark.skipif(not shutil.which("less"), reason="needs less")
def test_less_shows_the_beginning_and_colours():
    code, shown = run(ROWS * 3, "\x1b[1mbold\x1b[0m", keys=b"q")
    assert code == 0
    assert "line 0\x1b[1mbold" in shown
    assert f"line {ROWS * 3 - 1}" not in shown
    assert shown.endswith("after\n")


def test_commands_use_it_on_a_terminal_alone(pager, sample_home, tmp_path):
    listed = [sys.executable, "-m", "ragcli", "list", "--home", str(sample_home), "-i", "samples"]
    piped = subprocess.run(
        listed, capture_output=True, text=True, check=True, env={**os.environ, "PAGER": str(pager)}, cwd=tmp_path
    )
    assert len(piped.stdout.splitlines()) > ROWS
    assert on_a_terminal(*listed, cwd=tmp_path, columns=200, PAGER=f"'{pager}'", NO_COLOR="1")[1].startswith("[paged")
    assert (tmp_path / "paged").read_text() == piped.stdout
    shown = on_a_terminal(*listed, "--no-pager", cwd=tmp_path, columns=200, PAGER=f"'{pager}'", NO_COLOR="1")[1]
    assert shown == piped.stdout
