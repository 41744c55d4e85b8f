#!/usr/bin/env bash
# typer==0.28.0 beside click==8.5.1, 2026-11
#
# Expected: Typer is built on the installed Click. "except click.ClickException" catches its errors, a command may
#   raise click.UsageError, click.get_current_context() has the parameters of the running command, and a Typer app can
#   be a command of a click.Group.
# Happens: this release carries a Click of its own, typer._click, and shares no class with the installed one. A wrong
#   option passes "except click.ClickException". click.UsageError inside a command is a traceback and exit code 1,
#   where typer.BadParameter gives a message and 2. The current context is missing, or is that of the group around.
#   In a click.Group the app runs as it should, and only a wrong option ends in a traceback and 1.
# Why it matters: a search command is used in scripts, where 1 means that nothing was found and 2 that the call was
#   wrong. With this release wrong calls read as "nothing found", and no test of the good cases sees it.
# What ragcli does: one place catches the errors of the Click that Typer raises from. Tests run wrong calls as
#   processes and look at exit code and message.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"${PYTHON:-python3}" -m venv "$work/venv"
"$work/venv/bin/pip" install -qq --no-compile typer==0.28.0 click==8.5.1 ||
  { echo "the packages cannot be installed" >&2; exit 2; }
cd "$work"
cat > app.py <<'PY'
import sys

import click
import typer

app = typer.Typer()


@app.command()
def find(count: int = 1, complain: str = "") -> None:
    if complain == "click":
        raise click.UsageError("two formats at once")
    if complain == "typer":
        raise typer.BadParameter("two formats at once")
    context = click.get_current_context(silent=True)
    print("count", context and context.params.get("count"))


def caught() -> None:
    try:
        typer.main.get_command(app).main(["--count", "x"], standalone_mode=False)
    except click.ClickException:
        print("caught")
    except Exception as error:
        print("passed by:", f"{type(error).__module__}.{type(error).__name__}")


def group() -> None:
    root = click.Group("root")
    root.add_command(typer.main.get_command(app), "find")
    root(["find", *sys.argv[2:]])


{"caught": caught, "group": group}[sys.argv[1]]() if sys.argv[1:2] in (["caught"], ["group"]) else app()
PY
"$work/venv/bin/python" -I - <<'PY'
import subprocess
import sys
from importlib.metadata import version

changed = []


def check(what, arguments, expected, stated):
    """Compare (exit code, whether there is a traceback, what is printed) of a process."""
    found = subprocess.run([sys.executable, "app.py", *arguments], capture_output=True, text=True)
    seen = (found.returncode, "Traceback" in found.stderr, found.stdout.strip() if found.returncode == 0 else "")
    print(f"{what}\n  expected exit {expected[0]}, traceback {expected[1]}, {expected[2]!r}")
    print(f"  seen     exit {seen[0]}, traceback {seen[1]}, {seen[2]!r}")
    if seen != stated:
        changed.append(f"{what}: stated {stated}, seen {seen}")


print("typer", version("typer"), "click", version("click"))
message = (2, False, "")
check("except click.ClickException around a wrong option", ["caught"], (0, False, "caught"),
      (0, False, "passed by: typer._click.exceptions.BadParameter"))
check("typer.BadParameter raised in a command", ["--complain", "typer"], message, message)
check("click.UsageError raised in a command", ["--complain", "click"], message, (1, True, ""))
check("click.get_current_context() in a command", [], (0, False, "count 1"), (0, False, "count None"))
check("the app in a click.Group", ["group"], (0, False, "count 1"), (0, False, "count None"))
check("the same with a wrong option", ["group", "--count", "x"], message, (1, True, ""))
if changed:
    sys.exit("changed: " + "; ".join(changed))
print("as stated")
PY
