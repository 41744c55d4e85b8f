"""The Typer application: every command registered, flags read from ragcli.toml and the environment."""

from __future__ import annotations

import sys
from typing import Annotated, Any

import typer
from typer import _click  # Typer ships its own Click; these two names are what it raises

from ragcli._version import __version__
from ragcli.cli import (
    ask,
    doctor,
    index,
    listing,
    models,
    open_ref,
    parse,
    query,
    remove,
    rerank,
    show,
    status,
    transfer,
    verify,
)
from ragcli.cli import config as config_
from ragcli.cli import eval as eval_
from ragcli.cli.env import run_guarded
from ragcli.config import load_config
from ragcli.errors import ExitCode

_HELP = """grep for meaning: index a folder, ask in plain words, get the passage, the file and the page."""

_EPILOG = """Start with:  ragcli index PATH   then:  ragcli query "what you want to know"

Exit codes: 0 found or done, 1 nothing found or no answer, 2 usage or fatal error, 3 done but some files failed,
4 ask --strict left something out, 70 a bug, 130 interrupted.

Every option can also be set in ragcli.toml or as RAGCLI_<COMMAND>_<OPTION>; see: ragcli config"""

app = typer.Typer(
    name="ragcli",
    help=_HELP,
    epilog=_EPILOG,
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"auto_envvar_prefix": "RAGCLI", "help_option_names": ["-h", "--help"], "max_content_width": 100},
)

for module in (
    index,
    query,
    ask,
    rerank,
    parse,
    show,
    open_ref,
    listing,
    status,
    remove,
    verify,
    transfer,
    eval_,
    models,
    doctor,
    config_,
):
    module.register(app)


def _print_version(wanted: bool) -> None:
    if wanted:
        sys.stdout.write(f"ragcli {__version__}\n")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    pass


def command_tree() -> Any:  # noqa: ANN401 (Typer's vendored group type)
    """The commands as Click sees them; the variable of each option is a rule, told once, not a line in every help."""
    root: Any = typer.main.get_command(app)
    for sub in (root, *root.commands.values(), *root.commands["models"].commands.values()):
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
        root = command_tree()
        config = load_config(root)
        code = root.main(prog_name="ragcli", standalone_mode=False, default_map=config.defaults, obj=config)
    except _click.exceptions.ClickException as error:
        _show(error)
        return ExitCode.ERROR
    return ExitCode(code or 0)


def _show(error: _click.exceptions.ClickException) -> None:
    """What Click says of a wrong call, which quotes it."""
    import io

    from ragcli.render.visible import visible_lines

    said = io.StringIO()
    error.show(file=said)
    sys.stderr.write(visible_lines(said.getvalue()))
