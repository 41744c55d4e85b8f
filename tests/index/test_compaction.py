import math

from hypothesis import given
from hypothesis import strategies as st

from ragcli.index.catalog.rows import SegmentRow
from ragcli.index.vectors.store import MOST_DEAD, to_swallow

steps = st.lists(
    st.tuples(st.integers(0, 60), st.floats(0, 1), st.randoms(use_true_random=False)), min_size=1, max_size=40
)


def run(steps):
    """Plays commits of ``added`` ids, in each of which a share of what lives dies; yields after each commit."""
    rows, held, dead, next_id, written = [], {}, set(), 1, 0
    for n, (added, share, rng) in enumerate(steps):
        gone = to_swallow(rows, added, sorted(dead))
        assert gone == rows[len(rows) - len(gone) :]  # the newest, so that ids ascend from segment to segment
        ids = [i for row in gone for i in held.pop(row.name) if i not in dead] + list(range(next_id, next_id + added))
        dead -= {i for i in dead if any(row.first <= i <= row.last for row in gone)}
        next_id += added
        rows = rows[: len(rows) - len(gone)]
        if ids:
            row = SegmentRow(f"{n}", "", len(ids), ids[0], ids[-1])
            rows.append(row)
            held[row.name] = ids
            written += len(ids)
        yield rows, held, dead, added, written
        live = [i for ids in held.values() for i in ids if i not in dead]
        if share > 0.6:
            dead |= set(rng.sample(live, int(len(live) * (share - 0.6) * 2.5)))


@given(steps)
def test_segments_stay_few_and_mostly_alive(steps):
    for rows, held, dead, _, _ in run(steps):
        assert len(rows) <= math.log2(max(1, sum(row.count for row in rows))) + 1
        for row in rows:
            assert sum(i in dead for i in held[row.name]) <= MOST_DEAD * row.count


@given(st.lists(st.integers(1, 50), min_size=1, max_size=60))
def test_what_only_grows_is_written_seldom(sizes):
    # a row is rewritten only together with at least half as many others, so its segment grows by half each time
    *_, (rows, _, _, _, written) = run([(size, 0.0, None) for size in sizes])
    total = sum(sizes)
    assert sum(row.count for row in rows) == total
    assert written <= total * (math.log(total, 1.5) + 1)


def test_decreasing_commits_do_not_pile_up():
    *_, (rows, *_) = run([(size, 0.0, None) for size in range(60, 0, -1)])
    assert len(rows) <= math.log2(sum(range(61)))


def test_nothing_to_do():
    assert to_swallow([], 0, []) == []
    row = SegmentRow("a", "", 100, 1, 100)
    assert to_swallow([row], 0, []) == []
    assert to_swallow([row], 0, list(range(1, 26))) == []
    assert to_swallow([row], 0, list(range(1, 27))) == [row]
    assert to_swallow([row], 50, []) == []
    assert to_swallow([row], 51, []) == [row]
