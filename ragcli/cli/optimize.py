"""``ragcli optimize``: make search of a large index fast."""

import sys
from typing import Annotated

import typer

from ragcli.cli.command import command
from ragcli.cli.env import Env, Wait
from ragcli.errors import ExitCode


@command()
def optimize(
    env: Env,
    *,
    exact: Annotated[
        bool,
        typer.Option("--exact", help="Remove the approximate index and never build one: search reads every vector."),
    ] = False,
    wait: Wait = False,
) -> ExitCode:
    """Make search of a large index fast.

    Exact search reads every vector. An approximate index reads only the lists of vectors that are nearest to the
    question. How many lists it reads is chosen by measuring recall on this index; ragcli status shows the result.
    ragcli index builds one by itself from 300,000 chunks on. Later chunks join it when a quarter, or 100,000, changed.

    Examples:
      ragcli optimize            build it now, whatever the size of the index
      ragcli optimize --exact    remove it and build none

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
        env.say(f"search reads all {done.chunks:,} vectors")
    else:
        env.say(
            f"search reads {done.row.probes} of {done.row.lists:,} lists of vectors and finds"
            f" {done.row.recall:.1%} of the ten nearest (mean of {done.row.sampled} queries);"
            f" built in {human_duration(done.seconds)}"
        )
    return ExitCode.OK
