from pathlib import Path

from ragcli.formats.blocks import TextBuilder
from ragcli.formats.tables import Cell, Grid, add_rows, plain_row


def rendered(*rows: list[str]) -> list[str]:
    builder = TextBuilder()
    add_rows(builder, map(plain_row, rows))
    document = builder.build(Path("x"), "")
    assert {block.kind for block in document.blocks} == {"row"}
    return document.text.split("\n")


def test_a_header_names_the_values_below():
    assert rendered(["City", "People"], ["Bern", "134,000"], ["Rome", ""]) == [
        "City | People",
        "City: Bern | People: 134,000",
        "Rome",
    ]


def test_numbers_equal_names_and_gaps_make_no_header():
    for first in (["City", "2020"], ["City", "City"], ["City", "", "People"]):
        assert rendered(first, ["a", "b", "c"])[1] == "a | b | c"


def test_captions_may_stand_above_the_header():
    assert rendered(["Cities", ""], ["City", "People"], ["Bern", "1"])[2] == "City: Bern | People: 1"


def test_the_first_column_may_have_no_name():
    assert rendered(["", "Spring", "Autumn"], ["Rain", "1", "2"])[1] == "Rain | Spring: 1 | Autumn: 2"


def test_a_row_of_names_narrower_than_the_table_is_no_header():
    assert rendered(["In francs", "This year"], ["Sales", "Costs", "Profit"], ["3", "2", "1"])[2] == (
        "Sales: 3 | Costs: 2 | Profit: 1"
    )


def test_after_a_gap_another_table_brings_its_own_header():
    rows = [["A", "B"], ["1", "2"], [], ["C", "D", "E"], ["3", "4", "5"]]
    assert rendered(*rows)[-1] == "C: 3 | D: 4 | E: 5"


def test_after_a_gap_rows_of_the_same_table_keep_its_header():
    rows = [["Name", "Town"], ["Ann", "Bern"], [], ["Bob", "Rome"]]
    assert rendered(*rows)[-1] == "Name: Bob | Town: Rome"


def test_years_and_dates_head_their_columns():
    assert rendered(["Harbour", "2021", "2022"], ["Leith", "310", "295"])[1] == "Harbour: Leith | 2021: 310 | 2022: 295"
    assert rendered(["", "Jan 2024", "Q2/24"], ["Rain", "1", "2"])[1] == "Rain | Jan 2024: 1 | Q2/24: 2"
    assert rendered(["31.03.2024", "30.06.2024"], ["7", "8"])[1] == "31.03.2024: 7 | 30.06.2024: 8"


def test_rows_of_names_and_years_are_values():
    assert rendered(["Ann", "1981"], ["Bob", "1982"], ["Cid", "1983"])[1] == "Bob | 1982"
    assert rendered(["City", "2020"], ["Bern", "old"])[1] == "Bern | old"


def test_two_header_rows_are_combined():
    rows = [["", "Landings", "", "Sales", ""], ["Port", "2023", "2024", "2023", "2024"], ["Wick", "5", "6", "7", "8"]]
    wanted = "Port: Wick | Landings 2023: 5 | Landings 2024: 6 | Sales 2023: 7 | Sales 2024: 8"
    assert rendered(*rows)[-1] == wanted
    grid = Grid()
    spread = [
        [Cell("Port", rows=2), Cell("Landings", columns=2), Cell("Sales", columns=2)],
        [Cell(year) for year in rows[1][1:]],
        [Cell(value) for value in rows[2]],
    ]
    builder = TextBuilder()
    add_rows(builder, [grid.row(cells) for cells in spread])
    assert builder.build(Path("x"), "").text.split("\n")[-1] == wanted


def test_a_wide_name_above_text_is_one_header():
    grid = Grid()
    rows = [[Cell("Name", columns=2), Cell("Town")], *([Cell(text) for text in row] for row in ["abc", "def", "ghi"])]
    builder = TextBuilder()
    add_rows(builder, [grid.row(cells) for cells in rows])
    assert builder.build(Path("x"), "").text.split("\n")[1] == "Name: a | Name: b | Town: c"


def test_merged_values_fill_the_rows_that_they_cover():
    grid = Grid()
    rows = [
        [Cell("Day"), Cell("Meal"), Cell("Dish")],
        [Cell("Friday", rows=2), Cell("Noon"), Cell("Pike")],
        [Cell("Evening"), Cell("Bread", columns=1)],
        [Cell(None), Cell("Night"), Cell("Tea")],
    ]
    builder = TextBuilder()
    add_rows(builder, [grid.row(cells) for cells in rows])
    assert builder.build(Path("x"), "").text.split("\n")[2:] == [
        "Day: Friday | Meal: Evening | Dish: Bread",
        "Day: Friday | Meal: Night | Dish: Tea",
    ]


def test_a_wider_header_follows_what_an_export_says_about_itself():
    rows = [
        ["Account", "77"],
        ["Until", "2024"],
        ["Date", "Payee", "Sum"],
        ["1.2.24", "Gas", "9"],
        ["2.2.24", "Rent", "8"],
    ]
    assert rendered(*rows)[-1] == "Date: 2.2.24 | Payee: Rent | Sum: 8"


def test_rows_of_labels_and_values_have_no_header():
    assert rendered(["Customer", "Anna Quist"], ["Town", "Leith"], ["Phone", "0131 555"])[1] == "Town | Leith"
    assert rendered(["Contract no.", "KV-2291"], ["Customer", "Anna Quist"], ["Town", "Leith"])[2] == "Town | Leith"
    assert rendered(["Customer:", "Anna Quist"], ["Town:", "Leith"], ["Pier:", "West"])[1] == "Town: | Leith"


def test_a_table_that_begins_with_its_values_has_no_header():
    rows = [["Pump 1", "7 bar", "Meier"], ["Pump 2", "14 bar", "Okafor"], ["Pump 3", "21 bar", "Meier"]]
    assert rendered(*rows) == ["Pump 1 | 7 bar | Meier", "Pump 2 | 14 bar | Okafor", "Pump 3 | 21 bar | Meier"]
    assert rendered(["anna@x.org", "Leith"], ["quist@x.org", "Crail"])[1] == "quist@x.org | Crail"


def test_labels_in_the_first_column_are_named_by_the_first_row():
    rows = [["Name", "Pump 1", "Pump 2"], ["Pressure", "7 bar", "14 bar"], ["Inspector", "Meier", "Okafor"]]
    assert rendered(*rows)[2] == "Name: Inspector | Pump 1: Meier | Pump 2: Okafor"


def test_an_empty_corner_above_words_that_come_back_is_one_header():
    rows = [["", "January", "February"], ["Crane north", "yes", "yes"], ["Slipway", "yes", "no"]]
    assert rendered(*rows)[1:] == [
        "Crane north | January: yes | February: yes",
        "Slipway | January: yes | February: no",
    ]


def test_what_an_export_says_about_itself_has_no_header():
    rows = [["Account", "DE12 3456"], ["Period", "January 2024"], ["Date", "Payee", "Sum"], ["1.2.24", "Gas", "9"]]
    assert rendered(*rows) == [
        "Account | DE12 3456",
        "Period | January 2024",
        "Date | Payee | Sum",
        "Date: 1.2.24 | Payee: Gas | Sum: 9",
    ]
