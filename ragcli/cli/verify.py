"""``ragcli verify``: is the index sound."""

from __future__ import annotations

import sys

import typer

from ragcli.cli.env import Env, command
from ragcli.errors import ExitCode


def register(app: typer.Typer) -> None:
    @command(app, "verify")
    def verify(env: Env) -> ExitCode:
        """Check that the index is sound.

        Checks the catalog, the checksum of every file, one vector and one keyword entry a chunk, and the spans;
        prints a line for each fault and ends with exit code 2 when there is one.
        """
        from ragcli.index.verify import verify as check
        from ragcli.render import write_json
        from ragcli.render.visible import visible

        report = check(env.existing_index())
        if env.json:
            write_json(
                {"schema": 1, "sound": not report.faults, "documents": report.documents, "chunks": report.chunks,
                 "segments": report.segments, "faults": list(report.faults)},
                sys.stdout,
            )  # fmt: skip
        else:
            for fault in report.faults:
                sys.stdout.write(f"{visible(fault)}\n")
            counted = f"{report.documents} documents, {report.chunks} chunks, {report.segments} segments"
            env.say(f"{len(report.faults)} faults in {counted}" if report.faults else f"sound: {counted}")
            if report.faults:
                env.say("rebuild it with: ragcli index --force")
        return ExitCode.ERROR if report.faults else ExitCode.OK
