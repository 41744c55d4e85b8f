"""Runs a change of an index again and again, with a fault before its first step that touches the disk, then before
its second, and so on until none is left; after each, checks what the fault left. Started by test_crash.py.

    crash_child.py FOLDER CHANGE kill|full|full-then-on [EVERY]

``kill`` ends the process with SIGKILL, ``full`` is a disk without room; ``full-then-on`` uses the same writer again
after it. With EVERY, only one step in so many fails. Every run and every check is a process of its own. Writes the
number of steps.
"""

import errno
import os
import shutil
import signal
import sqlite3
import sys
import traceback
from contextlib import suppress
from pathlib import Path

import faiss
import numpy as np
import tantivy
from small_index import (
    DIMENSION,
    SETTINGS,
    assert_sound,
    change,
    commit,
    contents,
    ids_by_text,
    new_file,
    stored,
    vector_of,
)

from ragcli.errors import IndexDamaged, IndexNotFound, RagcliError
from ragcli.index.keywords.tantivy_index import Keywords
from ragcli.index.layout import REBUILD, staging_folder
from ragcli.index.reader import open_index
from ragcli.index.vectors.optimize import optimize, search_exactly
from ragcli.index.writer import Batch, open_writer
from ragcli.ingest.spool import Spool

KILLED = -signal.SIGKILL
NO_FAULT, SURVIVED, REFUSED, WENT_ON = 0, 5, 6, 7  # how a change may end besides: the fault was none of its business

DOCUMENTS = {f"/d/{n}": [f"passage {n} {i} apple" for i in range(3)] for n in range(6)}
ADDED = {"/d/1": ["passage 1 0 apple", "edited pear"], "/new": ["a new plum", "and another"]}
LARGE = {"/d/1": [f"large {i % 6} pear" for i in range(9)]}
REMOVED = ["/d/2", "/d/3"]
GO_ON = {"/go/on": ["after the fault"]}


# -- what is done to the index, from which state to which -------------------------------------------------------------


def prepare_nothing(_folder):
    pass


def prepare_documents(folder):
    for path, texts in DOCUMENTS.items():
        change(folder, {path: texts})


def prepare_dead(folder):
    prepare_documents(folder)
    change(folder, removed=["/d/0", "/d/4", "/d/5"])


def first(writer):
    writer.start(SETTINGS)
    commit(writer, DOCUMENTS)


def ordinary(writer):
    commit(writer, ADDED, REMOVED)


def large(writer):
    """A document whose chunks and vectors come from disk, as a large one's do."""
    new = new_file("/d/1", LARGE["/d/1"])
    with staging_folder(writer.folder) as staging, Spool(staging, new.document.path, "", DIMENSION) as spool:
        for start in range(0, len(new.chunks), 2):
            chunks, keys = new.chunks[start : start + 2], new.keys[start : start + 2]
            vectors = {key: vector_of(chunk.embedded) for key, chunk in zip(keys, chunks, strict=True)}
            spool.append(chunks, keys, vectors)
        spooled = new._replace(chunks=spool.chunks(), keys=spool.keys_of_chunks())
        old = [row.id for row in writer.catalog.documents() if str(row.path) == "/d/1"]
        writer.commit(Batch(added=[spooled], vectors=spool, deleted=old))


def tidy(writer):
    writer.tidy()


def rebuild(writer):
    with open_writer(writer.folder / REBUILD) as rebuilt:
        if rebuilt.settings() is None:
            writer.seed(rebuilt)
            rebuilt.start(SETTINGS)
        commit(rebuilt, ADDED)
        commit(rebuilt, {"/too": ["one more"]})
        writer.adopt(rebuilt)


def prepare_lists(folder):
    """Vectors in lists, with later ones in segments and deleted ones in both."""
    prepare_documents(folder)
    with open_writer(folder) as writer:
        lists(writer)
    change(folder, ADDED, REMOVED)


def lists(writer):
    """Move all vectors into lists, as a run does when there are many."""
    if writer.catalog.count("chunks"):
        queries = np.stack([vector_of(f"query {n}") for n in range(5)])
        optimize(writer.folder, writer.catalog, DIMENSION, queries)


def exactly(writer):
    """Move them back."""
    search_exactly(writer.folder, writer.catalog, DIMENSION)


LISTED = {p: t for p, t in (DOCUMENTS | ADDED).items() if p not in REMOVED}

CHANGES = {
    "lists": (prepare_documents, lists, [DOCUMENTS]),
    "lists again": (prepare_lists, lists, [LISTED]),
    "exactly": (prepare_lists, exactly, [LISTED]),
    "first": (prepare_nothing, first, [None, {}, DOCUMENTS]),
    "commit": (
        prepare_documents,
        ordinary,
        [DOCUMENTS, {p: t for p, t in (DOCUMENTS | ADDED).items() if p not in REMOVED}],
    ),
    "large": (prepare_documents, large, [DOCUMENTS, DOCUMENTS | LARGE]),
    "tidy": (prepare_dead, tidy, [{p: DOCUMENTS[p] for p in ("/d/1", "/d/2", "/d/3")}]),
    "rebuild": (prepare_documents, rebuild, [DOCUMENTS, ADDED | {"/too": ["one more"]}]),
}


# -- faults -----------------------------------------------------------------------------------------------------------


class Faults:
    """Counts the steps and fails at the one with the number ``at``."""

    def __init__(self, at, kind):
        self.at, self.kind, self.count = at, kind, 0

    def before(self, error):
        self.count += 1
        if self.count == self.at:
            if self.kind == "kill":
                os.kill(os.getpid(), signal.SIGKILL)
            raise error

    def wrap(self, call, make_error):
        def counted(*args, **kwargs):
            self.before(make_error())
            return call(*args, **kwargs)

        return counted

    def install(self):
        for name in ("replace", "rename", "unlink", "rmdir", "mkdir", "link", "fsync"):
            setattr(os, name, self.wrap(getattr(os, name), lambda: OSError(errno.ENOSPC, "No space left on device")))
        os.pwrite = self.wrap(os.pwrite, lambda: OSError(errno.ENOSPC, "No space left on device"))
        faults = self

        class Connection(sqlite3.Connection):
            def execute(self, sql, *values):
                if sql.split()[0] in {"COMMIT", "ATTACH"}:
                    faults.before(sqlite3.OperationalError("database or disk is full"))
                return super().execute(sql, *values)

            def executescript(self, sql):
                faults.before(sqlite3.OperationalError("database or disk is full"))
                return super().executescript(sql)

        connect = sqlite3.connect
        sqlite3.connect = lambda *args, **kwargs: connect(*args, factory=Connection, **kwargs)

        class Writer:
            def __init__(self, writer):
                self.writer = writer

            def __getattr__(self, name):
                value = getattr(self.writer, name)
                if name in {"commit", "wait_merging_threads"}:
                    return faults.wrap(value, lambda: ValueError("An IO error occurred: No space left"))
                return value

        class Index:
            def __init__(self, *args, **kwargs):
                faults.before(ValueError("An IO error occurred: No space left"))
                self.index = real(*args, **kwargs)

            @classmethod
            def open(cls, path):
                self = cls.__new__(cls)
                self.index = real.open(path)
                return self

            def __getattr__(self, name):
                return getattr(self.index, name)

            def writer(self, **kwargs):
                faults.before(ValueError("An IO error occurred: No space left"))
                return Writer(self.index.writer(**kwargs))

        real = tantivy.Index
        tantivy.Index = Index


def run_change(folder, make_change, faults):
    faults.install()
    try:
        with open_writer(folder) as writer:
            try:
                make_change(writer)
            except (RagcliError, OSError):
                if faults.kind != "full-then-on" or writer.settings() is None:
                    raise
                commit(writer, GO_ON)
                return WENT_ON
    except (RagcliError, OSError):
        return REFUSED
    return SURVIVED if faults.count >= faults.at else NO_FAULT


# -- checks -----------------------------------------------------------------------------------------------------------


def check(folder, expected, make_change, ended):
    if ended == WENT_ON:
        expected = [(state or {}) | GO_ON for state in expected]
    found = contents_or_none(folder)
    assert found in expected, found
    taken = ids_on_disk(folder)
    if found is None:
        with open_writer(folder) as writer:
            make_change(writer)
        found = contents(folder)
        assert found == expected[-1]
    else:
        assert_searchable(folder)
        with open_writer(folder):
            pass
    assert contents(folder) == found
    assert_clean(folder)
    before = ids_by_text(folder)
    change(folder, {"/after": ["all goes on"]})
    assert contents(folder) == {**found, "/after": ["all goes on"]}
    after = ids_by_text(folder)
    assert {text: i for text, i in after.items() if text != "all goes on"} == before
    assert after["all goes on"] not in taken
    assert_clean(folder)
    # what was cut short can be done again
    with open_writer(folder) as writer:
        make_change(writer)
    assert_clean(folder)


def assert_clean(folder):
    rebuild_folder = folder / REBUILD
    if rebuild_folder.exists():  # unfinished, and kept to be taken up again
        if (rebuild_folder / "vectors").exists():
            aside = folder.parent / "aside"
            shutil.rmtree(aside, ignore_errors=True)
            shutil.copytree(folder, aside, ignore=lambda at, _: [REBUILD] if Path(at) == folder else [])
            assert_sound(aside)
        return
    assert_sound(folder)


def contents_or_none(folder):
    try:
        return contents(folder)
    except IndexNotFound:
        return None


def assert_searchable(folder):
    with open_index(folder) as index:
        known = set(index.catalog.chunk_ids())
        documents = [row.id for row in index.catalog.documents()]  # with a filter, every list is read
        hits = index.dense(vector_of("anything"), 1000, documents)
        assert {i for i, _ in hits} == known
        assert {i for i, _ in index.keyword(["appl", "pear", "plum", "anoth", "more", "fault"], 1000)} == known
        for i, chunk in index.chunks([i for i, _ in hits]).items():
            score = float(stored(vector_of(chunk.embedded)) @ vector_of("anything"))
            assert abs(dict(hits)[i] - score) < 1e-5


def ids_on_disk(folder):
    """Every id that any file carries, whether or not the catalog knows it."""
    found = set()
    for path in folder.rglob("*.faiss"):
        index = faiss.read_index(str(path))
        if isinstance(index, faiss.IndexIDMap):
            found.update(faiss.vector_to_array(index.id_map).tolist())
            continue
        for number in range(index.nlist):
            size = index.invlists.list_size(number)
            found.update(faiss.rev_swig_ptr(index.invlists.get_ids(number), size).tolist() if size else [])
    for path in folder.rglob("meta.json"):
        with suppress(IndexDamaged):  # linked in part: the whole of it is in the rebuild
            found.update(Keywords(path.parent).ids())
    return found


def in_child(function, *args):
    """Run ``function`` in a fork and return how that ended: its result as the exit code, or minus the signal."""
    sys.stdout.flush()
    child = os.fork()
    if child == 0:
        code = 99
        try:
            code = function(*args) or 0
        except Exception:  # noqa: BLE001 (whatever it is, the parent must hear of it)
            traceback.print_exc()
        finally:
            sys.stderr.flush()
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def main(folder, name, kind, every):
    prepare, make_change, expected = CHANGES[name]
    base, work = folder / "base", folder / "work"
    base.mkdir()
    assert in_child(prepare, base) == 0
    for at in range(1, 10_000, every):
        shutil.rmtree(work, ignore_errors=True)
        shutil.copytree(base, work)
        ended = in_child(run_change, work, make_change, Faults(at, kind))
        if ended == NO_FAULT:
            sys.stdout.write(f"{at - every}\n")
            return
        if ended not in (KILLED, SURVIVED, REFUSED, WENT_ON):
            raise SystemExit(f"fault {at}: the change ended with {ended}")
        if in_child(check, work, expected, make_change, ended) != 0:
            raise SystemExit(f"fault {at}: the index is not as it was before or after")


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], sys.argv[3], int(sys.argv[4]) if len(sys.argv) > 4 else 1)
