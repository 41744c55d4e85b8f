import json
import shutil
import subprocess
import unicodedata
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ragcli.render.visible import (
    display_path,
    json_text,
    one_line,
    shell_command,
    visible,
    visible_lines,
    visible_name,
)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain text, [bold] and 'quotes' \\n", "plain text, [bold] and 'quotes' \\n"),
        ("\x1b[31mred", "␛[31mred"),
        ("a\x00b\x07c\x7fd", "a␀b␇c␡d"),
        ("a\nb\tc\rd", "a␊b␉c␍d"),
        ("\x9b31m", "\\x9b31m"),
        ("\u202eabc\u202c\u2066\u2069\u200e\u200f\u061c", "\\u202eabc\\u202c\\u2066\\u2069\\u200e\\u200f\\u061c"),
        ("a\u2028b\u2029c", "a\\u2028b\\u2029c"),
        ("pay\u200bpal\ufeff", "pay\\u200bpal\\ufeff"),
        ("hi\U000e0068\U000e007f", "hi\\U000e0068\\U000e007f"),
        ("pay\u200dpal", "pay\\u200dpal"),
        ("\ud83d alone", "\\ud83d alone"),
        ("naïve 中文 हिन्दी é", "naïve 中文 हिन्दी é"),
        ("می\u200cشود 👩\u200d💻", "می\u200cشود 👩\u200d💻"),
    ],
)
def test_visible(text, shown):
    assert visible(text) == shown


@given(st.text(st.characters(), max_size=200))
def test_nothing_a_terminal_could_act_on_is_left(text):
    for shown in (visible(text), one_line(text), visible_name(text)):
        shown.encode("utf-8")
        assert not {unicodedata.category(c) for c in shown} & {"Cc", "Cs", "Zl", "Zp"}
        assert not {unicodedata.bidirectional(c) for c in shown} & {
            *("LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI")
        }


def test_one_line_makes_white_space_one_blank():
    assert one_line("  a \n\t b\r\n\r\nc ") == "a b c"


def test_visible_lines_keeps_line_breaks_and_columns():
    assert visible_lines("a\tb\n\x1b[2J\r\n") == "a   b\n␛[2J␍\n"


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("notes/my file.md", "notes/my file.md"),
        ("a\nb.md", '"a\\nb.md"'),
        ('a"b.md', 'a"b.md'),
        ('"a".md', '"\\"a\\".md"'),
        ("back\\slash", "back\\slash"),
        ('t\t"\\x', '"t\\t\\"\\\\x"'),
        ("x\x1b]0;t\x07", '"x\\x1b]0;t\\x07"'),
        ("caf\udce9.md", '"caf\\xe9.md"'),
    ],
)
def test_names_are_quoted_like_git_does(name, shown):
    assert visible_name(name) == shown


def test_bytes_of_a_name_survive_on_request():
    assert visible_name("caf\udce9.md", keep_bytes=True) == "caf\udce9.md"
    assert visible_name("caf\udce9\n.md", keep_bytes=True) == '"caf\udce9\\n.md"'
    assert visible_name("\ud800.md", keep_bytes=True) == '"\\ud800.md"'


@given(st.text(st.characters(), max_size=40), st.text(st.characters(), max_size=40))
def test_two_names_never_look_the_same(a, b):
    assert a == b or visible_name(a) != visible_name(b)


def test_paths_are_shown_from_the_base():
    base = Path("/home/ada")
    assert display_path(Path("/home/ada/x/y.md"), base) == "x/y.md"
    assert display_path(Path("/home/adam/y.md"), base) == "/home/adam/y.md"
    assert display_path(Path("/home/ada/-rf"), base) == "./-rf"
    assert display_path(Path("relative.md"), base) == "relative.md"


def test_json_keeps_every_character_and_shows_none_that_acts():
    value = {"a": "é中\x1b\x7f\x9b\u202e\u2028\udcff\ud800-\U000e0041", "b": [1, None, 0.5]}
    text = json_text(value)
    assert json.loads(text) == value
    assert text == ('{"a": "é中\\u001b\\u007f\\u009b\\u202e\\u2028\\udcff\\ud800-\\udb40\\udc41", "b": [1, null, 0.5]}')


@given(st.text(st.characters(), max_size=200))
def test_json_of_any_text_can_be_written_and_read(text):
    # Two lone surrogates in a row read back as the character that they make: JSON cannot tell them apart.
    written = json_text(text).encode("utf-8")
    assert json.loads(written) == text.encode("utf-16", "surrogatepass").decode("utf-16", "surrogatepass")


def test_json_refuses_what_is_not_a_number():
    with pytest.raises(ValueError, match="JSON"):
        json_text(float("nan"))


@pytest.mark.skipif(shutil.which("bash") is None, reason="bash reads the line back")
@settings(max_examples=30)
@given(st.lists(st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=20), max_size=4))
def test_a_command_line_shows_no_control_and_the_shell_reads_the_same_words(words):
    line = shell_command(words)
    assert visible(line) == line
    script = f"for word in {line}; do printf '%s\\0' \"$word\"; done"
    read = subprocess.run(["bash", "-c", script], capture_output=True, check=True).stdout
    assert read.split(b"\0")[:-1] == [word.encode() for word in words]


def test_bytes_that_are_no_text_reach_the_shell_as_they_are():
    assert shell_command(["less", "caf\udce9.md"]) == "less $'caf\\xe9.md'"
