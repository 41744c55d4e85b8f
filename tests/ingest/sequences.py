"""Random lives of folders against a model of what must be in the index: nothing is lost, and nothing is stale.

    python tests/ingest/sequences.py 5000 [SEED [SECONDS]]

A life is a sequence of edits, deletions, renames, unmounted and mounted disks, and runs of ``sync``, some of which are
interrupted. The model knows what each document must hold after each run. Embedding is left out: the chunks of a file
get vectors drawn from their text, so that a run costs milliseconds.
"""

from __future__ import annotations

import multiprocessing
import os
import random
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from unittest import mock

sys.path.insert(0, str(Path(__file__).parents[1] / "index"))
from small_index import vector_of

from ragcli.index.catalog.documents import Catalog
from ragcli.index.verify import verify
from ragcli.ingest.sync import SyncOptions, sync

NAMES = ("a.md", "b.md", "c.txt", "sub/d.md", "sub/e.md", "usb/f.md", "usb/deep/g.md")


class Encoder:
    """Vectors that cost nothing."""

    dimension, window, runtime = 384, 256, "numpy"

    def encode(self, texts, **_):
        import numpy as np

        return np.stack([vector_of(text, self.dimension) for text in texts])


@contextmanager
def quick() -> Iterator[None]:
    """Runs read files in this process and embed nothing."""
    from ragcli.errors import LoadError
    from ragcli.formats import registry
    from ragcli.formats.blocks import LoadOptions
    from ragcli.ingest.sandbox import worker
    from ragcli.ingest.sandbox.process import Loaded
    from ragcli.types import Skipped

    @contextmanager
    def reader(*_):
        def read(order, _embedder):
            for item in order:
                path = item.found.path
                try:
                    data, state = worker._read_settled(path)
                    import hashlib

                    digest = hashlib.sha256(data).hexdigest()
                    outcome = None if digest == item.known_sha256 else registry.load(path, data, LoadOptions())
                    yield Loaded(path, digest, state.st_size, state.st_mtime_ns, outcome), None
                except LoadError as error:
                    yield Loaded(path, "", 0, 0, Skipped(path, error.reason, error.detail)), None

        yield read

    with (
        mock.patch("ragcli.ingest.sync.open_reader", reader),
        mock.patch("ragcli.ingest.embed.open_index_encoder", return_value=Encoder()),
    ):
        yield


class Life:
    """Two roots, one of which is a disk that comes and goes, and the model of what the index must hold."""

    def __init__(self, base: Path, draw: random.Random) -> None:
        self.base, self.draw, self.index = base, draw, base / "index"
        self.roots = [base / "notes", base / "disk"]
        self.away: dict[Path, Path] = {}  # root that is not mounted: where its content is
        self.must: dict[Path, str] = {}  # what the index must hold: path to text
        self.told: list[str] = []
        self.serial = 0
        for root in self.roots:
            for name in NAMES[: draw.randint(1, len(NAMES))]:
                self.write(root / name)
        self.run(self.roots)

    def write(self, path: Path) -> None:
        self.serial += 1
        path.parent.mkdir(parents=True, exist_ok=True)
        text = f"The text number {self.serial:04} of {path.name}."  # of one length for each name
        if path.exists() and self.draw.random() < 0.3:  # an edit that neither size nor time shows
            state = path.stat()
            path.write_text(text)
            os.utime(path, ns=(state.st_atime_ns, state.st_mtime_ns))
        else:
            path.write_text(text)

    def here(self) -> list[Path]:
        return [root for root in self.roots if root not in self.away]

    def files(self) -> dict[Path, str]:
        """What is on the disks that are mounted."""
        return {path: path.read_text() for root in self.here() for path in root.rglob("*") if path.is_file()}

    # -- what happens -------------------------------------------------------------------------------------------------

    def edit(self) -> None:
        for path in self.draw.sample(sorted(self.files()), min(2, len(self.files()))):
            self.write(path)

    def add(self) -> None:
        if self.here():
            self.write(self.draw.choice(self.here()) / self.draw.choice(NAMES))

    def delete(self) -> None:
        found = sorted(self.files())
        # a run keeps more than half of a root, or its last file, which is another case
        for path in self.draw.sample(found, min(1, len(found))):
            root = next(root for root in self.roots if root in path.parents)
            held = {other for other in self.must if root in other.parents}
            if 2 * len(held - set(found) | {path}) <= len(held):
                path.unlink()

    def move_file(self) -> None:
        found = sorted(self.files())
        if found:
            path = self.draw.choice(found)
            root = next(root for root in self.roots if root in path.parents)
            held = {other for other in self.must if root in other.parents}
            if len(held) > 1 and held & set(found) <= {path}:  # fewer files than before, and none known: a run asks
                return
            target = root / f"moved-{self.serial}-{path.name}"
            path.rename(target)

    def rename_root(self) -> None:
        root = self.roots[0]
        if not self.is_settled:
            return
        target = self.base / f"notes{self.serial}-{self.draw.randint(0, 9999)}"
        files = self.files()
        is_whole = all(files.get(path) == text for path, text in self.must.items() if root in path.parents)
        root.rename(target)
        self.roots[0] = target
        self.must = {
            (target / path.relative_to(root) if root in path.parents else path): text
            for path, text in self.must.items()
        }
        # with every document in place it is noticed, and otherwise the user says so
        self.run([target], relocated=None if is_whole else (root, target))

    def unmount(self) -> None:
        root = self.roots[1]
        if root not in self.away:
            self.away[root] = self.base / "unplugged"
            root.rename(self.away[root])
            if self.draw.random() < 0.7:
                root.mkdir()  # the mount point stays
            if root.exists() and self.draw.random() < 0.3:
                (root / "empty").mkdir()

    def mount(self) -> None:
        for root, place in list(self.away.items()):
            shutil.rmtree(root, ignore_errors=True)
            place.rename(root)
            del self.away[root]

    def interrupt(self) -> None:
        """A run that ends in its midst: what it finished stays, and nothing else changes."""
        stop_at = self.draw.randint(0, 6)
        calls = 0

        def report(_progress) -> None:
            nonlocal calls
            calls += 1
            if calls > stop_at:
                raise KeyboardInterrupt

        before = self.held()
        try:
            self.sync(report=report)
        except KeyboardInterrupt:
            held, files = self.held(), self.files()
            for path, text in held.items():
                assert text in (before.get(path), files.get(path)), (path, text)
            for path in before:
                assert path in held, path
            self.must = held  # what it finished stays, also when the disk goes before the next run
            self.told.append("  interrupted")
            self.is_settled = False
        else:
            self.check()

    def force(self) -> None:
        self.run([], force=True)

    def plain_run(self) -> None:
        self.run([])

    # -- runs ---------------------------------------------------------------------------------------------------------

    is_settled = True  # the last run reached its end

    def sync(self, named=(), report=lambda _: None, relocated=None, **options):
        options = SyncOptions(workers=1, offline=True, **options)
        return sync(self.index, list(named), options, report, relocated=relocated)

    def run(self, named, **options) -> None:
        summary = self.sync(named, **options)
        self.check(named)
        absent = [failure.path for failure in summary.failures]
        assert len(absent) == len([root for root in self.away if not named]), summary.failures

    def check(self, named=()) -> None:
        """The index holds the files that are there as they are, and those of an absent disk as they were."""
        self.is_settled = True
        walked = [root for root in self.here() if not named or root in named]
        kept = {path: text for path, text in self.must.items() if not any(root in path.parents for root in walked)}
        self.must = kept | {p: t for p, t in self.files().items() if any(root in p.parents for root in walked)}
        held = self.held()
        assert held == self.must, (held, self.must)

    def held(self) -> dict[Path, str]:
        catalog = Catalog.open(self.index)
        try:
            return {row.path: "".join(c.text for c in catalog.document_chunks(row.id)) for row in catalog.documents()}
        finally:
            catalog.close()


EVENTS = {
    "edit": 4, "add": 3, "delete": 2, "move_file": 2, "rename_root": 2, "unmount": 2, "mount": 3, "interrupt": 2,
    "force": 1, "plain_run": 5,
}  # fmt: skip


def live(seed: int, length: int = 10) -> None:
    """One life. Raises AssertionError, with what happened, where the index differs from the model."""
    draw = random.Random(seed)
    base = Path(tempfile.mkdtemp(prefix="ragcli-life-", dir="/dev/shm" if Path("/dev/shm").is_dir() else None))
    happened: list[str] = []
    try:
        life = Life(base, draw)
        life.told = happened
        for _ in range(length):
            event = draw.choices(list(EVENTS), list(EVENTS.values()))[0]
            happened.append(event)
            getattr(life, event)()
        life.mount()
        happened.append("the last run")
        life.run([])
        faults = verify(life.index).faults
        assert not faults, faults
    except AssertionError as error:
        raise AssertionError(f"seed {seed}: {', '.join(happened)}: {error}") from error
    finally:
        shutil.rmtree(base, ignore_errors=True)


def main() -> int:
    """Live as many lives as asked for, and print how many differed."""
    count, first = int(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 0
    seconds = float(sys.argv[3]) if len(sys.argv) > 3 else float("inf")
    started, done, differed = time.monotonic(), 0, 0
    with multiprocessing.Pool(os.cpu_count()) as pool:
        for fault in pool.imap_unordered(tried, range(first, first + count)):
            done += 1
            if fault:
                differed += 1
                sys.stderr.write(f"{fault}\n")
            if sys.stderr.isatty():
                sys.stderr.write(f"\r{done} of {count}")
            if time.monotonic() - started > seconds:
                break
    sys.stdout.write(f"{done} lives of folders, {differed} differed, {time.monotonic() - started:.0f} s\n")
    return 1 if differed else 0


def tried(seed: int) -> str:
    """What is wrong with the life of this seed; nothing when it is as the model."""
    with quick():
        try:
            live(seed)
        except AssertionError as error:
            return str(error)
        except Exception as error:  # noqa: BLE001 (a bug, which must not end the other lives)
            return f"seed {seed}: {error!r}"
    return ""


if __name__ == "__main__":
    sys.exit(main())
