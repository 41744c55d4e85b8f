"""Answers on paper: what is written about hand-made ones is worked out by hand."""

import io
import json
from dataclasses import replace
from pathlib import Path

import jsonschema
import pytest

from ragcli.render import write_json
from ragcli.render.answer import answer_record, write_answer, write_sources
from ragcli.render.record import schema
from ragcli.types import Answer, Citation, Claim

BASE = Path("/home/ada/library")


@pytest.fixture
def quotes(results):
    prose, paged, _ = results.hits
    first = Citation(
        1, prose.chunk, prose.snippet.text, prose.snippet.start, prose.snippet.end, 11, None, mark=(21, 41)
    )
    second = Citation(2, paged.chunk, paged.chunk.text, paged.chunk.start, paged.chunk.end, 51, 3)
    return Answer("what does a layer add?", "...", (first, second), True, "extract", 0.93)


@pytest.fixture
def written(quotes):
    claims = (
        Claim("It adds what it computed [1].", (1,), True),
        Claim("It has 9 heads [1][7].", (1, 7), False, "there is no passage [7]"),
    )
    text = "It adds what it computed [1]. It has 9 heads [1][7]."
    return replace(quotes, text=text, claims=claims, by="tiny", grounded=False, probability=None, notes=("n",))


def shown(answer, **options):
    out = io.StringIO()
    write_answer(answer, out, BASE, **{"color": False, "width": None, **options})
    return out.getvalue()


def test_quotes_stand_below_their_places(quotes):
    assert shown(quotes) == (
        "[1] notes/attention.md:11  Attention › The residual stream\n"
        "    It adds what it computed to the residual stream, so that later layers find it there.\n"
        "\n"
        "[2] papers/reversible nets.pdf  p. 3\n"
        "    A network of two halves can be run backwards, since each half is changed by the other only, one after the "
        "other.\n"
    )


def test_quotes_are_wrapped_to_the_window(quotes):
    lines = shown(quotes, width=50).splitlines()
    assert max(map(len, lines[1:3])) <= 50
    assert "".join(line.strip() + " " for line in lines[1:3]).strip() == quotes.citations[0].quote.replace("\n", " ")


@pytest.mark.parametrize("width", [None, 60])
def test_what_was_asked_for_is_marked(quotes, width):
    assert "It adds what it compu\x1b[1;33mted to the residual \x1b[0mstream" in shown(
        quotes, color=True, width=width
    ).replace("\n    ", " ")


def test_a_written_answer_names_its_doubts_and_its_sources(written):
    assert shown(written) == (
        "It adds what it computed [1]. It has 9 heads [1][7]. [?]\n"
        "\n"
        "not supported:\n"
        "  It has 9 heads [1][7].\n"
        "    there is no passage [7]\n"
        "\n"
        "[1] notes/attention.md:11  Attention › The residual stream\n"
    )


def test_what_was_left_out_is_told(written):
    lines = shown(replace(written, text="It adds what it computed [1].")).splitlines()
    assert lines[0] == "It adds what it computed [1]."
    assert lines[2:4] == ["not supported, and left out of the answer:", "  It has 9 heads [1][7]."]


def test_a_sentence_that_a_model_repeats_is_told_once(written):
    repeated = replace(written, claims=(*written.claims, *written.claims, *written.claims))
    assert shown(repeated) == shown(written)


def test_below_a_streamed_answer_its_text_is_not_repeated(written):
    out = io.StringIO()
    write_sources(written, out, BASE, color=False)
    assert out.getvalue() == shown(written).split("\n", 1)[1]


def test_no_answer_writes_nothing(quotes):
    assert shown(replace(quotes, text="", citations=())) == ""


def test_nothing_in_an_answer_acts_on_the_terminal(quotes, written):
    evil = "\x1b[2J\u202e[bold]x\x07"
    for answer in (quotes, written):
        citations = tuple(
            replace(c, quote=evil, chunk=replace(c.chunk, path=BASE / evil, headings=(evil,)), mark=None)
            for c in answer.citations
        )
        claims = tuple(replace(c, text=evil, reason=evil) for c in answer.claims)
        text = shown(replace(answer, text=evil, citations=citations, claims=claims), width=60)
        assert not {"\x1b", "\u202e", "\x07"} & set(text)
        assert "[bold]x" in text


def test_the_record_follows_its_schema(quotes, written):
    described = schema("answer")
    jsonschema.Draft202012Validator.check_schema(described)
    for answer in (quotes, written, Answer("q", "", (), True, "extract")):
        out = io.StringIO()
        write_json(answer_record(answer), out)
        record = json.loads(out.getvalue())
        jsonschema.validate(record, described, cls=jsonschema.Draft202012Validator)
        assert set(record) == set(described["properties"])
        for citation in record["citations"]:
            assert set(citation) == set(described["$defs"]["citation"]["properties"])


def test_the_schema_describes_a_passage_as_that_of_a_hit_does():
    cited, hit = schema("answer")["$defs"]["citation"]["properties"], schema("hit")["properties"]
    shared = set(cited) - {"number", "quote", "line", "page"}  # a quote has no first match
    assert {name: cited[name] for name in shared} == {name: hit[name] for name in shared}


def test_the_schema_refuses_a_record_that_lacks_something(quotes):
    record = answer_record(quotes)
    del record["citations"][0]["quote"]["start"]
    with pytest.raises(jsonschema.ValidationError, match="start"):
        jsonschema.validate(record, schema("answer"))


def test_the_record_says_what_the_answer_says(quotes, written):
    record = answer_record(quotes)
    first = record["citations"][0]
    assert first["text"][first["quote"]["start"] - 100 : first["quote"]["end"] - 100] == first["quote"]["text"]
    assert first["quote"]["mark"] == [21, 41]
    assert (record["probability"], record["by"], record["grounded"]) == (0.93, "extract", True)
    assert answer_record(written)["claims"][1] == {
        "text": "It has 9 heads [1][7].",
        "citations": [1, 7],
        "supported": False,
        "reason": "there is no passage [7]",
    }
