"""The documents are true: their blocks run, their links lead somewhere, and the references are those of the code."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from ragcli.cli.app import command_tree

PROJECT = Path(__file__).resolve().parents[1]
README = (PROJECT / "README.md").read_text(encoding="utf-8")
GUIDE = (PROJECT / "docs" / "guide.md").read_text(encoding="utf-8")
TREE = command_tree()
COMMANDS = {name: command for name, command in TREE.commands.items() if name != "models"}

sys.path.insert(0, str(PROJECT / "docs"))
import blocks  # noqa: E402 (a program of docs/, which is not a package)
import make_man  # noqa: E402
import make_picture  # noqa: E402
import make_reference  # noqa: E402

PROGRAMS = [block for block in blocks.blocks() if block.is_program]
RUN = [block for block in PROGRAMS if not block.why_not]


@pytest.fixture(scope="module")
def world(tmp_path_factory) -> blocks.World:
    return blocks.World(tmp_path_factory.mktemp("world"))


@pytest.mark.parametrize("block", PROGRAMS, ids=lambda block: block.name)
def test_a_block_runs_twice_and_prints_what_it_shows(block, world):
    if block.why_not:
        pytest.skip(block.why_not)
    match block.language:
        case "console":
            found = blocks.faults(block, world)
            assert not found, "\n".join(found)
        case "toml":
            assert_settings_hold(block, world)
        case _:
            world.fresh(index=not block.makes_index)
            for _ in range(2):
                done = world.python(block.code, doctest=block.language == "pycon")
                assert done.returncode == 0, done.stdout + done.stderr
                assert done.stdout or block.language == "pycon"


def assert_settings_hold(block, world):
    """Every key of the file is the value of an option, as ``ragcli config`` sees it."""
    world.fresh(index=True)
    (world.home / "ragcli.toml").write_text(block.code, encoding="utf-8")
    told = json.loads(world.bash("ragcli config --json"))
    options = [entry for entry in told["options"] if "toml" in entry["from"]]
    found = {(entry["command"], entry["option"]): entry["value"] for entry in options}
    for key, value in tomllib.loads(block.code).items():
        if isinstance(value, dict):
            assert {(key, option): given for option, given in value.items()}.items() <= found.items()
        else:
            assert {found[command, option] for command, option in found if option == key} == {value}


def test_most_blocks_run(capsys):
    commands = sum(len(block.commands) for block in RUN)
    with capsys.disabled():
        sys.stdout.write(f"\n{len(RUN)} of {len(PROGRAMS)} blocks run, with {commands} commands\n")
    assert len(RUN) >= 25
    assert commands >= 45
    assert {block.language for block in RUN} >= {"console", "python", "toml"}


def test_a_block_that_does_not_run_has_no_commands():
    read = [block for block in blocks.blocks() if not block.is_program]
    assert [block.name for block in read if re.search(r"^(\$|>>>) ", block.code, re.MULTILINE)] == []


@pytest.mark.parametrize(
    ("shown", "printed", "alike"),
    [
        ("a.md:3   54%", "a.md:3  55%", True),
        ("a.md:3   54%", "a.md:3  57%", False),
        ("a.md:3   54%", "a.md:4  54%", False),
        ("4 chunks in 3.4 s", "4 chunks in 18 s", True),
        ("4 chunks in 3.4 s", "5 chunks in 3.4 s", False),
        ("rerank #1 -0.14", "rerank #1 -0.15", True),
        ("rerank #1 -0.14", "rerank #1 0.14", False),
        ("dense #3 0.50", "dense #3 none", False),
        ("12 KiB of 2026-11-28", "13 KiB of 2027-01-01", True),
    ],
)
def test_only_what_machines_differ_in_may_differ(shown, printed, alike):
    assert blocks.same_line(shown, printed) is alike


def test_three_dots_stand_for_any_number_of_lines():
    assert blocks.same(["a", "...", "d"], ["a", "b", "c", "d"])
    assert blocks.same(["a", "..."], ["a"])
    assert not blocks.same(["a", "...", "d"], ["a", "b"])
    assert not blocks.same(["a"], ["a", "b"])


@pytest.mark.parametrize("page", ["cli.md", "python.md"])
def test_a_reference_is_made_from_the_code(page):
    made = make_reference.cli_page() if page == "cli.md" else make_reference.python_page()
    assert made == (PROJECT / "docs" / page).read_text(encoding="utf-8"), "run: python docs/make_reference.py"


def test_the_manual_pages_are_made_from_the_code():
    pages = {page.name: page.read_text(encoding="ascii") for page in (PROJECT / "docs" / "man").iterdir()}
    assert pages == make_man.man_pages(), "run: python docs/make_reference.py"
    assert {"ragcli.1", *(f"ragcli-{name}.1" for name in TREE.commands)} <= pages.keys()


@pytest.mark.skipif(not (shutil.which("mandoc") or shutil.which("man")), reason="needs mandoc or man")
@pytest.mark.parametrize("name", sorted(make_man.man_pages()))
def test_a_manual_page_is_shown_without_a_warning_and_holds_the_help_page(name):
    page = PROJECT / "docs" / "man" / name
    if shutil.which("mandoc"):
        assert subprocess.run(["mandoc", "-Tlint", "-Wwarning", page], capture_output=True, check=False).stdout == b""
    render = ["man", "--warnings", "-l", page] if shutil.which("man") else ["mandoc", page]
    shown = subprocess.run(
        render, capture_output=True, text=True, check=True,
        env={**os.environ, "MANWIDTH": "200", "LC_ALL": "C.UTF-8", "MAN_KEEP_FORMATTING": ""},
    )  # fmt: skip
    assert shown.stderr == ""
    text = " ".join(re.sub(r".\x08|\x1b\[[0-9;]*m", "", shown.stdout).split())
    words = name.removesuffix(".1").split("-")[1:]
    help_page = subprocess.run(
        [sys.executable, "-m", "ragcli", *words, "--help"], capture_output=True, text=True, check=True,
        env={**os.environ, "COLUMNS": "400"},
    ).stdout  # fmt: skip
    lines = [part for line in help_page.splitlines() for part in re.split(r"\s{2,}", line.strip()) if part]
    assert [line for line in lines[1:] if line.lower() not in text.lower() and not line.endswith(":")] == []


def test_the_picture_shows_what_the_command_prints(sample_home):
    printed = make_picture.shown(make_picture.svg(make_picture.printed(sample_home, "samples")))
    shown = make_picture.shown(make_picture.PICTURE.read_text(encoding="utf-8"))
    assert blocks.same(shown, printed), "run: python docs/make_picture.py"
    assert sum(line.endswith("%") for line in shown) == 3


def test_the_picture_loads_nothing():
    picture = make_picture.PICTURE.read_text(encoding="utf-8")
    assert re.findall(r"https?://[^\"')\s]+", picture) == ["http://www.w3.org/2000/svg"]
    assert not re.search(r"href|@import|@font-face|<script", picture)


def calls() -> list[str]:
    """Each call of ragcli in a console block, also of those that do not run here."""
    texts = [command.text.split("  #")[0] for block in PROGRAMS for command in block.commands]
    parts = [part for text in texts for part in re.split(r"[|;\n]|<\(", text)]
    return [found[0] for part in parts if (found := re.search(r"\bragcli [a-z]+\b.*", part))]


@pytest.mark.parametrize("call", calls())
def test_a_call_names_a_command_and_options_that_exist(call):
    words = call.split()[1:]
    command = TREE.commands[words.pop(0)]
    while words and words[0] in getattr(command, "commands", {}):
        command = command.commands[words.pop(0)]
    known = {flag for p in command.params for flag in (*p.opts, *p.secondary_opts)}
    assert {word for word in words if re.fullmatch(r"--?[a-zA-Z0][\w-]*", word)} <= known | {"--help"}


@pytest.mark.parametrize("name", COMMANDS)
def test_the_guide_tells_of_every_command(name):
    assert re.search(rf"ragcli\s{name}\b", GUIDE)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_option_says_what_it_is_for(name):
    silent = [p.name for p in COMMANDS[name].params if p.param_type_name == "option" and not p.help]
    assert [option for option in silent if option != "help"] == []


def test_the_readme_begins_with_the_two_commands_and_is_one_screen():
    assert README.index("make demo") < README.index("make test") < 400
    assert len(README.splitlines()) <= 75


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
