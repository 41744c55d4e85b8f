"""``ragcli doctor``: is everything in place."""

from __future__ import annotations

import sys

import typer

from ragcli.cli.env import Env, command
from ragcli.errors import ExitCode


def register(app: typer.Typer) -> None:
    @command(app, "doctor")
    def doctor(env: Env) -> ExitCode:
        """Check this installation.

        Packages, the default model, the home folder, helper programs and the indexes. Each failing check says
        what to do; exit code 1 when one fails.
        """
        from ragcli.cli.checks import run_checks
        from ragcli.render import write_json
        from ragcli.render.visible import visible

        checks = run_checks(env)
        if env.json:
            entries = [{"check": c.name, "state": c.state, "fact": c.fact, "fix": c.fix} for c in checks]
            write_json({"schema": 1, "checks": entries}, sys.stdout)
        else:
            for check in checks:
                fix = f"; {check.fix}" if check.fix else ""
                sys.stdout.write(f"{check.state:<4} {check.name:<10} {visible(check.fact)}{fix}\n")
        return ExitCode.NOT_FOUND if any(check.state == "bad" for check in checks) else ExitCode.OK
