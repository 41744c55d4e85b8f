from ragcli.formats.spans import MAX_COLUMNS, Cell, spread

C = Cell


def test_rows_without_merged_cells_stay_as_they_are():
    rows = [[C("a"), C("b")], [], [C("c"), C(""), C("d")]]
    assert list(spread(rows)) == [["a", "b"], [], ["c", "", "d"]]


def test_a_header_of_two_rows_becomes_one():
    rows = [
        [C("Rota of the region")],
        [C("Region", rows=2), C("Sales", columns=2), C("Returns", columns=2)],
        [C("2024"), C("2025"), C("2024"), C("2025")],
        [C("North"), C("10"), C("11"), C("1"), C("2")],
    ]
    assert list(spread(rows)) == [
        ["Rota of the region"],
        ["Region", "Sales 2024", "Sales 2025", "Returns 2024", "Returns 2025"],
        ["North", "10", "11", "1", "2"],
    ]


def test_a_header_of_three_rows_is_as_high_as_its_highest_cell():
    rows = [
        [C("Town", rows=3), C("People", columns=2)],
        [C("born", columns=2)],
        [C("here"), C("there")],
        [C("Leith"), C("1"), C("2")],
    ]
    assert list(spread(rows)) == [["Town", "People born here", "People born there"], ["Leith", "1", "2"]]


def test_a_value_over_several_rows_is_in_each_of_them():
    rows = [
        [C("Day"), C("Course"), C("Dish")],
        [C("Monday", rows=2), C("Main"), C("Cod")],
        [C("Sweet"), C("Figs", rows=2)],
        [C("Tuesday"), C("Main")],
        [C("Wednesday")],
    ]
    assert list(spread(rows))[1:] == [
        ["Monday", "Main", "Cod"],
        ["Monday", "Sweet", "Figs"],
        ["Tuesday", "Main", "Figs"],
        ["Wednesday"],
    ]


def test_a_value_over_several_columns_is_there_once():
    rows = [[C("a"), C("b"), C("c")], [C("both", columns=2), C("d")]]
    assert list(spread(rows)) == [["a", "b", "c"], ["both", "", "d"]]


def test_a_span_is_only_a_number():
    (row,) = spread([[C("a", columns=10**9, rows=10**9), C("b", columns=10**9)]])
    assert len(row) == MAX_COLUMNS
    assert [len(row) for row in spread([[C("a")], [C("b", rows=10**9)], [], [C("c")]])] == [1, 1, 1, 2]
