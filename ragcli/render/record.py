"""Results as records for programs; the JSON Schemas in ``schema/`` describe them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from ragcli.types import Chunk, Hit, Part, Results, Skipped, Span

SCHEMA_VERSION = 1
_SCHEMAS = Path(__file__).with_name("schema")

Record = dict[str, Any]


def results_record(results: Results) -> Record:
    """Return all results of a query as ``--format json`` prints them. Paths are absolute."""
    return {
        "schema": SCHEMA_VERSION,
        "query": results.query,
        "mode": results.mode,
        "hits": [hit_record(hit, rank) for rank, hit in enumerate(results.hits, 1)],
        "notes": list(results.notes),
    }


def line_records(results: Results) -> list[Record]:
    """Return one record per hit, complete in itself, as ``--format jsonl`` prints them."""
    about = {"schema": SCHEMA_VERSION, "query": results.query, "mode": results.mode}
    return [about | hit_record(hit, rank) for rank, hit in enumerate(results.hits, 1)]


def hit_record(hit: Hit, rank: int) -> Record:
    """Return the record of one hit; ``rank`` counts from 1."""
    snippet = hit.snippet
    index = {"index": hit.index} if hit.index else {}
    return (
        {"rank": rank}
        | index
        | chunk_record(hit.chunk)
        | {
            "page": snippet.page,
            "line": snippet.line,
            "column": snippet.column,
            "score": hit.score,
            "probability": hit.probability,
            "snippet": {
                "text": snippet.text,
                "start": snippet.start,
                "end": snippet.end,
                "matches": [list(match) for match in snippet.matches],
            },
            "fresh": hit.fresh,
            "copies": [str(path) for path in hit.copies],
            "alike": [_alike_record(other) for other in hit.alike],
            "parts": {part.name: _part_record(part) for part in hit.parts},
        }
    )


def chunk_record(chunk: Chunk) -> Record:
    """Return the record of one passage and its place in the document."""
    return {
        "path": str(chunk.path),
        "chunk": chunk.id,
        "title": chunk.title,
        "headings": list(chunk.headings),
        "span": _span_record(chunk.start, chunk.end),
        "bytes": _span_record(*chunk.bytes),
        "lines": _span_record(*chunk.lines),
        "pages": _pages_record(chunk.pages),
        "sha256": chunk.sha256,
        "text": chunk.text,
    }


def skipped_record(skipped: Skipped) -> Record:
    """Return the record of a file that is not indexed, or of a folder that was not entered."""
    return {
        "path": str(skipped.path),
        "reason": str(skipped.reason),
        "detail": skipped.detail,
        "files": skipped.files,
        "failed": skipped.reason.is_failure,
    }


def schema(name: str) -> Record:
    """Return the JSON Schema ``name``, such as ``results`` (json) or ``hit`` (a line of jsonl)."""
    found: Record = json.loads((_SCHEMAS / f"{name}.json").read_text(encoding="utf-8"))
    return found


def _alike_record(hit: Hit) -> Record:
    place = {"page": hit.snippet.page, "line": hit.snippet.line, "fresh": hit.fresh}
    return {"path": str(hit.chunk.path), "chunk": hit.chunk.id} | place


def _part_record(part: Part) -> Record:
    return {"rank": part.rank, "score": part.score}


def _span_record(start: int, end: int) -> Record:
    return {"start": start, "end": end}


def _pages_record(pages: Span | None) -> Record | None:
    return _span_record(*pages) if pages else None
