"""What a ragcli.toml may set before it is trusted, and what then."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ragcli.cli.app import command_tree
from ragcli.trust import needs_trust

DANGEROUS = {
    "index": "/elsewhere/index", "home": "../up", "in": ["/etc/passwd"], "model": "some/m", "reranker": "some/m",
    "base_url": "http://evil.example", "llm": "m", "local": "hf:some/model", "output": "x", "plot": "x.png", "run": "x",
    "store": "milvus://evil.example/c", "engine": "ray", "address": "203.0.113.9:6379", "ocr": True, "yes": True,
    "timeout": 1e9, "memory": 0, "max_text": 1 << 20, "workers": 99, "split": "../../x", "ocr_lang": "x",
    "status": True, "stop": True, "socket": "/elsewhere/s", "port": 80, "host": "0.0.0.0",
    "allow_host": ["evil.example"], "token": "/elsewhere/token", "idle": "1s", "threads": 64, "queue": 9999,
    "watch": True, "allow_index": True, "max_tokens": 100_000, "install": "claude", "remove": "claude", "print": True,
    "include_secrets": True, "office": True, "open": True, "relocate": ["a", "b"], "merge": True,
    "skill": True, "once": True, "quiet_for": "1s", "at_most": "1s", "exec": "touch x", "print_unit": True,
}  # fmt: skip


def options() -> dict[str, list[str]]:
    """The commands that have each option, as they are typed."""
    found: dict[str, list[str]] = {}

    def add(words: list[str], command) -> None:
        for name, below in getattr(command, "commands", {}).items():
            add([*words, name], below)
        for parameter in command.params:
            if parameter.param_type_name == "option" and words:
                found.setdefault(parameter.name, []).append(" ".join(words))

    add([], command_tree())
    return {name: sorted(commands, key=lambda words: words.count(" ")) for name, commands in found.items()}


def test_an_option_that_nobody_judged_needs_trust():
    assert needs_trust(Path("/d/ragcli.toml"), "an_option_of_next_year", 1)


def test_the_options_that_need_trust_are_these():
    file = Path("/d/ragcli.toml")
    held = {name.rstrip("_") for name in options() if needs_trust(file, name, "/elsewhere")}
    assert held - {"help", "version"} == DANGEROUS.keys()


@pytest.fixture
def found_folder(tmp_path, ragcli):
    """A folder as it came from somewhere: documents, and a ragcli.toml that the test writes."""
    folder = tmp_path / "found"
    folder.mkdir()
    (folder / "a.txt").write_text("The harbour is deep.")

    def run(*arguments: str, **variables: str):
        return ragcli(*arguments, cwd=folder, **{"RAGCLI_HOME": "", **variables})

    return folder, run


@pytest.mark.parametrize("option", DANGEROUS)
def test_a_command_does_not_start_with_what_needs_trust(found_folder, option):
    folder, run = found_folder
    command = options().get(option, options().get(f"{option}_"))[0]
    value = json.dumps(DANGEROUS[option])
    (folder / "ragcli.toml").write_text(f"[{command.replace(' ', '.')}]\n{option} = {value}\n")
    arguments = {"index": ["."], "query": ["x"], "ask": ["x"], "eval": ["x.jsonl"], "parse": ["a.txt"], "import": ["x"]}
    done = run(*command.split(), *arguments.get(command, []))
    assert done.returncode == 2
    assert done.stdout == ""
    assert f"ragcli.toml is not trusted, so it may not set {option}; " in done.stderr
    assert "ragcli config trust" in done.stderr
    assert sorted(path.name for path in folder.iterdir()) == ["a.txt", "ragcli.toml"]


def test_what_a_flag_or_variable_says_needs_no_trust(found_folder, tmp_path):
    folder, run = found_folder
    (folder / "ragcli.toml").write_text('[index]\nmemory = 0\nindex = "/elsewhere"\n')
    assert run("index", ".", "--memory", "900", "--index", "mine").returncode == 0
    assert run("index", ".", RAGCLI_INDEX_MEMORY="900", RAGCLI_INDEX="mine").returncode == 0
    assert (folder / "indexes" / "mine").is_dir()


def test_harmless_settings_hold_at_once(found_folder):
    folder, run = found_folder
    (folder / "ragcli.toml").write_text('index = "notes"\n[query]\nk = 1\nformat = "json"\n')
    assert run("index", ".").returncode == 0
    assert len(json.loads(run("query", "harbour").stdout)["hits"]) == 1
    assert (folder / "indexes" / "notes").is_dir()


def test_trust_is_for_the_file_as_it_is(found_folder):
    folder, run = found_folder
    (folder / "ragcli.toml").write_text(f'home = "{folder.parent / "outside"}"\n')
    assert run("index", ".").returncode == 2
    assert run("config", "trust").returncode == 0
    assert json.loads(run("config", "--json").stdout)["trusted"]
    assert run("index", ".").returncode == 0
    assert (folder.parent / "outside" / "default").is_dir()
    (folder / "ragcli.toml").write_text(f'home = "{folder.parent / "another"}"\n')
    assert run("index", ".").returncode == 2
    shown = json.loads(run("config", "--json").stdout)
    assert not shown["trusted"]
    assert {entry["from"] for entry in shown["options"] if entry["option"] == "home"} == {"ragcli.toml, not trusted"}
    # a copy of a trusted file in another place is another file
    run("config", "trust")
    (folder / "deeper").mkdir()
    (folder / "deeper" / "ragcli.toml").write_bytes((folder / "ragcli.toml").read_bytes())
    assert run("--version").returncode == 0
    assert run("config", "distrust").returncode == 0
    assert run("config", "distrust").returncode == 1
    assert run("index", ".").returncode == 2


def test_a_list_of_trusted_files_that_is_damaged_is_said_and_trusts_nothing(found_folder, tmp_path):
    folder, run = found_folder
    (folder / "ragcli.toml").write_text('[ask]\nllm = "m"\n')
    assert run("config", "trust").returncode == 0
    (store,) = (tmp_path / "settings").rglob("trusted.json")
    for content in (b"{", b"[1]", b"[" * 100_000):
        store.write_bytes(content)
        done = run("ask", "x")
        assert done.returncode == 2
        assert str(store) in done.stderr


def test_a_linked_home_does_not_reach_another_index(found_folder, tmp_path):
    folder, run = found_folder
    assert run("index", ".", "--home", str(tmp_path / "private")).returncode == 0
    (folder / "ragcli.toml").write_text("")
    (folder / "indexes").symlink_to(tmp_path / "private")
    for command in (["query", "harbour"], ["remove", "a.txt"], ["index"], ["doctor"], ["eval", "make"]):
        done = run(*command)
        assert done.returncode == 2, done.stdout
        assert "a link that leads out" in done.stderr
    (folder / "indexes").unlink()
    (folder / "indexes").mkdir()
    (folder / "indexes" / "default").symlink_to(tmp_path / "private" / "default")
    assert run("remove", "a.txt").returncode == 2
    assert run("config", "trust").returncode == 0
    assert run("query", "harbour").returncode == 0


@pytest.mark.parametrize("name", ["writer.lock", "writer.json", "catalog.sqlite3", "vectors", "catalog.sqlite3-shm"])
def test_a_link_inside_an_index_is_never_written_through(found_folder, tmp_path, name):
    folder, run = found_folder
    victim = tmp_path / "victim"
    victim.write_text("precious")
    index = folder / "indexes" / "default"
    index.mkdir(parents=True)
    (folder / "ragcli.toml").write_text("")
    (index / name).symlink_to(victim)
    for command in (["index", "."], ["query", "harbour"], ["verify"], ["remove", "a.txt"]):
        assert run(*command).returncode == 2
    assert victim.read_text() == "precious"


def test_a_file_of_settings_without_end_is_refused(found_folder):
    folder, run = found_folder
    (folder / "ragcli.toml").write_bytes(b"#" * (2 << 20))
    assert "is over 1 MiB" in run("status").stderr
    (folder / "ragcli.toml").write_text("a = " + "[" * 100_000)
    done = run("status")
    assert done.returncode == 2
    assert "not valid TOML" in done.stderr
