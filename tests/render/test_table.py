import io

import pytest

from ragcli.render.table import write_table


def table(rows, header, *, color=False, width=None):
    out = io.StringIO()
    write_table(rows, header, out, color=color, width=width)
    return out.getvalue()


def test_columns_align_and_numbers_stand_right():
    rows = [["notes.md", "3", "1.4 KiB"], ["a/long name.pdf", "120", "23 MiB"]]
    assert table(rows, ["path", "chunks", "size"]) == (
        "path             chunks     size\nnotes.md              3  1.4 KiB\na/long name.pdf     120   23 MiB\n"
    )


def test_wide_characters_take_two_columns():
    assert table([["中文", "x"], ["abcde", "y"]], ["name", "is"]) == "name   is\n中文   x\nabcde  y\n"


def test_text_in_cells_cannot_break_the_table():
    assert table([["a\nb\x1b[2J", "[bold]"]], ["one", "two"]) == "one      two\na b␛[2J  [bold]\n"


def test_no_rows_is_a_header():
    assert table([], ["one", "two"]) == "one  two\n"


def test_the_header_is_bold_in_colour():
    assert table([["1"]], ["n"], color=True) == "\x1b[1mn\x1b[0m\n1\n"


def test_a_row_of_another_length_is_refused():
    with pytest.raises(ValueError, match="zip"):
        table([["1", "2"]], ["n"])


def test_a_table_that_is_too_wide_gives_the_first_column_lines_of_its_own():
    rows, header = [["a/long name.pdf", "120", "pdf"], ["b.md", "3", "markdown"]], ["path", "chunks", "kind"]
    assert table(rows, header, width=33) == table(rows, header)
    assert table(rows, header, width=32) == (
        "path\n    chunks  kind\na/long name.pdf\n       120  pdf\nb.md\n         3  markdown\n"
    )
    assert table(rows, header, width=12) == (
        "path\n    chunks\n    kind\na/long name.pdf\n    120\n    pdf\nb.md\n    3\n    markdown\n"
    )
