import sqlite3

from hypothesis import given
from hypothesis import strategies as st

from ragcli.index.catalog import checksums

CELLS = st.one_of(st.none(), st.integers(-(2**63), 2**63 - 1), st.text(st.characters(codec="utf-8")), st.binary())


@given(st.lists(st.tuples(CELLS, CELLS), max_size=8), st.lists(st.tuples(CELLS, CELLS), max_size=8), st.randoms())
def test_rows_that_come_and_go_leave_the_sum_of_those_that_stay(kept, gone, rng):
    running = checksums.Checksums()
    running.load({}, ["t"], lambda _: ())
    steps = [(1, row) for row in kept + gone]
    rng.shuffle(steps)
    for sign, row in [*steps, *((-1, row) for row in gone)]:
        running.count_row(sign, "t", *row)
    assert checksums.from_record(running.to_record()).get("t", 0) == checksums.sum_of(kept)


@given(st.lists(st.tuples(CELLS, CELLS), min_size=1, max_size=5), CELLS)
def test_another_value_is_another_sum(rows, value):
    changed = [(rows[0][0], value), *rows[1:]]
    same = (type(value), value) == (type(rows[0][1]), rows[0][1])
    assert (checksums.sum_of(changed) == checksums.sum_of(rows)) == same


def test_the_triggers_count_what_sqlite_does_to_rows():
    db, running = sqlite3.connect(":memory:"), checksums.Checksums()
    db.execute("CREATE TABLE settings (key TEXT PRIMARY KEY, value TEXT)")
    db.create_function("count_row", -1, running.count_row)
    db.execute("PRAGMA recursive_triggers = ON")
    for trigger in checksums.triggers("settings", ["key", "value"]):
        db.execute(trigger)
    for sql in (
        "INSERT INTO settings VALUES ('a', '1'), ('b', '2'), ('c', '3'), ('checksums', 'x')",
        "INSERT OR REPLACE INTO settings VALUES ('a', '4')",
        "UPDATE settings SET value = '5' WHERE key = 'b'",
        "DELETE FROM settings WHERE key = 'c'",
        "UPDATE settings SET value = 'y' WHERE key = 'checksums'",
    ):
        db.execute(sql)
        rows = db.execute(checksums.select("settings")).fetchall()
        assert running.to_record() == {"settings": f"{checksums.sum_of(rows):032x}"}
    assert sorted(rows) == [("a", "4"), ("b", "5")]
    db.execute("DELETE FROM settings")
    assert checksums.from_record(running.to_record()) == {"settings": 0}
    db.close()
