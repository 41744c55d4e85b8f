#!/usr/bin/env bash
# lancedb==0.40.0, milvus-lite==3.2.2 with pymilvus==3.0.2; beside them qdrant-client==1.20.0, 2026-11
#
# Expected: upsert writes a record whether or not its id exists, so afterwards the record is what was given. Qdrant does
#   that. LanceDB documents "replacing the old row", pymilvus has partial_update=False as the default.
# Happens: a note that was a draft is written again, without the field "draft".
#   - LanceDB keeps the columns that are not in the new rows.
#   - Milvus Lite keeps a field outside the schema, also with partial_update=False. A nullable field of the schema becomes
#     null in the same call.
# Why it matters: a document is indexed again because it changed, and fields go as others come. A filter goes on finding
#   what was withdrawn, expired or a draft, and only in records that are older than the change, so a test on a fresh
#   collection passes.
# What ragcli does: an entity has all its fields in every write, and a document that changed has new entities.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"${PYTHON:-python3}" -m venv "$work/venv"
"$work/venv/bin/pip" install -qq --no-compile lancedb==0.40.0 milvus-lite==3.2.2 pymilvus==3.0.2 qdrant-client==1.20.0 ||
  { echo "the packages cannot be installed" >&2; exit 2; }
cd "$work"
"$work/venv/bin/python" -I -W ignore - <<'PY'
import sys
from importlib.metadata import version

import lancedb
from pymilvus import DataType, MilvusClient
from qdrant_client import QdrantClient, models

OLD, NEW = [1.0, 0.0], [0.0, 1.0]  # the vectors
changed = []


def check(what, expected, seen, stated):
    print(f"{what}\n  expected {expected}\n  seen     {seen}")
    if seen != stated:
        changed.append(f"{what}: stated {stated}, seen {seen}")


def by_lancedb():
    notes = lancedb.connect("lance").create_table("notes", [{"id": "1", "author": "ann", "draft": True}])
    merge = notes.merge_insert("id").when_matched_update_all().when_not_matched_insert_all()
    merge.execute([{"id": "1", "author": "bob"}])
    return [row["id"] for row in notes.search().where("draft").to_list()]


def by_milvus(**options):
    """The drafts by a field outside the schema, and those by a field of the schema."""
    client = MilvusClient("milvus.db")
    schema = client.create_schema(enable_dynamic_field=True)
    schema.add_field("id", DataType.INT64, is_primary=True)
    schema.add_field("vector", DataType.FLOAT_VECTOR, dim=2)
    schema.add_field("kept", DataType.BOOL, nullable=True)
    index = client.prepare_index_params()
    index.add_index("vector", metric_type="COSINE", index_type="FLAT")
    if client.has_collection("notes"):
        client.drop_collection("notes")
    client.create_collection("notes", schema=schema, index_params=index)
    client.upsert("notes", [{"id": 1, "vector": OLD, "draft": True, "kept": True}])
    client.upsert("notes", [{"id": 1, "vector": NEW}], **options)
    found = [[str(row["id"]) for row in client.query("notes", filter=f"{name} == true")] for name in ("draft", "kept")]
    client.close()
    return found


def by_qdrant():
    client = QdrantClient(":memory:")
    client.create_collection("notes", vectors_config=models.VectorParams(size=2, distance=models.Distance.COSINE))
    client.upsert("notes", [models.PointStruct(id=1, vector=OLD, payload={"author": "ann", "draft": True})])
    client.upsert("notes", [models.PointStruct(id=1, vector=NEW, payload={"author": "bob"})])
    drafts = models.Filter(must=[models.FieldCondition(key="draft", match=models.MatchValue(value=True))])
    return [str(point.id) for point in client.scroll("notes", scroll_filter=drafts)[0]]


names = ("lancedb", "milvus-lite", "pymilvus", "qdrant-client")
print(*(f"{name} {version(name)}" for name in names))
check("drafts after the upsert, LanceDB", [], by_lancedb(), ["1"])
for options in ({}, {"partial_update": False}):
    outside, declared = by_milvus(**options)
    check(f"drafts after the upsert, Milvus Lite {options or ''}", [], outside, ["1"])
    check("  by a field of the schema", [], declared, [])
check("drafts after the upsert, Qdrant", [], by_qdrant(), [])
if changed:
    sys.exit("changed: " + "; ".join(changed))
print("as stated")
PY
