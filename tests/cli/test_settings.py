"""Defaults, ragcli.toml, variables and flags, and what is said about them."""

from __future__ import annotations

import json
import re

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


def test_a_subcommand_has_a_table_of_its_own_and_what_stands_at_the_top(ragcli, sample_home, tmp_path):
    (tmp_path / "ragcli.toml").write_text('index = "samples"\n[eval.make]\ncount = 4\n')
    home = {"RAGCLI_HOME": str(sample_home), "cwd": tmp_path}
    assert len(ragcli("eval", "make", **home).stdout.splitlines()) == 4
    assert len(ragcli("eval", "make", **home, RAGCLI_EVAL_MAKE_COUNT="3").stdout.splitlines()) == 3
    assert len(ragcli("eval", "make", "--count", "2", **home, RAGCLI_EVAL_MAKE_COUNT="3").stdout.splitlines()) == 2
    (tmp_path / "ragcli.toml").write_text("[eval]\ncount = 4\n")
    done = ragcli("eval", "make", **home)
    assert done.returncode == 2
    assert "there is no option 'eval.count'" in done.stderr


def test_a_mistake_in_the_file_stops_every_command_but_not_the_version(ragcli, tmp_path):
    for content, said in (
        ("[query]\nkk = 3\n", "there is no option 'query.kk'"),
        ("[eval.make]\nkk = 3\n", "there is no option 'eval.make.kk'"),
        ("kk = 3\n", "there is no option 'kk'"),
        ("[queri]\nk = 3\n", "there is no command 'queri'"),
        ("query = 3\n", "there is no option 'query'"),
    ):
        (tmp_path / "ragcli.toml").write_text(content)
        for command in ("status", "config", "query"):
            done = ragcli(command, *(["x"] if command == "query" else []), cwd=tmp_path)
            assert done.returncode == 2
            assert done.stderr.startswith(f"ragcli: {tmp_path / 'ragcli.toml'}: {said}")
        assert ragcli("--version", cwd=tmp_path).returncode == 0


def test_config_lists_what_differs_and_all_on_demand(ragcli, tmp_path):
    (tmp_path / "ragcli.toml").write_text('index = "notes"\n[query]\nunique = true\ntype = ["md", "pdf"]\n')
    variables = {"cwd": tmp_path, "RAGCLI_HOME": "", "RAGCLI_QUERY_K": "3"}
    rows = [line.split(maxsplit=2) for line in ragcli("config", **variables).stdout.splitlines()]
    assert rows[0] == ["option", "value", "from"]
    assert {row[0]: row[1] for row in rows[1:]} == {
        "index": "notes", "query.k": "3", "query.unique": "true", "query.type": '["md",',
    }  # fmt: skip
    everything = ragcli("config", "--all", **variables).stdout.splitlines()
    assert len(everything) > len(rows) + 50
    assert [line.split()[0] for line in everything].count("index") == 1
    assert not any(re.search(r"\b(True|False|None)\b", line) for line in everything)


def test_config_prints_one_value(ragcli, tmp_path):
    (tmp_path / "ragcli.toml").write_text('index = "notes"\n[query]\nk = 4\n[eval.make]\ncount = 9\n')

    def value(name: str) -> str:
        return ragcli("config", name, cwd=tmp_path).stdout

    assert (value("query.k"), value("eval.make.count"), value("index")) == ("4\n", "9\n", "notes\n")
    assert (value("query.rerank"), value("index.max-file-size"), value("ask.llm")) == ("true\n", "64M\n", "\n")
    assert json.loads(ragcli("config", "query.k", "--json", cwd=tmp_path).stdout)["from"] == "ragcli.toml"
    done = ragcli("config", "query.kk", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "ragcli: there is no option 'query.kk'; did you mean query.k?\n"
    (tmp_path / "ragcli.toml").write_text('[query]\nindex = "notes"\n')
    assert "index differs between commands; name one: ragcli config " in ragcli("config", "index", cwd=tmp_path).stderr
    assert value("query.index") == "notes\n"


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


def test_version_and_bare_call(ragcli):
    assert ragcli("--version").stdout.startswith("ragcli 0.")
    bare = ragcli()
    assert "Usage: ragcli" in bare.stdout + bare.stderr
