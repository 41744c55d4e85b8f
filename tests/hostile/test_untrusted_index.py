"""An index that someone else made is an error or an answer, whatever stands in it; it runs nothing and costs little."""

from __future__ import annotations

import ast
import json
import random
import shutil
import sqlite3
from contextlib import closing, suppress
from pathlib import Path

import pytest

from ragcli.api import search
from ragcli.errors import RagcliError, UsageError
from ragcli.index.catalog.documents import Catalog
from ragcli.index.reader import open_index
from ragcli.index.verify import verify
from ragcli.index.writer import open_writer
from ragcli.ingest.sync import SyncOptions, sync
from ragcli.retrieve.engine import SearchOptions
from ragcli.retrieve.reference import find_reference, text_around

PACKAGE = Path(__file__).resolve().parents[2] / "ragcli"
NASTY = [
    None, 0, -1, 1, 2**31, 2**53, 2**63 - 1, -(2**63), 1.5, float("inf"), "", "x", "\x1b[2J", b"", b"\xff\xfe", b"/x",
    "[]", "{}", "null", "[[1, 2]]", "[" * 3_000, '{"a": ' * 2_000, "1e999", "NaN", '"../../x"', "-1", str(10**30),
    "[null]", '[["a", "b"]]', "[1e400]", "x" * 10_000, "../../../etc/passwd", "seg-0001-99999999.faiss",
]  # fmt: skip


@pytest.fixture(scope="module")
def honest(tmp_path_factory) -> Path:
    base = tmp_path_factory.mktemp("honest")
    (base / "docs").mkdir()
    (base / "docs" / "a.md").write_text("# Harbour\n\nThe harbour is deep.\n\n## Lamp\n\nA lamp burns all night.\n")
    (base / "docs" / "b.txt").write_text("The pilot boards at dawn.")
    (base / "docs" / "empty.txt").write_text("")
    sync(base / "index", [base / "docs"], SyncOptions())
    return base / "index"


def use(folder: Path) -> None:
    """Everything that reads an index, one after the other; each may refuse it."""

    def read() -> None:
        with open_index(folder) as index:
            list(index.catalog.documents()), index.catalog.skipped(), index.catalog.roots(), index.catalog.settings()
            search(index, "harbour lamp", SearchOptions(reranker=None))
            search(index, "harbour lamp", SearchOptions(reranker=None, mode="keyword"))
            place = find_reference(index, "3")
            text_around(index, place, 3)

    def write() -> None:
        with open_writer(folder) as writer:
            writer.tidy()

    def run() -> None:
        sync(folder, [], SyncOptions())

    for action in (read, lambda: verify(folder), write, run, lambda: Catalog.open(folder).close()):
        with suppress(RagcliError):
            action()


def columns(catalog: sqlite3.Connection) -> list[tuple[str, str]]:
    tables = [row[0] for row in catalog.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")]
    return [(table, row[1]) for table in tables for row in catalog.execute(f"PRAGMA table_info({table})")]


@pytest.mark.parametrize("seed", range(6))
def test_whatever_stands_in_a_catalog_is_an_error_of_ours_or_an_answer(honest, tmp_path, seed):
    rng = random.Random(seed)
    tried = 0
    for number in range(25):
        folder = tmp_path / str(number)
        shutil.copytree(honest, folder)
        with closing(sqlite3.connect(folder / "catalog.sqlite3")) as catalog, catalog:
            for _ in range(rng.choice([1, 1, 3])):
                table, column = rng.choice(columns(catalog))
                value = rng.choice(NASTY)
                try:
                    if table in {"pending", "dead"} or rng.random() < 0.1:
                        width = len([name for name, _ in columns(catalog) if name == table])
                        catalog.execute(
                            f"INSERT INTO {table} VALUES ({','.join('?' * width)})", rng.choices(NASTY, k=width)
                        )
                    else:
                        catalog.execute(f'UPDATE {table} SET "{column}" = ?', (value,))
                    tried += 1
                except (sqlite3.Error, OverflowError):
                    continue
        use(folder)
        shutil.rmtree(folder)
    assert tried > 10


@pytest.mark.parametrize("name", ["catalog.sqlite3", "vectors", "keywords"])
@pytest.mark.parametrize("seed", range(3))
def test_whatever_bytes_stand_in_a_file_is_an_error_of_ours_or_an_answer(honest, tmp_path, name, seed):
    rng = random.Random(f"{name}{seed}")
    for number in range(8):
        folder = tmp_path / str(number)
        shutil.copytree(honest, folder)
        place = folder / name
        path = rng.choice(sorted(place.iterdir())) if place.is_dir() else place
        content = bytearray(path.read_bytes())
        for _ in range(rng.choice([1, 4, 64])):
            if content:
                content[rng.randrange(len(content))] = rng.randrange(256)
        path.write_bytes(content[: rng.choice([len(content), rng.randrange(len(content) + 1)])])
        use(folder)
        shutil.rmtree(folder)


def test_a_schema_that_acts_is_refused(honest, tmp_path):
    for number, sql in enumerate(
        (
            "CREATE TRIGGER t AFTER UPDATE ON documents BEGIN DELETE FROM chunks; END",
            "CREATE VIEW v AS SELECT * FROM chunks",
            "CREATE VIRTUAL TABLE v USING fts5(x)",
        )
    ):
        folder = tmp_path / str(number)
        shutil.copytree(honest, folder)
        with closing(sqlite3.connect(folder / "catalog.sqlite3")) as catalog:
            catalog.executescript(sql)
        for action in (Catalog.open, verify, lambda place: sync(place, [], SyncOptions())):
            with pytest.raises(RagcliError, match="which ragcli never makes"):
                action(folder)


def test_no_module_of_the_package_can_run_what_it_reads():
    """No pickle, marshal, shelve or eval: what is read from an index or a document is data."""
    for module in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(module.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import | ast.ImportFrom):
                names = [alias.name for alias in node.names] + [getattr(node, "module", "") or ""]
                assert not {name.split(".")[0] for name in names} & {"pickle", "marshal", "shelve", "dill", "joblib"}, (
                    module
                )
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                assert node.func.id not in {"eval", "exec", "compile", "__import__"}, module
            if isinstance(node, ast.keyword):
                is_true = isinstance(node.value, ast.Constant) and node.value.value is True
                assert not (node.arg in {"trust_remote_code", "shell", "allow_pickle"} and is_true), module


def test_open_starts_no_program_for_a_path_that_could_be_an_option(ragcli, honest, tmp_path):
    folder = tmp_path / "index"
    shutil.copytree(honest, folder)
    with closing(sqlite3.connect(folder / "catalog.sqlite3")) as catalog, catalog:
        [(document,)] = catalog.execute("SELECT id FROM documents WHERE substr(path, -4) = CAST('a.md' AS BLOB)")
        catalog.execute("UPDATE documents SET path = CAST('-c:!touch pwned' AS BLOB) WHERE id = ?", (document,))
        [(chunk,)] = catalog.execute("SELECT min(id) FROM chunks WHERE document = ?", (document,))
    (tmp_path / "-c:!touch pwned").write_text("x")
    done = ragcli("open", "-c:!touch pwned:1", "--index", str(folder), "--dry-run", cwd=tmp_path, EDITOR="vim")
    assert done.returncode == 2
    done = ragcli("open", str(chunk), "--index", str(folder), "--dry-run", cwd=tmp_path, EDITOR="vim")
    assert done.returncode == 2, done.stdout
    assert json.loads(ragcli("status", "--index", str(folder), "--json").stdout)["exists"]


@pytest.mark.parametrize("reference", ["9" * 30, "9" * 5000, f"a.md:{'9' * 5000}", f"a.md#page={'9' * 30}", "²"])
def test_a_reference_with_any_number_is_a_usage_error(honest, reference):
    with open_index(honest, None) as index, pytest.raises(UsageError):
        find_reference(index, reference)
