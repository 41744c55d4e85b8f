import csv
import io
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ragcli.errors import LoadError
from ragcli.formats import table
from ragcli.formats.blocks import LoadOptions
from ragcli.types import Reason


def load(data: str | bytes, name: str = "a.csv"):
    return table.load(Path(name), data.encode() if isinstance(data, str) else data, LoadOptions())


def test_rows_name_their_columns():
    document = load("name,age,city\nAda,36,London\nAlan,41,\n")
    assert document.text == "name | age | city\nname: Ada | age: 36 | city: London\nname: Alan | age: 41\n"
    assert [document.text[b.start : b.end] for b in document.blocks] == document.text.splitlines()
    assert {block.kind for block in document.blocks} == {"row"}


@pytest.mark.parametrize("first", ["1,2", "a,a", "a,,b", "2024,x"])
def test_a_first_row_with_numbers_twins_or_gaps_is_no_header(first):
    assert load(f"{first}\nx,y\n").text.splitlines()[1] == "x | y"


def test_captions_stand_above_the_header_and_delimiters_may_end_lines():
    assert (
        load("Cups,,\nTeam,City,Cups\nBlues,STL,1\n").text
        == "Cups\nTeam | City | Cups\nTeam: Blues | City: STL | Cups: 1\n"
    )
    assert load("a;b;\n1;2;\n").text == "a | b\na: 1 | b: 2\n"


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_the_delimiter_is_found(delimiter):
    rows = [["name", "note"], ["Ada", "one, two; three"], ["Alan", "x|y"], ["Grace", 'say "hi"']]
    buffer = io.StringIO()
    csv.writer(buffer, delimiter=delimiter).writerows(rows)
    lines = load(buffer.getvalue()).text.splitlines()
    assert lines == ["name | note", *(f"name: {name} | note: {note}" for name, note in rows[1:])]


def test_lines_of_text_are_one_column():
    assert load("Lorem, ipsum\ndolor\nsit\nunt\nam, et\n").text == "Lorem, ipsum\ndolor\nsit\nunt\nam, et\n"


def test_tsv_is_not_guessed():
    assert load("a,b\tc\n1,2\t3\n", "a.tsv").text == "a,b | c\na,b: 1,2 | c: 3\n"


def test_a_record_stands_on_the_line_where_it_begins():
    document = load('a,b\n"one\ntwo",x\n\n3,y\n')
    assert document.text == "a | b\na: one two | b: x\n\n\na: 3 | b: y\n"


def test_a_stray_quote_does_not_swallow_the_file():
    rows = [f"{number},plain" for number in range(1000)]
    rows[3] = '"3,plain'
    document = load("\n".join(["n,text", *rows]))
    assert len(document.blocks) == 1001
    assert document.text.splitlines()[1000] == "n: 999 | text: plain"


def test_ragged_rows_nul_and_huge_cells():
    huge = "x" * 300_000
    document = load(f"a,b\n1\n1,2,3\n\x00,{huge}\n")
    assert document.text.splitlines() == ["a | b", "a: 1", "a: 1 | b: 2 | 3", f"a: \ufffd | b: {huge}"]
    assert csv.field_size_limit() < 300_000


def test_cells_without_text_are_an_empty_file():
    with pytest.raises(LoadError) as caught:
        load(',,\n"",\n')
    assert caught.value.reason is Reason.EMPTY


def test_utf_16_as_spreadsheets_write_it():
    assert load("name\tage\nÅsa\t3\n".encode("utf-16")).text == "name | age\nname: Åsa | age: 3\n"


CELL = st.text(st.sampled_from('ab1 ,;"\n'), max_size=5)


@given(st.lists(st.lists(CELL, min_size=2, max_size=2), min_size=3, max_size=8))
def test_line_numbers_are_those_of_the_file(rows):
    rows = [["first", "second"], *rows, ["marker", "end"]]
    buffer = io.StringIO()
    csv.writer(buffer, quoting=csv.QUOTE_ALL, lineterminator="\n").writerows(rows)
    text = load(buffer.getvalue()).text
    wanted = buffer.getvalue().count("\n", 0, buffer.getvalue().index('"marker"'))
    assert text.count("\n", 0, text.index("marker")) == wanted


def test_the_header_of_a_bank_export_stands_below_its_preamble():
    text = load(
        'Konto;"DE12 3456";;\nZeitraum;01.02.2024 - 29.02.2024;;\n\n'
        "Buchung;Empfänger;Zweck;Betrag\n01.02.2024;Stadtwerke;Strom, Gas;-81,20\n05.02.2024;Quist;Miete;-900,00\n"
    ).text
    assert text.splitlines()[4] == "Buchung: 01.02.2024 | Empfänger: Stadtwerke | Zweck: Strom, Gas | Betrag: -81,20"


def test_years_head_their_columns():
    assert load("Town,2023,2024\nLeith,41000,41200\n").text.splitlines()[1] == "Town: Leith | 2023: 41000 | 2024: 41200"


def test_columns_of_one_name_beside_each_other_are_a_header():
    lines = load("Summary,Key,Status,Comment,Comment\nLeak,OPS-1,Open,one,two\nNoise,OPS-2,Done,,\n").text.splitlines()
    assert lines[1:] == [
        "Summary: Leak | Key: OPS-1 | Status: Open | Comment: one | Comment: two",
        "Summary: Noise | Key: OPS-2 | Status: Done",
    ]
    values = "Leith,North,open,yes,yes\nOban,South,shut,yes,no\n"
    assert load(values).text.splitlines()[1] == "Oban | South | shut | yes | no"
