"""ragcli eval as people and programs use it."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import ir_measures
import jsonschema
import pytest
from ir_measures import nDCG

from ragcli.errors import ExitCode
from ragcli.render.record import schema

SAMPLES = Path(__file__).resolve().parents[2] / "sample_docs"
STAGES = ["keyword", "dense", "hybrid"]

CORPUS = {
    "boats": ("The harbour", "Boats are painted in spring, before the season opens, while the slips are dry."),
    "dough": ("", "Bread rises best in a warm kitchen; an hour near the oven is enough for the dough."),
    "comet": ("Comets", "A comet is a lump of ice and dust that grows a tail when it comes near the sun."),
    "clock": ("The tower clock", "The clock of the town hall strikes thirteen on market days, by an old custom."),
}
QUERIES = {
    "q1": "when are ships coated with colour?",
    "q2": "how long should bread stand in the warmth?",
    "q3": "clock that strikes thirteen",
}
QRELS = "q1\tboats\t1\nq2\tdough\t1\nq3\tclock\t1\n"


@pytest.fixture
def collection(tmp_path):
    folder = tmp_path / "small"
    (folder / "qrels").mkdir(parents=True)
    rows = [json.dumps({"_id": i, "title": title, "text": text}) for i, (title, text) in CORPUS.items()]
    (folder / "corpus.jsonl").write_text("\n".join(rows))
    (folder / "queries.jsonl").write_text("\n".join(json.dumps({"_id": i, "text": t}) for i, t in QUERIES.items()))
    (folder / "qrels" / "test.tsv").write_text(QRELS)
    return folder


@pytest.fixture
def evaluate(ragcli, tmp_path):
    """Run ``ragcli eval`` with a cache of this test's own."""
    return lambda *arguments, **options: ragcli(
        "eval", *map(str, arguments), **{"RAGCLI_CACHE": str(tmp_path / "cache"), **options}
    )


@pytest.fixture
def samples(sample_home):
    return ["--home", str(sample_home), "--index", "samples"]


def record_of(done):
    assert done.returncode == 0, done.stderr
    record = json.loads(done.stdout)
    described = schema("eval")
    jsonschema.Draft202012Validator.check_schema(described)
    jsonschema.validate(record, described, cls=jsonschema.Draft202012Validator)
    return record


def assert_one_line(done, *fragments):
    assert done.returncode == ExitCode.ERROR, (done.stdout, done.stderr)
    (line,) = done.stderr.strip().splitlines()
    assert line.startswith("ragcli: ")
    for fragment in fragments:
        assert fragment in line
    assert done.stdout == ""


def test_a_collection_is_indexed_once_and_measured(evaluate, collection):
    done = evaluate(collection, "--json", "--compare")
    record = record_of(done)
    assert (record["dataset"], record["questions"], record["synthetic"]) == ("small/test", 3, False)
    assert [stage["name"] for stage in record["stages"]][:3] == STAGES
    by_name = {stage["name"]: stage["measures"] for stage in record["stages"]}
    assert by_name["dense"]["Success@1"]["mean"] == 1
    assert by_name["keyword"]["nDCG@10"]["mean"] <= 1
    assert record["comparisons"][0]["second"] == "dense"
    assert "indexing 4 documents" in done.stderr
    again = evaluate(collection, "--json", "--compare")
    assert record_of(again)["stages"][1]["measures"] == record["stages"][1]["measures"]
    assert again.stderr == ""


def test_whole_documents_are_measured_too(evaluate, collection):
    record = record_of(evaluate(collection, "--whole", "--json", "--stage", "dense"))
    assert [stage["name"] for stage in record["stages"]] == ["dense"]
    assert record["stages"][0]["measures"]["nDCG@10"]["mean"] == 1
    assert record["comparisons"] == []


def test_the_table_has_a_row_a_stage(evaluate, collection):
    lines = evaluate(collection, "--compare").stdout.splitlines()
    assert lines[0] == "small/test: 3 questions"
    assert lines[2].split()[:3] == ["stage", "nDCG@10", "RR@10"]
    assert [line.split()[0] for line in lines[3:6]] == STAGES
    assert lines[4].split()[1] == "1.000±0.000"
    heads = next(line for line in lines if line.startswith("nDCG@10"))
    assert heads.split() == ["nDCG@10", "difference", "p", "wins", "ties", "losses"]


def test_a_run_that_is_read_back_has_the_same_ndcg(evaluate, samples, collection, tmp_path):
    record = record_of(evaluate(collection, "--run", tmp_path / "run", "--json"))
    qrels = {line.split("\t")[0]: {line.split("\t")[1]: 1} for line in QRELS.splitlines()}
    run = list(ir_measures.read_trec_run(str(tmp_path / "run")))
    found = ir_measures.calc_aggregate([nDCG @ 10], qrels, run)[nDCG @ 10]
    last = record["stages"][-1]
    assert found == pytest.approx(last["measures"]["nDCG@10"]["mean"])
    assert {line.split()[5] for line in (tmp_path / "run").read_text().splitlines()} == {last["name"]}


def test_questions_about_an_index(evaluate, samples):
    done = evaluate(SAMPLES / "questions.jsonl", *samples, "--json", "--limit", "12")
    record = record_of(done)
    assert (record["dataset"], record["questions"]) == ("questions.jsonl", 12)
    by_name = {stage["name"]: stage["measures"] for stage in record["stages"]}
    assert by_name["hybrid"]["Success@5"]["mean"] >= 0.85
    assert record["warnings"] == ["10 questions have no answer in the documents: left out"]
    assert "note: 10 questions" in done.stderr


def test_rank_of_an_answer_is_the_rank_that_query_shows(evaluate, ragcli, samples, tmp_path):
    row = json.loads((SAMPLES / "questions.jsonl").read_text().splitlines()[3])
    (tmp_path / "q.jsonl").write_text(json.dumps({**row, "id": "x"}))
    record = record_of(evaluate(tmp_path / "q.jsonl", *samples, "--json", "--stage", "hybrid"))
    options = ["--no-rerank"] if "--no-rerank" in ragcli("query", "--help").stdout else []
    hits = json.loads(ragcli("query", row["question"], *samples, *options, "--json").stdout)["hits"]
    text = " ".join(row["text"].split())
    ranks = [hit["rank"] for hit in hits if text in " ".join(hit["text"].split())]
    assert record["stages"][0]["measures"]["RR@10"]["mean"] == pytest.approx(1 / ranks[0])


def test_made_questions_are_asked_and_called_synthetic(evaluate, samples, tmp_path):
    made = evaluate("make", *samples, "--count", 12, "-o", tmp_path / "q.jsonl")
    assert (made.returncode, made.stdout) == (0, "")
    assert "12 synthetic questions" in made.stderr
    rows = [json.loads(line) for line in (tmp_path / "q.jsonl").read_text().splitlines()]
    assert len(rows) == 12
    assert all(row["synthetic"] is True and set(row) >= {"question", "path", "text", "made"} for row in rows)

    shown = evaluate(tmp_path / "q.jsonl", *samples, "--stage", "keyword")
    assert shown.stdout.startswith("q.jsonl: 12 questions\nsynthetic questions: ")
    done = evaluate(tmp_path / "q.jsonl", *samples, "--json", "--stage", "keyword")
    assert record_of(done)["synthetic"] is True
    assert "synthetic" in done.stderr
    assert record_of(done)["questions"] == 12


def test_made_questions_go_to_stdout_as_lines_or_one_document(evaluate, samples):
    lines = [json.loads(line) for line in evaluate("make", *samples, "--count", 5).stdout.splitlines()]
    document = json.loads(evaluate("make", *samples, "--count", 5, "--json").stdout)
    assert (document["schema"], document["synthetic"], document["questions"]) == (1, True, lines)
    other = [json.loads(line) for line in evaluate("make", *samples, "--count", 5, "--seed", 1).stdout.splitlines()]
    assert other != lines


def test_the_plot_is_a_picture(evaluate, collection, tmp_path):
    pytest.importorskip("matplotlib", reason="the extra ragcli[eval] brings it")
    done = evaluate(collection, "--plot", tmp_path / "a.png")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "a.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize("library", ["ir_measures", "matplotlib"])
def test_a_missing_library_is_one_line_with_the_remedy(evaluate, collection, tmp_path, library):
    """Said at once: nothing has been indexed by then."""
    blocked = tmp_path / "blocked"
    blocked.mkdir()
    (blocked / f"{library}.py").write_text(f'raise ModuleNotFoundError("No module named {library}")\n')
    path = os.pathsep.join([str(blocked), *filter(None, [os.environ.get("PYTHONPATH")])])
    done = evaluate(collection, "--plot", tmp_path / "a.png", PYTHONPATH=path)
    assert_one_line(done, 'pip install "ragcli[eval]"')
    assert not (tmp_path / "cache" / "eval").exists()


def test_a_damaged_collection_is_named_with_file_and_line(evaluate, collection):
    (collection / "queries.jsonl").write_text('{"_id": "q1", "text": "fine"}\n{"_id": "q2"\n')
    assert_one_line(evaluate(collection), f"{collection / 'queries.jsonl'}, line 2")


def test_unknown_ids_are_counted_and_the_rest_is_measured(evaluate, collection):
    (collection / "qrels" / "test.tsv").write_text(f"{QRELS}q1\tlighthouse\t1\nq9\tboats\t1\n")
    done = evaluate(collection, "--json", "--stage", "keyword")
    record = record_of(done)
    assert record["questions"] == 3
    assert len(record["warnings"]) == 2
    assert done.stderr.count("note: 1 ") == 2


def test_an_empty_list_of_judgements_is_refused(evaluate, collection):
    (collection / "qrels" / "test.tsv").write_text("")
    assert_one_line(evaluate(collection), "test.tsv holds no judgements")


def test_questions_about_other_documents_are_refused(evaluate, samples, tmp_path):
    (tmp_path / "q.jsonl").write_text('{"question": "who?", "path": "elsewhere.md"}\n')
    assert_one_line(evaluate(tmp_path / "q.jsonl", *samples), "1 questions", "elsewhere.md", "--index")


@pytest.mark.parametrize(
    ("arguments", "fragment"),
    [
        (["nowhere"], "there is no dataset nowhere"),
        (["{small}", "--stage", "sparse"], "unknown stage 'sparse'"),
        (["{small}", "--split", "dev"], "choose with --split: test"),
        (["{small}", "--count", "3"], "no option '--count' for ragcli eval; "),
        (["{small}", "--run", "nowhere/run"], "the folder nowhere does not exist"),
        (["make", "--whole"], "no option '--whole' for ragcli eval make; "),
        (["make", "--index", "nothing"], "there is no index 'nothing'"),
        (["{file}", "--whole"], "are for BEIR folders"),
        (["{file}", "--index", "nothing"], "there is no index 'nothing'"),
    ],
)
def test_what_makes_no_sense_is_refused_in_one_line(evaluate, collection, arguments, fragment):
    given = [a.format(small=collection, file=SAMPLES / "questions.jsonl") for a in arguments]
    assert_one_line(evaluate(*given), fragment)


def test_eval_can_be_set_in_the_file_and_by_variables(evaluate, collection, tmp_path):
    (tmp_path / "ragcli.toml").write_text('[eval]\nlimit = 2\nstage = ["keyword"]\n')
    assert record_of(evaluate(collection, "--json", cwd=tmp_path))["questions"] == 2
    record = record_of(evaluate(collection, "--json", cwd=tmp_path, RAGCLI_EVAL_LIMIT="1"))
    assert (record["questions"], [stage["name"] for stage in record["stages"]]) == (1, ["keyword"])


@pytest.mark.skipif(sys.platform == "win32", reason="needs a pseudo-terminal")
def test_on_a_narrow_terminal_a_stage_is_a_column(evaluate, collection, tmp_path, sample_home):
    import pty
    import subprocess

    leader, follower = pty.openpty()
    environment = {**os.environ, "RAGCLI_CACHE": str(tmp_path / "cache"), "COLUMNS": "80", "NO_COLOR": "1"}
    done = subprocess.run(
        [sys.executable, "-m", "ragcli", "eval", str(collection), "--quiet"],
        stdout=follower, stderr=subprocess.PIPE, env=environment, check=False, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    shown = os.read(leader, 1 << 16).decode().splitlines()
    os.close(follower)
    os.close(leader)
    assert shown[2].split()[:4] == ["stage", *STAGES]
    assert [line.split()[0] for line in shown[3:6]] == ["nDCG@10", "RR@10", "R@10"]
    assert max(map(len, shown)) <= 80
