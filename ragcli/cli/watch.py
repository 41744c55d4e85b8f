"""``ragcli watch``: keep an index up to date."""

import shlex
import subprocess
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ragcli.cli.command import command
from ragcli.cli.env import Env, read_time
from ragcli.errors import ExitCode, RagcliError, UsageError

if TYPE_CHECKING:
    from ragcli.ingest.sync import Summary


@command(json=False)
def watch(
    env: Env,
    *,
    paths: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="PATH", help="Files or folders; without one, all folders that are already indexed.", readable=False
        ),
    ] = None,
    once: Annotated[
        bool, typer.Option("--once", help="Bring the index up to date, and end.", rich_help_panel="How long")
    ] = False,
    quiet_for: Annotated[
        str,
        typer.Option(metavar="TIME", help="Wait until nothing changed for this time.", rich_help_panel="How long"),
    ] = "1.5s",
    at_most: Annotated[
        str, typer.Option(metavar="TIME", help="Wait no longer than this time.", rich_help_panel="How long")
    ] = "10s",
    jsonl: Annotated[
        bool, typer.Option("--jsonl", help="One JSON object per line, one per run.", rich_help_panel="Output")
    ] = False,
    exec_: Annotated[
        str | None,
        typer.Option(
            "--exec", metavar="COMMAND", help="Run this after each run that changed something.",
            rich_help_panel="Output",
        ),
    ] = None,
    print_unit: Annotated[
        bool,
        typer.Option(
            "--print-unit", help="Print a unit of systemd, or of launchd on macOS, that runs this command.",
            rich_help_panel="Output",
        ),
    ] = False,
    yes: Annotated[
        bool, typer.Option("--yes", "-y", help="Allow / and the home folder.", rich_help_panel="Which files")
    ] = False,
) -> ExitCode:  # fmt: skip
    """Keep an index up to date while files change.

    It looks at names, sizes and times, which works on every file system and takes less than one per cent of a core.

    Examples:
      ragcli watch                             all folders that are already indexed
      ragcli watch ~/notes -i notes            a folder that need not be indexed yet
      ragcli watch --exec "notify-send indexed"
      ragcli watch --print-unit > ~/.config/systemd/user/ragcli-watch.service

    """
    from ragcli.ingest.options import SyncOptions
    from ragcli.ingest.roots import refuse_broad_root
    from ragcli.serve.watch import Settings

    roots = [path.expanduser().absolute() for path in paths or ()]
    for root in roots if not yes else ():
        refuse_broad_root(root)
    if print_unit:
        sys.stdout.write(unit(env, roots))
        return ExitCode.OK
    if not roots:
        env.existing_index()
    settings = Settings(
        env.index_folder(), roots, SyncOptions(offline=env.offline), read_time(quiet_for), read_time(at_most)
    )
    tell = Teller(env, jsonl=jsonl, command=exec_)
    if once:
        from ragcli.ingest.sync import sync

        summary = sync(settings.folder, settings.roots, settings.options)
        tell.done(summary)
        return ExitCode.SOME_FAILED if summary.failures else ExitCode.OK
    from ragcli.serve.watch import keep_up

    try:
        keep_up(settings, tell.done, tell.failed, threading.Event())
    except KeyboardInterrupt:
        env.say("stopped: what is finished is in the index")
    return ExitCode.OK


class Teller:
    """Says what each run did."""

    def __init__(self, env: Env, *, jsonl: bool, command: str | None) -> None:
        try:
            self._command = shlex.split(command) if command else []
        except ValueError as error:
            raise UsageError(f"invalid --exec: {error}", "quote the command as for a shell") from error
        self._env, self._jsonl = env, jsonl
        self._told = ""

    def done(self, summary: "Summary") -> None:
        """Write a line about a run, and start the command that follows it."""
        from ragcli.cli.index import record_of, say_summary

        self._told = ""
        if self._jsonl:
            from ragcli.render import write_json_line

            write_json_line(record_of(self._env, summary), sys.stdout)
            sys.stdout.flush()
        else:
            say_summary(self._env, summary)
        if self._command and summary.added + summary.changed + summary.removed:
            try:
                code = subprocess.run(self._command, check=False, stdin=subprocess.DEVNULL).returncode
            except OSError as error:
                self._env.say(f"cannot run {self._command[0]}: {error.strerror}")
                return
            if code:
                self._env.say(f"{self._command[0]} ended with exit code {code}")

    def failed(self, error: RagcliError) -> None:
        """Write a line about what went wrong, once while it lasts."""
        if self._told != str(error):
            self._env.say(f"ragcli: {error}")
        self._told = str(error)


def unit(env: Env, roots: list[Path]) -> str:
    """Return a unit of systemd, or on macOS of launchd, that keeps an index up to date."""
    from ragcli.serve.install import place_of, program

    words = [*program(), "watch", *map(str, roots), *place_of(env.home.path, env.index)]
    if sys.platform == "darwin":
        import plistlib

        about = {"Label": "ragcli.watch", "ProgramArguments": words, "RunAtLoad": True, "KeepAlive": True}
        return plistlib.dumps(about).decode()
    quoted = " ".join(_quoted(word) for word in words)
    return (
        "[Unit]\nDescription=Keep an index of ragcli up to date\n\n"
        f"[Service]\nExecStart={quoted}\nRestart=on-failure\nNice=10\n\n[Install]\nWantedBy=default.target\n"
    )


def _quoted(word: str) -> str:
    """Return a word for ExecStart=, in which systemd would replace "%" and "$"."""
    escaped = word.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%").replace("$", "$$")
    return escaped if all(character.isalnum() or character in "/._-+=:,@" for character in word) else f'"{escaped}"'
