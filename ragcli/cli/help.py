"""Help pages, and the one line that says what is wrong with a call."""

from __future__ import annotations

import inspect
import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import typer
from typer.core import TyperArgument, TyperGroup, TyperOption

from ragcli.cli.env import COMMON, origin_of
from ragcli.errors import UsageError
from ragcli.render.terminal import terminal_width

_LEAST_WIDTH = 30
_WIDEST_NAME = 26  # columns for the names of options and commands; a longer one has a line of its own

# What people try first -> what it is called here.
_TRIED = {
    "search": "query", "find": "query", "grep": "query", "add": "index", "update": "index", "sync": "index",
    "chat": "ask --chat", "version": "--version", "ls": "list", "rm": "remove", "delete": "remove",
    "server": "serve", "daemon": "serve",
}  # fmt: skip
_TEXTS = {"TEXT", "QUESTION", "QUERY"}  # arguments that may begin with "-"

# What Typer says -> what is said here.
_PLAIN = (
    (r"a valid int(eger)?( range)?", "an integer"),
    (r"a valid float( range)?", "a number"),
    (r"is not in the range x>=(\S+)", r"is less than \1"),
    (r"Got unexpected extra argument\(s\) \((\S*)\)", r"unexpected argument: \1"),
    (r"Got unexpected extra argument\(s\) \((.*)\)", r"unexpected arguments: \1"),
    (r"Missing command", "missing COMMAND"),
)


def write_page(context: typer.Context, formatter: Any) -> None:  # noqa: ANN401 (its type is private)
    """Write the whole help page of the command of ``context``."""
    formatter.width = min(formatter.width, max(_LEAST_WIDTH, terminal_width() - 2))  # Typer has at least 50 columns
    formatter.write(f"Usage: {usage(context)}\n")
    _write_prose(context.command.help, formatter)
    parts = list(_parts(context))
    for heading, rows in parts:
        # options are aligned with all options of the page, commands and arguments with each other
        names = [
            name for _, others in parts for name, _ in others if name.startswith("-") == rows[0][0].startswith("-")
        ]
        width = min(_WIDEST_NAME, formatter.width // 2, max(map(len, names)))
        with formatter.section(heading):
            formatter.write_dl([(name.ljust(width), told) for name, told in rows], col_max=width)
    _write_prose(context.command.epilog, formatter)


def usage(context: typer.Context) -> str:
    """How the command is called: ``ragcli show [OPTIONS] REF``."""
    pieces = [call_of(context), "[OPTIONS]"]
    for argument in context.command.params:
        if isinstance(argument, TyperArgument):
            name = argument.metavar or ""
            pieces.append((name if argument.required else f"[{name}]") + ("..." if argument.nargs != 1 else ""))
    if isinstance(context.command, TyperGroup):
        pieces.append("COMMAND ...")
    return " ".join(pieces)


def call_of(context: typer.Context) -> str:
    """The words that name the command: ``ragcli eval make``."""
    words: list[str] = []
    here: Any = context
    while here is not None:
        words.insert(0, here.info_name)
        here = here.parent
    return " ".join(words)


def _parts(context: typer.Context) -> Iterator[tuple[str, list[tuple[str, str]]]]:
    """The tables of a page: a heading, and rows of a name and what it is for."""
    command = context.command
    arguments = [(p.metavar or "", p.help or "") for p in command.params if isinstance(p, TyperArgument)]
    if arguments:
        yield "Arguments", arguments
    subcommands: Mapping[str, Any] = getattr(command, "commands", {})
    groups: Mapping[str, Sequence[str]] = getattr(command, "groups", {"Commands": tuple(subcommands)})
    for heading, names in groups.items():
        if names:
            yield heading, [(name, _summary(subcommands[name])) for name in names]
    is_inner_group = isinstance(command, TyperGroup) and context.parent is not None
    options: dict[str, list[tuple[str, str]]] = {}
    for option in command.get_params(context):
        if isinstance(option, TyperOption):
            heading = COMMON if "--help" in option.opts else option.rich_help_panel or "Options"
            if heading != COMMON or not is_inner_group:
                options.setdefault(heading, []).append(_row(option))
    yield from options.items()


def _summary(command: Any) -> str:  # noqa: ANN401 (its type is private)
    return " ".join(inspect.cleandoc(command.help or "").partition("\n\n")[0].split())


def _row(option: TyperOption) -> tuple[str, str]:
    names = ", ".join(sorted(option.opts, key=lambda name: name.startswith("--")) + option.secondary_opts)
    told = option.help or ""
    if option.show_default and option.default not in (None, False, ""):
        default = "yes" if option.default is True else option.default
        told += f" [default: {default:g}]" if isinstance(default, float) else f" [default: {default}]"
    return f"{names} {option.metavar}" if option.metavar else names, told


def _write_prose(text: str | None, formatter: Any) -> None:  # noqa: ANN401 (its type is private)
    """Write paragraphs. Indented lines below a heading are a table: a command, two blanks or more, a remark."""
    for paragraph in inspect.cleandoc(text).split("\n\n") if text else ():
        heading, _, rest = paragraph.partition("\n")
        if not rest.startswith("  "):
            formatter.write_paragraph()
            formatter.write_text(paragraph)
            continue
        rows = []
        for line in rest.splitlines():
            example, *remark = re.split(r"\s{2,}", line.strip(), maxsplit=1)
            rows.append((example, " ".join(remark)))
        width = min(formatter.width // 2, max(len(example) for example, _ in rows))
        with formatter.section(heading.removesuffix(":")):
            formatter.write_dl(rows, col_max=width)


def no_command(context: typer.Context, given: str, known: Sequence[str]) -> UsageError:
    """The error for a command that does not exist: it names the command that was probably meant."""
    from difflib import get_close_matches

    call = call_of(context)
    near = get_close_matches(given, known, n=1)
    if context.parent is None and given.lower() in _TRIED:
        meant = f"{call} {_TRIED[given.lower()]}"
    elif near:
        meant = f"{call} {near[0]}"
    elif context.parent is None and " " in given:
        meant = f"{call} query {shlex.quote(given)}"
    else:
        return UsageError(f"no command {given!r}", f"see: {call} --help")
    return UsageError(f"no command {given!r}", f"did you mean: {meant}")


def wrong_call(error: typer.TyperException, context: typer.Context | None, words: Sequence[str]) -> str:
    """What is wrong with a call of the command of ``context``, and what to do, in one line.

    ``words`` are the arguments of the whole call. The classes of the errors are private in Typer: each kind is known by
    the attributes that it alone has.
    """
    if context is None:
        return error.format_message().rstrip(".")
    call, hint = call_of(context), ""
    given = getattr(error, "option_name", None)
    if hasattr(error, "possibilities"):  # an option that does not exist
        fact = f"no option {given!r}" + (f" for {call}" if context.parent is not None else "")
        near = list(error.possibilities or ())[:1]
        hint = f"did you mean {near[0]}?" if near else _text_hint(context, words, str(given))
    elif given is not None:
        fact = f"option {given!r} {'needs a' if 'requires' in error.message else 'takes no'} value"
    elif hasattr(error, "param_type"):  # a missing argument
        fact = f"missing {getattr(getattr(error, 'param', None), 'metavar', 'argument')}"
        hint = missing_text(context, words)
    elif isinstance(error, typer.BadParameter):
        fact = f"invalid value for {_name_and_origin(error.param, context)}: {_in_plain_words(error.message)}"
    else:
        fact = _in_plain_words(error.message)
        if _takes_text(context):
            hint = f'put the text in quotes: {call} "..."'
    return f"{fact}; {hint or f'see: {call} --help'}"


def _in_plain_words(message: str) -> str:
    """A message of Typer as ragcli says it."""
    for pattern, plain in _PLAIN:
        message = re.sub(pattern, plain, message)
    return message.rstrip(".")


def _text_hint(context: typer.Context, words: Sequence[str], beginning: str) -> str:
    """How to give a text that begins with "-", when there is one among ``words`` and the command takes a text."""
    texts = [word for word in words if word.startswith(beginning) and len(word) > 2]
    if not texts or not _takes_text(context):
        return ""
    return f"put a text that begins with '-' after '--': {call_of(context)} -- {shlex.quote(texts[0])}"


def missing_text(context: typer.Context, words: Sequence[str]) -> str:
    """What to do about a command without its text: it may have been read as an option."""
    return _text_hint(context, words, "-") or f"usage: {usage(context)}"


def _takes_text(context: typer.Context) -> bool:
    return any(isinstance(p, TyperArgument) and p.metavar in _TEXTS for p in context.command.params)


def _name_and_origin(parameter: Any, context: typer.Context) -> str:  # noqa: ANN401 (its type is private)
    if parameter is None:
        return "an argument"
    name = max(parameter.opts, key=len) if isinstance(parameter, TyperOption) else parameter.metavar
    places = {"ENVIRONMENT": " from the environment", "DEFAULT_MAP": " from ragcli.toml"}
    return f"{name}{places.get(origin_of(context, parameter.name or ''), '')}"
