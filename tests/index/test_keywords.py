import math
import os
import random
import shutil
import subprocess
import sys
import textwrap
from collections import Counter
from itertools import pairwise
from pathlib import Path

import pytest
import tantivy
from hypothesis import given, settings
from hypothesis import strategies as st

from ragcli.errors import IndexDamaged, RagcliError
from ragcli.index.keywords.files import check_files
from ragcli.index.keywords.tantivy_index import Keywords

K1, B = 1.2, 0.75


def bm25(corpus, query):
    """{id: score} by the formula, for the chunks of ``corpus`` {id: terms} with at least one term of ``query``.

    Lengths up to 39 are what tantivy stores exactly, in a byte; longer ones it rounds down.
    """
    count = len(corpus)
    mean = sum(len(terms) for terms in corpus.values()) / count
    scores = Counter()
    for term in set(query):
        holders = [i for i, terms in corpus.items() if term in terms]
        idf = math.log(1 + (count - len(holders) + 0.5) / (len(holders) + 0.5))
        for i in holders:
            tf = corpus[i].count(term)
            scores[i] += idf * tf * (K1 + 1) / (tf + K1 * (1 - B + B * len(corpus[i]) / mean))
    return dict(scores)


def fill(folder, corpus, *, document=lambda i: i % 5, commits=1):
    keywords = Keywords(folder, create=True)
    ids = sorted(corpus)
    for n in range(commits):
        part = ids[n * len(ids) // commits : (n + 1) * len(ids) // commits]
        keywords.update([(i, document(i), " ".join(corpus[i])) for i in part], [])
    return keywords


def random_corpus(count, words="abcdefgh", longest=39, seed=0):
    rng = random.Random(seed)
    return {i: rng.choices(words, k=rng.randint(1, longest)) for i in range(1, count + 1)}


def assert_ranked(hits, scores, k):
    """``hits`` are the k best by score, and by id where scores are equal to what a float32 can tell."""
    assert len(hits) == min(k, len(scores))
    assert [s for _, s in hits] == sorted((s for _, s in hits), reverse=True)
    for i, score in hits:
        assert score == pytest.approx(scores[i], rel=1e-4)
    if hits:
        shown = {i for i, _ in hits}
        left_out = [score for i, score in scores.items() if i not in shown]
        assert not left_out or max(left_out) <= hits[-1][1] * (1 + 1e-4)
    for (i, score), (j, other) in pairwise(hits):
        assert score > other or i < j


@pytest.mark.parametrize("commits", [1, 3, 10])
@pytest.mark.parametrize("query", ["a", "ab", "ahz", "zz"])
def test_scores_are_those_of_the_formula(tmp_path, commits, query):
    corpus = random_corpus(120)
    keywords = fill(tmp_path, corpus, commits=commits)
    for k in (1, 10, 500):
        assert_ranked(keywords.search(list(query), k), bm25(corpus, query), k)


def test_a_hand_computed_score(tmp_path):
    # N = 3, the term is in 1 of them: idf = ln(1 + 2.5 / 1.5) = 0.980829; tf = 2, length 4, mean length 3:
    # tf (k1 + 1) / (tf + k1 (0.25 + 0.75 * 4 / 3)) = 4.4 / 3.5 = 1.257143; product 1.233042
    keywords = fill(tmp_path, {1: ["x", "x", "y", "y"], 2: ["y", "z"], 3: ["y", "z", "z"]})
    (hit,) = keywords.search(["x"], 5)
    assert hit == (1, pytest.approx(1.233042, rel=1e-5))


def test_equal_scores_go_to_the_lowest_ids_wherever_the_cut_is(tmp_path):
    rng = random.Random(1)
    order = list(range(1, 301))
    rng.shuffle(order)
    keywords = Keywords(tmp_path, create=True)
    for n in range(0, 300, 30):  # many segments, and in each of them ids in any order
        keywords.update([(i, 1, "same words") for i in order[n : n + 30]], [])
    for k in (1, 7, 50, 299, 300, 1000):
        assert [i for i, _ in keywords.search(["same"], k)] == list(range(1, min(k, 300) + 1))


def test_the_filter_acts_before_the_cut_and_does_not_rank(tmp_path):
    corpus = random_corpus(200)
    keywords = fill(tmp_path, corpus)
    scores = bm25(corpus, "ab")
    for documents in ([3], [0, 4], [1, 2, 99]):
        within = {i: score for i, score in scores.items() if i % 5 in documents}
        assert_ranked(keywords.search(["a", "b"], 15, documents), within, 15)
    assert keywords.search(["a"], 5, []) == []
    assert keywords.search(["a"], 5, [77]) == []


def test_nothing_to_search_for(tmp_path):
    assert Keywords(tmp_path / "empty", create=True).search(["a"], 5) == []
    assert Keywords(tmp_path / "empty").ids() == []
    keywords = fill(tmp_path / "full", {1: ["a"]})
    assert keywords.search([], 5) == []
    assert keywords.search(["a"], 0) == []
    assert keywords.search(["unknown"], 5) == []


@settings(max_examples=25)
@given(
    st.lists(st.tuples(st.sets(st.integers(1, 30), max_size=8), st.sets(st.integers(1, 30), max_size=8)), max_size=5)
)
def test_updates_add_and_remove_exactly_what_they_say(tmp_path_factory, steps):
    folder = tmp_path_factory.mktemp("k")
    keywords = Keywords(folder, create=True)
    live = set()
    for added, removed in steps:
        added -= live - removed  # an id is added once
        keywords.update([(i, 1, f"w{i} all") for i in sorted(added)], sorted(removed))
        live = (live - removed) | added
        for view in (keywords, Keywords(folder)):
            assert view.ids() == sorted(live)
            assert sorted(i for i, _ in view.search(["all"], 100)) == sorted(live)
            assert [i for i, _ in view.search(["w7"], 100)] == sorted(live & {7})


def test_an_open_index_does_not_follow_what_others_commit(tmp_path):
    mine = fill(tmp_path, {1: ["a"], 2: ["a"]})
    reader = Keywords(tmp_path)
    mine.update([(3, 1, "a")], [1])
    assert reader.ids() == [1, 2]
    assert [i for i, _ in reader.search(["a"], 9)] == [1, 2]
    assert mine.ids() == [2, 3]


def test_removed_entries_do_not_crowd_out_live_ones(tmp_path):
    keywords = fill(tmp_path, {i: ["a"] for i in range(1, 1001)})
    keywords.update([], range(1, 990))
    assert [i for i, _ in keywords.search(["a"], 5)] == [990, 991, 992, 993, 994]


def test_long_queries_terms_and_any_script(tmp_path):
    corpus = {
        1: ["日本", "本語"], 2: ["ไทย"], 3: ["naïve", "c++", "a.b"], 4: ["x" * 60_000], 5: ["y" * 70_000, "end"],
        6: ["🙂"],
    }  # fmt: skip
    keywords = fill(tmp_path, corpus)
    for i, term in ((1, "本語"), (2, "ไทย"), (3, "c++"), (3, "a.b"), (4, "x" * 60_000), (5, "end"), (6, "🙂")):
        assert [j for j, _ in keywords.search([term], 5)] == [i]
    many = [f"t{n}" for n in range(10_000)]
    assert keywords.search(many, 5) == []
    # repeats do not push a term out of those that are read
    assert [i for i, _ in keywords.search(["日本"] * 5000 + ["end"], 5)] == [5, 1]
    assert keywords.search(["AND", '"', "body:x", "*"], 5) == []


def test_repeats_in_a_query_count_once(tmp_path):
    keywords = fill(tmp_path, random_corpus(50))
    assert keywords.search(["a", "a", "b", "a"], 10) == keywords.search(["a", "b"], 10)


def test_a_missing_or_foreign_folder_is_damage(tmp_path):
    with pytest.raises(IndexDamaged, match="ragcli repair"):
        Keywords(tmp_path / "none")
    (tmp_path / "empty").mkdir()
    with pytest.raises(IndexDamaged):
        Keywords(tmp_path / "empty")
    builder = tantivy.SchemaBuilder()
    builder.add_text_field("other")
    (tmp_path / "other").mkdir()
    tantivy.Index(builder.build(), path=str(tmp_path / "other"))
    with pytest.raises(IndexDamaged):
        Keywords(tmp_path / "other").search(["a"], 5)


def test_files_that_changed_are_found_and_searching_them_ends_in_an_answer_or_in_damage(tmp_path):
    keywords = fill(tmp_path / "good", random_corpus(60), commits=2)
    keywords.update([], [3, 4])
    assert check_files(tmp_path / "good") == []
    rng = random.Random(5)
    damaged = []
    for path in sorted((tmp_path / "good").iterdir()):
        whole = path.read_bytes()
        if not whole:
            continue
        for n in range(6):
            # one folder each: a thread of tantivy may still hold the last one
            copy = tmp_path / f"copy-{n}-{path.name}"
            shutil.copytree(tmp_path / "good", copy)
            content, at = bytearray(whole), rng.randrange(len(whole))
            if n % 3 == 0:
                del content[at:]
            else:
                content[at] ^= 1 << rng.randrange(8)
            (copy / path.name).write_bytes(content)
            # the footer, which holds the checksum, is about 90 bytes long, and nothing holds its own
            if len(path.stem.split(".")[0]) == 32 and (n % 3 == 0 or at < len(whole) - 100):
                assert check_files(copy) != []
            try:
                opened = Keywords(copy)
                opened.search(["a", "b"], 10)
                opened.ids()
            except IndexDamaged as error:
                damaged.append(str(error))
    assert len(damaged) > 20
    assert not any("\n" in message for message in damaged)
    assert check_files(tmp_path / "none") != []


def test_an_index_that_cannot_be_written_can_be_read(tmp_path):
    """Tantivy wants to lock in the folder even to read it."""
    folder = tmp_path / "k"
    fill(folder, {1: ["a"], 2: ["b"]})
    for path in folder.iterdir():
        path.unlink() if path.name.startswith(".tantivy-") else path.chmod(0o644)
    code = f"""
        import os, tempfile
        from pathlib import Path
        from ragcli.index.keywords.tantivy_index import Keywords
        if os.getuid() == 0:
            os.setgid(65534)
            os.setuid(65534)
        folder = Path({str(folder)!r})
        assert not os.access(folder, os.W_OK)
        print(Keywords(folder).ids(), Keywords(folder).search(["b"], 3)[0][0])
    """
    for above in (tmp_path, *tmp_path.parents[:3]):
        if above.stat().st_uid == os.getuid() and above != Path("/tmp"):
            above.chmod(0o755)
    folder.chmod(0o555)
    try:
        done = subprocess.run(
            [sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, check=False
        )
    finally:
        folder.chmod(0o755)
    assert (done.returncode, done.stdout) == (0, "[1, 2] 2\n"), done.stderr
    assert not list(folder.glob(".tantivy-*"))


def test_a_failed_update_changes_nothing_and_can_be_tried_again(tmp_path):
    keywords = fill(tmp_path, {1: ["a"]})

    def broken():
        yield 2, 1, "a"
        raise RuntimeError("the text cannot be had")

    with pytest.raises(RuntimeError, match="cannot be had"):
        keywords.update(broken(), [1])
    assert keywords.ids() == Keywords(tmp_path).ids() == [1]
    keywords.update([(3, 1, "a")], [1])
    assert keywords.ids() == [3]


def test_a_full_disk_is_one_sentence_and_loses_nothing(tmp_path):
    fill(tmp_path, {1: ["a"]})
    code = f"""
        import resource, signal
        from pathlib import Path
        from ragcli.errors import RagcliError
        from ragcli.index.keywords.tantivy_index import Keywords
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        keywords = Keywords(Path({str(tmp_path)!r}))
        resource.setrlimit(resource.RLIMIT_FSIZE, (100, resource.RLIM_INFINITY))
        try:
            keywords.update([(2, 1, "b " * 5000)], [1])
        except RagcliError as error:
            print(type(error).__name__, str(error).startswith("cannot write the keyword index"))
        resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        print(keywords.ids(), Keywords(Path({str(tmp_path)!r})).ids())
        keywords.update([(3, 1, "b")], [1])
        print(keywords.ids())
    """
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "RagcliError True\n[1] [1]\n[3]\n"), done.stdout + done.stderr


def test_a_write_to_a_locked_index_is_refused(tmp_path):
    keywords = fill(tmp_path, {1: ["a"]})
    other = tantivy.Index.open(str(tmp_path)).writer(15_000_000, 1)
    with pytest.raises(RagcliError, match="cannot write"):
        keywords.update([(2, 1, "a")], [])
    other.wait_merging_threads()
    keywords.update([(2, 1, "a")], [])
    assert keywords.ids() == [1, 2]
