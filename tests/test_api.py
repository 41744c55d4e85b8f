"""The public Python API as a newcomer meets it: in a fresh process and a fresh folder, with paths as strings."""

from __future__ import annotations

import ast
import doctest
import inspect
import json
import os
import pkgutil
import re
import subprocess
import sys
from pathlib import Path

import pytest

import ragcli
from ragcli import errors

PROJECT = Path(__file__).resolve().parents[1]
FUNCTIONS = ("ask", "open_index", "repair", "rerank", "search", "sync", "verify")
LOGS = "# Logs\n\nThe logs of the server are rotated every 7 days, at night.\n"
NOTES = {"logs.md": LOGS, "clock.txt": "The tower clock strikes thirteen on market days.\n"}


@pytest.fixture
def notes(tmp_path) -> Path:
    """A folder with a folder of notes in it."""
    (tmp_path / "notes").mkdir()
    for name, text in NOTES.items():
        (tmp_path / "notes" / name).write_text(text)
    return tmp_path


def python(folder: Path, code: str) -> str:
    """What a program prints that runs in ``folder``, as a script of the user's."""
    script = folder / "script.py"
    script.write_text(code)
    done = subprocess.run(
        [sys.executable, script.name], cwd=folder, capture_output=True, text=True, check=False, timeout=300,
        env={**os.environ, "PYTHONPATH": str(PROJECT)},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return done.stdout


def test_the_block_of_the_readme_works_on_the_first_run_and_on_the_second(notes):
    block = re.search(r"```python\n(.*?)```", (PROJECT / "README.md").read_text(encoding="utf-8"), re.DOTALL)[1]
    for _ in range(2):
        assert "logs.md 3 The logs of the server are rotated every 7 days, at night." in python(notes, block)


def test_the_example_in_the_docstring_works_on_the_first_run_and_on_the_second(notes):
    (example,) = doctest.DocTestFinder(recurse=False).find(ragcli, "ragcli")
    code = "".join(line.source for line in example.examples)
    expected = "".join(line.want for line in example.examples)
    assert expected.startswith("logs.md 3 ")
    for _ in range(2):
        assert python(notes, code).splitlines()[0] == expected.splitlines()[0]


EVERYTHING = """
import json
import ragcli

first = ragcli.sync("indexes/notes", "notes")
again = ragcli.sync("indexes/notes")
results = ragcli.search("indexes/notes", "how are logs rotated?", ragcli.SearchOptions(k=1))
with ragcli.open_index("indexes/notes") as index:
    same = ragcli.search(index, "how are logs rotated?", ragcli.SearchOptions(k=1))
    answer = ragcli.ask(index, "how often are the logs rotated?")
verdicts = ragcli.rerank("how often are logs rotated?", ["A tower clock.", "Logs are rotated every 7 days.", ""])
report = ragcli.verify("indexes/notes")
repaired = ragcli.repair("indexes/notes")
try:
    ragcli.search("nowhere", "how are logs rotated?")
except ragcli.RagcliError as error:
    caught = [type(error).__name__, isinstance(error, ragcli.IndexNotFound)]
print(json.dumps({
    "added": [first.added, again.added, again.unchanged],
    "hits": [[hit.chunk.path.name, hit.snippet.line] for hit in results.hits],
    "same": results.hits == same.hits,
    "quotes": [[citation.chunk.path.name, citation.quote] for citation in answer.citations],
    "order": [verdict.position for verdict in verdicts],
    "scores": [verdict.score for verdict in verdicts],
    "probabilities": [verdict.probability for verdict in verdicts],
    "sound": [list(report.faults), report.documents, bool(repaired)],
    "caught": caught,
}))
"""


def test_every_function_works_with_strings_and_defaults(notes):
    told = json.loads(python(notes, EVERYTHING))
    assert told["added"] == [2, 0, 2]
    assert told["hits"] == [["logs.md", 3]]
    assert told["same"]
    assert ["logs.md", LOGS.splitlines()[2]] in told["quotes"]
    assert told["order"][0] == 1
    assert sorted(told["order"]) == [0, 1, 2]
    assert told["scores"] == sorted(told["scores"], reverse=True)
    assert all(0 < probability < 1 for probability in told["probabilities"])
    assert told["sound"] == [[], 2, False]
    assert told["caught"] == ["IndexNotFound", True]


def test_an_open_index_and_paths_are_taken_as_they_are(notes):
    index = ragcli.sync(notes / "ix", [notes / "notes", str(notes / "notes" / "logs.md")])
    assert index.added == 2
    with ragcli.open_index(notes / "ix", None) as opened:
        assert opened.catalog.count("documents") == 2


@pytest.mark.parametrize("blank", ["", " \n"])
def test_a_blank_question_is_refused(notes, blank):
    ragcli.sync(notes / "ix", notes / "notes")
    for call in (ragcli.search, ragcli.ask):
        with pytest.raises(ragcli.UsageError, match="empty"):
            call(notes / "ix", blank)
    with pytest.raises(ragcli.UsageError, match="empty"):
        ragcli.rerank(blank, ["a"])


def test_nothing_to_rerank_is_nothing():
    assert ragcli.rerank("how often?", []) == []


def test_a_language_model_that_fails_is_an_error(notes):
    ragcli.sync(notes / "ix", notes / "notes")
    told: list[str] = []
    options = ragcli.AskOptions(llm="tiny", base_url="http://192.0.2.1/v1", offline=True)
    with pytest.raises(ragcli.LlmUnavailable, match=r"192\.0\.2\.1 is not this machine"):
        ragcli.ask(notes / "ix", "how often are the logs rotated?", options, say=told.append)
    assert told == []


# names


FIRST_USE = """
import importlib, sys
names = sys.argv[1:]
for first in names:
    for name in [name for name in sys.modules if name == "ragcli" or name.startswith("ragcli.")]:
        del sys.modules[name]
    import ragcli
    for name in [first, *names, first]:
        found = getattr(ragcli, name)
        assert not isinstance(found, type(sys)), f"{name} is a module when {first} comes first"
        assert getattr(ragcli, name) is found, name
    del ragcli
for module in ("ragcli.retrieve.engine", "ragcli.answer.ask", "ragcli.index.verify", "ragcli.ingest.repair"):
    importlib.import_module(module)
import ragcli
print([name for name in names if isinstance(getattr(ragcli, name), type(sys))])
"""


def test_each_name_works_first_and_second_and_after_any_other():
    names = [name for name in ragcli.__all__ if name != "__version__"]
    done = subprocess.run(
        [sys.executable, "-c", FIRST_USE, *names], capture_output=True, text=True, check=False, timeout=300
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == "[]\n"


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_function_is_there_when_its_whole_package_was_imported_first(name):
    """Importing a folder of the package binds its name; no function may bear the same one."""
    code = (
        "import importlib, pkgutil, ragcli\n"
        "for module in pkgutil.iter_modules(ragcli.__path__):\n"
        "    if module.name != '__main__': importlib.import_module(f'ragcli.{module.name}')\n"
        f"print(callable(ragcli.{name}), ragcli.{name}.__name__)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=120)
    assert done.stdout == f"True {name}\n"


def test_no_public_name_is_the_name_of_a_module():
    modules = {module.name for module in pkgutil.iter_modules(ragcli.__path__)}
    assert {"index", "retrieve", "types"} <= modules
    assert set(ragcli.__all__) & modules == set()


def test_what_is_exported_is_what_is_named_and_typed():
    """The names for users, for type checkers and for the first use are the same."""
    tree = ast.parse(Path(ragcli.__file__).read_text(encoding="utf-8"))
    (typed,) = [node for node in tree.body if isinstance(node, ast.If)]
    imported = {alias.asname or alias.name for node in typed.body for alias in node.names}
    assert imported | {"__version__"} == set(ragcli.__all__)
    assert len(ragcli.__all__) == len(set(ragcli.__all__))
    assert set(ragcli.__all__) <= set(dir(ragcli))
    loaded = {name for name in dir(ragcli) if not name.startswith("_")}
    public = {name for name in loaded if not isinstance(getattr(ragcli, name), type(sys))}
    assert public - {"annotations", "import_module", "TYPE_CHECKING", "Any"} == set(ragcli.__all__) - {"__version__"}


def test_every_error_is_exported_and_is_one_tree():
    tree = {name for name, found in vars(errors).items() if inspect.isclass(found) and issubclass(found, Exception)}
    assert tree <= set(ragcli.__all__)
    assert all(issubclass(getattr(ragcli, name), ragcli.RagcliError) for name in tree)


@pytest.mark.parametrize("name", [name for name in ragcli.__all__ if name != "__version__"])
def test_every_public_name_is_documented_and_every_option_has_a_default(name):
    found = getattr(ragcli, name)
    assert inspect.getdoc(found)
    if name in FUNCTIONS:
        required = [p.name for p in inspect.signature(found).parameters.values() if p.default is p.empty]
        assert required == {
            "search": ["index", "question"],
            "ask": ["index", "question"],
            "rerank": ["question", "texts"],
        }.get(name, ["index"])
        assert "Raises" in inspect.getdoc(found)
    if name.endswith("Options") or name in {"Filters", "Limits", "Rules"}:
        assert found() == found()


def test_a_name_that_is_not_there_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'find'"):
        _ = ragcli.find
    assert not hasattr(ragcli, "find")


def test_importing_ragcli_loads_nothing_else():
    code = "import sys, ragcli; print(sorted(name for name in sys.modules if name.startswith('ragcli.')))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "['ragcli._version']\n"


USER = """
from pathlib import Path

import ragcli

summary = ragcli.sync("index", ["notes", Path("more")], ragcli.SyncOptions(force=True))
added: int = summary.added
with ragcli.open_index(Path("index")) as index:
    hits: tuple[ragcli.Hit, ...] = ragcli.search(index, "logs").hits
    place: tuple[Path, int, float | None] = hits[0].chunk.path, hits[0].snippet.line, hits[0].probability
    answer: ragcli.Answer = ragcli.ask("index", "logs?", ragcli.AskOptions(strict=True))
order: list[int] = [verdict.position for verdict in ragcli.rerank("logs?", ["a", "b"])]
faults: tuple[str, ...] = ragcli.verify("index").faults
ragcli.repair("index", on_wait=print)
wrong: int = ragcli.search("index", "logs")
"""


def test_a_type_checker_knows_the_types(tmp_path):
    (tmp_path / "user.py").write_text(USER)
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "--config-file=", "--cache-dir", str(tmp_path), "user.py"],
        cwd=tmp_path, capture_output=True, text=True, check=False, timeout=300,
        env={**os.environ, "MYPYPATH": str(PROJECT)},
    )  # fmt: skip
    (line,) = [line for line in done.stdout.splitlines() if line.startswith("user.py:")]
    assert 'expression has type "Results", variable has type "int"' in line
