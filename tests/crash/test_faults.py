"""The short form of ``make crash``: tests/crash/long.py has the long one."""

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest
from series import FAULTS, at_changes, at_random, on_a_small_disk, why_not
from trial import Bench, Figures

supervised = pytest.mark.skipif(bool(why_not()), reason=why_not() or "it can")


@pytest.fixture(scope="module")
def bench(tmp_path_factory):
    """An index, and its folder, which has changed since; no test leaves them otherwise, but for the one at the end."""
    shared = Path("/dev/shm")  # every commit waits for the disk
    place = Path(tempfile.mkdtemp(prefix="ragcli-test-", dir=shared if shared.is_dir() else None))
    bench = Bench(place, seed=1, documents=5)
    assert bench.run().code == 0
    bench.corpus.change()
    yield bench
    shutil.rmtree(place)


@pytest.fixture(scope="module")
def operations(bench):
    """How many changes of the index the next run makes."""
    return bench.operations()


def assert_nothing_lost(figures):
    assert figures.different == []
    assert (figures.again, figures.stray) == (0, 0)


@supervised
def test_killed_before_any_change_the_next_run_makes_it_what_a_fresh_index_is(bench, operations):
    figures = Figures()
    at_changes(bench, (), [operations // 3, 2 * operations // 3], figures)
    assert_nothing_lost(figures)
    assert figures.faults["SIGKILL before a change"] >= 2


@supervised
def test_killed_inside_a_large_document_nothing_of_it_is_seen(bench):
    figures, kept = Figures(), bench.keep("before")
    large = bench.corpus.folder / "large.txt"
    large.write_text("\n\n".join(f"Harbour {i} opens at {i} in the storm of {i * i}." for i in range(150)))
    bench.corpus.changes += 1
    names = []  # of the changes that the run makes
    bench.run(decide=lambda operation: names.append(str(operation.path)) or 0)
    bench.restore(kept)
    inside = [number for number, name in enumerate(names, 1) if "staging-" in name]
    assert len(inside) > 10
    at_changes(bench, (), [inside[1], inside[len(inside) // 2], inside[-1] + 2], figures)
    large.unlink()
    bench.corpus.changes += 1
    bench.restore(kept)
    assert_nothing_lost(figures)
    # the last change in the staging folder is its removal, after the commit
    assert figures.found["old"] + figures.found["between two commits"] >= 2


@supervised
@pytest.mark.parametrize("fault", FAULTS)
def test_a_disk_that_fails_costs_nothing_but_the_run(bench, operations, fault):
    figures = Figures()
    at_changes(bench, (), [operations // 3], figures, fault)
    assert_nothing_lost(figures)
    assert figures.ended == {f"{fault}: exit 2": 1}


def test_a_disk_that_is_full(bench):
    if os.geteuid() != 0 or not shutil.which("mount"):
        pytest.skip("only root may mount a small disk")
    probe = bench.place / "probe"
    probe.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "tmpfs", probe], check=False, capture_output=True).returncode:
        pytest.skip("this machine lets nobody mount a disk")
    subprocess.run(["umount", probe], check=True)
    figures, kept = Figures(), bench.keep("before")
    on_a_small_disk(bench, [150], figures)
    bench.restore(kept)
    assert_nothing_lost(figures)
    assert figures.ended == {"small disk: exit 2": 1}


@pytest.mark.skipif(os.geteuid() == 0, reason="nothing is read-only to root; EROFS above is injected")
def test_a_folder_that_cannot_be_written(bench):
    bench.index.chmod(0o555)
    try:
        ended = bench.run()
        assert ended.code == 2
        assert ended.message.count("\n") == 1
    finally:
        bench.index.chmod(0o755)


def test_killed_at_a_random_moment(bench):
    figures = Figures()
    at_random(bench, 1, 1.0, figures, seed=2)
    assert_nothing_lost(figures)
