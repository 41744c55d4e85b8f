"""The rules of docs/design.md on who may import what, read from the source and from real processes."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from ragcli.cli.app import COMMANDS, command_tree

PACKAGE = Path(__file__).resolve().parents[1] / "ragcli"
MODULES = sorted(PACKAGE.rglob("*.py"))
PROGRAMS = [path for folder in ("training", "benchmarks") for path in (PACKAGE.parent / folder).rglob("*.py")]
FOLDERS = {folder.name for folder in PACKAGE.iterdir() if (folder / "__init__.py").exists()} - {"transfer", "text"}

# library -> the modules or folders that may import it
HOMES = {
    "typer": ("cli/",),
    "rich": ("render/", "cli/"),
    "prompt_toolkit": ("cli/pick.py",),
    "faiss": ("index/vectors/",),
    "pymilvus": ("index/milvus/client.py",),
    "grpc": ("index/milvus/client.py",),
    "tantivy": ("index/keywords/tantivy_index.py", "text/terms.py"),
    "sqlite3": ("index/catalog/database.py", "cli/doctor.py"),
    "sentence_transformers": ("models/",),
    "transformers": ("models/",),
    "tokenizers": ("models/tokenizer.py",),
    "huggingface_hub": ("models/",),
    "onnxruntime": ("models/onnx/",),
    "pypdf": ("formats/pdf/pypdf_reader.py",),
    "pypdfium2": ("formats/pdf/",),
    "docx": ("formats/ooxml/docx.py",),
    "pptx": ("formats/ooxml/pptx.py",),
    "openpyxl": ("formats/ooxml/",),
    "markdown_it": ("formats/markup/markdown.py",),
    "olefile": ("formats/ole/container.py",),
    "xlrd": ("formats/ole/xls.py",),
    "selectolax": ("formats/",),
    "charset_normalizer": ("formats/",),
    "httpx2": ("answer/llm.py",),
    "ir_measures": ("evaluate/measures.py",),
    "matplotlib": ("evaluate/plot.py",),
    "scipy": ("evaluate/statistics.py",),
    "sklearn": ("evaluate/fit_probability.py",),
    "ray": ("ingest/cluster/ray_job.py",),
    "starlette": ("serve/http.py",),
    "uvicorn": ("serve/http.py",),
}

# A step never imports its neighbour; what several steps need stands at the top of the package or is named here.
NEIGHBOURS = {
    "formats": {"formats", "text/source"},
    "models": {"models"},
    "render": {"render"},
    "transfer": {"transfer", "index"},
    "index": {"index", "text"},
    "retrieve": {"retrieve", "index", "models", "text"},
    "answer": {"answer", "retrieve", "index", "models", "text"},
    "evaluate": {"evaluate", "retrieve", "index", "models", "ingest", "formats", "text"},
}

HEAVY_INSIDE_FUNCTIONS = {"torch", "sentence_transformers", "transformers", "huggingface_hub"}
# nobody imports it: it is run as a process of its own, so that what Ray prints or ends is not ragcli
RUN_APART = "ragcli.ingest.cluster.ray_job"
WRAPPERS = ("ragcli.models.torch.bfloat16", "ragcli.models.torch.loading", "ragcli.models.hub")


def imports(module: Path, *, top_level: bool = False) -> Iterator[str]:
    """Dotted names that a module imports; with ``top_level`` only those at import time."""
    tree = ast.parse(module.read_text(encoding="utf-8"))
    skipped: set[ast.AST] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test):
            skipped.update(child for statement in node.body for child in ast.walk(statement))
        if top_level and isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            skipped.update(ast.walk(node))
    for node in ast.walk(tree):
        if node in skipped:
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def name_of(module: Path) -> str:
    return module.relative_to(PACKAGE).as_posix()


@pytest.mark.parametrize("library", HOMES)
def test_a_library_is_imported_in_its_home_only(library):
    users = {name_of(m) for m in MODULES if any(i.split(".")[0] == library for i in imports(m))}
    assert users, f"nothing imports {library}: take it from the list and from pyproject.toml"
    assert {user for user in users if not user.startswith(HOMES[library])} == set()


@pytest.mark.parametrize("step", NEIGHBOURS)
def test_a_step_imports_itself_and_the_shared_types_only(step):
    strangers = {
        f"{name_of(module)} imports {imported}"
        for module in MODULES
        if name_of(module).startswith(f"{step}/")
        for imported in imports(module)
        if imported.startswith("ragcli.") and imported.count(".") > 1
        if not any(imported.removeprefix("ragcli.").replace(".", "/").startswith(ok) for ok in NEIGHBOURS[step])
        if imported.split(".")[1] in FOLDERS
    }
    assert strangers == set()


def test_what_takes_seconds_to_import_is_imported_inside_functions():
    eager = {
        name_of(m) for m in MODULES if HEAVY_INSIDE_FUNCTIONS & {i.split(".")[0] for i in imports(m, top_level=True)}
    }
    # these are the wrappers: whoever needs them imports them inside functions in turn
    assert eager <= {"models/torch/bfloat16.py", "models/torch/loading.py", "models/hub.py"}
    users = {name_of(m) for m in MODULES for i in imports(m, top_level=True) if i.startswith(WRAPPERS)}
    assert users <= {"models/torch/encoder.py", "models/torch/cross_encoder.py"}  # themselves imported inside functions


def test_no_module_imports_the_process_that_talks_to_ray():
    assert [name_of(m) for m in MODULES if any(i.startswith(RUN_APART) for i in imports(m))] == []


def graph() -> dict[str, set[str]]:
    """Module -> the modules of the package that it imports: at its top, in functions and for types alike."""
    names = {dotted(module): module for module in MODULES}
    found: dict[str, set[str]] = {}
    for name, module in names.items():
        found[name] = set()
        for node in ast.walk(ast.parse(module.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and node.module:
                # "from package import name" imports a module or a name of the package itself
                whole = {f"{node.module}.{alias.name}" for alias in node.names}
                found[name] |= whole & names.keys() or {node.module} & names.keys()
            elif isinstance(node, ast.Import):
                found[name] |= {alias.name for alias in node.names} & names.keys()
        found[name].discard(name)
    return found


def dotted(module: Path) -> str:
    return ".".join(("ragcli", *module.relative_to(PACKAGE).with_suffix("").parts)).removesuffix(".__init__")


def reached(start: str, imported: dict[str, set[str]]) -> set[str]:
    seen: set[str] = set()
    ahead = [start]
    while ahead:
        new = imported[ahead.pop()] - seen
        seen |= new
        ahead += new
    return seen


def test_no_module_imports_itself_by_way_of_others():
    imported = graph()
    assert sorted(name for name in imported if name in reached(name, imported)) == []


def test_a_small_module_is_not_kept_for_one_user_in_another_package():
    imported = graph()
    programs = {f"{path.parent.name}.{path.stem}": path.read_text(encoding="utf-8") for path in PROGRAMS}
    lonely = []
    for module in MODULES:
        lines = len(module.read_text(encoding="utf-8").splitlines())
        users = [name for name, found in imported.items() if dotted(module) in found]
        users += [program for program, text in programs.items() if f"from {dotted(module)} import" in text]
        if module.name != "__init__.py" and lines < 60 and len(users) == 1 and not same_folder(users[0], module):
            lonely.append(f"{name_of(module)} serves {users[0]} alone")
    assert lonely == []


def same_folder(user: str, module: Path) -> bool:
    """Whether a user's top folder is that of the module; what lies in the package's own folder has no other home."""
    return module.parent == PACKAGE or user.split(".")[1] == module.relative_to(PACKAGE).parts[0]


def test_a_folder_can_be_taken_in_at_a_glance():
    flat = {name_of(folder): len(list(folder.glob("*.py"))) for folder in {module.parent for module in MODULES}}
    del flat["formats"], flat["cli"]  # their files are named after the formats that they read, and the commands
    assert {folder: count for folder, count in flat.items() if count > 23} == {}  # 22 and the __init__


def test_no_module_is_a_drawer_for_the_rest():
    assert {name_of(m) for m in MODULES if m.stem in {"utils", "util", "helpers", "common", "misc"}} == set()


LOADED = """
import sys
from ragcli.cli.app import main
sys.argv = {argv}
main()
print([m for m in {names} if m in sys.modules], file=sys.stderr)
"""


def loaded_by(argv: list[str], names: list[str]) -> str:
    code = LOADED.format(argv=["ragcli", *argv], names=names)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=120)
    return done.stderr.strip().splitlines()[-1]


def test_help_loads_nothing_heavy():
    names = ["numpy", "faiss", "tantivy", "torch", "sentence_transformers", "rich", "sqlite3", "tokenizers"]
    assert loaded_by(["--help"], names) == "[]"


def test_a_command_loads_no_other_command():
    others = ["ragcli.cli.query", "ragcli.cli.index", "ragcli.cli.models"]
    assert loaded_by(["--version"], others) == "[]"
    assert loaded_by(["query", "--help"], others) == "['ragcli.cli.query']"


def test_the_table_of_commands_is_that_of_the_modules():
    assert tuple(command_tree().commands) == COMMANDS


def test_a_query_loads_no_torch(sample_home):
    names = ["torch", "sentence_transformers", "transformers", "huggingface_hub", "rich", "pypdf", "docx", "pymilvus"]
    names += ["markdown_it", "ragcli.index.store", "ragcli.index.milvus"]
    argv = ["query", "--home", str(sample_home), "--index", "samples", "what is attention", "--format", "plain"]
    assert loaded_by(argv, names) == "[]"


def test_an_index_run_with_nothing_to_do_loads_nothing_heavy(sample_home):
    names = ["numpy", "faiss", "tantivy", "torch", "tokenizers", "pypdf"]
    assert loaded_by(["index", "--home", str(sample_home), "--index", "samples"], names) == "[]"
