"""Discovery against git (what is ignored), os.walk (that every file is accounted for once) and hand-made trees."""

from __future__ import annotations

import contextlib
import itertools
import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ragcli.errors import UsageError
from ragcli.ingest.discover import VERSION_CONTROL, Found, Rules, Seen, discover
from ragcli.ingest.roots import refuse_broad_root
from ragcli.types import Reason, Skipped

git_only = pytest.mark.skipif(shutil.which("git") is None, reason="git is the reference here and is not installed")


def write(root: Path, *names: str, text: str = "x\n") -> None:
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


def listing(root: Path, rules: Rules | None = None, **options: object) -> dict[str, tuple[object, ...]]:
    """What discovery says of each path below the root: ("found",) or (reason, detail, files)."""
    said: dict[str, tuple[object, ...]] = {}
    for item in discover(root, rules or Rules(), **options):
        name = os.path.relpath(item.path, root)
        assert name not in said
        said[name] = ("found",) if isinstance(item, Found) else (item.reason, item.detail, item.files)
    return said


def found(root: Path, rules: Rules | None = None) -> list[str]:
    return [os.path.relpath(item.path, root) for item in discover(root, rules or Rules()) if isinstance(item, Found)]


def walked(root: Path) -> int:
    """How many files os.walk sees outside version control; links to folders are files too, as they are not entered."""
    count = 0
    for folder, folders, files in os.walk(root):
        folders[:] = [name for name in folders if name not in VERSION_CONTROL]
        count += len(files) + sum((Path(folder) / name).is_symlink() for name in folders)
    return count


def accounted(root: Path, rules: Rules) -> int:
    return sum(1 if isinstance(item, Found) else item.files for item in discover(root, rules))


# --- git as the reference (ASCII names and single odd bytes: git's ? is a byte, ours is a character) ---

NAMES = [
    "a",
    "b",
    "ab",
    "ba",
    "a.b",
    "b.md",
    "c d",
    "A",
    "a-b",
    ".h",
    "[x]",
    "a\\b",
    "a\nb",
    "b ",
    "#x",
    "!y",
    "\udcff",
]
GLOBS = [
    "*",
    "**",
    "?",
    "??",
    "a*",
    "*b",
    "*.b",
    "*.md",
    "a**b",
    "***",
    "*a*b*",
    "[ab]",
    "[ab]*",
    "[!a]",
    "[^a]*",
    "[a-c]?",
]
GLOBS += [
    "[b-a]",
    "[]a]",
    "[",
    "[a",
    "[[:alpha:]]",
    "[[:punct:]]*",
    "[[:no:]]",
    "[a-",
    "[\\]x]*",
    "a[/]b",
    "[!b]b",
    "a[b/]b",
]
GLOBS += [
    "\\#x",
    "\\!y",
    "#x",
    "a\\",
    "\\a",
    "\\*",
    "\\[x\\]",
    "b\\ ",
    "a\\\\b",
    "[[]x]",
    "",
    "+",
    "a.?",
    "[a-]b",
    "[--0]*",
]

pieces = st.sampled_from(NAMES) | st.sampled_from(GLOBS)
patterns = st.builds(
    lambda negated, anchored, parts, folder, spaces: negated + anchored + "/".join(parts) + folder + spaces,
    st.sampled_from(["", "", "!"]),
    st.sampled_from(["", "", "/"]),
    st.lists(pieces, min_size=1, max_size=3),
    st.sampled_from(["", "", "/"]),
    st.sampled_from(["", "", "", " ", "\r"]),
).filter(lambda pattern: "\n" not in pattern)
paths = st.lists(st.sampled_from(NAMES), min_size=1, max_size=4).map("/".join)
trees = st.lists(paths, min_size=1, max_size=14, unique=True)
ignore_files = st.dictionaries(st.integers(0, 5), st.lists(patterns, min_size=1, max_size=6), max_size=3)


def make_repository(root: Path, names: Iterable[str]) -> list[Path]:
    """A repository with nothing added, and the folders in it, the root first."""
    for folder in ("objects", "refs", "info"):
        (root / ".git" / folder).mkdir(parents=True)
    (root / ".git" / "HEAD").write_text("ref: refs/heads/main\n")
    for name in names:
        with contextlib.suppress(FileExistsError, NotADirectoryError, IsADirectoryError):  # "a" and "a/b" in one draw
            write(root, name)
    folders = [Path(folder) for folder, _, _ in os.walk(root) if ".git" not in Path(folder).relative_to(root).parts]
    return [root, *sorted(set(folders) - {root})]


def write_patterns(path: Path, lines: Iterable[str]) -> None:
    path.write_bytes(os.fsencode("\n".join(lines)) + b"\n")


def git_files(folder: Path, *options: str) -> set[str]:
    """The untracked files that git sees from this folder."""
    world = {"PATH": os.environ["PATH"], "HOME": "/nowhere", "GIT_CONFIG_NOSYSTEM": "1", "LC_ALL": "C.UTF-8"}
    command = ["git", "-c", "core.excludesFile=", "ls-files", "--others", "-z", *options]
    done = subprocess.run(command, cwd=folder, env=world, check=True, capture_output=True)
    return {os.fsdecode(name) for name in done.stdout.split(b"\0") if name}


def assert_same_in_every_folder(root: Path, lines: Iterable[str], names: Iterable[str]) -> None:
    """One folder for each line, with the line and "!x" as its ignore file and the named files in it.

    "!x" tells a pattern that ignores a folder (its x stays out) from one that ignores what is in it (x comes back).
    """
    make_repository(root, [])
    names = list(names)
    lines = list(lines)
    for number, line in enumerate(lines):
        write(root / str(number), *names)
        write_patterns(root / str(number) / ".gitignore", [line, "!x"])
    differing = set(found(root, Rules(hidden=True))) ^ git_files(root, "--exclude-standard")
    assert {name: lines[int(name.partition("/")[0])] for name in differing} == {}


@git_only
def test_every_short_path_pattern_is_read_as_git_reads_it(tmp_path):
    parts = ["a", "*", "**", "a*", "?b"]
    bodies = ["/".join(body) for length in (1, 2, 3) for body in itertools.product(parts, repeat=length)]
    lines = [start + body + end for body in bodies for start in ("", "/") for end in ("", "/")]
    assert_same_in_every_folder(tmp_path, lines, ["x", "a/x", "a/a/x", "a/b/a/x", "b/a", "ab/ab/x", "b/ab/a"])


@git_only
def test_every_kind_of_glob_is_read_as_git_reads_it(tmp_path):
    globs = [glob for glob in GLOBS + NAMES if "\n" not in glob]
    shapes = ["{}", "{} ", "{}\r", "/{}", "{}/", "sub/{}", "sub/{}/", "**/{}/x", "sub/{}*x", "*x{}"]
    lines = [shape.format(glob) for glob in globs for shape in shapes]
    assert_same_in_every_folder(tmp_path, lines, [*NAMES, *(f"sub/{name}/x" for name in NAMES)])


@git_only
@settings(max_examples=100)
@given(trees, ignore_files, st.lists(patterns, max_size=3))
def test_ignored_is_what_git_ignores(names, files, info):
    with tempfile.TemporaryDirectory() as scratch:
        root = Path(scratch)
        folders = make_repository(root, names)
        for where, lines in files.items():
            write_patterns(folders[where % len(folders)] / ".gitignore", lines)
        write_patterns(root / ".git/info/exclude", info)
        rules = Rules(hidden=True)
        assert set(found(root, rules)) == git_files(root, "--exclude-standard")
        assert accounted(root, rules) == walked(root)


@git_only
@settings(max_examples=30)
@given(trees, ignore_files)
def test_ignore_files_above_the_root_count(names, files):
    with tempfile.TemporaryDirectory() as scratch:
        top = Path(scratch)
        folders = make_repository(top, [*names, "root/x", *(f"root/{name}" for name in names)])
        for where, lines in files.items():
            write_patterns(folders[where % len(folders)] / ".gitignore", lines)
        from_top = git_files(top, "--exclude-standard")
        root = top / "root"
        # A root that is ignored itself is entered all the same: naming it is the decision. git would list nothing.
        if any(name.startswith("root/") for name in from_top):
            assert set(found(root, Rules(hidden=True))) == git_files(root, "--exclude-standard")


@git_only
@settings(max_examples=30)
@given(trees, st.lists(patterns, max_size=4), st.lists(patterns, max_size=4))
def test_ragignore_continues_the_gitignore_beside_it(names, first, second):
    with tempfile.TemporaryDirectory() as scratch:
        root = Path(scratch)
        make_repository(root, names)
        write_patterns(root / ".gitignore", first)
        write_patterns(root / ".ragignore", second)
        ours = set(found(root, Rules(hidden=True)))
        write_patterns(root / ".gitignore", [*first, *second])
        assert ours == git_files(root, "--exclude-standard")


@git_only
@settings(max_examples=30)
@given(trees, st.lists(patterns.filter(lambda p: not p.endswith("\r")), min_size=1, max_size=4))
def test_globs_of_the_user_are_git_patterns_at_the_root(names, globs):
    with tempfile.TemporaryDirectory() as scratch:
        root = Path(scratch)
        make_repository(root, names)
        valid = []
        for glob in globs:
            with contextlib.suppress(UsageError):
                discover(root, Rules(exclude=(glob,)))
                valid.append(glob)
        excluded = Rules(hidden=True, ignore_files=False, exclude=tuple(valid))
        write_patterns(root / ".git/globs", globs)
        assert set(found(root, excluded)) == git_files(root, "--exclude-from=.git/globs")
        assert accounted(root, excluded) == walked(root)
        positive = tuple(glob for glob in valid if not glob.startswith("!"))
        included = Rules(hidden=True, ignore_files=False, include=positive)
        write_patterns(root / ".git/globs", positive)
        options = ["--ignored", "--exclude-from=.git/globs"] if positive else []  # no --include takes everything
        expected = git_files(root, *options)
        assert set(found(root, included)) == expected
        assert accounted(root, included) == walked(root)


def test_wildcards_stand_for_characters(tmp_path):
    write(tmp_path, "é.txt", "e\u0301.txt", "ü.txt", "zz.txt")
    write(tmp_path, ".gitignore", text="?.txt\n![ü].txt\n")
    assert found(tmp_path) == ["e\u0301.txt", "zz.txt", "ü.txt"]


def test_a_hostile_pattern_costs_no_more_than_any_other(tmp_path):
    """Tried place by place, these stars would take longer than the test run may last."""
    deep = tmp_path.joinpath(*["a"] * 60)
    write(deep, "a" * 200)
    write(tmp_path, ".gitignore", text="*a" * 60 + "b\n" + "**/a/" * 30 + "b\n" + "**/a*a/" * 30 + "b\n")
    assert found(tmp_path) == [os.path.relpath(deep / ("a" * 200), tmp_path)]


def test_odd_bytes_in_an_ignore_file_match_the_same_bytes_in_a_name(tmp_path):
    for name in (b"caf\xe9.txt", b"caf\xe8.txt"):
        (tmp_path / os.fsdecode(name)).write_text("x")
    (tmp_path / ".gitignore").write_bytes(b"\xef\xbb\xbfcaf\xe9.txt\r\n")
    assert [os.fsencode(name) for name in found(tmp_path)] == [b"caf\xe8.txt"]


# --- hand-made trees ---


def test_every_reason_is_named(tmp_path):
    write(
        tmp_path,
        "a.md",
        "b.log",
        ".hidden",
        ".cache/x",
        ".cache/deep/y",
        "drafts/one",
        "drafts/sub/two",
        "drafts/sub/.git/no",
        "notes.tmp",
    )
    write(
        tmp_path,
        "node_modules/m/index.js",
        "uv.lock",
        "env/pyvenv.cfg",
        "env/lib/site.py",
        "docs/inner.log",
        "docs/keep",
    )
    write(tmp_path, ".gitignore", text="*.log\n")
    write(tmp_path, "docs/.ragignore", text="!inner.log\n/keep\n")
    write(tmp_path, "big", text="x" * 3000)
    write(tmp_path, "empty", text="")
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "nothing/below").mkdir(parents=True)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(os.path.relpath(tmp_path / "sock"))
    rules = Rules(exclude=("/drafts/", "*.tmp"), max_file_size=2048)
    assert listing(tmp_path, rules) == {
        ".cache": (Reason.HIDDEN, "", 2),
        ".gitignore": (Reason.HIDDEN, "", 1),
        ".hidden": (Reason.HIDDEN, "", 1),
        "a.md": ("found",),
        "b.log": (Reason.IGNORED, ".gitignore: *.log", 1),
        "big": (Reason.TOO_LARGE, "2.9 KiB, the limit is 2.0 KiB", 1),
        "docs/.ragignore": (Reason.HIDDEN, "", 1),
        "docs/inner.log": ("found",),
        "docs/keep": (Reason.IGNORED, "docs/.ragignore: /keep", 1),
        "drafts": (Reason.EXCLUDED, "--exclude /drafts/", 2),
        "empty": (Reason.EMPTY, "", 1),
        "env": (Reason.IGNORED, "built-in rule: Python virtual environment", 2),
        "node_modules": (Reason.IGNORED, "built-in rule: node_modules", 1),
        "notes.tmp": (Reason.EXCLUDED, "--exclude *.tmp", 1),
        "pipe": (Reason.NOT_A_FILE, "FIFO", 1),
        "sock": (Reason.NOT_A_FILE, "socket", 1),
        "uv.lock": (Reason.IGNORED, "built-in rule: lock file", 1),
    }
    assert accounted(tmp_path, rules) == walked(tmp_path)


def test_without_ignore_files_only_version_control_is_passed_over(tmp_path):
    write(
        tmp_path, "a.log", "node_modules/x", "uv.lock", "venv/pyvenv.cfg", ".git/config", "sub/.hg/store", "sub/.svn/x"
    )
    write(tmp_path, ".gitignore", text="*.log\n")
    said = found(tmp_path, Rules(ignore_files=False, hidden=True))
    assert said == [".gitignore", "a.log", "node_modules/x", "uv.lock", "venv/pyvenv.cfg"]


def test_an_ignore_file_overrules_the_built_in_rules(tmp_path):
    write(tmp_path, "node_modules/x", "uv.lock", "venv/pyvenv.cfg")
    write(tmp_path, ".ragignore", text="!node_modules\n!*.lock\n!venv/\n")
    assert found(tmp_path) == ["node_modules/x", "uv.lock", "venv/pyvenv.cfg"]


def test_include_names_files_or_whole_folders(tmp_path):
    write(tmp_path, "a.pdf", "b.txt", "docs/c.txt", "docs/deep/d.txt", "docs/deep/e.tmp", "other/docs/f.txt")
    rules = Rules(include=("*.pdf", "/docs", "!*.tmp"))
    assert found(tmp_path, rules) == ["a.pdf", "docs/c.txt", "docs/deep/d.txt"]
    assert listing(tmp_path, rules)["b.txt"] == (Reason.EXCLUDED, "no --include pattern matches", 1)
    assert accounted(tmp_path, rules) == 6


@pytest.mark.parametrize("glob", ["", "# x", "a[", "a\\", "/"])
def test_a_glob_that_cannot_match_is_refused(tmp_path, glob):
    with pytest.raises(UsageError, match="--exclude"):
        discover(tmp_path, Rules(exclude=(glob,)))


def test_links_are_reported_and_never_followed(tmp_path):
    root = tmp_path / "root"
    write(tmp_path, "outside/secret", "root/real/file")
    for name, target in {
        "broken": "nowhere",
        "escape": "../outside",
        "escape-file": "../outside/secret",
        "inner": "real/file",
        "loop": ".",
        "real/up": "..",
        "self": "self",
        "sibling": "../root-two",
    }.items():
        (root / name).symlink_to(target)
    (tmp_path / "root-two").mkdir()
    inside = (Reason.SYMLINK, "link; the target is indexed itself", 1)
    assert listing(root) == {
        "broken": (Reason.SYMLINK, "broken link -> nowhere", 1),
        "escape": (Reason.SYMLINK, "leaves the root -> ../outside", 1),
        "escape-file": (Reason.SYMLINK, "leaves the root -> ../outside/secret", 1),
        "inner": inside,
        "loop": inside,
        "real/file": ("found",),
        "real/up": inside,
        "self": (Reason.SYMLINK, "broken link -> self", 1),
        "sibling": (Reason.SYMLINK, "leaves the root -> ../root-two", 1),
    }
    assert accounted(root, Rules()) == walked(root)


def test_a_linked_root_is_followed_and_keeps_its_spelling(tmp_path):
    write(tmp_path, "data/a", "data/index/catalog", "data/sub/b")
    (tmp_path / "data/sub/c").symlink_to("../a")
    (tmp_path / "link").symlink_to("data")
    said = listing(tmp_path / "link", exclude_paths=[tmp_path / "data/index", tmp_path / "elsewhere"])
    assert said == {
        "a": ("found",),
        "index": (Reason.EXCLUDED, "ragcli's own index", 1),
        "sub/b": ("found",),
        "sub/c": (Reason.SYMLINK, "link; the target is indexed itself", 1),
    }


def test_the_index_itself_is_not_a_root(tmp_path):
    write(tmp_path, "index/a", "index/b/c")
    said = listing(tmp_path / "index/b", exclude_paths=[tmp_path / "index"])
    assert said == {".": (Reason.EXCLUDED, "ragcli's own index", 1)}


def test_other_indexes_below_a_root_are_left_out(tmp_path):
    write(
        tmp_path, "docs/a", "docs/catalog.sqlite3", "home/b", "home/old/catalog.sqlite3", "home/old/keywords/meta.json"
    )
    write(tmp_path, "home/old/writer.lock")
    assert listing(tmp_path) == {
        "docs/a": ("found",),
        "docs/catalog.sqlite3": ("found",),
        "home/b": ("found",),
        "home/old": (Reason.EXCLUDED, "an index of ragcli", 3),
    }


def test_a_single_file_is_judged_by_kind_and_size_alone(tmp_path):
    write(tmp_path, ".gitignore", text="*\n")
    write(tmp_path, ".secret.log", text="four")
    (tmp_path / "link").symlink_to(".secret.log")
    info = (tmp_path / ".secret.log").stat()
    rules = Rules(include=("*.pdf",), exclude=("*",))
    for name in (".secret.log", "link", "sub/../link"):
        path = tmp_path / os.path.normpath(name)
        assert [one[:3] for one in discover(tmp_path / name, rules)] == [(path, 4, info.st_mtime_ns)]
    (small,) = discover(tmp_path / "link", Rules(max_file_size=3))
    assert small == Skipped(tmp_path / "link", Reason.TOO_LARGE, "4 B, the limit is 3 B")


def test_a_missing_root_is_refused_before_the_first_result(tmp_path):
    with pytest.raises(UsageError, match="No such file"):
        discover(tmp_path / "nothing", Rules())


def test_order_is_by_the_bytes_of_the_names_and_any_byte_is_a_name(tmp_path):
    names = [b"Z", b"a", b"a-b", b"a.d/x", b"b\nc", b"\x1b[31m", b"\xc3\xa9", b"\xff", b"a0/y", b"\xef\xbc\xa1"]
    for name in names:
        path = tmp_path / os.fsdecode(name)
        path.parent.mkdir(exist_ok=True)
        path.write_text("x")
    expected = [b"\x1b[31m", b"Z", b"a", b"a-b", b"a.d/x", b"a0/y", b"b\nc", b"\xc3\xa9", b"\xef\xbc\xa1", b"\xff"]
    assert [os.fsencode(name) for name in found(tmp_path)] == expected


def test_size_and_time_are_those_of_the_file(tmp_path):
    write(tmp_path, "a", text="seven b")
    os.utime(tmp_path / "a", ns=(1, 1_700_000_000_123_456_789))
    assert [one[:3] for one in discover(tmp_path, Rules())] == [(tmp_path / "a", 7, 1_700_000_000_123_456_789)]


def test_folders_nested_deeper_than_python_recurses(tmp_path):
    """1,200 levels are walked; at 2,200 the path is longer than the system takes, and that is said."""
    home = os.open(tmp_path, os.O_RDONLY)
    here = os.dup(home)
    try:
        for level in range(2200):
            if level in (1200, 2199):
                os.close(os.open("file", os.O_CREAT | os.O_WRONLY, dir_fd=here))
            os.mkdir("d", dir_fd=here)
            below = os.open("d", os.O_RDONLY, dir_fd=here)
            os.close(here)
            here = below
        said = list(discover(tmp_path, Rules()))
        ignored = list(discover(tmp_path, Rules(exclude=("/d",))))
    finally:
        os.close(here)
        os.close(home)
        subprocess.run(["rm", "-rf", str(tmp_path / "d")], check=True)  # shutil.rmtree recurses
    unreadable, empty = said
    assert (empty.reason, len(empty.path.relative_to(tmp_path).parts)) == (Reason.EMPTY, 1201)
    assert (unreadable.reason, unreadable.detail) == (Reason.UNREADABLE, "File name too long")
    assert [(item.reason, item.files) for item in ignored] == [(Reason.EXCLUDED, 1)]


@contextlib.contextmanager
def unprivileged() -> Iterator[None]:
    """Permissions do not bind root: act as another user meanwhile."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


def test_what_cannot_be_read_is_named():
    with tempfile.TemporaryDirectory() as scratch:  # pytest's own folders are closed to other users
        root = Path(scratch)
        write(root, "a", "closed/x", "listed-only/y", ".gitignore", "nested/.ragignore")
        root.chmod(0o755)
        closed = {"closed": 0o000, "listed-only": 0o744, ".gitignore": 0o000, "nested/.ragignore": 0o000}
        if os.geteuid() != 0:
            closed["listed-only"] = 0o400
        for name, mode in closed.items():
            (root / name).chmod(mode)
        with unprivileged():
            said = listing(root)
        for name in closed:
            (root / name).chmod(0o700)
    assert said == {
        ".gitignore": (Reason.UNREADABLE, "ignore file not applied: Permission denied", 1),
        "a": ("found",),
        "closed": (Reason.UNREADABLE, "Permission denied", 0),
        "listed-only/y": (Reason.UNREADABLE, "Permission denied", 1),
        "nested/.ragignore": (Reason.UNREADABLE, "ignore file not applied: Permission denied", 1),
    }


def test_an_ignore_file_that_is_too_large_is_named(tmp_path):
    write(tmp_path, ".git/HEAD", "sub/a.log")
    write(tmp_path, ".gitignore", ".git/info/exclude", text="*.log\n" * 100_000)
    too_large = (Reason.TOO_LARGE, "ignore file not applied: it is over 256 KiB")
    assert listing(tmp_path) == {
        ".git/info/exclude": (*too_large, 0),
        ".gitignore": (*too_large, 1),
        "sub/a.log": ("found",),
    }
    assert listing(tmp_path / "sub") == {
        "../.git/info/exclude": (*too_large, 0),
        "../.gitignore": (*too_large, 0),
        "a.log": ("found",),
    }


def test_a_linked_ignore_file_is_not_read(tmp_path):
    write(tmp_path, "rules", "root/a", text="a\n")
    (tmp_path / "root/.gitignore").symlink_to("../rules")
    assert found(tmp_path / "root") == ["a"]


def test_a_file_that_vanishes_while_the_walk_goes_on(tmp_path):
    write(tmp_path, "a", "b", "c/d", "e")
    seen = Seen()
    walk = discover(tmp_path, Rules(), seen=seen)
    assert next(walk).path.name == "a"
    (tmp_path / "b").unlink()
    shutil.rmtree(tmp_path / "c")
    assert [item.path.name for item in walk] == ["e"]
    assert seen.vanished == {tmp_path / "b", tmp_path / "c"}


def test_broad_roots_are_refused(tmp_path, monkeypatch):
    home = tmp_path / "users/me"
    write(home, "documents/a")
    monkeypatch.setenv("HOME", str(home))
    (tmp_path / "link").symlink_to(home)
    for root in (Path("/"), home, home.parent, tmp_path, tmp_path / "link", home / "documents/.."):
        with pytest.raises(UsageError, match="--yes"):
            refuse_broad_root(root)
    monkeypatch.chdir(home)
    with pytest.raises(UsageError, match="the home folder"):
        refuse_broad_root(Path())
    refuse_broad_root(home / "documents")
    refuse_broad_root(tmp_path / "users/other")


def test_a_known_file_is_unchanged_until_it_changes_or_is_barred(tmp_path):
    for name in ("kept.txt", "edited.txt", "large.txt", "ignored.log", "new.txt"):
        (tmp_path / name).write_text(name * 3)
    (tmp_path / ".gitignore").write_text("*.log\n")
    (tmp_path / "large.txt").write_text("x" * 500)
    infos = {path: path.stat() for path in tmp_path.iterdir() if path.name != "new.txt"}
    known = {str(path): (info.st_size, info.st_mtime_ns, info.st_ctime_ns) for path, info in infos.items()}
    os.utime(tmp_path / "edited.txt", ns=(1, 1))
    seen = Seen()
    found = list(discover(tmp_path, Rules(max_file_size=400), known=known, seen=seen))
    assert seen.unchanged == {str(tmp_path / "kept.txt")}
    assert [item.path.name for item in found if isinstance(item, Found)] == ["edited.txt", "new.txt"]
    reasons = {item.path.name: item.reason for item in found if isinstance(item, Skipped)}
    assert reasons == {
        ".gitignore": Reason.HIDDEN, "ignored.log": Reason.IGNORED, "large.txt": Reason.TOO_LARGE
    }  # fmt: skip


@pytest.mark.parametrize("pattern", ["", "*.none\n"])  # without and with patterns in force
def test_what_is_known_is_barred_by_the_rules_of_now(tmp_path, pattern):
    for name in ("a.txt", ".hidden.txt", "poetry.lock", "own/b.txt", "c.txt", "d.txt"):
        (tmp_path / "t" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "t" / name).write_text("text")
    (tmp_path / "t" / ".ragignore").write_text(pattern)
    known = {
        str(p): (p.stat().st_size, p.stat().st_mtime_ns, p.stat().st_ctime_ns)
        for p in (tmp_path / "t").rglob("*")
        if p.is_file()
    }
    (tmp_path / "t" / "c.txt").rename(tmp_path / "t" / "e.txt")
    (tmp_path / "t" / "c.txt").symlink_to("e.txt")
    link = (tmp_path / "t" / "c.txt").lstat()
    known[str(tmp_path / "t" / "c.txt")] = link.st_size, link.st_mtime_ns, link.st_ctime_ns
    seen = Seen()
    own = [tmp_path / "t" / "own"]
    found = list(discover(tmp_path / "t", Rules(), exclude_paths=own, known=known, seen=seen))
    assert seen.unchanged == {str(tmp_path / "t" / name) for name in ("a.txt", "d.txt")}
    plain = list(discover(tmp_path / "t", Rules(), exclude_paths=own))
    assert {item.path for item in found} == {item.path for item in plain if item.path.name not in {"a.txt", "d.txt"}}


def git(folder: Path, *arguments: str) -> None:
    settings = ("-c", "user.name=a", "-c", "user.email=a@b.c", "-c", "protocol.file.allow=always")
    subprocess.run(["git", *settings, *arguments], cwd=folder, check=True, capture_output=True)


def test_a_linked_worktree_of_a_repository_at_hand_is_a_copy_and_a_submodule_is_none(tmp_path):
    for name in ("main", "other"):
        (tmp_path / name).mkdir()
        git(tmp_path / name, "init", "-q")
        write(tmp_path / name, "a.md")
        git(tmp_path / name, "add", "a.md")
        git(tmp_path / name, "commit", "-qm", "a")
    main = tmp_path / "main"
    git(main, "worktree", "add", "-q", "wt-feature")
    git(main, "submodule", "add", "-q", str(tmp_path / "other"), "sub")
    git(tmp_path / "other", "worktree", "add", "-q", str(main / "of-another"))
    assert found(main) == ["a.md", "of-another/a.md", "sub/a.md"]
    reasons = listing(main)
    assert reasons["wt-feature"][0] is Reason.IGNORED
    assert "linked git worktree" in str(reasons["wt-feature"][1])
    assert found(main / "wt-feature") == ["a.md"]  # named itself, it is no copy of anything else
    assert "wt-feature/a.md" in found(main, Rules(ignore_files=False))
    write(main, ".ragignore", text="!wt-feature/\n")
    assert "wt-feature/a.md" in found(main)
    # of a main worktree that a walk does not enter, this is the only copy
    hidden = tmp_path / "root"
    hidden.mkdir()
    (tmp_path / "other").rename(hidden / ".other")
    git(hidden / ".other", "worktree", "add", "-q", str(hidden / "only"), "-b", "only")
    assert found(hidden) == ["only/a.md"]


def test_the_exclude_file_of_a_repository_holds_in_its_linked_worktrees(tmp_path):
    main, linked = tmp_path / "main", tmp_path / "linked"
    main.mkdir()
    git(main, "init", "-q")
    git(main, "commit", "-q", "--allow-empty", "-m", "x")
    git(main, "worktree", "add", "-q", str(linked))
    (main / ".git" / "info" / "exclude").write_text("private.txt\n")
    for folder in (linked, linked / "sub"):
        folder.mkdir(exist_ok=True)
        for name in ("private.txt", "public.txt"):
            (folder / name).write_text("text")
    for root in (linked, linked / "sub"):
        items = list(discover(root, Rules()))
        assert {item.path.name for item in items if isinstance(item, Found)} == {"public.txt"}
        reasons = [item for item in items if isinstance(item, Skipped) and item.path.name == "private.txt"]
        assert {item.reason for item in reasons} == {Reason.IGNORED}
    (linked / ".git").write_text("gitdir: /nowhere\n")
    assert {i.path.name for i in discover(linked, Rules()) if isinstance(i, Found)} == {"public.txt", "private.txt"}
