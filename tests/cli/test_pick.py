"""``ragcli query -I`` on a terminal of its own: what is typed, what is shown, what it prints and how it ends."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from contextlib import suppress

import pytest

ESCAPE, ENTER, DOWN, UP, PAGE_DOWN, CTRL_C, CTRL_D, CTRL_L, CTRL_N, CTRL_Y = (
    "\x1b", "\r", "\x1b[B", "\x1b[A", "\x1b[6~", "\x03", "\x04", "\x0c", "\x0e", "\x19",
)  # fmt: skip
QUESTION = "how can a network run backwards?"
_SECONDS = 90


class Screen:
    """The picker on a terminal of its own; stdout is a pipe unless ``to_terminal``."""

    def __init__(self, arguments, cwd, *, stdin=b"", to_terminal=False, size=(24, 100), **variables):
        self.leader, follower = pty.openpty()
        self.resize(*size)
        environment = {**os.environ, "TERM": "xterm-256color", **variables}
        # a session whose terminal is the new one: what the picker opens as /dev/tty
        starter = "import fcntl,os,sys,termios; fcntl.ioctl(2,termios.TIOCSCTTY,0); os.execv(sys.argv[1],sys.argv[1:])"
        self.process = subprocess.Popen(
            [sys.executable, "-c", starter, sys.executable, "-m", "ragcli", "query", "-I", *arguments],
            stdin=subprocess.PIPE if stdin else follower, stdout=follower if to_terminal else subprocess.PIPE,
            stderr=follower, cwd=cwd, env=environment, start_new_session=True,
        )  # fmt: skip
        os.close(follower)
        if stdin:
            self.process.stdin.write(stdin)
            self.process.stdin.close()
        self.raw = ""

    def resize(self, rows, columns):
        fcntl.ioctl(self.leader, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def read(self, seconds=0.1):
        """Whether anything new was shown within this time."""
        if not select.select([self.leader], [], [], seconds)[0]:
            return False
        with suppress(OSError):  # the last process on the terminal has ended
            self.raw += os.read(self.leader, 1 << 16).decode("utf-8", "replace")
            return True
        return False

    @property
    def text(self):
        """All that was ever shown, without what only moves the cursor or colours."""
        return re.sub(r"\x1b(\[[0-9;?>=]*[A-Za-z]|[()][A-Z0-9]|[=>])", "", self.raw)

    def until(self, text):
        deadline = time.monotonic() + _SECONDS
        while text not in self.text:
            assert time.monotonic() < deadline, f"{text!r} did not come after {self.text!r}"
            self.read()
        return self

    def quiet(self, seconds=1.5):
        """Wait until nothing new was shown for some time."""
        while self.read(seconds):
            pass
        return self

    def settled(self):
        """Wait until the hits are those of what was typed last."""
        deadline = time.monotonic() + _SECONDS
        frame = "reranking"
        while "reranking" in frame or "searching" in frame or "1/" not in frame:
            assert time.monotonic() < deadline, frame
            self.quiet(0.5)
            before = len(self.text)
            self.type(CTRL_L).quiet(0.5)
            frame = self.text[before:]
        return self

    def type(self, *keys):
        for key in keys:
            os.write(self.leader, key.encode("utf-8", "surrogateescape"))
            time.sleep(0.1)
        return self

    def end(self):
        """The exit code and what was printed to stdout."""
        deadline = time.monotonic() + _SECONDS
        while self.process.poll() is None:
            assert time.monotonic() < deadline, self.text
            self.read()
        while self.read(0):
            pass
        printed = self.process.stdout.read().decode() if self.process.stdout else ""
        return self.process.returncode, printed


@pytest.fixture
def pick(sample_home, tmp_path):
    running = []

    def run(*arguments, **options):
        options = {"RAGCLI_HOME": str(sample_home), "RAGCLI_INDEX": "samples", **options}
        running.append(Screen(arguments, options.pop("cwd", tmp_path), **options))
        return running[-1]

    yield run
    for screen in running:
        if screen.process.poll() is None:
            screen.process.kill()
            screen.process.wait()
        if screen.process.stdout:
            screen.process.stdout.close()
        with suppress(OSError):
            os.close(screen.leader)


@pytest.fixture
def places(sample_home, ragcli, tmp_path):
    """The places that ``ragcli query`` prints for a question, best first."""

    def of(question, *options):
        done = ragcli(
            "query", question, "--all", "-k", "50", *options, "-f", "plain", cwd=tmp_path,
            RAGCLI_HOME=str(sample_home), RAGCLI_INDEX="samples",
        )  # fmt: skip
        return [line.partition(": ")[0] for line in done.stdout.splitlines()]

    return of


def test_enter_in_a_pipe_prints_the_place_that_is_pointed_at(pick, places):
    screen = pick("--no-rerank").until("type a question").type(QUESTION).settled()
    screen.type(DOWN, CTRL_N, DOWN, UP).quiet().type(ENTER)
    assert screen.end() == (0, places(QUESTION, "--no-rerank")[2] + "\n")


def test_hits_change_while_one_types_and_are_reranked_in_a_pause(pick, places):
    question = "what is a token"
    best, fused = places(question)[0], places(question, "--no-rerank")[0]
    assert best != fused
    screen = pick().until("type a question").type("comet").until("1/50").type("\x15", question)
    screen.settled().type(CTRL_Y)
    assert fused.rpartition("/")[2] in screen.text
    assert screen.end() == (0, f"{best}\n")


def test_the_question_can_be_given_and_a_format_too(pick, places, sample_home):
    screen = pick(QUESTION, "--no-rerank", "-l", "-k", "3").settled().type(PAGE_DOWN, PAGE_DOWN, ENTER)
    code, printed = screen.end()
    assert (code, printed) == (0, re.split(r":\d+$|#page", places(QUESTION, "--no-rerank")[2])[0] + "\n")


@pytest.mark.parametrize("key", [ESCAPE, CTRL_C, CTRL_D])
def test_leaving_prints_nothing_and_puts_the_terminal_in_order(pick, key):
    screen = pick().until("type a question")
    before = termios.tcgetattr(screen.leader)[3] & (termios.ICANON | termios.ECHO)
    screen.type(key)
    assert screen.end() == (130, "")
    assert before == 0
    assert termios.tcgetattr(screen.leader)[3] & (termios.ICANON | termios.ECHO) == termios.ICANON | termios.ECHO
    assert "\x1b[?1049l" in screen.raw
    assert "interrupted" not in screen.text


def test_a_signal_ends_it_as_esc_does(pick):
    screen = pick(QUESTION, "--no-rerank").until("1/50")
    screen.process.send_signal(signal.SIGTERM)
    assert screen.end() == (130, "")
    assert "\x1b[?1049l" in screen.raw


def test_enter_opens_the_file_at_its_line_and_goes_on(pick, places, tmp_path):
    editor = tmp_path / "editor"
    editor.write_text('#!/bin/sh\necho "$@" >> opened\ntest -t 0 && test -t 1 && echo on a terminal >> opened\n')
    editor.chmod(0o755)
    question = "overlap of chunks"
    screen = pick("--no-rerank", "--type", "md", to_terminal=True, EDITOR=str(editor), VISUAL="")
    screen.until("type a question").type(question).settled().type(ENTER).quiet().type(DOWN, ENTER)
    screen.quiet().type(ESCAPE)
    assert screen.end()[0] == 0
    found = [place.rpartition(":") for place in places(question, "--no-rerank", "--type", "md")[:2]]
    assert (tmp_path / "opened").read_text().splitlines() == [
        f"+{found[0][2]} {found[0][0]}", "on a terminal", f"+{found[1][2]} {found[1][0]}", "on a terminal",
    ]  # fmt: skip


def test_an_editor_that_fails_is_told_and_ends_nothing(pick):
    screen = pick(QUESTION, "--no-rerank", "--type", "txt", to_terminal=True, EDITOR="false", VISUAL="")
    screen.settled().type(ENTER).until("false ended with exit code 1").type(ESCAPE)
    assert screen.end()[0] == 130


def test_ctrl_y_on_a_terminal_prints_the_place_below_the_prompt(pick, places):
    screen = pick(QUESTION, "--no-rerank", to_terminal=True).settled().type(CTRL_Y)
    assert screen.end()[0] == 0
    assert screen.raw.rpartition("\x1b[?1049l")[2].strip().endswith(places(QUESTION, "--no-rerank")[0])


@pytest.fixture
def hostile(tmp_path, ragcli):
    docs = tmp_path / "docs"
    docs.mkdir()
    (docs / "escape.txt").write_text("The heron \x1b]0;owned\x07 stands \x1b[2J\x1b[31m in red water.\n")
    (docs / "wide-每一层都从残差流读取.txt").write_text(
        "每一层都从残差流读取 heron 并把结果写回残差流，这样后面的层就能找到它。\n"
    )
    (docs / "long.txt").write_text("heron " + "x" * 5000 + "\n")
    (docs / "bad\x1b[31m\nname.txt").write_text("A heron with a name.\n")
    assert ragcli("index", "docs", "-i", "./i", cwd=tmp_path).returncode == 0
    return tmp_path


@pytest.mark.parametrize("size", [(24, 40), (1, 1), (60, 250)])
def test_documents_draw_nothing_themselves_at_any_size(hostile, pick, size):
    screen = pick("-i", "./i", "--no-rerank", size=size, cwd=hostile).quiet()
    screen.type("heron").quiet().type(DOWN, DOWN, DOWN, DOWN, UP).quiet()
    screen.resize(24, 40)
    screen.quiet().type(UP, UP, UP).quiet().type(ENTER)
    code, printed = screen.end()
    assert code == 0
    assert printed.startswith(("docs/", '"docs/'))
    assert "\x1b]0;owned" not in screen.raw
    assert "\x07" not in screen.raw
    assert "\x1b[31m in red" not in screen.raw


def test_what_is_pasted_or_typed_is_a_question_whatever_it_holds(pick):
    screen = pick("--no-rerank").until("type a question")
    screen.type("\x1b[200~how can a\nnetwork\x1b[31m run\x1b[201~").settled()
    screen.type("\x15", "\udcff\udcfe", "é", "検索", " ").quiet().type("\x15", "   ").quiet().type("\x1b[5;5~").quiet()
    assert screen.process.poll() is None
    screen.type(ESCAPE)
    assert screen.end() == (130, "")


def test_an_index_without_documents_says_so(pick, ragcli, tmp_path):
    (tmp_path / "nothing").mkdir()
    ragcli("index", "nothing", "-i", "./empty", cwd=tmp_path)
    screen = (
        pick("-i", "./empty")
        .until("type a question")
        .type("heron")
        .quiet()
        .type(CTRL_L)
        .until("the index holds no documents")
    )
    screen.type(ENTER, DOWN, CTRL_Y).quiet()
    assert screen.process.poll() is None
    screen.type(ESCAPE)
    assert screen.end() == (130, "")


def test_an_index_that_goes_away_is_told(hostile, pick):
    import shutil

    screen = pick("-i", "./i", "--no-rerank", cwd=hostile).until("type a question").type("heron").settled()
    shutil.rmtree(hostile / "i")
    screen.type("s").quiet().type(CTRL_L).until("no index").type(ESCAPE)
    assert screen.end() == (130, "")


def test_a_change_of_the_index_is_seen(hostile, pick, ragcli):
    screen = pick("-i", "./i", "--no-rerank", cwd=hostile).until("type a question").type("comet").quiet()
    (hostile / "docs" / "comet.txt").write_text("A comet grows a tail of dust.\n")
    assert ragcli("index", "-i", "./i", cwd=hostile).returncode == 0
    screen.type(" tail").quiet().type(CTRL_L).until("docs/comet.txt").type(ENTER)
    assert screen.end() == (0, "docs/comet.txt:1\n")


def test_several_indexes_and_stdin_and_files(hostile, pick, sample_home):
    screen = pick("-i", "./i", "-i", "samples", "--no-rerank", cwd=hostile).until("type a question")
    screen.type("heron").until("escape.txt").type("\x15", "Feistel cipher").until("reversible-networks").type(ESCAPE)
    assert screen.end()[0] == 130
    screen = pick("--in", "-", "--no-rerank", stdin=b"one comet\ntwo herons\nthree clocks\n")
    screen.until("type a question").type("heron").until("two herons").quiet().type(ENTER)
    assert screen.end() == (0, "two herons\n")
    screen = pick("--no-rerank", "heron", "--in", "docs", cwd=hostile).until("escape.txt").type(ESCAPE)
    assert screen.end()[0] == 130


def test_a_terminal_that_is_closed_ends_it(pick):
    screen = pick(QUESTION, "--no-rerank").until("1/50")
    os.close(screen.leader)
    assert screen.process.wait(30) != 0


def test_without_a_terminal_it_says_so(ragcli, sample_home):
    done = subprocess.run(
        [sys.executable, "-m", "ragcli", "query", "-I", "--home", str(sample_home), "-i", "samples"],
        stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, start_new_session=True,
        env={**os.environ, "TERM": "xterm"},
    )  # fmt: skip
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
    assert "-I needs a terminal" in done.stderr
    dumb = ragcli("query", "-I", "--home", str(sample_home), "-i", "samples", TERM="dumb")
    assert (dumb.returncode, dumb.stderr.count("\n")) == (2, 1)
    both = ragcli("query", "-I", "-", "--home", str(sample_home), "-i", "samples")
    assert both.returncode == 2
    gone = ragcli("query", "-I", "--home", str(sample_home), "-i", "nowhere", TERM="xterm")
    assert gone.returncode == 2
    assert "no index" in gone.stderr
