"""docs/cli.md, docs/python.md and docs/man/, made from the code.

python docs/make_reference.py [FOLDER]    writes all of them (default: docs/)

The command line is asked for its help pages, one process per command; the Python page has the signature and the
docstring of each name in ``ragcli.__all__``.
"""

from __future__ import annotations

import dataclasses
import enum
import inspect
import os
import re
import subprocess
import sys
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import make_man

import ragcli
import ragcli.types
from ragcli.cli.app import command_tree

DOCS = Path(__file__).resolve().parent
WIDTH = 80

_CLI = """# Command line reference

Made from the help pages by `python docs/make_reference.py`. [guide.md](guide.md) teaches the commands by running them.
"""
_PYTHON = """# Python reference

Made from the docstrings of the package by `python docs/make_reference.py`. Everything here is imported from `ragcli`;
`import ragcli` alone loads none of it. The package has type annotations (`py.typed`).
"""


def cli_page() -> str:
    """A section for each command, in the order of ``ragcli --help``."""
    calls = [(), *_calls(command_tree())]
    with ThreadPoolExecutor(2) as pool:
        helps = list(pool.map(_help, calls))
    parts = [_CLI, f"```text\n{helps[0]}```\n"]
    for call, text in zip(calls[1:], helps[1:], strict=True):
        parts.append(f"{'#' * (len(call) + 1)} ragcli {' '.join(call)}\n\n```text\n{text}```\n")
    return "\n".join(parts)


def _calls(group: Any, above: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """The words of each command and subcommand."""
    for name, command in group.commands.items():
        if not getattr(command, "hidden", False):
            yield (*above, name)
            if hasattr(command, "commands"):
                yield from _calls(command, (*above, name))


def _help(call: tuple[str, ...]) -> str:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("RAGCLI_", "FORCE_COLOR"))}
    done = subprocess.run(
        [sys.executable, "-m", "ragcli", *call, "--help"],
        capture_output=True, text=True, check=True, cwd=Path(__file__).anchor,
        env={**kept, "PYTHONPATH": str(DOCS.parent), "COLUMNS": str(WIDTH), "NO_COLOR": "1", "TERM": "dumb"},
    )  # fmt: skip
    return "".join(f"{line.rstrip()}\n" for line in done.stdout.strip("\n").splitlines())


def python_page() -> str:
    """The functions first, then the classes, then the errors."""
    things = [(name, getattr(ragcli, name)) for name in ragcli.__all__ if not name.startswith("_")]
    classes = [(name, thing) for name, thing in things if inspect.isclass(thing)]
    groups = {
        "Functions": [(name, thing) for name, thing in things if not inspect.isclass(thing)],
        "Classes": [(name, thing) for name, thing in classes if not issubclass(thing, Exception)],
        "Errors": [(name, thing) for name, thing in classes if issubclass(thing, Exception)],
    }
    inner = _reached(thing for _, thing in things)
    groups["Other types"] = [(thing.__name__, thing) for thing in inner]
    parts = [_PYTHON, *_prose(ragcli)]
    for title, members in groups.items():
        if members:
            parts.append(f"## {title}\n")
        if title == "Other types" and members:
            parts.append("Records that the above return and take, and that `ragcli` itself does not export.\n")
        for name, thing in sorted(members, key=lambda member: member[0].lower()):
            parts += _section(name, thing)
    return "\n".join(parts)


def _reached(things: Iterable[Any]) -> list[type]:
    """The records of the package that these return, and the fields of those in turn, in alphabetical order."""
    known = {id(getattr(ragcli, name)) for name in ragcli.__all__}
    found: dict[str, type] = {}
    waiting = [(thing, annotation) for thing in things for annotation in _annotations(thing)]
    while waiting:
        thing, annotation = waiting.pop()
        for name in re.findall(r"\b[A-Z]\w+", _type(annotation)):
            place = sys.modules[thing.__module__]
            other = getattr(place, name, None) or getattr(ragcli.types, name, None)
            ours = inspect.isclass(other) and other.__module__.startswith("ragcli.")
            if ours and name not in found and id(other) not in known and _is_record(other):
                found[name] = other
                waiting += [(other, more) for more in _annotations(other)]
    return [found[name] for name in sorted(found)]


def _annotations(thing: Any) -> list[Any]:
    """The types of a record's fields, or what a function returns."""
    if inspect.isclass(thing):
        return list(vars(thing).get("__annotations__", {}).values()) if _is_record(thing) else []
    return [inspect.signature(thing).return_annotation] if callable(thing) else []


def _is_record(thing: Any) -> bool:
    return dataclasses.is_dataclass(thing) or hasattr(thing, "_fields") or issubclass(thing, enum.Enum)


def _section(name: str, thing: Any) -> Iterator[str]:
    yield f"### {'ragcli.' if name in ragcli.__all__ else ''}{name}\n"
    if not inspect.isclass(thing):
        yield _code(_signature(name, thing)) if callable(thing) else f"`{thing!r}`\n"
        yield from _prose(thing)
        return
    if issubclass(thing, Exception):
        above = thing.__mro__[1].__name__
        yield f"A kind of `{above}`.\n"
        yield from _prose(thing)
        return
    yield _code(_class(name, thing))
    yield from _prose(thing)
    for member, value in vars(thing).items():
        # fields stand in the class above; what a named tuple or an enumeration adds by itself is not ours
        told = inspect.isroutine(value) or isinstance(value, (property, classmethod, staticmethod))
        if member.startswith("_") or not told or not _doc(value):
            continue
        yield f"#### {name}.{member}\n"
        if not isinstance(value, property):
            yield _code(_signature(member, getattr(thing, member)))
        yield from _prose(value)


def _class(name: str, thing: type) -> str:
    """A class as it is made: its fields with their defaults, its members, or the call of its constructor."""
    if issubclass(thing, enum.Enum):
        return f"class {name}:\n" + "".join(f"    {member.name} = {member.value!r}\n" for member in thing)
    if dataclasses.is_dataclass(thing):
        fields = [(f.name, f.type, _default(f)) for f in dataclasses.fields(thing) if f.init]
    elif hasattr(thing, "_fields"):
        defaults = thing._field_defaults
        fields = [(f, thing.__annotations__[f], f" = {defaults[f]!r}" if f in defaults else "") for f in thing._fields]
    else:
        return _signature(name, thing) if "__init__" in vars(thing) else f"class {name}\n"
    lines = [f"    {field}: {_type(kind)}{default}\n" for field, kind, default in fields]
    return f"class {name}:\n{''.join(lines)}" if lines else f"class {name}\n"


def _default(field: dataclasses.Field[Any]) -> str:
    if field.default is not dataclasses.MISSING:
        return f" = {_value(field.default)}"
    return "" if field.default_factory is dataclasses.MISSING else f" = {_value(field.default_factory)}()"


def _value(value: Any) -> str:
    if isinstance(value, enum.Enum):
        return f"{type(value).__name__}.{value.name}"
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return f"{type(value).__name__}()"
    if callable(value):
        return "..." if value.__name__ == "<lambda>" else str(value.__name__)
    return repr(value)


def _type(annotation: Any) -> str:
    return annotation if isinstance(annotation, str) else inspect.formatannotation(annotation)


def _signature(name: str, thing: Any) -> str:
    """``name(parameter: type = default, ...) -> type``, a line per parameter where it is long."""
    signature = inspect.signature(thing)
    parameters: list[str] = []
    kinds = [p.kind for p in signature.parameters.values()]
    for i, parameter in enumerate(signature.parameters.values()):
        if parameter.name in {"self", "cls"}:
            continue
        if parameter.kind is parameter.KEYWORD_ONLY and parameter.KEYWORD_ONLY not in kinds[:i]:
            parameters.append("*")
        stars = {parameter.VAR_POSITIONAL: "*", parameter.VAR_KEYWORD: "**"}.get(parameter.kind, "")
        text = f"{stars}{parameter.name}"
        if parameter.annotation is not parameter.empty:
            text += f": {_type(parameter.annotation)}"
        if parameter.default is not parameter.empty:
            text += f" = {_value(parameter.default)}"
        parameters.append(text)
    result = "" if signature.return_annotation is signature.empty else f" -> {_type(signature.return_annotation)}"
    if inspect.isclass(thing):
        result = ""
    line = f"{name}({', '.join(parameters)}){result}\n"
    if len(line) <= 100:
        return line
    return f"{name}(\n" + "".join(f"    {parameter},\n" for parameter in parameters) + f"){result}\n"


def _code(text: str) -> str:
    return f"```text\n{text}```\n"


def _doc(thing: Any) -> str:
    text = thing.fget.__doc__ if isinstance(thing, property) and thing.fget else getattr(thing, "__doc__", "")
    return inspect.cleandoc(text or "")


def _prose(thing: Any) -> Iterator[str]:
    """A docstring as Markdown: its examples become programs, its other indented lines text."""
    text = _doc(thing).replace("``", "`")
    for paragraph in re.split(r"\n\s*\n", text):
        if not paragraph:
            continue
        lines = paragraph.splitlines()
        if lines[0].startswith(">>> "):
            reason = "its folder of notes is the reader's; tests/test_api.py runs it in one"
            yield f"```pycon no-run {reason}\n{paragraph}\n```\n"
        elif all(line.startswith("    ") for line in lines):
            yield _code("".join(f"{line[4:]}\n" for line in lines))
        else:
            yield "\n".join(lines) + "\n"


def main() -> None:
    """Write the two pages and the manual pages."""
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else DOCS
    for name, page in (("cli.md", cli_page()), ("python.md", python_page())):
        (folder / name).write_text(page, encoding="utf-8")
        print(folder / name)
    make_man.write_pages(folder / "man")


if __name__ == "__main__":
    main()
