"""The estimate of the time that is left, against runs whose end is known."""

from __future__ import annotations

from pathlib import Path
from random import Random
from typing import NamedTuple

from hypothesis import given
from hypothesis import strategies as st

from ragcli.ingest.changes import Due, Members
from ragcli.ingest.discover import Found
from ragcli.ingest.progress import Clock

SLICE = 64


class Kind(NamedTuple):
    """Files of one suffix: how many texts a byte holds, and how long a byte is waited for."""

    suffix: str
    texts: float
    seconds: float


class Texts:
    """What the clock reads of an embedder."""

    embedded = waiting = found = 0


def due(name: str, size: int) -> Due:
    path = Path("/notes") / name
    found = Found(path, size, 0, 0)
    return Due(found, None, Members(path))


def estimates(files: list[tuple[Kind, int]], seconds_per_text: float) -> tuple[list[tuple[float, float | None]], float]:
    """Run the clock over files as a run does; return what it said when, and when the run ended."""
    time = 0.0
    listed = sorted(((due(f"{n}{kind.suffix}", size), kind) for n, (kind, size) in enumerate(files)),
                    key=lambda one: -one[0].found.size)  # fmt: skip
    clock, texts, said = Clock([one for one, _ in listed], lambda: time), Texts(), []

    def embed(least: int) -> None:
        nonlocal time
        while texts.waiting >= least:
            number = min(SLICE, texts.waiting)
            with clock.embedding(texts):
                time += number * seconds_per_text
                texts.embedded, texts.waiting = texts.embedded + number, texts.waiting - number
            said.append((time, clock.seconds_left(texts)))

    for one, kind in listed:
        time += one.found.size * kind.seconds
        texts.waiting += round(one.found.size * kind.texts)
        clock.read(one, texts)
        said.append((time, clock.seconds_left(texts)))
        embed(SLICE)
    embed(1)
    return said, time


def error(said: list[tuple[float, float | None]], end: float, share: float) -> float | None:
    """Return the relative error of what was said last before a share of the run; None where nothing was said."""
    last = [one for one in said if one[0] <= share * end]
    if not last or last[-1][1] is None:
        return None
    at, left = last[-1]
    return (left - (end - at)) / (end - at)


def kinds(chance: Random, *suffixes: str) -> list[Kind]:
    """How rich in texts files are, and how fast they are read: neither is what was expected of them."""
    return [Kind(one, 1 / chance.uniform(300, 3_000), chance.uniform(0, 1e-5)) for one in suffixes]


def sizes(chance: Random, count: int) -> list[int]:
    """Mostly small files, and some that are thirty times as large."""
    return [round(2_000 * 30 ** chance.random()) for _ in range(count)]


SEEDS = st.integers(0, 1 << 32)


@given(SEEDS)
def test_the_end_of_a_run_over_one_kind_is_known_after_a_tenth(seed):
    chance = Random(seed)
    (kind,) = kinds(chance, ".md")
    said, end = estimates([(kind, size) for size in sizes(chance, 600)], chance.uniform(0.001, 0.2))
    for share in (0.1, 0.25, 0.5):
        assert abs(error(said, end, share)) < 0.1


@given(SEEDS)
def test_the_end_of_a_run_over_several_kinds_is_known_within_a_third_after_a_tenth(seed):
    chance = Random(seed)
    known = kinds(chance, ".md", ".html", ".pdf")
    said, end = estimates([(chance.choice(known), size) for size in sizes(chance, 900)], chance.uniform(0.001, 0.2))
    for share in (0.1, 0.25, 0.5):
        assert abs(error(said, end, share)) < 0.3


def test_large_pdfs_at_the_beginning_do_not_hide_the_texts_that_follow():
    """All PDFs are larger than all texts: what the texts will hold is only expected."""
    pdf, text = Kind(".pdf", 1 / 30_000, 3e-7), Kind(".md", 1 / 650, 1e-7)
    files = [(pdf, 4_000_000 - 60_000 * number) for number in range(30)]
    said, end = estimates([*files, *((text, 50_000 - 200 * number) for number in range(200))], 0.02)
    assert abs(error(said, end, 0.1)) < 0.3
    assert abs(error(said, end, 0.25)) < 0.3


def test_one_book_among_pictures_does_not_stand_for_all():
    """The text of one PDF is worth as much work as that of all others together."""
    book, pictures = Kind(".pdf", 1 / 1_000, 1e-7), Kind(".pdf", 1 / 30_000, 1e-7)
    files = [(pictures, 4_000_000 - 30_000 * number) for number in range(100)]
    said, end = estimates([(book, 3_900_000), *files], 0.02)
    for share in (0.4, 0.5, 0.75):  # behind the book
        assert abs(error(said, end, share)) < 0.5, share


def test_a_run_that_embeds_nothing_has_an_estimate_too():
    """Texts that were embedded before: only reading takes time."""
    said, end = estimates([(Kind(".md", 0, 1e-6), size) for size in range(40_000, 2_000, -300)], 1.0)
    assert abs(error(said, end, 0.1)) < 0.1
    assert said[-1][1] == 0


def test_a_large_file_that_comes_in_parts_counts_as_far_as_it_was_read():
    time, texts, one = 0.0, Texts(), due("large.txt", 70_000_000)
    clock = Clock([one], lambda: time)
    for number in range(1, 101):
        time += 0.1
        texts.waiting = 1_000
        clock.read_part(one, number / 100, texts)
        while texts.waiting:
            step = min(SLICE, texts.waiting)
            with clock.embedding(texts):
                time += 0.01 * step
                texts.embedded, texts.waiting = texts.embedded + step, texts.waiting - step
        left = (100 - number) * 10.1
        assert abs(clock.seconds_left(texts) - left) <= 0.05 * left + 0.2, number
    clock.read(one, texts)
    assert clock.seconds_left(texts) < 0.01


def test_a_model_that_takes_long_to_load_does_not_make_texts_look_slow():
    time, texts, one = 0.0, Texts(), due("notes.md", 1_000_000)
    clock = Clock([one], lambda: time)
    texts.waiting = 1_000
    clock.read(one, texts)
    with clock.stopped():
        time += 30.0
    with clock.embedding(texts):
        time += 0.01 * SLICE
        texts.embedded, texts.waiting = SLICE, 1_000 - SLICE
    left = 0.01 * (1_000 - SLICE)
    assert abs(clock.seconds_left(texts) - left) < 0.05 * left
