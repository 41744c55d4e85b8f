import io
import os
import pty

import pytest

from ragcli.render.terminal import color_wanted, terminal_width


@pytest.fixture(autouse=True)
def _clean(monkeypatch):
    for name in ("NO_COLOR", "FORCE_COLOR", "COLUMNS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm")


@pytest.fixture
def terminal():
    leader, follower = pty.openpty()
    with open(follower, "w") as stream:  # noqa: PTH123 - a descriptor, not a path
        yield stream
    os.close(leader)


def test_colour_only_on_a_terminal(terminal):
    assert color_wanted(terminal)
    assert not color_wanted(io.StringIO())


@pytest.mark.parametrize(
    ("environment", "wanted"),
    [
        ({"NO_COLOR": "1"}, False),
        ({"NO_COLOR": ""}, True),
        ({"TERM": "dumb"}, False),
        ({"TERM": "dumb", "FORCE_COLOR": "1"}, True),
        ({"FORCE_COLOR": "0"}, False),
        ({"NO_COLOR": "1", "FORCE_COLOR": "1"}, False),
    ],
)
def test_the_environment_decides(terminal, monkeypatch, environment, wanted):
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert color_wanted(terminal) is wanted


def test_colour_can_be_forced_into_a_pipe(monkeypatch):
    monkeypatch.setenv("FORCE_COLOR", "1")
    assert color_wanted(io.StringIO())


@pytest.mark.parametrize(("columns", "width"), [("120", 120), ("5", 20)])
def test_columns_sets_the_width(monkeypatch, columns, width):
    monkeypatch.setenv("COLUMNS", columns)
    assert terminal_width() == width


@pytest.mark.parametrize("columns", ["", "0", "-3", "many", "²"])
def test_nonsense_in_columns_is_not_believed(monkeypatch, columns):
    expected = terminal_width()
    monkeypatch.setenv("COLUMNS", columns)
    assert terminal_width() == expected
