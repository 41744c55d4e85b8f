"""Each format on hand-made results, written out by hand."""

import csv
import io
import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ragcli.errors import UsageError
from ragcli.render import FORMATS, write_json, write_json_line, write_results
from ragcli.render.record import results_record, schema
from ragcli.types import Part, Question, Results

BASE = Path("/home/ada/library")
NOTHING = Results(Question("unheard of", ()), "dense", ())


def written(results, name, **options):
    out = io.StringIO(newline="")
    write_results(results, name, out, base=BASE, **options)
    return out.getvalue()


def test_plain(results):
    assert written(results, "plain") == (
        "notes/attention.md:11: It adds what it computed to the residual stream, so that later layers find it there.\n"
        "papers/reversible nets.pdf#page=3: … network of two halves can be run backwards, since each half …\n"
        "code/descent.md:4: def step(x): return x - rate * slope(x)\n"
    )


def test_plain_explains_in_fields_after_tabs(results, make_hit):
    reranked = make_hit("text", "text", parts=(Part("dense", 3, 0.5), Part("rerank", 1, -1.61)))
    lines = written(replace(results, hits=(*results.hits, reranked)), "plain", explain=True).splitlines()
    assert [line.partition("\t")[0] for line in lines[:3]] == written(results, "plain").splitlines()
    assert [line.split("\t")[1:] for line in lines] == [
        ["dense #2 0.61", "keyword #1 12.4", "fused #1 0.93", "rerank -"],
        ["dense #1 0.70", "keyword -", "fused #2 0.40", "rerank -"],
        ["dense -", "keyword #11 3.30", "fused #10 0.031", "rerank -"],
        ["dense #3 0.50", "keyword -", "fused -", "rerank #1 -1.61"],
    ]


def test_vimgrep_points_at_the_first_match(results):
    assert written(results, "vimgrep") == (
        "notes/attention.md:11:33:"
        "It adds what it computed to the residual stream, so that later layers find it there.\n"
        "papers/reversible nets.pdf:51:36:… network of two halves can be run backwards, since each half …\n"
        "code/descent.md:4:27:def step(x): return x - rate * slope(x)\n"
    )


def test_vimgrep_columns_are_bytes(make_hit):
    hit = make_hit("Die Größe zählt.", "Die Größe zählt.", ["zählt"], line=3)
    assert written(Results(Question("q", ()), "keyword", (hit,)), "vimgrep").startswith("notes/attention.md:3:13:")


def test_paths_are_unique_and_in_order(results):
    again = replace(results, hits=(results.hits[1], *results.hits, results.hits[0]))
    assert written(again, "paths") == "papers/reversible nets.pdf\nnotes/attention.md\ncode/descent.md\n"
    assert written(again, "paths", nul=True) == "papers/reversible nets.pdf\0notes/attention.md\0code/descent.md\0"


def test_paths_outside_the_base_are_absolute(results):
    out = io.StringIO()
    write_results(results, "paths", out, base=Path("/srv"))
    assert out.getvalue().splitlines()[0] == "/home/ada/library/notes/attention.md"


def test_markdown(results):
    assert written(results, "markdown") == (
        "1. [notes/attention.md:11](notes/attention.md#L11) — Attention › The residual stream\n"
        "\n"
        "   > It adds what it computed to the **residual** **stream**, so that later layers find it there.\n"
        "\n"
        "2. [papers/reversible nets.pdf, p. 3](papers/reversible%20nets.pdf#page=3)\n"
        "\n"
        "   > … network of two halves can be run **backwards**, since each half …\n"
        "\n"
        "3. [code/descent.md:4](code/descent.md#L4) — Gradient descent\n"
        "\n"
        "   > def step(x):\n"
        "   >\n"
        "   > return x - rate \\* **slope**(x)\n"
        "\n"
    )


def test_markdown_cannot_be_injected(make_hit):
    hit = make_hit("1. <b>x</b> [a](http://b) `c`", "1. <b>x</b> [a](http://b) `c`", headings=("*h*",), path="a.xml")
    shown = written(Results(Question("q", ()), "keyword", (hit,)), "markdown")
    assert "— \\*h\\*\n" in shown
    assert "   > 1\\. \\<b\\>x\\</b\\> \\[a\\](http://b) \\`c\\`\n" in shown


def test_csv_reads_back(results):
    text = written(results, "csv")
    assert text.endswith("\r\n")
    rows = list(csv.DictReader(io.StringIO(text, newline="")))
    assert [row["path"] for row in rows] == ["notes/attention.md", "papers/reversible nets.pdf", "code/descent.md"]
    assert rows[0]["headings"] == "Attention > The residual stream"
    assert (rows[0]["rank"], rows[0]["page"], rows[0]["line"], rows[0]["copies"]) == ("1", "", "11", "2")
    assert (rows[1]["page"], rows[1]["probability"], rows[1]["score"]) == ("3", "0.874", "0.4")
    assert rows[0]["sha256"] == results.hits[0].chunk.sha256
    assert "dense_rank" not in rows[0]


def test_csv_explains(results):
    rows = list(csv.DictReader(io.StringIO(written(results, "csv", explain=True), newline="")))
    assert (rows[0]["dense_rank"], rows[0]["keyword_score"], rows[0]["rerank_rank"]) == ("2", "12.41", "")


@pytest.mark.parametrize("start", ["=1+1", "+1", "-1", "@x"])
def test_csv_cells_are_not_formulas(start, make_hit):
    hit = make_hit(start, start, title=start, headings=(start,), score=-0.5)
    row = next(csv.DictReader(io.StringIO(written(Results(Question("q", ()), "dense", (hit,)), "csv"), newline="")))
    assert row["title"] == row["headings"] == row["snippet"] == "'" + start
    assert row["score"] == "-0.5"


def test_json_follows_its_schema(results):
    record = json.loads(written(results, "json"))
    described = schema("results")
    jsonschema.Draft202012Validator.check_schema(described)
    jsonschema.validate(record, described, cls=jsonschema.Draft202012Validator)
    assert record == results_record(results)
    assert set(record) == set(described["properties"])
    for hit in record["hits"]:
        assert set(hit) == set(described["$defs"]["hit"]["required"])
        assert set(described["$defs"]["hit"]["properties"]) - set(hit) == {"index"}  # of several indexes


def test_jsonl_follows_its_schema(results):
    described = schema("hit")
    jsonschema.Draft202012Validator.check_schema(described)
    lines = written(results, "jsonl").splitlines()
    assert len(lines) == 3
    for line in lines:
        jsonschema.validate(json.loads(line), described, cls=jsonschema.Draft202012Validator)
        assert set(json.loads(line)) == set(described["required"])


def test_the_two_schemas_describe_the_same_hit():
    one, all_of_them = schema("hit"), schema("results")
    shared = {name: one["properties"][name] for name in all_of_them["$defs"]["hit"]["properties"]}
    assert shared == all_of_them["$defs"]["hit"]["properties"]
    assert set(one["required"]) == set(all_of_them["$defs"]["hit"]["required"]) | {"schema", "query", "mode"}


def test_the_schema_refuses_a_record_that_lacks_something(results):
    record = results_record(results)
    del record["hits"][0]["sha256"]
    with pytest.raises(jsonschema.ValidationError, match="sha256"):
        jsonschema.validate(record, schema("results"))


def test_json_says_what_the_hit_says(results):
    record = results_record(results)
    assert (record["schema"], record["query"], record["mode"]) == (1, "what does a layer add?", "hybrid")
    assert record["notes"] == ["the query was cut to 256 tokens"]
    hit = record["hits"][1]
    assert hit["rank"] == 2
    assert hit["path"] == "/home/ada/library/papers/reversible nets.pdf"
    assert hit["chunk"] == 12
    assert hit["pages"] == {"start": 3, "end": 4}
    assert (hit["page"], hit["line"]) == (3, 51)
    assert hit["span"] == {"start": 2040, "end": 2040 + len(hit["text"])}
    assert hit["snippet"]["text"] == hit["text"][2 : 2 + 59]
    assert hit["snippet"]["matches"] == [[33, 42]]
    assert hit["parts"]["keyword"] == {"rank": None, "score": None}
    assert record["hits"][0]["copies"] == ["/home/ada/library/old/attention.md", "/tmp/b.md"]
    assert record["hits"][0]["pages"] is None


@pytest.mark.parametrize("name", ["text", "plain", "jsonl", "paths", "vimgrep", "markdown"])
def test_nothing_found_is_nothing_written(name):
    assert written(NOTHING, name) == ""


def test_nothing_found_is_a_valid_document():
    record = json.loads(written(NOTHING, "json"))
    jsonschema.validate(record, schema("results"))
    assert record["hits"] == []
    rows = written(NOTHING, "csv")
    assert rows.startswith("rank,path,")
    assert rows.count("\r\n") == 1


def test_an_unknown_format_is_named_with_those_there_are(results):
    with pytest.raises(UsageError, match="unknown format 'xml'; one of: text, plain, json"):
        written(results, "xml")


def test_a_record_on_a_line(results):
    out = io.StringIO()
    write_json_line({"a": "ä\n"}, out)
    write_json({"a": 1}, out)
    assert out.getvalue() == '{"a": "ä\\n"}\n{\n  "a": 1\n}\n'


NAME = b"caf\xe9 \n-x.md".decode("utf-8", "surrogateescape")


@pytest.mark.parametrize("name", FORMATS)
def test_a_name_that_is_not_utf8_never_fails(name, make_hit):
    hit = make_hit("text \ud800 here", "text \ud800 here", path=NAME, headings=("\udcff",), title="\ud83d")
    written(Results(Question("\udc80", ()), "dense", (hit,)), name).encode("utf-8", "surrogateescape")


def test_the_bytes_of_a_name_reach_the_pipe(make_hit):
    hit = make_hit("text", "text", path=b"caf\xe9.md".decode("utf-8", "surrogateescape"))
    results = Results(Question("q", ()), "dense", (hit,))
    for name in ("plain", "paths", "vimgrep"):
        assert written(results, name).encode("utf-8", "surrogateescape").startswith(b"caf\xe9.md")
    assert json.loads(written(results, "json"))["hits"][0]["path"] == str(hit.chunk.path)


def test_only_nul_gives_a_name_with_a_line_break_as_it_is(make_hit):
    hit = make_hit("text", "text", path="a\nb.md")
    results = Results(Question("q", ()), "dense", (hit,))
    assert written(results, "paths", nul=True) == "a\nb.md\0"
    assert written(results, "paths") == '"a\\nb.md"\n'
    assert written(results, "plain") == '"a\\nb.md":10: text\n'


HOSTILE = st.text(st.characters(exclude_characters="/\0"), min_size=1, max_size=30).filter(lambda s: s.strip(" ."))
# any name that a file can have: bytes, of which those that are no UTF-8 are surrogates of their own
NAMES = HOSTILE.map(lambda s: os.fsdecode(s.encode("utf-8", "surrogatepass")))


@settings(max_examples=60)
@given(body=HOSTILE, name=NAMES, heading=HOSTILE)
def test_no_document_reaches_the_terminal_raw(body, name, heading, make_hit):
    hit = make_hit(f"{body} end", f"{body} end", ["end"], path=name, headings=(heading,), title=heading)
    results = Results(Question(body, ()), "hybrid", (hit,))
    for kind in FORMATS:
        shown = written(results, kind, explain=True, color=False, width=60)
        allowed = {"csv": "\n\r", "plain": "\n\t"}.get(kind, "\n")
        raw = {c for c in shown if c in "\x1b\x7f\u202e\u2028\u200b" or (ord(c) < 32 and c not in allowed)}
        assert not raw, kind
        if kind in ("plain", "paths", "vimgrep"):
            assert shown.count("\n") == 1
        if kind == "plain":
            assert shown.count("\t") == len(hit.parts)


LOADS = """
import io, sys
from pathlib import Path
from ragcli.render import write_results
from ragcli.types import Chunk, Hit, Question, Results, Snippet
chunk = Chunk(1, Path("/a/b.md"), "", 0, 4, "text", (0, 4), (1, 1), None, ())
hit = Hit(chunk, 1.0, Snippet(0, 4, "text", 1, None, ()), ())
write_results(Results(Question("q", ()), "dense", (hit,)), sys.argv[1], io.StringIO(), base=Path("/a"))
print("rich" in sys.modules)
"""


@pytest.mark.parametrize("name", FORMATS)
def test_only_the_text_format_loads_rich(name):
    done = subprocess.run([sys.executable, "-c", LOADS, name], capture_output=True, text=True, check=True)
    assert done.stdout == f"{name == 'text'}\n"
