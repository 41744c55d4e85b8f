"""``ragcli status``: which index, what is in it, what is not."""

import os
import sys
from collections import Counter
from collections.abc import Container
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from ragcli.cli.command import command
from ragcli.cli.env import Env
from ragcli.errors import ExitCode, IndexNotFound

if TYPE_CHECKING:
    from ragcli.index.reader import Index

_NAMES_WIDTH = 13  # columns before the values


@command(pager=True)
def status(env: Env) -> ExitCode:
    """Show what is in the index and what is not.

    Every file below the indexed folders is counted once: as a document, or under the reason why it is not one.
    Exit code 1: there is no index yet.
    """
    from ragcli.index.locate import index_names
    from ragcli.index.reader import open_index
    from ragcli.render import write_json

    record: dict[str, Any] = {
        "schema": 1,
        "home": str(env.home.path),
        "home_from": env.home.origin,
        "indexes": index_names(env.home),
        "index": str(env.index_folder()),
        "exists": False,
    }
    try:
        with open_index(env.existing_index(), None) as index:
            record |= _index_record(index, env.index_folder())
    except IndexNotFound as error:
        env.say(f"ragcli: {error}")
    if record["exists"]:
        import logging

        logging.getLogger("ragcli").info("the vectors were made by: %s", ", ".join(record["runtimes"]) or "none yet")
    with env.output() as out:
        if env.json:
            write_json(record, out)
        else:
            _write_text(record, out, env)
    return ExitCode.OK if record["exists"] else ExitCode.NOT_FOUND


def _index_record(index: "Index", folder: Path) -> dict[str, Any]:
    catalog = index.catalog
    reasons: Counter[str] = Counter()
    failed = 0
    for skipped in catalog.skipped():
        reasons[str(skipped.reason)] += skipped.files
        failed += skipped.files if skipped.reason.is_failure else 0
    run = catalog.ledger.unfinished_run()
    kinds = Counter(row.loader for row in catalog.documents())
    documents, not_indexed = sum(kinds.values()), sum(reasons.values())
    return {
        "exists": True,
        "unfinished": None
        if run is None
        else {
            "files_done": run.files_done,
            "files": run.files_total,
            "running": run.is_running,
            "text": str(run),
        },
        "roots": [str(root) for root in catalog.roots()],
        "gone": [str(root) for root in catalog.roots() if not os.path.exists(root)],  # noqa: PTH110 (any name will do)
        "files": documents + not_indexed,
        "documents": documents,
        "kinds": dict(sorted(kinds.items())),
        "not_indexed": {"files": not_indexed, "failed": failed, "reasons": dict(sorted(reasons.items()))},
        "chunks": catalog.count("chunks"),
        "segments": catalog.count("segments"),
        "store": index.settings.store or "files",
        "search": _search_record(index),
        "model": index.settings.model,
        "model_sha256": index.settings.sha256,
        "runtimes": list(catalog.runtimes()),
        "dimension": index.settings.dimension,
        "chunk_size": index.settings.chunk_size,
        "chunk_overlap": index.settings.chunk_overlap,
        "disk_bytes": sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()),
    }


def _search_record(index: "Index") -> dict[str, Any]:
    """How dense search works and with which recall; ``newer`` chunks are searched exactly beside it."""
    if index.settings.store:
        return {"kind": "store"}
    catalog = index.catalog
    row = catalog.ledger.approximate()
    if row is None:
        return {"kind": "exact", "recall_at_10": 1.0}
    newer = catalog.count("chunks") - (row.count - catalog.ledger.dead_up_to(row.last))
    return {
        "kind": "approximate", "recall_at_10": round(row.recall, 4), "queries_measured": row.sampled,
        "lists": row.lists, "lists_read": row.probes, "newer": newer,
    }  # fmt: skip


def _search_line(record: dict[str, Any]) -> str:
    """The same as a line for people."""
    if record["kind"] == "exact":
        return "exact"
    newer = f"; {record['newer']:,} newer chunks searched exactly" if record["newer"] else ""
    return (
        f"approximate: reads {record['lists_read']} of {record['lists']:,} lists, recall@10"
        f" {record['recall_at_10']:.3f} over {record['queries_measured']} queries{newer}"
    )


def _folder(root: str, base: Path, gone: Container[str]) -> str:
    from ragcli.render.visible import display_path

    return display_path(Path(root), base) + (" (gone)" if root in gone else "")


def _write_text(record: dict[str, Any], out: TextIO, env: Env) -> None:
    import textwrap

    from ragcli.render.terminal import terminal_width
    from ragcli.render.visible import visible
    from ragcli.units import human_size

    base = Path.cwd()
    lines = [
        ("home", f"{record['home']} ({record['home_from']})"),
        ("indexes", ", ".join(record["indexes"]) or "none"),
        ("index", record["index"]),
    ]
    if record["exists"]:
        left_out = record["not_indexed"]
        reasons = ", ".join(f"{count:,} {reason}" for reason, count in left_out["reasons"].items())
        kinds = ", ".join(f"{count:,} {kind}" for kind, count in record["kinds"].items())
        lines += [
            ("folders", ", ".join(_folder(root, base, record["gone"]) for root in record["roots"])),
            ("files", f"{record['files']:,}"),
            ("documents", f"{record['documents']:,}" + (f": {kinds}" if kinds else "")),
            ("not indexed", f"{left_out['files']:,}" + (f": {reasons}" if reasons else "")),
            ("chunks", f"{record['chunks']:,} of up to {record['chunk_size']} tokens"),
            ("search", _search_line(record["search"]) if record["store"] == "files" else record["store"]),
            ("model", f"{record['model']}, {record['dimension']} dimensions"),
            ("disk", human_size(record["disk_bytes"])),
        ]
        if record["unfinished"]:
            lines.append(("incomplete", env.advised(record["unfinished"]["text"])))
    # A pipe gets one line per value; on a terminal, lines break between words and never within a path.
    width = terminal_width() if sys.stdout.isatty() else sys.maxsize
    for name, value in lines:
        wrapped = textwrap.wrap(
            visible(value), max(width - _NAMES_WIDTH, 20), break_long_words=False, break_on_hyphens=False
        )
        text = ("\n" + " " * _NAMES_WIDTH).join(wrapped)
        out.write(f"{name:<{_NAMES_WIDTH}}{text}\n")
