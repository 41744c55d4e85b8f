"""What gitignore patterns say about a name, as git reads them; nothing here walks a folder.

This module translates the patterns itself because pathspec disagrees with git: asked about folders, its GitIgnoreSpec
lets ``*`` + ``!*/`` + ``!*.md``, the usual way to keep one kind of file, ignore every file; it raises on ``[b-a]`` and
on a final backslash, and misses names that hold a newline. Two differences from git are deliberate. Git compares bytes
and this module compares characters, so ``?`` is one letter, an accented one too. Where git departs from its manual
(``a**/b`` crosses folders when nothing before the stars is a wildcard), this module follows the manual.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from ragcli.errors import UsageError
from ragcli.types import Reason, Skipped

_EXCLUDE = ".git/info/exclude"
IGNORE_FILES = (_EXCLUDE, ".gitignore", ".ragignore")  # in one folder, the later has the last word
# A pattern costs about 0.1 ms to compile; real ignore files have a few KiB, so more is an accident or an attack.
MAX_IGNORE_FILE = 2**18
_LONGEST_LINE = 4096  # bytes of a file in which git names a folder

_POSIX_CLASSES = {
    "alnum": "0-9A-Za-z", "alpha": "A-Za-z", "blank": r"\ \t", "cntrl": r"\x00-\x1f\x7f", "digit": "0-9",
    "graph": r"\x21-\x7e", "lower": "a-z", "print": r"\x20-\x7e", "punct": r"\x21-\x2f\x3a-\x40\x5b-\x60\x7b-\x7e",
    "space": r"\ \t\n\r\f\v", "upper": "A-Z", "xdigit": "0-9A-Fa-f",
}  # fmt: skip


class Pattern(NamedTuple):
    """One line of an ignore file, or one glob of an option."""

    source: str  # its file or option, as the user is shown it
    text: str
    negated: bool


class Patterns(NamedTuple):
    """The patterns of one file or option, in two alternations with the last pattern first: the first match decides."""

    names: re.Pattern[str] | None  # patterns without a slash, for the entry's own name
    paths: re.Pattern[str] | None  # patterns with a slash, for the path below the ignore file's folder
    name_rows: tuple[int, ...]  # regex group - 1 -> row
    path_rows: tuple[int, ...]
    rows: tuple[Pattern, ...]


# The patterns in force in one folder, outermost first, each with the folder's path below that of the patterns ("a/b/").
Scope = tuple[tuple[Patterns, str], ...]


def last_match(scope: Scope, subject: str) -> Pattern | None:
    """The pattern that decides about one entry of the scope's folder; ``subject`` is its name, with "/" for a folder.

    Patterns see the entry itself only: a walk does not enter an ignored folder.
    """
    for patterns, below in reversed(scope):
        row = -1
        if patterns.names and (match := patterns.names.fullmatch(subject)):
            row = patterns.name_rows[(match.lastindex or 0) - 1]
        if patterns.paths and (match := patterns.paths.fullmatch(below + subject)):
            row = max(row, patterns.path_rows[(match.lastindex or 0) - 1])
        if row >= 0:
            return patterns.rows[row]
    return None


def deeper(scope: Scope, subject: str) -> Scope:
    """The scope of the sub-folder ``subject`` ("name/") before its own ignore files are added."""
    return tuple((patterns, below + subject) for patterns, below in scope)


def compile_globs(option: str, globs: Sequence[str]) -> Scope:
    """The scope of a root for the globs of one option; UsageError names a glob that cannot match."""
    for glob in globs:
        if _translate(glob) is None:
            raise UsageError(
                f"{option} {glob!r} matches nothing: it is blank, a # comment, or has an open [ or a final backslash",
                "put a backslash before the special character",
            )
    patterns = _compile(globs, option)
    return ((patterns, ""),) if patterns else ()


def read_ignore_files(folder: str, names: Iterable[str], label: str) -> tuple[Scope, list[Skipped]]:
    """The patterns of the ignore files ``names`` of ``folder``, and a Skipped for each that cannot be applied.

    The user is shown ``label`` before the name. As in git, a link is not an ignore file.
    """
    scope: list[tuple[Patterns, str]] = []
    notices: list[Skipped] = []
    for name in names:
        path = Path(folder, name)
        if name == _EXCLUDE:
            path = _main_repository(path.parents[1]) / "info" / "exclude"
        try:
            info = path.lstat()
            if not stat.S_ISREG(info.st_mode):
                continue
            if info.st_size > MAX_IGNORE_FILE:
                detail = f"ignore file not applied: it is over {MAX_IGNORE_FILE // 1024} KiB"
                notices.append(Skipped(path, Reason.TOO_LARGE, detail))
                continue
            text = os.fsdecode(path.read_bytes())  # decoded as names are, so that odd bytes still match
        except (FileNotFoundError, NotADirectoryError):  # a repository need not have info/exclude
            continue
        except OSError as error:
            notices.append(Skipped(path, Reason.UNREADABLE, f"ignore file not applied: {error.strerror}"))
            continue
        lines = [line.removesuffix("\r") for line in text.removeprefix("\ufeff").split("\n")]
        if patterns := _compile(lines, label + name):
            scope.append((patterns, ""))
    return tuple(scope), notices


def _main_repository(git: Path) -> Path:
    """The folder of the repository behind ``git``, which is that folder, or in a linked worktree a file that names it.

    As git does (gitrepository-layout(5)): the file names the folder of the worktree or submodule, where "commondir"
    names the main one. ``git`` itself where these are not what git writes.
    """
    named = _line(git)
    if not named.startswith("gitdir: "):
        return git
    own = git.parent / named.removeprefix("gitdir: ")
    return own / _line(own / "commondir")


def _line(file: Path) -> str:
    """The one line of a small regular file, "" where there is none."""
    try:
        if not stat.S_ISREG(file.lstat().st_mode):
            return ""
        with file.open("rb") as content:
            return os.fsdecode(content.read(_LONGEST_LINE)).rstrip("\n").replace("\0", "")
    except OSError:
        return ""


def outer_scope(real_root: str) -> tuple[Scope, list[Skipped]]:
    """The scope of the ignore files above a root: those from the top of its git repository down to its parent.

    Outside a repository, no file above the root counts. The notices count no file, as those files are not in the root.
    """
    root = Path(real_root)
    scope: Scope = ()
    notices: list[Skipped] = []
    chain = [root, *root.parents]
    top = next((n for n, folder in enumerate(chain) if os.path.lexists(folder / ".git")), 0)
    for folder in reversed(chain[1 : top + 1]):
        label = os.path.relpath(folder, root) + os.sep
        own, skipped = read_ignore_files(str(folder), IGNORE_FILES, label)
        below = "".join(f"{part}/" for part in root.relative_to(folder).parts)
        scope += deeper(own, below)
        notices += [Skipped(notice.path, notice.reason, notice.detail, files=0) for notice in skipped]
    return scope, notices


def _compile(lines: Sequence[str], source: str) -> Patterns | None:
    rows: list[Pattern] = []
    names: list[tuple[str, int]] = []
    paths: list[tuple[str, int]] = []
    for line in lines:
        translated = _translate(line)
        if translated is not None:
            negated, is_path, regex = translated
            (paths if is_path else names).append((regex, len(rows)))
            rows.append(Pattern(source, line, negated))
    if not rows:
        return None
    return Patterns(
        _alternation(names), _alternation(paths),
        tuple(row for _, row in reversed(names)), tuple(row for _, row in reversed(paths)),
        tuple(rows),
    )  # fmt: skip


def _alternation(branches: Sequence[tuple[str, int]]) -> re.Pattern[str] | None:
    if not branches:
        return None
    return re.compile("|".join(f"({regex})" for regex, _ in reversed(branches)), re.DOTALL)


def _translate(line: str) -> tuple[bool, bool, str] | None:
    """(negated, about the whole path, regex) of one line; None for a blank, a comment or an invalid pattern."""
    kept = line.rstrip(" ")
    if kept != line and (len(kept) - len(kept.rstrip("\\"))) % 2:
        kept += " "  # the first trailing space is escaped
    if kept.startswith("#"):
        return None
    negated = kept.startswith("!")
    glob = kept[negated:]
    end = "/" if glob.endswith("/") else "/?"  # the subject of a folder is "name/"
    glob = glob.removesuffix("/")
    is_path = "/" in glob
    tokens = _tokens(glob.removeprefix("/"))
    if not tokens:
        return None
    return negated, is_path, (_path_regex(tokens) if is_path else _run_regex(tokens)) + end


def _tokens(glob: str) -> list[str] | None:
    """Regexes of one character each, and the marks "/", "*" and "**" (a whole path segment); None when invalid."""
    tokens: list[str] = []
    at = 0
    while at < len(glob):
        char, at = glob[at], at + 1
        if char == "*":
            stars_end = at
            while glob[stars_end : stars_end + 1] == "*":
                stars_end += 1
            whole = (not tokens or tokens[-1] == "/") and glob[stars_end : stars_end + 1] in {"", "/"}
            is_double = stars_end > at and whole
            at = stars_end
            if is_double and tokens[-2:] == ["**", "/"]:
                tokens.pop()  # "**/**" says the same as "**"
            else:
                tokens.append("**" if is_double else "*")
        elif char == "?":
            tokens.append("[^/]")
        elif char == "[":
            bracket = _bracket(glob, at)
            if bracket is None:
                return None
            regex, at = bracket
            tokens.append(regex)
        elif char == "\\":
            if at == len(glob):
                return None
            tokens.append(_literal(glob[at]))
            at += 1
        else:
            tokens.append(_literal(char))
    return tokens


def _literal(char: str) -> str:
    return "/" if char == "/" else re.escape(char)


def _bracket(glob: str, at: int) -> tuple[str, int] | None:
    """The regex of the set that opens just before ``at``, and where it ends; it never matches a slash."""
    negated = glob[at : at + 1] in {"!", "^"}
    at += negated
    items: list[str] = []
    before: str | None = None  # a "-" would start a range from this character
    while (char := glob[at : at + 1]) != "]" or not items:
        at += 1
        if char == "[" and glob[at : at + 1] == ":":
            close = glob.find("]", at + 1)
            if close < 0:
                return None
            if close > at + 1 and glob[close - 1] == ":":
                posix = _POSIX_CLASSES.get(glob[at + 1 : close - 1])
                if posix is None:
                    return None
                items.append(posix)
                before, at = None, close + 1
                continue
        is_range = char == "-" and before is not None and glob[at : at + 1] not in {"", "]"}
        if is_range:
            char, at = glob[at], at + 1
        if char == "\\":
            char, at = glob[at : at + 1], at + 1
        if not char:
            return None
        if not is_range:
            items.append(re.escape(char))
            before = char
        else:
            if before is not None and before <= char:
                items.append(f"{re.escape(before)}-{re.escape(char)}")
            before = None
    return (f"[^/{''.join(items)}]" if negated else f"(?!/)[{''.join(items)}]"), at + 1


def _path_regex(tokens: Sequence[str]) -> str:
    """The regex of a pattern that "**" divides into runs of segments.

    A run between two "**" keeps its first match (an atomic group): a later match could not help the rest, and trying
    all of them would let one hostile pattern run for years.
    """
    runs: list[list[str]] = [[]]
    for mark in tokens:
        if mark == "**":
            runs.append([])
        else:
            runs[-1].append(mark)
    first, *rest = runs
    regex = _run_regex(first)
    for n, run in enumerate(rest, start=1):
        if n < len(rest):
            regex += f"(?>(?:[^/]+/)*?{_run_regex(run[1:])})"  # the slash after "**" may stand for no folder at all
        else:
            regex += f"(?:.*/)?{_run_regex(run[1:])}" if run else ".+"
    return regex


def _run_regex(tokens: Sequence[str]) -> str:
    """The regex of whole segments; a piece between two stars keeps its first match, as above."""
    segments: list[list[str]] = [[""]]  # each a list of the pieces between its stars
    for mark in tokens:
        if mark == "/":
            segments.append([""])
        elif mark in {"*", "**"}:
            segments[-1].append("")
        else:
            segments[-1][-1] += mark
    regexes = []
    for first, *rest in segments:
        middle = "".join(f"(?>[^/]*?{piece})" for piece in rest[:-1] if piece)
        regex = first + middle + (f"[^/]*{rest[-1]}" if rest else "")
        regexes.append("[^/]+" if regex == "[^/]*" else regex)  # else "a/*" would match the folder "a/"
    return "/".join(regexes)
