#!/usr/bin/env bash
# pathspec==1.1.1 beside the installed git, 2026-11
#
# Expected: GitIgnoreSpec answers as git does, for a folder ("notes/", with the slash at the end) as for a file, so a
#   walk may leave out the folders that it matches and spare itself everything below them.
# Happens: under the allow-list "*", "!*/", "!*.md", which keeps one kind of file, it calls every folder ignored. Git
#   says that "!*/" brings them back. A walk that leaves out matched folders finds no file below the first level.
#   Asked about files only, it agrees. Elsewhere files come back that git leaves out: "!docs/a.md" after "docs"
#   counts for pathspec, while git looks into no ignored folder; and [[:alpha:]] matches nothing.
# Why it matters: the walk over a large tree has to leave out folders, or node_modules is read file by file. An index
#   of a folder of notes that uses the allow-list then is nearly empty, without an error.
# What ragcli does: it translates the patterns itself and stops at ignored folders. Tests compare it with git on
#   random trees and patterns.
set -euo pipefail
command -v git >/dev/null || { echo "git is needed" >&2; exit 2; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"${PYTHON:-python3}" -m venv "$work/venv"
"$work/venv/bin/pip" install -qq --no-compile pathspec==1.1.1 ||
  { echo "the packages cannot be installed" >&2; exit 2; }
export GIT_CONFIG_GLOBAL=/dev/null GIT_CONFIG_SYSTEM=/dev/null
unset GIT_DIR GIT_WORK_TREE GIT_INDEX_FILE
cd "$work"
"$work/venv/bin/python" -I - <<'PY'
import os
import subprocess
import sys
import tempfile
import warnings
from importlib.metadata import version
from pathlib import Path

from pathspec import GitIgnoreSpec

warnings.simplefilter("ignore", FutureWarning)  # of the regular expression made for [[:alpha:]]
FILES = ["a.md", "b.txt", "docs/a.md", "docs/b.txt", "docs/deep/c.md", "1.md"]


def tree(patterns):
    top = Path(tempfile.mkdtemp(dir="."))
    for name in FILES:
        (top / name).parent.mkdir(parents=True, exist_ok=True)
        (top / name).write_text("x")
    subprocess.run(["git", "init", "-q", top], check=True)
    (top / ".git" / "info" / "exclude").write_text("\n".join(patterns) + "\n")
    return top


def of_git(patterns):
    command = ["git", "-C", tree(patterns), "ls-files", "--others", "--exclude-standard"]
    return sorted(subprocess.run(command, check=True, capture_output=True, text=True).stdout.split())


def of_files(patterns):
    """Every file asked about by itself."""
    spec = GitIgnoreSpec.from_lines(patterns)
    return sorted(name for name in FILES if not spec.match_file(name))


def of_walk(patterns):
    """A walk that does not enter the folders that are matched."""
    spec, top, found = GitIgnoreSpec.from_lines(patterns), tree(patterns), []
    for folder, folders, names in os.walk(top):
        below = Path(folder).relative_to(top)
        folders[:] = [one for one in folders if one != ".git" and not spec.match_file(f"{(below / one).as_posix()}/")]
        found += [path for name in names if not spec.match_file(path := (below / name).as_posix())]
    return sorted(found)


changed = []


def check(patterns, how, seen, stated):
    git = of_git(patterns)
    print(f"{patterns}, {how}\n  expected {git} (git)\n  seen     {seen}")
    if seen != stated or seen == git:
        changed.append(f"{patterns}, {how}: stated {stated}, seen {seen}, git {git}")


print("pathspec", version("pathspec"), subprocess.run(["git", "version"], capture_output=True, text=True).stdout)
kinds = ["*", "!*/", "!*.md"]
if of_files(kinds) != of_git(kinds):
    changed.append(f"{kinds}: the files asked about one by one differ from git")
check(kinds, "a walk", of_walk(kinds), ["1.md", "a.md"])
check(["docs", "!docs/a.md"], "files", of_files(["docs", "!docs/a.md"]), ["1.md", "a.md", "b.txt", "docs/a.md"])
check(["[[:alpha:]].md"], "files", of_files(["[[:alpha:]].md"]), sorted(FILES))
if changed:
    sys.exit("changed: " + "; ".join(changed))
print("as stated")
PY
