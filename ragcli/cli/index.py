"""``ragcli index``: make the index match the disk."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from ragcli.cli.env import Env, WaitOption, command
from ragcli.errors import ExitCode, UsageError


def register(app: typer.Typer) -> None:
    @command(app, "index")
    def index(
        env: Env,
        paths: Annotated[
            list[Path] | None, typer.Argument(metavar="PATH", help="Files or folders; none: all known ones.")
        ] = None,
        include: Annotated[list[str] | None, typer.Option(metavar="GLOB", help="Only files that match.")] = None,
        exclude: Annotated[list[str] | None, typer.Option(metavar="GLOB", help="No files that match.")] = None,
        ignore: Annotated[
            bool, typer.Option("--ignore/--no-ignore", help="Honour .gitignore and .ragignore files.")
        ] = True,
        hidden: Annotated[bool, typer.Option("--hidden", help="Also files whose name begins with a dot.")] = False,
        max_file_size: Annotated[str, typer.Option(metavar="SIZE", help="Leave larger files out (K, M, G).")] = "64M",
        dry_run: Annotated[
            bool, typer.Option("--dry-run", help="List what would be indexed, and why the rest would not.")
        ] = False,
        plan: Annotated[bool, typer.Option("--plan", help="Estimate chunks, minutes and disk; index nothing.")] = False,
        model: Annotated[
            str | None, typer.Option(metavar="NAME|FOLDER", help="Embedding model; another one rebuilds the index.")
        ] = None,
        chunk_size: Annotated[int | None, typer.Option(help="Tokens a passage at most (200).")] = None,
        chunk_overlap: Annotated[int | None, typer.Option(help="Tokens that neighbours share (30).")] = None,
        password: Annotated[
            str | None, typer.Option(metavar="TEXT", help="For encrypted PDF files.", show_default=False)
        ] = None,
        ocr: Annotated[bool, typer.Option("--ocr", help="Read pages without text with tesseract.")] = False,
        workers: Annotated[int, typer.Option(help="Parser processes, or workers of the engine (0: one a core).")] = 0,
        engine: Annotated[
            Literal["local", "ray"],
            typer.Option(help="Read and embed in processes here, or on a Ray cluster that shares the folders."),
        ] = "local",
        address: Annotated[
            str | None, typer.Option(metavar="HOST:PORT", help="The Ray cluster's; without it, Ray is started here.")
        ] = None,
        timeout: Annotated[
            float, typer.Option(min=0.1, metavar="SECONDS", help="Time one file may take to parse.")
        ] = 60.0,
        memory: Annotated[
            int, typer.Option(min=0, metavar="MIB", help="Memory one file may take to parse (0: any).")
        ] = 2048,
        max_text: Annotated[
            int, typer.Option(min=1, metavar="MIB", help="Text that one file may give, with its structure.")
        ] = 256,
        store: Annotated[
            str | None,
            typer.Option(metavar="URI", help="Where vectors are kept: files, or milvus://HOST:PORT/COLLECTION."),
        ] = None,
        force: Annotated[bool, typer.Option("--force", help="Read and embed everything anew.")] = False,
        wait: WaitOption = False,
        yes: Annotated[bool, typer.Option("--yes", "-y", help="Allow / and the home folder.")] = False,
    ) -> ExitCode:
        """Make the index match the disk.

        \b
        Examples:
          ragcli index ~/notes                     index a folder, or bring it up to date
          ragcli index                             bring every known folder up to date
          ragcli index docs --include '*.pdf'      only the PDF files
          ragcli index docs --dry-run              what would be indexed, and why the rest would not
          ragcli index docs --engine ray --address 10.0.0.5:6379    on a cluster (docs/ray.md)

        Files are skipped for a reason that `ragcli list --not-indexed` shows. Exit code 3: done, but some failed.
        """
        from ragcli.cli import index_run
        from ragcli.formats.blocks import LoadOptions
        from ragcli.ingest.discover import Rules
        from ragcli.ingest.roots import refuse_broad_root
        from ragcli.ingest.sandbox.limits import Limits
        from ragcli.ingest.sync import SyncOptions

        if address is not None and engine != "ray":
            raise UsageError("--address is for a Ray cluster", "add --engine ray")
        roots = paths or []
        if not yes:
            for root in roots:
                refuse_broad_root(root.absolute())
        given = Rules(
            include=tuple(include or ()),
            exclude=tuple(exclude or ()),
            hidden=hidden,
            ignore_files=ignore,
            max_file_size=index_run.parse_size(max_file_size),
        )
        options = SyncOptions(
            model=model,
            chunks=index_run.chunk_options(chunk_size, chunk_overlap),
            rules=None if given == Rules() else given,
            load=LoadOptions(password=password, ocr=ocr),
            limits=Limits(seconds=timeout, memory_mib=memory, output_mib=max_text),
            workers=workers,
            store=store,
            force=force,
            offline=env.offline,
            engine=engine,
            address=address,
        )
        if dry_run:
            return index_run.dry_run(env, roots, options)
        if plan:
            return index_run.plan(env, roots, options)
        return index_run.run(env, roots, options, env.on_wait(wait))
