"""``ragcli rerank`` in a pipe, and the reranking options of ``ragcli query``."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from ragcli.models.resolve import DEFAULT_MODEL, resolve, resolve_reranker
from ragcli.retrieve.probability import save_calibration

SAMPLES = Path(__file__).resolve().parents[2] / "sample_docs"
QUERY = "when are boats painted?"
LINES = [
    "notes/harbour.md:12:The boats are painted in spring, while the slips are dry.",
    "notes/bread.md:3:Bread rises best near a warm oven.",
    "sky.txt:88:\tA comet grows a tail of dust beside the sun.",
    "town.txt:7:the clock of the town hall strikes thirteen on market days",
    "Straßen, Äpfel und Öl; 検索 意味",
]


@pytest.fixture(scope="module")
def tiny(make_cross_encoder) -> Path:
    """A cross-encoder that no combination was fitted for: its logit alone decides."""
    return make_cross_encoder()


@pytest.fixture(scope="module")
def best_first(tiny):
    """Places of the texts in the order that sentence-transformers gives them."""
    from sentence_transformers import CrossEncoder

    model = CrossEncoder(str(tiny), local_files_only=True, device="cpu")

    def order(texts: list[str], query: str = QUERY) -> list[int]:
        scores = model.predict([(query, text) for text in texts], show_progress_bar=False)
        return np.argsort(-scores, kind="stable").tolist()

    return order


@pytest.fixture
def rerank(tiny, tmp_path):
    """Run ``ragcli rerank`` with the tiny reranker on bytes."""

    def run(stdin: bytes, *arguments: str, query: str = QUERY, **variables: str) -> subprocess.CompletedProcess[bytes]:
        environment = {**os.environ, "RAGCLI_MODELS": str(tmp_path / "models"), "RAGCLI_RERANK_RERANKER": str(tiny)}
        return subprocess.run(
            [sys.executable, "-m", "ragcli", "rerank", query, *arguments],
            input=stdin, capture_output=True, check=False, timeout=120, env=environment | variables,
        )  # fmt: skip

    return run


def encoded(lines: list[str]) -> bytes:
    return "".join(f"{line}\n" for line in lines).encode()


def test_lines_come_out_as_they_came_in_best_first(rerank, best_first):
    for lines in (LINES, LINES[::-1]):
        done = rerank(encoded(lines))
        assert (done.returncode, done.stderr) == (0, b"")
        assert done.stdout == encoded([lines[i] for i in best_first(lines)])


def test_it_stands_between_other_programs(tiny, best_first, tmp_path):
    (tmp_path / "notes.txt").write_text("\n".join(LINES) + "\n")
    line = (
        f'grep -n "" notes.txt | "{sys.executable}" -m ragcli rerank "{QUERY}" --reranker "{tiny}" | head -2'
        '; echo "${PIPESTATUS[@]}"'
    )
    done = subprocess.run(
        ["bash", "-c", line], capture_output=True, text=True, cwd=tmp_path, check=False, timeout=120,
        env={**os.environ, "PYTHONPATH": str(SAMPLES.parent), "RAGCLI_MODELS": str(tmp_path / "models")},
    )  # fmt: skip
    numbered = [f"{number}:{line}" for number, line in enumerate(LINES, 1)]
    assert done.stdout.splitlines() == [*[numbered[i] for i in best_first(numbered)][:2], "0 0 0"]
    assert done.stderr == ""


def test_a_line_that_the_models_cannot_read_has_no_probability(ragcli):
    lines = ["Each boat is painted in spring.", "ราคาของสินค้านี้เท่าไหร่ครับ"]
    done = ragcli("rerank", "when are boats painted?", "--json", stdin="".join(f"{line}\n" for line in lines))
    known = {record["text"]: record["rerank"]["probability"] for record in map(json.loads, done.stdout.splitlines())}
    assert known[lines[0]] > 0.1
    assert known[lines[1]] is None


@pytest.mark.parametrize(
    ("query", "line"),
    [
        ('"box of litter"', "4 In the box of litter that we sent were stones."),
        ("total += step", "7     total += step"),
        (".NET", "9 it runs on .NET only"),
    ],
)
def test_lines_with_the_exact_text_come_first(ragcli, query, line):
    lines = [
        "1 The litter box of the cat is cleaned daily, and the litter is changed.", "2     total -= step", line,
        "3 The net total of each step is the price of a box.",
    ]  # fmt: skip
    done = ragcli("rerank", query, stdin="".join(f"{line}\n" for line in lines))
    assert done.stdout.splitlines()[0] == line


def test_records_keep_their_fields_and_get_their_rank(rerank, best_first):
    records = [{"id": i, "body": line, "text": 7, "more": {"a": [1, None]}} for i, line in enumerate(LINES)]
    done = rerank(encoded([json.dumps(record) for record in records]), "--field", "body")
    assert done.returncode == 0, done.stderr
    found = [json.loads(line) for line in done.stdout.splitlines()]
    assert [record["id"] for record in found] == best_first(LINES)
    assert [record["rerank"]["rank"] for record in found] == [1, 2, 3, 4, 5]
    assert [record["rerank"]["probability"] for record in found] == [None] * 5
    scores = [record["rerank"]["score"] for record in found]
    assert scores == sorted(scores, reverse=True)
    assert (scores[0], scores[-1]) == (1, 0)
    for record in found:
        del record["rerank"]
        assert record == records[record["id"]]


def test_a_field_that_is_not_there_names_the_line_and_the_fields_that_are(rerank):
    rows = [{"title": "a", "text": "b"}, {"title": "a", "body": "b", "n": 3}]
    done = rerank(b"\n" + encoded([json.dumps(row) for row in rows]))
    assert (done.returncode, done.stdout) == (2, b"")
    assert len(done.stderr.splitlines()) == 1
    assert b"line 3" in done.stderr
    assert b"'text'" in done.stderr
    assert b"body, title" in done.stderr
    assert b"fields with text: none" in rerank(b'{"n": 3}').stderr


@pytest.mark.parametrize("second", [b"not json", b"[1]", b'"text"', b"{"])
def test_records_and_lines_do_not_mix(rerank, second):
    done = rerank(b'{"text": "bread"}\n' + second + b"\n")
    assert (done.returncode, done.stdout) == (2, b"")
    assert b"stdin, line 2" in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_lines_that_begin_like_records_are_lines(rerank):
    lines = ["{not a record}", '{"text": "a record"}', "[1, 2]"]
    assert sorted(rerank(encoded(lines)).stdout.decode().splitlines()) == sorted(lines)


def test_blank_lines_are_dropped_and_the_last_one_needs_no_end(rerank):
    done = rerank(b"\n   \nbread\n\t\n\nthe sun")
    assert sorted(done.stdout.split(b"\n")) == [b"", b"bread", b"the sun"]


def test_bytes_that_are_no_text_and_line_ends_of_windows_survive(rerank):
    lines = [
        b"caf\xe9 \xff\xfe in latin",
        b"windows\r",
        b"a\x00nul",
        "\u2028 one line \x0b\x85\u2029".encode(),
        b"x\ry",
    ]
    for variables in ({}, {"PYTHONIOENCODING": "utf-8:strict"}, {"LC_ALL": "C"}):
        done = rerank(b"\n".join(lines) + b"\n", **variables)
        assert done.returncode == 0, done.stderr
        assert sorted(done.stdout.split(b"\n")) == sorted([*lines, b""])


def test_records_hold_every_character(rerank):
    rows = [{"text": "one \u2028 line"}, {"text": "a lone \ud800 half"}, {"text": "Öl"}]
    raw = "\r\n".join(json.dumps(row, ensure_ascii=i == 1) for i, row in enumerate(rows)).encode()
    found = [json.loads(line)["text"] for line in rerank(raw).stdout.splitlines()]
    assert sorted(found) == sorted(row["text"] for row in rows)


@pytest.mark.parametrize("stdin", [b"", b"\n", b" \n\t\r\n"])
def test_nothing_in_is_nothing_found(rerank, stdin):
    done = rerank(stdin)
    assert (done.returncode, done.stdout, done.stderr) == (1, b"", b"")


def test_only_the_best_so_many(rerank, best_first):
    expected = [LINES[i] for i in best_first(LINES)]
    assert rerank(encoded(LINES), "-k", "2").stdout == encoded(expected[:2])
    assert rerank(encoded(LINES), "-k", "99").stdout == encoded(expected)
    assert rerank(encoded(LINES), "-k", "0").returncode == 2


def test_json_makes_records_of_lines(rerank, best_first):
    done = rerank(b"\r\n".join(line.encode() for line in LINES), "--json")
    found = [json.loads(line) for line in done.stdout.splitlines()]
    assert [record["text"] for record in found] == [LINES[i] for i in best_first(LINES)]
    assert [set(record) for record in found] == [{"text", "rerank"}] * len(LINES)


def test_a_probability_needs_a_fit_for_the_model(rerank, tiny, tmp_path, monkeypatch):
    done = rerank(encoded(LINES), "--min-prob", "0.5")
    assert (done.returncode, done.stdout) == (2, b"")
    assert len(done.stderr.splitlines()) == 1
    assert b"ragcli models calibrate" in done.stderr
    keep_fit(tiny, monkeypatch, tmp_path, coverage=8.0)
    # The share of "boat" and "paint" in the line, times 8, on the logistic curve. One line at a time: in a list, no
    # line is likelier than the one above it, and the order is that of a reranker whose vocabulary has a random part.
    for line in LINES:
        record = json.loads(rerank(encoded([line]), "--json").stdout)
        assert record["rerank"]["probability"] == pytest.approx(0.99966465 if "boats" in line else 0.5)
    assert rerank(encoded(LINES[:1]), "--min-prob", "0.9").stdout == encoded(LINES[:1])
    assert rerank(encoded(LINES[1:]), "--min-prob", "0.9").returncode == 1


def keep_fit(tiny, monkeypatch, tmp_path, **weights: float) -> None:
    """Keep one for the default encoder and the tiny reranker, as ``ragcli models calibrate`` does."""
    monkeypatch.setenv("RAGCLI_MODELS", str(tmp_path / "models"))
    fit = dict.fromkeys(("bias", "dense", "coverage", "late", "logit"), 0.0) | weights
    ranking = {"late": 1e-9, "logit": 1.0}
    models = resolve(DEFAULT_MODEL).sha256, resolve_reranker(str(tiny)).sha256
    save_calibration(*models, {"reranked": fit, "ranking": ranking})


def test_the_hits_of_a_query_go_through_it(rerank, ragcli, sample_home, best_first):
    hits = ragcli("query", "byte pair encoding", "--no-rerank", "--jsonl", "--index", str(sample_home / "samples"))
    done = rerank(hits.stdout.encode(), "-k", "3", query="byte pair encoding")
    assert done.returncode == 0, done.stderr
    before = [json.loads(line) for line in hits.stdout.splitlines()]
    found = [json.loads(line) for line in done.stdout.splitlines()]
    expected = best_first([record["text"] for record in before], "byte pair encoding")[:3]
    assert [record["chunk"] for record in found] == [before[i]["chunk"] for i in expected]
    assert [record["rerank"]["rank"] for record in found] == [1, 2, 3]
    assert found[0]["path"].startswith(str(SAMPLES))


def test_the_one_that_ships_reads_lines(ragcli, tmp_path):
    done = ragcli("rerank", QUERY, stdin="\n".join(LINES), RAGCLI_MODELS=str(tmp_path / "models"))
    assert (done.returncode, done.stderr) == (0, "")
    assert sorted(done.stdout.splitlines()) == sorted(LINES)


@pytest.fixture
def query(ragcli, sample_home, tmp_path):
    """Run ``ragcli query`` on the sample index."""
    variables = {"RAGCLI_MODELS": str(tmp_path / "models"), "RAGCLI_INDEX": str(sample_home / "samples")}
    return lambda *arguments, **more: ragcli("query", *arguments, **variables | more)


def hits_of(done: subprocess.CompletedProcess[str]) -> list[dict]:
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)["hits"]


def test_a_query_without_reranking_has_the_order_of_the_lists(query):
    done = query("byte pair encoding", "--no-rerank", "--json", "--explain")
    hits = hits_of(done)
    assert done.stderr == ""
    ranks = [hit["parts"]["fused"]["rank"] for hit in hits]
    assert ranks == sorted(ranks)
    assert all("rerank" not in hit["parts"] for hit in hits)
    assert [hit["score"] for hit in hits] == [hit["parts"]["fused"]["score"] for hit in hits]


def test_another_cross_encoder_reranks_as_many_candidates_as_it_is_told(query, tiny, best_first):
    plain = hits_of(query("byte pair encoding", "--no-rerank", "--json", "-k", "40"))
    done = query("byte pair encoding", "--reranker", str(tiny), "--candidates", "6", "--json", "-k", "40", "--explain")
    assert done.stderr.startswith("reranked 6 of 6 candidates in ")
    hits = hits_of(done)
    reranked = [hit for hit in hits if "rerank" in hit["parts"]]
    assert 1 <= len(reranked) <= 6
    assert hits[: len(reranked)] == reranked
    assert {hit["parts"]["fused"]["rank"] for hit in reranked} <= set(range(1, 7))
    logits = [hit["parts"]["rerank"]["score"] for hit in reranked]
    assert logits == sorted(logits, reverse=True)
    assert [hit["chunk"] for hit in plain[:6]] != [hit["chunk"] for hit in hits[:6]]


def test_a_budget_reranks_what_fits_and_says_how_many(query, tiny):
    done = query("byte pair encoding", "--reranker", str(tiny), "--budget", "1ms", "--candidates", "50", "--explain")
    assert done.returncode == 0
    words = done.stderr.split()
    assert words[0] == "reranked"
    assert words[2:5] == ["of", "50", "candidates"]
    assert 1 <= int(words[1]) < 50
    everything = query("byte pair encoding", "--reranker", str(tiny), "--budget", "600s", "--explain")
    assert everything.stderr.split()[:4:3] == ["reranked", everything.stderr.split()[3]]
    assert everything.stderr.split()[1] == everything.stderr.split()[3]


def test_without_explain_nothing_is_said(query, tiny):
    assert query("byte pair encoding", "--reranker", str(tiny), "--budget", "1ms").stderr == ""


def test_only_passages_that_are_likely_enough(query, tiny, monkeypatch, tmp_path):
    keep_fit(tiny, monkeypatch, tmp_path, logit=1.0)
    options = ("byte pair encoding", "--reranker", str(tiny), "--json", "-k", "16", "--candidates", "16")
    hits = hits_of(query(*options))
    read = [hit for hit in hits if "rerank" in hit["parts"]]
    assert len(read) > 5
    assert [hit["probability"] for hit in read] == pytest.approx(
        [1 / (1 + np.exp(-hit["parts"]["rerank"]["score"])) for hit in read]
    )
    chances = sorted(hit["probability"] for hit in read)
    least = str(chances[len(chances) // 2])
    assert [h["chunk"] for h in hits_of(query(*options, "--min-prob", least))] == [
        h["chunk"] for h in hits if h["probability"] is not None and h["probability"] >= float(least)
    ]
    none = query(*options, "--min-prob", "1")
    assert (none.returncode, json.loads(none.stdout)["hits"]) == (1, [])
