"""The documents keep their word: what they name exists, and what the code has they name."""

from __future__ import annotations

import re
import shlex
import tomllib
from pathlib import Path

import pytest

from ragcli.cli.app import command_tree

PROJECT = Path(__file__).resolve().parents[1]
README = (PROJECT / "README.md").read_text(encoding="utf-8")
TREE = command_tree()
COMMANDS = {name: command for name, command in TREE.commands.items() if name != "models"}


def command_lines() -> list[str]:
    """Each call of ragcli in the README, one a pipe member."""
    lines = [part for line in README.splitlines() for part in re.split(r"[|;]|<\(", line.split("  #")[0])]
    return [
        m[0]
        for line in lines
        if (m := re.search(r"\bragcli [a-z]+ .*", line)) and line.strip().startswith(("$", "ragcli"))
    ]


@pytest.mark.parametrize("line", command_lines())
def test_a_call_in_the_readme_names_a_command_and_options_that_exist(line):
    words = line.split()
    known = {flag for p in TREE.commands[words[1]].params for flag in (*p.opts, *p.secondary_opts)}
    assert {word for word in words[2:] if re.fullmatch(r"--?[a-zA-Z0][\w-]*", word)} <= known


def test_the_readme_has_calls_to_check():
    assert len(command_lines()) >= 15


@pytest.mark.parametrize("name", COMMANDS)
def test_the_readme_tells_of_every_command(name):
    assert re.search(rf"ragcli {name}\b", README)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_option_says_what_it_is_for(name):
    silent = [p.name for p in COMMANDS[name].params if p.param_type_name == "option" and not p.help]
    assert [option for option in silent if option != "help"] == []


def test_the_readme_begins_with_the_two_commands():
    assert README.index("make demo") < README.index("make test") < 400


def test_the_first_example_is_what_the_command_prints(sample_home, ragcli):
    command, shown = re.search(r"```text\n\$ ragcli (query [^\n]*)\n(.*?)```", README, re.DOTALL).groups()
    words = shlex.split(command.replace("--index demo", "--index samples"))
    done = ragcli(*words, "--format", "text", "--home", str(sample_home), cwd=PROJECT, COLUMNS="100")
    # the last digits of a probability are those of the processor
    percent = re.compile(r" +(\d+)%$", re.MULTILINE)
    assert percent.sub("", done.stdout).rstrip() == percent.sub("", shown).rstrip()
    told, found = ([int(number) for number in percent.findall(text)] for text in (shown, done.stdout))
    assert told == pytest.approx(found, abs=2)
    assert len(told) == 3


@pytest.mark.parametrize(
    "page", sorted(PROJECT.glob("*.md")) + sorted((PROJECT / "docs").glob("*.md")), ids=lambda p: p.name
)
def test_links_between_pages_lead_somewhere(page):
    for target in re.findall(r"\]\(([^)#:]+)\)", page.read_text(encoding="utf-8")):
        assert (page.parent / target).exists(), target


def test_every_constraint_fits_what_pyproject_asks_for():
    from packaging.requirements import Requirement

    pins = dict(
        line.lower().replace("_", "-").split("==")
        for line in (PROJECT / "constraints.txt").read_text().splitlines()
        if "==" in line and not line.startswith("#")
    )
    project = tomllib.loads((PROJECT / "pyproject.toml").read_text())["project"]
    wanted = [Requirement(r) for r in (*project["dependencies"], *project["optional-dependencies"]["test"])]
    assert {r.name for r in wanted if r.name.lower() not in pins} == set()
    assert [str(r) for r in wanted if not r.specifier.contains(pins[r.name.lower()])] == []
