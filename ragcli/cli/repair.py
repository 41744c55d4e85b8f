"""``ragcli repair``: make damaged parts of an index anew."""

from __future__ import annotations

import sys

import typer

from ragcli.cli.env import Env, WaitOption, command
from ragcli.errors import ExitCode


def register(app: typer.Typer) -> None:
    @command(app, "repair")
    def repair(env: Env, wait: WaitOption = False) -> ExitCode:
        """Mend what ragcli verify finds.

        The keyword index and vectors are derived from the catalog: what is missing or damaged of them is made anew,
        only lost vectors are embedded, and sound files are not touched. A damaged catalog is refused: then
        ragcli index --force reads the files anew. Where a server has the vectors, missing ones are put back and those
        that no chunk has are removed.
        """
        from ragcli.ingest.repair import repair as mend
        from ragcli.render import write_json

        done = mend(env.existing_index(), on_wait=env.on_wait(wait))
        if env.json:
            write_json(
                {"schema": 1, "keywords": done.keywords, "segments": done.segments, "approximate": done.approximate,
                 "chunks": {"embedded": done.embedded, "reused": done.reused}, "removed": done.removed},
                sys.stdout,
            )  # fmt: skip
        elif not done:
            env.say("sound: nothing to repair")
        else:
            if done.keywords:
                env.say("the keyword index was made anew")
            if done.approximate:
                env.say("the approximate index was made anew")
            if done.segments:
                env.say(
                    f"{done.segments} segments were made anew: {done.embedded} chunks embedded, {done.reused} reused"
                )
            elif done.embedded or done.reused or done.removed:
                env.say(
                    f"vectors on the server: {done.embedded} chunks embedded, {done.reused} reused, "
                    f"{done.removed} that no chunk has removed"
                )
        return ExitCode.OK
