"""``ragcli models``: embedding models on this machine."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from ragcli.cli.env import Env, command
from ragcli.errors import ExitCode


def register(app: typer.Typer) -> None:
    models = typer.Typer(
        help="Models on this machine: list, show, add, remove, calibrate.", no_args_is_help=True, rich_markup_mode=None
    )

    @command(models, "list")
    def list_(env: Env) -> ExitCode:
        """List the default model and those that were added."""
        from ragcli.models import library
        from ragcli.models.resolve import DEFAULT_MODEL, resolve
        from ragcli.render import write_json
        from ragcli.render.table import write_table
        from ragcli.render.terminal import color_wanted

        default = resolve(DEFAULT_MODEL)
        found = [(default, "default"), *library.installed()]
        if env.json:
            entries = [
                {"name": files.name, "origin": origin, "folder": str(files.folder), "sha256": files.sha256}
                for files, origin in found
            ]
            write_json({"schema": 1, "models": entries}, sys.stdout)
        else:
            rows = [(files.name, origin, str(files.folder)) for files, origin in found]
            write_table(rows, ("model", "origin", "folder"), sys.stdout, color=color_wanted(sys.stdout))
        return ExitCode.OK

    @command(models, "show")
    def show(env: Env, name: Annotated[str, typer.Argument(metavar="NAME|FOLDER")]) -> ExitCode:
        """Show where a model lies, its digest, dimension, window and runtime."""
        from ragcli.models.open import open_query_encoder
        from ragcli.models.resolve import resolve
        from ragcli.render import visible, write_json

        files = resolve(name, offline=env.offline)
        encoder = open_query_encoder(files)
        record = {
            "name": files.name, "folder": str(files.folder), "revision": files.revision, "sha256": files.sha256,
            "dimension": encoder.dimension, "window": encoder.window, "runtime": encoder.runtime,
        }  # fmt: skip
        if env.json:
            write_json({"schema": 1, **record}, sys.stdout)
        else:
            for key, value in record.items():
                sys.stdout.write(f"{key:<10} {visible(str(value))}\n")
        return ExitCode.OK

    @command(models, "add")
    def add(env: Env, name: Annotated[str, typer.Argument(metavar="NAME|FOLDER")]) -> ExitCode:
        """Copy a model folder, or fetch a model from the Hugging Face hub, to use it by name, offline."""
        from ragcli.models import library
        from ragcli.render import write_json

        files = library.add(name, offline=env.offline)
        if env.json:
            write_json(
                {"schema": 1, "name": files.name, "folder": str(files.folder), "sha256": files.sha256}, sys.stdout
            )
        env.say(f"added {files.name}; use it with: ragcli index --model {files.name}")
        return ExitCode.OK

    @command(models, "calibrate")
    def calibrate(
        env: Env,
        questions: Annotated[
            Path | None, typer.Argument(metavar="QUESTIONS.jsonl", help="{question, path, text?}; none: made ones.")
        ] = None,
        reranker: Annotated[
            str | None, typer.Option(metavar="NAME|FOLDER", help="Another cross-encoder than the one that ships.")
        ] = None,
    ) -> ExitCode:
        """Fit the probability that a hit answers, for the models of --index, on questions about its documents.

        The fit belongs to the weights of both models and is used wherever they are; another model has none until it
        is calibrated. Minutes for some hundred questions.
        """
        from ragcli.cli.calibrate_run import run
        from ragcli.models.files import DEFAULT_RERANKER

        return run(env, questions, reranker or DEFAULT_RERANKER)

    @command(models, "remove")
    def remove(env: Env, name: Annotated[str, typer.Argument(metavar="NAME")]) -> ExitCode:
        """Delete a model that was added. Indexes built with it cannot be searched by meaning without it."""
        from ragcli.models import library

        library.remove(name)
        env.say(f"removed {name}")
        return ExitCode.OK

    app.add_typer(models, name="models")
