"""The code blocks of README.md and docs/: found, run, and compared with the output that they show.

python docs/blocks.py [PAGE...]             run the blocks and list what differs
python docs/blocks.py --update [PAGE...]    write what the commands print into the pages

A block says by its language what it is:

- ``console``: a line that begins with ``$ `` is a command, one with ``> `` continues it, the rest is what it prints.
  All commands of a block go to one bash, on a terminal of 80 columns without colours.
- ``python``: a program.  ``pycon``: a doctest.  ``toml``: a ragcli.toml.  ``text``, ``json``: only to be read.

``console no-run REASON`` marks a block that needs what a test cannot have. A command fails unless its exit code is 0,
or the one that a comment beside it names: ``# exit code 1``, or ``# exit code 2 the second time``.
Output that is shown must be what is printed. Percentages may differ by 2 points, other numbers with a decimal point by
2 per cent or 0.05; durations, dates and sizes are ignored; a line ``...`` stands for any number of lines.

Each block starts in a home folder of its own, which holds ``notes/``, a copy of sample_docs/, and an index of it; the
index is left out when the block begins with making one.
"""

from __future__ import annotations

import argparse
import os
import pty
import re
import shutil
import signal
import struct
import subprocess
import sys
import termios
import threading
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from fcntl import ioctl
from pathlib import Path

from markdown_it import MarkdownIt

PROJECT = Path(__file__).resolve().parents[1]
PAGES = (PROJECT / "README.md", *sorted((PROJECT / "docs").glob("*.md")))
LANGUAGES = frozenset({"console", "python", "pycon", "toml", "text", "json"})
HOME = "/home/you"  # what pages show in place of the temporary home folder

_OPTIONAL = frozenset({"fzf", "jq", "rg", "vim"})  # programs that a block may use and a machine may lack
_MAKES_INDEX = re.compile(r"ragcli index [^-\s]|ragcli\.(index|sync)\(")
_USES_RAGCLI = re.compile(r"ragcli [a-z]|ragcli\.[a-z]+\(")
_ANY = "..."
_END = "\x1e"  # what the script prints between the outputs of two commands
_SECONDS = 300


@dataclass(frozen=True)
class Command:
    """A command of a console block, the lines shown below it, and its exit codes in the first and the second run."""

    text: str
    shown: tuple[str, ...]
    codes: tuple[int, int]


@dataclass(frozen=True)
class Block:
    """A code block of a page; ``line`` is the 1-based line of its first line of code."""

    page: Path
    line: int
    language: str
    excuse: str
    code: str

    @property
    def name(self) -> str:
        """``docs/guide.md:12``."""
        return f"{self.page.relative_to(PROJECT)}:{self.line}"

    @property
    def is_program(self) -> bool:
        """Whether there is something to run."""
        return self.language not in {"text", "json"}

    @property
    def commands(self) -> list[Command]:
        """The commands of a console block."""
        return _commands(self.code) if self.language == "console" else []

    @property
    def why_not(self) -> str:
        """Why this block cannot run here, or nothing."""
        words = {word for c in self.commands for word in re.findall(r"(?:^|[|;(]\s*)([a-z]+)", c.text)}
        missing = sorted(name for name in words & _OPTIONAL if not shutil.which(name))
        return self.excuse or (f"needs {', '.join(missing)}" if missing else "")

    @property
    def makes_index(self) -> bool:
        """Whether the first use of ragcli is to make an index."""
        first = _USES_RAGCLI.search(self.code)
        return first is not None and _MAKES_INDEX.match(self.code, first.start()) is not None


def blocks(pages: Sequence[Path] = PAGES) -> Iterator[Block]:
    """Every code block of these pages; ValueError for one that does not name its language."""
    for page in pages:
        for token in MarkdownIt().parse(page.read_text(encoding="utf-8")):
            if token.type not in {"fence", "code_block"} or token.map is None:
                continue
            language, _, rest = token.info.strip().partition(" ")
            block = Block(page, token.map[0] + 2, language, rest.removeprefix("no-run").strip(), token.content)
            if language not in LANGUAGES or (rest and not re.match(r"no-run \w+ \w+", rest)):
                raise ValueError(f"{block.name}: a block begins with ```LANGUAGE or ```LANGUAGE no-run REASON")
            yield block


def _commands(code: str) -> list[Command]:
    texts: list[str] = []
    shown: list[list[str]] = []
    for line in code.splitlines():
        if line.startswith("$ "):
            texts.append(line[2:])
            shown.append([])
        elif not texts:
            raise ValueError(f"a console block begins with a command, not with {line!r}")
        elif line.startswith("> ") and not shown[-1]:
            texts[-1] += f"\n{line[2:]}"
        else:
            shown[-1].append(line)
    return [Command(t, tuple(_trimmed(lines)), _codes(t)) for t, lines in zip(texts, shown, strict=True)]


def _codes(text: str) -> tuple[int, int]:
    found = re.search(r"  # .*exit code (\d+)( the second time)?", text)
    if found is None:
        return 0, 0
    return (0, int(found[1])) if found[2] else (int(found[1]), int(found[1]))


def _trimmed(lines: Sequence[str]) -> list[str]:
    kept = [line.rstrip() for line in lines]
    while kept and not kept[-1]:
        kept.pop()
    return kept


class World:
    """A home folder that is made again for each block, always under the same path, as an index keeps paths."""

    def __init__(self, folder: Path) -> None:
        self.home = folder / "you"
        self._model = folder / "as-it-begins"
        self._cache = folder / "cache"
        notes = self.home / "notes"
        shutil.copytree(PROJECT / "sample_docs", notes)
        done = self.bash("ragcli index ~/notes\n")
        if "13 added" not in done:
            raise RuntimeError(f"the index of the blocks was not made: {done}")
        self.home.rename(self._model)

    def fresh(self, *, index: bool) -> None:
        """The home folder as it is at the beginning."""
        shutil.rmtree(self.home, ignore_errors=True)
        shutil.copytree(self._model, self.home, symlinks=True)
        if not index:
            shutil.rmtree(self.home / ".local")

    def environment(self) -> dict[str, str]:
        """No setting and no key of the person who runs this."""
        return {
            "HOME": str(self.home),
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "XDG_CACHE_HOME": str(self._cache),
            "LANG": "C.UTF-8",
            "TERM": "dumb",
            "EDITOR": "vim",
            "PAGER": "cat",
        }

    def bash(self, script: str, columns: int = 80) -> str:
        """What a script prints on a terminal; TimeoutExpired when it does not end."""
        master, slave = pty.openpty()
        ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
        process = subprocess.Popen(
            ["bash", "--norc", "--noprofile", "-c", script],
            stdin=slave, stdout=slave, stderr=slave, cwd=self.home, env=self.environment(), start_new_session=True,
        )  # fmt: skip
        os.close(slave)
        late = threading.Timer(_SECONDS, os.killpg, (process.pid, signal.SIGKILL))
        late.start()
        printed = b""
        try:
            with suppress(OSError):  # Linux says so when the last program has left the terminal
                while piece := os.read(master, 65536):
                    printed += piece
        finally:
            os.close(master)
            code = process.wait()
            late.cancel()
        if code == -signal.SIGKILL:
            raise subprocess.TimeoutExpired(script, _SECONDS, printed)
        return printed.decode("utf-8", "replace").replace("\r\n", "\n").replace(str(self.home), HOME)

    def python(self, code: str, *, doctest: bool = False) -> subprocess.CompletedProcess[str]:
        """A program, or a doctest, in a process of its own."""
        program = self.home / ("program.txt" if doctest else "program.py")
        program.write_text(code, encoding="utf-8")
        how = ["-m", "doctest", "-o", "ELLIPSIS"] if doctest else []
        return subprocess.run(
            [sys.executable, *how, program], cwd=self.home, env=self.environment(),
            capture_output=True, text=True, check=False, timeout=_SECONDS,
        )  # fmt: skip

    def console(self, commands: Sequence[Command]) -> list[tuple[int, list[str]]]:
        """The exit code and the lines of each command, all in one bash."""
        script = "".join(f"{c.text}\nprintf '\\036%d\\036' $?\n" for c in commands)
        parts = self.bash(f"set -o pipefail\n{script}").split(_END)
        if len(parts) != 2 * len(commands) + 1:
            raise RuntimeError(f"bash ended early: {''.join(parts)}")
        return [(int(parts[i + 1]), _trimmed(parts[i].splitlines())) for i in range(0, len(parts) - 1, 2)]


_NUMBER = re.compile(
    # a busy machine commits more often, and so makes more segments
    r"(?P<ignored>\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d)?)?|\d[\d.,]* ?(?:ms|s|seconds|minutes?|min|[KMG]i?B)\b"
    r"|\d+ segments?\b)"
    r"|(?P<percent>\d+) ?%|(?P<decimal>-?\d+\.\d+(?:e-?\d+)?)"
)


def same_line(shown: str, printed: str) -> bool:
    """Whether a line is the one that is shown, within what machines may differ in."""
    pieces = [_NUMBER.sub("\0", " ".join(line.split())) for line in (shown, printed)]
    if pieces[0] != pieces[1]:
        return False
    for one, other in zip(_NUMBER.finditer(shown), _NUMBER.finditer(printed), strict=True):
        if one.lastgroup != other.lastgroup:
            return False
        if one.lastgroup != "ignored":
            told, found = float(one[one.lastgroup or 0]), float(other[other.lastgroup or 0])
            allowed = 2 if one.lastgroup == "percent" else max(0.05, abs(told) * 0.02)
            if abs(told - found) > allowed:
                return False
    return True


def same(shown: Sequence[str], printed: Sequence[str]) -> bool:
    """Whether the printed lines are the shown ones, where ``...`` stands for any number of lines."""
    if not shown:
        return not printed
    if shown[0].strip() == _ANY:
        return any(same(shown[1:], printed[i:]) for i in range(len(printed) + 1))
    return bool(printed) and same_line(shown[0], printed[0]) and same(shown[1:], printed[1:])


def shortened(shown: Sequence[str], printed: Sequence[str]) -> list[str]:
    """The printed lines, cut short where the shown ones were."""
    if _ANY not in shown:
        return list(printed)
    first = shown.index(_ANY)
    last = len(shown) - first - 1
    return [*printed[:first], _ANY, *(printed[-last:] if last else ())]


def faults(block: Block, world: World) -> list[str]:
    """What is wrong with a console block, in its first run and its second in the same folder."""
    found = []
    world.fresh(index=not block.makes_index)
    for time in (0, 1):
        for command, (code, printed) in zip(block.commands, world.console(block.commands), strict=True):
            if code != command.codes[time]:
                found.append(f"{block.name}, run {time + 1}: exit code {code}: {command.text}\n" + "\n".join(printed))
            elif time == 0 and command.shown and not same(command.shown, printed):
                found.append(f"{block.name}: {command.text}\nshows\n  " + "\n  ".join(command.shown))
                found[-1] += "\nprints\n  " + "\n  ".join(printed)
    return found


def updated(block: Block, world: World) -> str:
    """The code of a console block with what its commands print now."""
    world.fresh(index=not block.makes_index)
    lines = []
    for command, (_, printed) in zip(block.commands, world.console(block.commands), strict=True):
        first, *more = command.text.split("\n")
        lines += [f"$ {first}", *(f"> {line}" for line in more)]
        if command.shown:
            kept = same(command.shown, printed)
            lines += command.shown if kept else shortened(command.shown, printed)
    return "\n".join(lines) + "\n"


def main() -> int:
    """Run, and on request rewrite, the console blocks of some pages."""
    import tempfile

    parser = argparse.ArgumentParser(description="Run the console blocks of README.md and docs/.")
    parser.add_argument("pages", nargs="*", type=Path, default=PAGES)
    parser.add_argument("--update", action="store_true", help="write what the commands print into the pages")
    wanted = parser.parse_args()
    wrong = 0
    with tempfile.TemporaryDirectory(prefix="ragcli-blocks-") as folder:
        world = World(Path(folder))
        for block in blocks([page.resolve() for page in wanted.pages]):
            if block.language != "console" or block.why_not:
                continue
            if wanted.update:
                text = block.page.read_text(encoding="utf-8")
                new = updated(block, world)
                if new != block.code:
                    print(f"{block.name}: updated")
                    block.page.write_text(text.replace(block.code, new), encoding="utf-8")
                continue
            for fault in faults(block, world):
                wrong += 1
                print(fault)
    return min(wrong, 1)


if __name__ == "__main__":
    sys.exit(main())
