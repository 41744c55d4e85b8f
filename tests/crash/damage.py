"""An index with every kind of file, ways to damage one, and what must become of it."""

import random
import shutil
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from ragcli.errors import RagcliError
from ragcli.index.keywords import files
from ragcli.index.reader import open_index
from ragcli.index.vectors.segments import Segments
from ragcli.index.verify import verify
from ragcli.ingest.repair import repair
from ragcli.ingest.roots import forget
from ragcli.ingest.sync import SyncOptions, sync

OPTIONS = SyncOptions(workers=1, offline=True)


def make(place: Path) -> Path:
    """An index with two segments, one of them with a dead vector, and a keyword index with two; docs lie beside it."""
    docs = place / "docs"
    docs.mkdir()
    for n in range(12):
        (docs / f"{n}.md").write_text(
            f"# Note {n}\n\nBoat number {n} left the harbour.\n\n## More\n\nApples, {n} of them.\n"
        )
    sync(place / "i", [docs], OPTIONS)
    (docs / "late.md").write_text("# Late\n\nA comet grows a tail of dust beside the sun.\n")
    sync(place / "i", [docs], OPTIONS)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(files, "MOST_DEAD", 1.0)  # so that the keyword index has a list of the dead
        forget(place / "i", [docs / "3.md"])
    (docs / "3.md").unlink()
    return place / "i"


def contents(folder):
    """{chunk id: (chunk, its vector)}, and what the words find."""
    with open_index(folder) as index:
        chunks = index.chunks(index.catalog.chunk_ids())
        segments = Segments(folder / "vectors", index.catalog.ledger.segments(), index.settings.dimension)
        rows = segments.reconstruct(list(chunks))
        return {i: (chunks[i], rows[i]) for i in chunks}, index.keyword(["boat", "appl", "comet"], 99)


def assert_same(found, wanted):
    (chunks, hits), (chunks_before, hits_before) = found, wanted
    assert chunks.keys() == chunks_before.keys()
    for i, (chunk, row) in chunks.items():
        assert chunk == chunks_before[i][0]
        assert np.abs(row - chunks_before[i][1]).max() < 1e-4  # a float16 may be rounded the other way
    assert [i for i, _ in hits] == [i for i, _ in hits_before]


def kinds(folder):
    """One file of each kind, which are told apart by their suffixes."""
    files = sorted(p for p in folder.rglob("*") if p.is_file() and p.stat().st_size)
    # SQLite makes a new -shm whenever it opens the catalog first
    return {p.name if p.suffix == ".json" else p.suffix: p for p in files if p.suffix != ".sqlite3-shm"}


def flipped(path, rng):
    whole = bytearray(path.read_bytes())
    whole[rng.randrange(len(whole))] ^= 1 << rng.randrange(8)
    path.write_bytes(whole)


def truncated(path, rng):
    with path.open("rb+") as file:
        file.truncate(rng.randrange(path.stat().st_size))


def deleted(path, rng):
    path.unlink()


def faults_of(folder):
    try:
        return verify(folder).faults
    except RagcliError as error:
        return (str(error),)


DAMAGES = (flipped, truncated, deleted)


def try_one(made: Path, place: Path, kind: str, damage, rng) -> str:
    """Damage one file of a copy; returns what became of it, and asserts that this is right."""
    before = contents(made)
    shutil.rmtree(place, ignore_errors=True)
    shutil.copytree(made, place)
    path = kinds(place)[kind]
    bytes_before = {p: p.read_bytes() for p in place.rglob("*") if p.is_file()}
    damage(path, rng)
    faults = faults_of(place)
    if path.suffix == ".sqlite3":
        if not faults:  # space of the file that SQLite does not use
            assert_same(contents(place), before)
            return "without effect"
        with pytest.raises(RagcliError):
            repair(place)
        return "refused"
    assert faults, path
    done = repair(place)
    assert done.keywords == path.parent.name.startswith("keywords")
    assert done.segments == (path.suffix == ".faiss")
    assert verify(place).faults == ()
    assert_same(contents(place), before)
    for other, content in bytes_before.items():
        is_part_of_it = other == path or (done.keywords and other.parent == path.parent)
        if not is_part_of_it and other.name != "catalog.sqlite3":
            assert other.read_bytes() == content
    return "repaired"


def campaign(place: Path, seeds: int) -> dict[str, Counter]:
    """Every damage to every kind of file, ``seeds`` times: by kind, what became of it."""
    made = make(place)
    outcomes: dict[str, Counter] = {}
    for kind in sorted(kinds(made)):
        for damage in DAMAGES:
            for seed in range(seeds if damage is not deleted else 1):
                rng = random.Random(f"{kind} {damage.__name__} {seed}")
                outcome = try_one(made, place / "copy", kind, damage, rng)
                outcomes.setdefault(kind, Counter())[outcome] += 1
    return outcomes
