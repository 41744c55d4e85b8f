"""``ragcli verify``: is the index sound."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from ragcli.cli.env import Env, command
from ragcli.errors import ExitCode


def register(app: typer.Typer) -> None:
    @command(app, "verify")
    def verify(
        env: Env,
        deep: Annotated[bool, typer.Option("--deep", help="Also read every document's file again.")] = False,
    ) -> ExitCode:
        """Check that the index is sound.

        Checks the catalog, the checksum of every file, one vector and one keyword entry a chunk, and the spans;
        prints a line for each fault and ends with exit code 2 when there is one: ragcli repair mends what it can.

        With --deep every file is read again and compared with the text at the spans; files that changed since they
        were indexed are listed, and end it with exit code 3.
        """
        from ragcli.index.verify import verify as check
        from ragcli.render import write_json
        from ragcli.render.visible import visible

        folder = env.existing_index()
        report = check(folder)
        faults, outdated = list(report.faults), []
        if deep and not faults:
            from ragcli.ingest.repair import recheck

            again = recheck(folder)
            faults, outdated = again.faults, again.outdated
        if env.json:
            write_json(
                {"schema": 1, "sound": not faults, "documents": report.documents, "chunks": report.chunks,
                 "segments": report.segments, "faults": faults, "outdated": outdated},
                sys.stdout,
            )  # fmt: skip
        else:
            for line in (*faults, *outdated):
                sys.stdout.write(f"{visible(line)}\n")
            counted = f"{report.documents} documents, {report.chunks} chunks, {report.segments} segments"
            env.say(f"{len(faults)} faults in {counted}" if faults else f"sound: {counted}")
            if report.faults:
                env.say("mend it with: ragcli repair")
            elif faults:
                env.say("read the files anew with: ragcli index --force")
            if outdated:
                env.say(f"{len(outdated)} documents are not as their files are now; see to it with: ragcli index")
        if faults:
            return ExitCode.ERROR
        return ExitCode.SOME_FAILED if outdated else ExitCode.OK
