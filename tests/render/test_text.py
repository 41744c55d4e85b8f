import io
import os
import pty
import re
from dataclasses import replace
from pathlib import Path

import pytest
from rich.cells import cell_len

from ragcli.render import write_results
from ragcli.types import Question, Results

BASE = Path("/home/ada/library")


def shown(results, **options):
    out = io.StringIO()
    write_results(results, "text", out, base=BASE, **options)
    return out.getvalue()


def test_for_people_at_80_columns(results):
    assert (
        shown(results, width=80, explain=True)
        == """\
 1  notes/attention.md:11  +2 copies                                        0.93
    Attention › The residual stream
    It adds what it computed to the residual stream, so that later layers find
    it there.
    dense #2 0.61 · keyword #1  12.4 · fused #1   0.93

 2  papers/reversible nets.pdf  p. 3                                         87%
    … network of two halves can be run backwards, since each half …
    dense #1 0.70 · keyword –        · fused #2   0.40

 3  code/descent.md:4                                                      0.031
    Gradient descent
    def step(x):
        return x - rate * slope(x)
    dense –       · keyword #11 3.30 · fused #10 0.031
"""
    )


def test_in_a_narrow_window(results):
    assert (
        shown(replace(results, hits=results.hits[:2]), width=40)
        == """\
 1  notes/attention.md
    :11  +2 copies                  0.93
    Attention › The residual stream
    It adds what it computed to the
    residual stream, so that later
    layers find it there.

 2  papers/reversible nets.pdf
    p. 3                             87%
    … network of two halves can be run
    backwards, since each half …
"""
    )


def test_without_a_width_nothing_is_wrapped(results):
    path = "a folder with a long name/" * 8 + "file.md"
    hit = replace(results.hits[0], chunk=replace(results.hits[0].chunk, path=BASE / path), copies=())
    assert shown(Results(Question("q", ()), "dense", (hit,))) == (
        f" 1  {path}:11  0.93\n"
        "    Attention › The residual stream\n"
        "    It adds what it computed to the residual stream, so that later layers find it there.\n"
    )


def test_a_long_path_stays_in_one_piece(results):
    path = "folder/" * 20 + "file.md"
    hit = replace(results.hits[0], chunk=replace(results.hits[0].chunk, path=BASE / path))
    assert shown(Results(Question("q", ()), "dense", (hit,)), width=40).splitlines()[0] == f" 1  {path}"


def test_outer_headings_go_first_where_there_is_no_room(make_hit):
    hit = make_hit("text", "text", headings=("A very long title of a book", "A long part", "The chapter"))
    assert (
        shown(Results(Question("q", ()), "dense", (hit,)), width=40).splitlines()[1]
        == "    … › A long part › The chapter"
    )


def test_context_comes_from_the_chunk(results):
    assert (
        shown(replace(results, hits=results.hits[2:]), width=80, context=2)
        == """\
 1  code/descent.md:4                                                      0.031
    Gradient descent
    Then:
        def step(x):
            return x - rate * slope(x)
    until it stands still.
"""
    )


def test_markup_in_documents_is_text(make_hit):
    text = "Use [bold]x[/bold] and :smile: or [link=http://a]b[/link]."
    assert text in shown(Results(Question("q", ()), "dense", (make_hit(text, text),)), width=100, color=True)


def test_matches_stand_out_in_colour(results):
    text = shown(results, width=80, color=True)
    assert "\x1b[1;33mresidual\x1b[0m \x1b[1;33mstream\x1b[0m" in text
    assert "\x1b[1mnotes/attention.md\x1b[0m\x1b[36m:11\x1b[0m" in text
    assert re.sub(r"\x1b\[[\d;]*m", "", text) == shown(results, width=80)


def test_no_colour_is_no_escape_at_all(results, monkeypatch):
    monkeypatch.setenv("FORCE_COLOR", "1")  # the caller decides, not rich
    assert "\x1b" not in shown(results, width=80, color=False)


def test_links_only_on_a_terminal(results):
    assert "\x1b]8" not in shown(results, width=80, color=True)
    leader, follower = pty.openpty()
    with os.fdopen(follower, "w") as terminal:
        write_results(replace(results, hits=results.hits[1:2]), "text", terminal, base=BASE, color=True, width=80)
        terminal.flush()
        text = os.read(leader, 65536).decode()
    os.close(leader)
    assert re.search(r"\x1b\]8;id=\d+;file:///home/ada/library/papers/reversible%20nets\.pdf\x1b", text)


@pytest.mark.parametrize("width", [40, 80, 120])
def test_lines_fit_the_window(results, width):
    lines = shown(results, width=width, explain=False).splitlines()
    assert max(cell_len(line) for line in lines) <= min(width, 100)
    assert " ".join(" ".join(lines).split()).count("so that later layers find it there.") == 1


def test_wide_characters_are_measured_in_columns(make_hit):
    text = "每一层都从残差流读取，并把结果写回残差流，这样后面的层就能找到它。"
    lines = shown(Results(Question("q", ()), "dense", (make_hit(text, text),)), width=40).splitlines()
    assert max(cell_len(line) for line in lines) <= 40
    assert "".join(line.strip() for line in lines[2:]) == text


def test_ranks_and_scores_break_between_lists_in_a_narrow_window(results):
    lines = shown(replace(results, hits=results.hits[:1]), width=40, explain=True).splitlines()
    assert lines[-2:] == ["    dense #2 0.61 · keyword #1 12.4", "    fused #1 0.93"]
