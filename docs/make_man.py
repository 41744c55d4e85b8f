"""docs/man/*.1, ragcli.1 and one manual page per command, made from the help pages. make_reference.py writes them.

The wheel installs them under share/man/man1, where man looks beside the folder of the program.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import typer

from ragcli._version import __version__
from ragcli.cli.app import command_tree
from ragcli.cli.help import write_page

_DATE = "2026-11-29"  # of the release, which a page must have
_SIGNS = {"\\": "\\e", "-": "\\-", "'": "\\(aq", "`": "\\(ga", "^": "\\(ha", "~": "\\(ti", '"': "\\(dq"}


class ManFormatter:
    """Takes the parts of a help page and writes them in the language of man(7)."""

    width = 78

    def __init__(self, name: str, summary: str) -> None:
        self.lines = [
            f'.TH "{name.upper()}" "1" "{_DATE}" "ragcli {__version__}" "ragcli"', ".nh", ".ad l", ".SH NAME",
            f"{roff(name)} \\- {roff(summary)}",
        ]  # fmt: skip
        self._heading = ""  # of the section that is being written

    def write(self, usage: str) -> None:
        """Write how the command is called."""
        self.lines += [".SH SYNOPSIS", f".B {roff(usage.removeprefix('Usage: ').strip())}"]

    def write_paragraph(self) -> None:
        """Begin a paragraph: ``write_text`` does."""

    def write_text(self, text: str) -> None:
        """Write a paragraph, which is filled, below a heading of its kind."""
        heading = "DESCRIPTION" if self._heading in {"", "DESCRIPTION"} else "NOTES"
        if text.startswith("Exit code"):
            heading = "EXIT STATUS"
        self.lines.append(".PP" if heading == self._heading else f".SH {heading}")
        self._heading = heading
        self.lines += [roff(line.strip()) for line in text.splitlines()]

    @contextmanager
    def section(self, heading: str) -> Iterator[None]:
        """Write a section."""
        self._heading = heading.upper()
        self.lines.append(f".SH {roff(self._heading)}")
        yield

    def write_dl(self, rows: Sequence[tuple[str, str]], col_max: int) -> None:  # noqa: ARG002 (the help page's call)
        """Write names and what they mean."""
        for name, meaning in rows:
            self.lines += [".TP", f".B {roff(name.strip())}"]
            self.lines += [roff(meaning)] if meaning else []


def roff(text: str) -> str:
    """Return ``text`` with each character as itself: no sign of it is an instruction."""
    shown = "".join(_SIGNS.get(sign, sign if sign.isascii() else f"\\[u{ord(sign):04X}]") for sign in text)
    return f"\\&{shown}" if shown.startswith(".") else shown


def man_pages() -> dict[str, str]:
    """Return each page by the name of its file."""
    tree = command_tree()
    root = typer.Context(tree, info_name="ragcli", help_option_names=["-h", "--help"])
    contexts = [root, *_below(tree, root)]
    names = ["-".join(_words(context)) for context in contexts]
    pages = {}
    for name, context in zip(names, contexts, strict=True):
        summary = " ".join(inspect.cleandoc(context.command.help or "").partition("\n\n")[0].split())
        page = ManFormatter(name, re.split(r"(?<=\w)[.:] ", summary)[0].rstrip("."))
        write_page(context, page)
        others = sorted(other for other in names if other != name and _are_near(other, name))
        page.lines += [".SH SEE ALSO", *_list([f".BR {roff(other)} (1)" for other in others])]
        pages[f"{name}.1"] = "\n".join(page.lines) + "\n"
    return pages


def _below(group: Any, above: Any) -> Iterator[Any]:
    for name, command in group.commands.items():
        if not getattr(command, "hidden", False):
            context = typer.Context(command, info_name=name, parent=above)
            yield context
            if hasattr(command, "commands"):
                yield from _below(command, context)


def _words(context: Any) -> list[str]:
    return [*(_words(context.parent) if context.parent else []), context.info_name]


def _are_near(one: str, other: str) -> bool:
    """Whether one page names the other: the program names its commands, and they name it, or those above and below."""
    return one == "ragcli" or other == "ragcli" or one.startswith(f"{other}-") or other.startswith(f"{one}-")


def _list(lines: Sequence[str]) -> list[str]:
    return [f"{line} ," if number < len(lines) else line for number, line in enumerate(lines, 1)]


def write_pages(folder: Path) -> None:
    """Write all pages into ``folder``, and remove those of commands that are gone."""
    folder.mkdir(exist_ok=True)
    pages = man_pages()
    for old in folder.glob("*.1"):
        if old.name not in pages:
            old.unlink()
    for name, page in pages.items():
        (folder / name).write_text(page, encoding="ascii")
        print(folder / name)
