from pathlib import Path

from ragcli.formats.blocks import TextBuilder
from ragcli.formats.rows import add_rows


def rendered(*rows: list[str]) -> list[str]:
    builder = TextBuilder()
    add_rows(builder, rows)
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
