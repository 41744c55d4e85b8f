"""Defaults, ragcli.toml, variables and flags, and what is said about them."""

from __future__ import annotations

import json

import pytest


@pytest.fixture
def ask(ragcli, sample_home, tmp_path):
    """Ask the sample index in a folder of this test's own; returns the hits."""

    def run(*arguments: str, **variables: str) -> list[dict]:
        done = ragcli(
            "query",
            "attention",
            "--json",
            "--index",
            str(sample_home / "samples"),
            *arguments,
            cwd=tmp_path,
            **variables,
        )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)["hits"]

    return run


def test_flags_win_over_variables_over_the_file_over_defaults(ask, tmp_path):
    assert len(ask()) == 10
    (tmp_path / "ragcli.toml").write_text("[query]\nk = 4\n")
    assert len(ask()) == 4
    assert len(ask(RAGCLI_QUERY_K="3")) == 3
    assert len(ask("-k", "2", RAGCLI_QUERY_K="3")) == 2


def test_config_says_where_a_value_comes_from(ragcli, tmp_path):
    (tmp_path / "ragcli.toml").write_text("[query]\nk = 4\nformat = 'json'\n")
    done = ragcli("config", "--json", cwd=tmp_path, RAGCLI_QUERY_MODE="keyword")
    options = {(o["command"], o["option"]): o for o in json.loads(done.stdout)["options"]}
    assert (options["query", "k"]["value"], options["query", "k"]["from"]) == (4, "ragcli.toml")
    assert options["query", "format"]["from"] == "ragcli.toml"
    assert (options["query", "mode"]["value"], options["query", "mode"]["from"]) == ("keyword", "RAGCLI_QUERY_MODE")
    assert options["index", "workers"]["from"] == "default"


def test_indexes_live_beside_the_nearest_ragcli_toml(ragcli, tmp_path):
    (tmp_path / "deep" / "er").mkdir(parents=True)
    (tmp_path / "ragcli.toml").write_text("")
    status = json.loads(ragcli("status", "--json", cwd=tmp_path / "deep" / "er", RAGCLI_HOME="").stdout)
    assert status["home"] == str(tmp_path / "indexes")
    assert status["exists"] is False


@pytest.mark.parametrize(
    "command",
    [
        "index",
        "query",
        "parse",
        "show",
        "open",
        "list",
        "status",
        "remove",
        "verify",
        "repair",
        "doctor",
        "config",
    ],
)
def test_every_command_has_help_with_what_it_is_for(ragcli, command):
    done = ragcli(command, "--help")
    assert done.returncode == 0
    assert f"Usage: ragcli {command}" in done.stdout
    assert "--json" in done.stdout


def test_version_and_bare_call(ragcli):
    assert ragcli("--version").stdout.startswith("ragcli 0.")
    bare = ragcli()
    assert "Usage: ragcli" in bare.stdout + bare.stderr


def test_completion_knows_indexes_and_formats(ragcli, sample_home):
    words = {"_RAGCLI_COMPLETE": "complete_bash", "RAGCLI_HOME": str(sample_home)}
    names = ragcli(COMP_WORDS="ragcli query x --index ", COMP_CWORD="4", **words).stdout
    assert "samples" in names.split()
    formats = ragcli(COMP_WORDS="ragcli query x --format vim", COMP_CWORD="4", **words).stdout
    assert formats.split() == ["vimgrep"]
