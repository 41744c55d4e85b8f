"""The help pages, and the one line about a wrong call."""

from __future__ import annotations

import contextlib
import io
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.core import TyperArgument, TyperGroup

from ragcli.cli.app import COMMANDS, GROUPS, command_tree, main
from ragcli.cli.env import COMMON
from ragcli.config import subcommands


def walk(words: tuple[str, ...], command: Any) -> Iterator[tuple[str, Any]]:
    yield " ".join(words), command
    for name, below in subcommands(command).items():
        yield from walk((*words, name), below)


TREE = dict(walk((), command_tree()))
LEAVES = {words: command for words, command in TREE.items() if not isinstance(command, TyperGroup)}


def run(monkeypatch, *words: str, width: int = 100) -> tuple[int, str, str]:
    """Run the command line in this process."""
    monkeypatch.setenv("COLUMNS", str(width))
    monkeypatch.setattr(sys, "argv", ["ragcli", *words])
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = main()
    return code, out.getvalue(), err.getvalue()


def page(monkeypatch, words: str, width: int = 100) -> str:
    code, out, err = run(monkeypatch, *words.split(), "--help", width=width)
    assert (code, err) == (0, "")
    return out


def tables(text: str) -> dict[str, list[str]]:
    """The lines below each heading."""
    found: dict[str, list[str]] = {}
    heading = ""
    for line in text.splitlines():
        if re.fullmatch(r"[A-Z].*:", line):
            heading = line[:-1]
        elif line.startswith("  ") and heading:
            found.setdefault(heading, []).append(line)
        else:
            heading = ""
    return found


@pytest.mark.parametrize("words", TREE)
def test_a_page_names_each_option_and_argument_once(monkeypatch, words):
    shown = tables(page(monkeypatch, words))
    first_words = [line.strip() for heading, lines in shown.items() if heading != "Examples" for line in lines]
    for parameter in TREE[words].params:
        if isinstance(parameter, TyperArgument):
            assert sum(line.split("  ")[0] == parameter.metavar for line in first_words) == 1
        elif words in LEAVES or not words:
            longest = max(parameter.opts, key=len)
            assert sum(bool(re.match(rf"(-\w, )?{longest}\b(?!-)", line)) for line in first_words) == 1, longest
    for name in subcommands(TREE[words]):
        assert sum(line.split()[0] == name for line in first_words) == 1


@pytest.mark.parametrize("words", TREE)
@pytest.mark.parametrize(("width", "widest"), [(40, 40), (50, 50), (80, 80), (100, 100), (200, 100)])
def test_a_page_keeps_to_the_width_and_cuts_nothing(monkeypatch, words, width, widest):
    text = page(monkeypatch, words, width)
    examples = [
        line for line in text.splitlines() if line.strip().startswith(("ragcli ", "git log", "rg ", "jq ", "code "))
    ]
    too_long = [line for line in text.splitlines() if len(line) > widest and line not in examples]
    assert [line for line in too_long if not line.startswith(("Usage: ", "Common options, "))] == []
    assert width < 80 or [line for line in examples if len(line) > width] == []
    assert "..." not in re.sub(r"\[?[A-Z]+\]?\.\.\.|COMMAND \.\.\.", "", text)
    assert re.findall(r"<[a-z]|\bTEXT}|False|None\b", text) == []


@pytest.mark.parametrize("words", TREE)
def test_a_page_says_what_the_command_does_and_how_it_is_called(monkeypatch, words):
    lines = page(monkeypatch, words).splitlines()
    assert lines[0].startswith(f"Usage: ragcli {words} [OPTIONS]".replace("  ", " "))
    assert lines[1] == ""
    assert lines[2][0].isupper() or words == ""
    assert lines[2].rstrip().endswith((".", ",")) or len(lines[2]) > 60


def test_the_commands_stand_in_groups(monkeypatch):
    shown = tables(page(monkeypatch, "", 80))
    assert list(shown)[-2:] == [COMMON, "Options"]
    for heading, names in GROUPS.items():
        assert [line.split()[0] for line in shown[heading]] == list(names)  # one line each at 80 columns
    assert sorted(name for names in GROUPS.values() for name in names) == sorted(COMMANDS)


@pytest.mark.parametrize("words", ["query", "ask", "index", "eval"])
def test_many_options_stand_under_headings(monkeypatch, words):
    shown = tables(page(monkeypatch, words))
    assert len(shown) >= 5
    assert max(len([line for line in lines if line.startswith("  -")]) for lines in shown.values()) <= 9
    assert list(shown)[-1] == COMMON


def test_help_is_a_word_too(monkeypatch):
    assert run(monkeypatch, "help")[:2] == run(monkeypatch, "--help")[:2]
    assert run(monkeypatch, "help", "query")[:2] == run(monkeypatch, "query", "-h")[:2]
    assert run(monkeypatch, "help", "eval", "make")[:2] == run(monkeypatch, "eval", "make", "-h")[:2]
    assert run(monkeypatch, "-V") == run(monkeypatch, "--version")
    code, out, err = run(monkeypatch)
    assert (code, out) == (2, "")
    assert err == run(monkeypatch, "--help")[1]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("search x", "no command 'search'; did you mean: ragcli query"),
        ("find x", "no command 'find'; did you mean: ragcli query"),
        ("grep x", "no command 'grep'; did you mean: ragcli query"),
        ("add .", "no command 'add'; did you mean: ragcli index"),
        ("update", "no command 'update'; did you mean: ragcli index"),
        ("chat", "no command 'chat'; did you mean: ragcli ask --chat"),
        ("version", "no command 'version'; did you mean: ragcli --version"),
        ("qurey x", "no command 'qurey'; did you mean: ragcli query"),
        ("models lst", "no command 'lst'; did you mean: ragcli models list"),
        ("xyzzy", "no command 'xyzzy'; see: ragcli --help"),
        ("'how are logs rotated?'", "no command 'how are logs rotated?'; did you mean: ragcli query 'how are logs"),
        ("-i", "option '-i' needs a value; see: ragcli --help"),
        ("--tpo", "no option '--tpo'; see: ragcli --help"),
        ("--json", "missing COMMAND; see: ragcli --help"),
        ("query x --tpo 3", "no option '--tpo' for ragcli query; did you mean --top?"),
        ("query", "missing TEXT; usage: ragcli query [OPTIONS] [TEXT] [FILE]..."),
        ("remove", "missing PATH; usage: ragcli remove [OPTIONS] PATH..."),
        ("query x -k", "option '-k' needs a value; see: ragcli query --help"),
        ("query x --unique=yes", "option '--unique' takes no value"),
        ("query x -k many", "invalid value for --top: 'many' is not an integer; see: ragcli query --help"),
        ("query x -k 0", "invalid value for --top: 0 is less than 1; see: ragcli query --help"),
        ("query x --min-prob likely", "invalid value for --min-prob: 'likely' is not a number"),
        ("index . --engine x", "invalid value for --engine: 'x' is not one of 'local', 'ray'"),
        ("index . --max-file-size big", "invalid size 'big'; write it as 500K, 64M or 2G"),
        ("status now", "unexpected argument: now; see: ragcli status --help"),
        ("ask how often", 'unexpected argument: often; put the text in quotes: ragcli ask "..."'),
        ("query -fno-strict-aliasing", "after '--': ragcli query -- -fno-strict-aliasing"),
        ("query '-5 degrees'", "no option '-5' for ragcli query; put a text that begins with '-' after '--': "),
        ("ask '-5 degrees'", "ragcli ask -- '-5 degrees'"),
        ("rerank x -i notes", "no option '-i' for ragcli rerank; see: ragcli rerank --help"),
        ("-i notes rerank x", "no option '-i' for ragcli rerank; see: ragcli rerank --help"),
        ("eval q.jsonl --count 3", "no option '--count' for ragcli eval; did you mean"),
        ("eval make --whole", "no option '--whole' for ragcli eval make; did you mean"),
        ("import nowhere.ragcli", "nowhere.ragcli does not exist; name an exported file"),
        ("index ./nowhere", "nowhere does not exist; check the path"),
    ],
)
def test_a_wrong_call_is_one_line_with_the_next_step(monkeypatch, tmp_path, words, said):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("RAGCLI_HOME", str(tmp_path / "home"))
    code, out, err = run(monkeypatch, *shlex.split(words))
    assert (code, out) == (2, "")
    assert err.count("\n") == 1
    assert err.startswith("ragcli: ")
    assert said in err


def test_a_wrong_value_says_where_it_is_from(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "ragcli.toml").write_text('[query]\nk = "many"\n')
    assert run(monkeypatch, "query", "x")[2].startswith("ragcli: invalid value for --top from ragcli.toml: 'many' is")
    monkeypatch.setenv("RAGCLI_QUERY_K", "few")
    assert run(monkeypatch, "query", "x")[2].startswith("ragcli: invalid value for --top from the environment: 'few'")


# -- common options ---------------------------------------------------------------------------------------------------


def test_a_text_after_two_hyphens_is_a_text(ragcli, sample_home):
    options = ["--home", str(sample_home), "-i", "samples", "--json", "-k", "1", "--all"]
    assert ragcli("query", *options, "--", "-5 degrees").returncode == 0


def test_common_options_do_the_same_before_and_after_the_command(ragcli, sample_home):
    index = str(sample_home / "samples")
    after = ragcli("query", "attention", "--index", index, "--json", "--offline", "-k", "2")
    assert after.returncode == 0
    for before in (
        ["--index", index, "--json", "--offline", "query", "attention"],
        [f"--index={index}", "query", "--json", "attention", "--offline"],
        [f"-i{index}", "-qv", "--json", "query", "attention", "--quiet"],
    ):
        done = ragcli(*before, "-k", "2")
        assert (done.returncode, done.stdout) == (0, after.stdout)
    # of a command that takes one index, the one that stands nearer to the command's own arguments wins
    assert ragcli("-i", "nothing", "status", "-i", index).returncode == 0
    listed = ragcli("models", "list", "--json").stdout
    assert ragcli("--json", "models", "list").stdout == ragcli("models", "--json", "list").stdout == listed


def test_offline_before_the_command_is_a_promise_too(ragcli, tmp_path):
    (tmp_path / "a.txt").write_text("The harbour is deep.")
    done = ragcli("--offline", "index", str(tmp_path / "a.txt"), "--model", "someone/no-such-model")
    assert done.returncode == 2
    assert "offline" in done.stderr


def test_common_options_are_offered_where_they_do_something():
    without = {words for words, command in LEAVES.items() if "index" not in {p.name for p in command.params}}
    assert without == {
        "rerank", "parse", "doctor", "config", "config trust", "config distrust", "cite",
        "models list", "models show", "models add", "models remove",
    }  # fmt: skip
    for command in LEAVES.values():
        assert {"quiet", "verbose", "debug", "offline"} <= {p.name for p in command.params}


def test_a_folder_that_is_an_index_is_suggested(ragcli, tmp_path):
    (tmp_path / "a.txt").write_text("The harbour is deep.")
    assert ragcli("index", "a.txt", "-i", "./ix", cwd=tmp_path).returncode == 0
    done = ragcli("query", "harbour", "-i", "ix", cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr.endswith("; did you mean -i ./ix?\n")
    assert ragcli("query", "harbour", "-i", "./ix", cwd=tmp_path).returncode == 0


# -- completion -------------------------------------------------------------------------------------------------------


def completions(ragcli, line: str, **variables: str) -> set[str]:
    words = line.split(" ")
    done = ragcli(COMP_WORDS=line, COMP_CWORD=str(len(words) - 1), _RAGCLI_COMPLETE="complete_bash", **variables)
    assert done.returncode == 0, done.stderr
    return set(done.stdout.splitlines())


def test_completion_knows_the_kinds_in_each_of_several_indexes(ragcli, sample_home, tmp_path):
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "a.yml").write_text("heron: stands in the water\n")
    assert ragcli("index", "docs", "-i", "./i", cwd=tmp_path).returncode == 0
    call = f"ragcli query x -i samples -i {tmp_path}/i --type "
    found = completions(ragcli, call, RAGCLI_HOME=str(sample_home))
    assert found >= {"yml", "md", "pdf"}
    assert "pptx" not in found


def test_completion_knows_commands_options_indexes_and_formats(ragcli, sample_home):
    home = {"RAGCLI_HOME": str(sample_home)}
    assert completions(ragcli, "ragcli re") == {"rerank", "remove", "repair"}
    assert completions(ragcli, "ragcli query x --no") == {"--no-rerank", "--no-cache", "--no-pager"}
    assert "samples" in completions(ragcli, "ragcli query x --index ", **home)
    assert "samples" in completions(ragcli, "ragcli -i ", **home)
    assert completions(ragcli, "ragcli query x --format vim") == {"vimgrep"}
    assert completions(ragcli, "ragcli -i samples query x --format vim") == {"vimgrep"}
    assert completions(ragcli, "ragcli query x --type p") >= {"pdf", "pptx"}
    assert completions(ragcli, "ragcli query x -i samples --type m", **home) == {"markdown", "md"}  # what it holds
    assert completions(ragcli, "ragcli eval make --cou") == {"--count"}
    assert completions(ragcli, "ragcli models ca") == {"calibrate"}


def test_a_broken_file_of_settings_does_not_stop_completion(ragcli, tmp_path):
    (tmp_path / "ragcli.toml").write_text("[query\n")
    assert completions(ragcli, "ragcli query x --mode k", cwd=tmp_path) == {"keyword"}


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_installing_completion_twice_is_installing_it_once(ragcli, tmp_path, shell):
    place = {"HOME": str(tmp_path), "SHELL": f"/bin/{shell}"}
    script = ragcli("--show-completion", **place).stdout
    assert "_RAGCLI_COMPLETE" in script
    assert ragcli("--install-completion", **place).returncode == 0
    files = {path: path.read_text() for path in tmp_path.rglob("*") if path.is_file()}
    assert script in files.values()
    assert ragcli("--install-completion", **place).returncode == 0
    assert {path: path.read_text() for path in tmp_path.rglob("*") if path.is_file()} == files


@pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash")
def test_bash_completes_with_the_installed_script(ragcli, tmp_path):
    assert ragcli("--install-completion", HOME=str(tmp_path), SHELL="/bin/bash").returncode == 0
    program = Path(sys.executable).parent
    asked = (
        f"PATH={program}:$PATH; source {tmp_path}/.bashrc; "
        "COMP_WORDS=(ragcli quer); COMP_CWORD=1; _ragcli_completion ragcli; echo ${COMPREPLY[@]}"
    )
    done = subprocess.run(["bash", "-ic", asked], capture_output=True, text=True, check=False, timeout=60)
    assert done.stdout.split() == ["query"]


def test_a_shell_without_completion_is_said(ragcli):
    done = ragcli("--show-completion", SHELL="/bin/tcsh")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "ragcli: no completion for the shell 'tcsh'; set SHELL to bash, zsh or fish\n"
