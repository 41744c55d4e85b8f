"""The Typer application: the commands, flags read from ragcli.toml and the environment."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from importlib import import_module
from typing import Annotated, Any

import typer
from typer import _click  # Typer ships its own Click; these two names are what it raises

from ragcli._version import __version__
from ragcli.cli.env import run_guarded
from ragcli.config import load_config
from ragcli.errors import ExitCode

# Command -> its module in ragcli.cli, in the order of the help. A run imports the module of its own command alone:
# all of them, with the parsing of their options, cost 50 ms.
COMMANDS = {
    "index": "index",
    "query": "query",
    "ask": "ask",
    "rerank": "rerank",
    "parse": "parse",
    "show": "show",
    "open": "open_ref",
    "list": "listing",
    "status": "status",
    "remove": "remove",
    "verify": "verify",
    "repair": "repair",
    "optimize": "optimize",
    "export": "transfer",
    "import": "transfer",
    "eval": "eval",
    "models": "models",
    "doctor": "doctor",
    "config": "config",
}
_LOOK_AT_ALL = {"config"}

_HELP = """grep for meaning: index a folder, ask in plain words, get the passage, the file and the page."""

_EPILOG = """Start with:  ragcli index PATH   then:  ragcli query "what you want to know"

Exit codes: 0 found or done, 1 nothing found or no answer, 2 usage or fatal error, 3 done but some files failed,
4 ask --strict left something out, 70 a bug, 130 interrupted.

Every option can also be set in ragcli.toml or as RAGCLI_<COMMAND>_<OPTION>; see: ragcli config"""


def _print_version(wanted: bool) -> None:
    if wanted:
        sys.stdout.write(f"ragcli {__version__}\n")
        raise typer.Exit


def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    pass


def command_tree(names: Sequence[str] = tuple(COMMANDS)) -> Any:  # noqa: ANN401 (Typer's vendored group type)
    """These commands as Click sees them.

    The variable of each option is a rule, told once, not a line in every help.
    """
    app = typer.Typer(
        name="ragcli",
        help=_HELP,
        epilog=_EPILOG,
        no_args_is_help=True,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
        context_settings={
            "auto_envvar_prefix": "RAGCLI",
            "help_option_names": ["-h", "--help"],
            "max_content_width": 100,
        },
    )
    app.callback()(_root)
    for module in dict.fromkeys(COMMANDS[name] for name in names):
        import_module(f"ragcli.cli.{module}").register(app)
    root: Any = typer.main.get_command(app)
    for sub in (root, *root.commands.values(), *getattr(root.commands.get("models"), "commands", {}).values()):
        for parameter in sub.params:
            parameter.show_envvar = False
    return root


def main() -> int:
    """Run the command line and return its exit code."""
    # A file name may be bytes that are no text: they go out as they came in, but not to a terminal, where a single
    # byte may be a control sequence.
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace" if stream.isatty() else "surrogateescape")
    return int(run_guarded(_run, debug=False))


def _run() -> ExitCode:
    try:
        root = command_tree(_meant(sys.argv[1:]))
        config = load_config(root, everything=command_tree)
        code = root.main(prog_name="ragcli", standalone_mode=False, default_map=config.defaults, obj=config)
    except _click.exceptions.ClickException as error:
        _show(error)
        return ExitCode.ERROR
    return ExitCode(code or 0)


def _meant(arguments: Sequence[str]) -> Sequence[str]:
    """The commands that these arguments can be about: the one that they name, or all of them."""
    first = arguments[0] if arguments else ""
    if first == "--version":
        return ()
    if first in COMMANDS and first not in _LOOK_AT_ALL and "_RAGCLI_COMPLETE" not in os.environ:
        return (first,)
    return tuple(COMMANDS)


def _show(error: _click.exceptions.ClickException) -> None:
    """What Click says of a wrong call, which quotes it."""
    import io

    from ragcli.render.visible import visible_lines

    said = io.StringIO()
    error.show(file=said)
    sys.stderr.write(visible_lines(said.getvalue()))
