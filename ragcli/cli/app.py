"""The command line: which commands there are, how a run begins and ends, and completion in the shell."""

import io
import os
import sys
from collections.abc import Callable
from contextlib import suppress
from importlib import import_module
from itertools import chain
from pathlib import Path
from typing import Annotated, Any

import typer

from ragcli._version import __version__
from ragcli.cli.command import Command, Group, group
from ragcli.cli.env import Invocation
from ragcli.config import load_config
from ragcli.errors import ExitCode, RagcliError, UsageError

# The groups of the help page and the commands in each. A run imports the module of its own command alone.
GROUPS = {
    "Find": ("query", "ask", "cite", "rerank", "show", "open"),
    "Index": ("index", "list", "status", "remove"),
    "Stay": ("serve", "mcp", "watch"),
    "Care": ("verify", "repair", "optimize", "export", "import", "doctor"),
    "More": ("parse", "eval", "models", "config"),
}
COMMANDS = tuple(chain.from_iterable(GROUPS.values()))
# where the module has another name than the command
_MODULES = {"cite": "ask", "export": "transfer", "import": "transfer", "repair": "verify"}

_COMPLETE = "_RAGCLI_COMPLETE"  # the variable by which the shell asks for completions
_SHELLS = ("bash", "zsh", "fish")

_HELP = """grep for meaning: index a folder, ask in plain words, get the passage, the file and the page.

Start with:
  ragcli index FOLDER
  ragcli query "what you want to know"
"""

_EPILOG = """`ragcli help COMMAND` shows the options of a command. Every option can also be set in ragcli.toml or as
RAGCLI_<COMMAND>_<OPTION>; see: ragcli config

Exit codes: 0 found or done, 1 nothing found or no answer, 2 usage or fatal error, 3 done but some files failed,
4 `ask --strict` left something out, 70 a bug in ragcli, 130 interrupted.
"""


class Root(Group):
    """``ragcli`` itself: it loads a command when it is asked for it."""

    groups = GROUPS

    def list_commands(self, ctx: Any) -> list[str]:  # noqa: ANN401, ARG002 (Typer's signature)
        """Return the names of all commands."""
        return list(COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:  # noqa: ANN401, ARG002 (Typer's signature)
        """Load the command; None when there is none of that name."""
        if cmd_name in COMMANDS and cmd_name not in self.commands:
            module = import_module(f"ragcli.cli.{_MODULES.get(cmd_name, cmd_name)}")
            found = (value for value in vars(module).values() if isinstance(value, Command | Group))
            self.commands[cmd_name] = next(value for value in found if value.name == cmd_name)
        return self.commands.get(cmd_name)

    def resolve_command(self, ctx: Any, args: list[str]) -> tuple[str | None, Any, list[str]]:  # noqa: ANN401 (as above)
        """Find the command, and read the defaults that the nearest ragcli.toml has for it."""
        if args[0] == "help":
            args = [*args[1:], "--help"]
            if len(args) == 1:
                sys.stdout.write(f"{ctx.get_help()}\n")
                raise typer.Exit
        name, command, rest = super().resolve_command(ctx, args)
        if name is not None and not ctx.resilient_parsing:
            config = load_config(COMMANDS, lambda name: self.get_command(ctx, name), running=name)
            ctx.ensure_object(Invocation).config = config
            ctx.default_map = dict(config.defaults)
        return name, command, rest

    def format_help(self, ctx: Any, formatter: Any) -> None:  # noqa: ANN401 (as above)
        """Write the help page, for which each command says what it is for."""
        for name in COMMANDS:
            self.get_command(ctx, name)
        super().format_help(ctx, formatter)


def command_tree() -> Root:
    """Return ``ragcli`` with all its commands loaded."""
    root = _root()
    for name in COMMANDS:
        root.get_command(None, name)
    return root


def main() -> int:
    """Run the command line and return its exit code."""
    _open_missing_streams()
    # A file name may be bytes that are not text: they go out as they came in, but not to a terminal, where a single
    # byte may be a control sequence.
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace" if stream.isatty() else "surrogateescape")
    if isinstance(sys.stderr, io.TextIOWrapper):
        sys.stderr = _Stderr(
            sys.stderr.buffer, encoding=sys.stderr.encoding, errors=sys.stderr.errors, line_buffering=True
        )
    _end_as_with_ctrl_c()
    invocation = Invocation()
    return int(_guarded(lambda: _run(invocation), invocation))


def _open_missing_streams() -> None:
    """Put /dev/null where stdin, stdout or stderr is closed, as some daemons start programs.

    Otherwise the next file that is opened, such as the catalog, would be what messages are written to.
    """
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        if getattr(sys, name) is None:
            # the lowest free number, which is the right one as long as nothing else was opened
            opened = os.open(os.devnull, os.O_RDWR)
            os.set_inheritable(opened, opened == number)
            setattr(sys, name, os.fdopen(opened, "w" if number else "r", encoding="utf-8", closefd=False))


class _Stderr(io.TextIOWrapper):
    """Standard error that loses what cannot be written: a full disk or a closed pipe there must not end a run."""

    def write(self, text: str) -> int:
        """Write, or drop everything from here on."""
        try:
            return super().write(text)
        except OSError:
            self._drop()
            return len(text)

    def flush(self) -> None:
        """Flush, or drop everything from here on."""
        try:
            super().flush()
        except OSError:
            self._drop()

    def _drop(self) -> None:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, self.fileno())
        os.close(nowhere)


def _end_as_with_ctrl_c() -> None:
    """Let a run that is asked to end keep what it finished, and remove its temporary files."""
    import signal
    import threading

    def interrupt(_number: int, _frame: object) -> None:
        raise KeyboardInterrupt

    if threading.current_thread() is threading.main_thread():
        for number in (signal.SIGTERM, signal.SIGHUP):
            if signal.getsignal(number) is signal.SIG_DFL:  # not so under nohup
                signal.signal(number, interrupt)


def _run(invocation: Invocation) -> int:
    root = _root()
    if instruction := os.environ.get(_COMPLETE):
        return _answer_shell(root, instruction)
    # Not root.main(): it would turn an interrupt and a broken pipe into exit codes of its own.
    with root.make_context(
        "ragcli", sys.argv[1:], obj=invocation, auto_envvar_prefix="RAGCLI", help_option_names=["-h", "--help"],
        max_content_width=100,
    ) as context:  # fmt: skip
        return int(root.invoke(context))


def _guarded(action: Callable[[], Any], invocation: Invocation) -> ExitCode:
    """Run ``action``. Every way it can end becomes an exit code and at most one line on stderr."""
    try:
        code = ExitCode(action())
        sys.stdout.flush()
    except RagcliError as error:
        _report(str(error), invocation)
        return error.exit_code
    except typer.Exit as error:  # --help and --version
        return ExitCode(error.exit_code)
    except typer.TyperException as error:
        from ragcli.cli.help import wrong_call

        _report(wrong_call(error, invocation.context, sys.argv[1:]), invocation)
        return ExitCode.ERROR
    except KeyboardInterrupt:
        _report("interrupted", invocation)
        return ExitCode.INTERRUPTED
    except BrokenPipeError:
        # The reader (head, say) has what it wanted. Nothing is wrong, and Python must not flush into the pipe again.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return ExitCode.OK
    except OSError as error:
        if _is_nowhere():
            _report("the current folder no longer exists; go to another one with: cd", invocation)
            return ExitCode.ERROR
        name = f"{os.fspath(error.filename)}: " if error.filename else ""
        _report(f"{name}{error.strerror or error}", invocation)
        return ExitCode.ERROR
    except MemoryError:
        _report("not enough memory; free some, or raise the limit: ulimit -v", invocation)
        return ExitCode.ERROR
    except Exception as error:  # noqa: BLE001 (a bug must not look like "nothing found")
        _report(f"this is a bug in ragcli: {type(error).__name__}: {error}; run again with --debug", invocation)
        return ExitCode.BUG
    return code


def _is_nowhere() -> bool:
    try:
        os.getcwd()  # noqa: PTH109 (its error is what is asked for)
    except FileNotFoundError:
        return True
    return False


def _report(message: str, invocation: Invocation) -> None:
    from ragcli.render.visible import visible  # a file name in a message may hold any character

    if invocation.debug:
        import traceback

        from ragcli.render.visible import visible_lines

        sys.stderr.write(visible_lines(traceback.format_exc()))
    with suppress(BrokenPipeError):
        sys.stderr.write(f"ragcli: {visible(invocation.advised(message))}\n")


def _print_version(context: typer.Context, wanted: bool) -> None:
    if wanted and not context.resilient_parsing:
        sys.stdout.write(f"ragcli {__version__}\n")
        raise typer.Exit


def _show_completion(context: typer.Context, wanted: bool) -> None:
    if wanted and not context.resilient_parsing:
        sys.stdout.write(_completion_script(_shell()))
        raise typer.Exit


def _install_completion(context: typer.Context, wanted: bool) -> None:
    if wanted and not context.resilient_parsing:
        sys.stderr.write(f"installed: {_install_script(_shell())}; open a new shell\n")
        raise typer.Exit


def _options(
    version: Annotated[
        bool,
        typer.Option(
            "--version", "-V", callback=_print_version, is_eager=True, help="Print the version.",
            rich_help_panel="Options",
        ),
    ] = False,
    install_completion: Annotated[
        bool,
        typer.Option(
            "--install-completion", callback=_install_completion, is_eager=True, rich_help_panel="Options",
            help="Set up completion for the shell that $SHELL names.",
        ),
    ] = False,
    show_completion: Annotated[
        bool,
        typer.Option(
            "--show-completion", callback=_show_completion, is_eager=True, rich_help_panel="Options",
            help="Print the script that --install-completion installs.",
        ),
    ] = False,
) -> None:  # fmt: skip
    """Declare the options of ``ragcli`` itself."""


def _root() -> Root:
    root = group("ragcli", _HELP, cls=Root, epilog=_EPILOG, options=_options)
    assert isinstance(root, Root)
    return root


# -- completion -------------------------------------------------------------------------------------------------------


def _answer_shell(root: Root, instruction: str) -> int:
    """Do what the script in the shell asks for: print completions, or the script itself."""
    from typer.completion import get_completion_inspect_parameters, shell_complete

    get_completion_inspect_parameters()  # Typer registers its shells here
    return shell_complete(root, {}, "ragcli", _COMPLETE, instruction)


def _shell() -> str:
    shell = Path(os.environ.get("SHELL", "")).name
    if shell not in _SHELLS:
        raise UsageError(f"no completion for the shell {shell!r}", f"set SHELL to {', '.join(_SHELLS[:-1])} or fish")
    return shell


def _completion_script(shell: str) -> str:
    import io
    from contextlib import redirect_stdout

    with redirect_stdout(io.StringIO()) as script:
        _answer_shell(_root(), f"source_{shell}")
    return script.getvalue()


def _install_script(shell: str) -> str:
    """Write the script where ``shell`` looks for it; return the place."""
    script = _completion_script(shell)
    if shell == "fish":
        place = Path.home() / ".config" / "fish" / "completions" / "ragcli.fish"
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(script, encoding="utf-8")
        return str(place)
    place = Path.home() / f".ragcli-complete.{shell}"
    place.write_text(script, encoding="utf-8")
    started = Path.home() / f".{shell}rc"
    line = f"source {place}\n"
    known = started.read_text(encoding="utf-8") if started.exists() else ""
    if line not in known:
        begin = "autoload -Uz compinit && compinit\n" if shell == "zsh" and "compinit" not in known else ""
        with started.open("a", encoding="utf-8") as file:
            file.write(f"\n# completion of ragcli\n{begin}{line}")
    return f"{place}, which {started} reads"
