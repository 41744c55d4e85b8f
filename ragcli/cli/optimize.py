"""``ragcli optimize``: make search of a large index fast."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from ragcli.cli.env import Env, WaitOption, command
from ragcli.errors import ExitCode


def register(app: typer.Typer) -> None:
    @command(app, "optimize")
    def optimize(
        env: Env,
        exact: Annotated[bool, typer.Option("--exact", help="Read every vector again, and always.")] = False,
        wait: WaitOption = False,
    ) -> ExitCode:
        """Make search of a large index fast.

        Exact search reads every vector. An approximate index reads the part of them that holds the nearest: how much
        that is, is chosen by measuring recall on this very index, and ragcli status tells. ragcli index makes one by
        itself from 300,000 chunks on, and again when a quarter has changed.

        \b
        Examples:
          ragcli optimize            make it now, whatever the size of the index
          ragcli optimize --exact    let go of it, and make none
        """
        from dataclasses import asdict

        from ragcli.ingest.optimize import optimize_index as run
        from ragcli.render import write_json
        from ragcli.units import human_duration

        done = run(env.existing_index(), exact=exact, on_wait=env.on_wait(wait))
        if env.json:
            made = asdict(done.row) if done.row else None
            write_json(
                {"schema": 1, "chunks": done.chunks, "approximate": made, "seconds": round(done.seconds, 3)}, sys.stdout
            )
        elif done.row is None:
            env.say(f"search reads every one of {done.chunks:,} vectors")
        else:
            env.say(
                f"search reads {done.row.probes} of {done.row.lists:,} lists of vectors and finds"
                f" {done.row.recall:.1%} of the ten nearest (the mean of {done.row.sampled} queries);"
                f" made in {human_duration(done.seconds)}"
            )
        return ExitCode.OK
