import datetime as dt
import io
import zipfile
from pathlib import Path

import openpyxl
import openpyxl.chart
import openpyxl.comments
import pytest

from ragcli.errors import LoadError
from ragcli.formats.blocks import LoadOptions
from ragcli.formats.ooxml import xlsx
from ragcli.formats.registry import load as load_any
from ragcli.types import Document, Reason


def saved(book: openpyxl.Workbook) -> bytes:
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()


def book_of(*sheets: tuple[str, list[list[object]]]) -> openpyxl.Workbook:
    book = openpyxl.Workbook()
    book.remove(book.active)
    for name, rows in sheets:
        sheet = book.create_sheet(name)
        for row in rows:
            sheet.append(row)
    return book


def read(source) -> Document:
    data = source if isinstance(source, bytes) else saved(source)
    return xlsx.load(Path("x.xlsx"), data, LoadOptions())


def test_sheets_are_pages_and_rows_carry_their_headers():
    document = read(
        book_of(
            ("Cities", [["City", "People"], ["Bern", 134_000]]),
            ("Nothing", []),
            ("Numbers", [[1, 2], [3, 4]]),
        )
    )
    found = [(b.page, b.kind, b.headings, document.text[b.start : b.end]) for b in document.blocks]
    assert found == [
        (1, "heading", ("Cities",), "Cities"),
        (1, "row", ("Cities",), "City | People"),
        (1, "row", ("Cities",), "City: Bern | People: 134000"),
        (3, "heading", ("Numbers",), "Numbers"),
        (3, "row", ("Numbers",), "1 | 2"),
        (3, "row", ("Numbers",), "3 | 4"),
    ]


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (0.1 + 0.2, "0.3"),
        (3.0, "3"),
        (1e-7, "1e-07"),
        (True, "TRUE"),
        (dt.datetime(2024, 2, 29), "2024-02-29"),
        (dt.datetime(2024, 2, 29, 13, 5), "2024-02-29 13:05:00"),
        (dt.time(13, 5), "13:05:00"),
        ("two\nlines", "two lines"),
        ("grüße 😀", "grüße 😀"),
    ],
)
def test_values_are_written_as_people_write_them(value, shown):
    assert read(book_of(("S", [[value, "end"]]))).text == f"S\n\n{shown} | end"


def test_cells_do_not_change_each_other():
    rows = [["Amount", "Article", "Country", "Units"], [1234567.89, "00471", "NA", 5], [0.1 + 0.2, "1e5", "None", None]]
    assert read(book_of(("Sheet", rows))).text.split("\n")[-2:] == [
        "Amount: 1234567.89 | Article: 00471 | Country: NA | Units: 5",
        "Amount: 0.3 | Article: 1e5 | Country: None",
    ]


def test_error_codes_are_left_out():
    assert "#DIV" not in read(book_of(("S", [["#DIV/0!", "kept"]]))).text


def test_a_wrong_size_in_the_file_does_not_cut_the_sheet():
    data = saved(book_of(("S", [[f"row {number}", number] for number in range(50)])))
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(out, "w") as new:
        for name in old.namelist():
            new.writestr(name, old.read(name).replace(b'<dimension ref="A1:B50"', b'<dimension ref="A1:A1"'))
    assert "row 49 | 49" in read(out.getvalue()).text


def test_rows_beyond_the_bound_are_cut_and_a_warning_says_so(monkeypatch):
    monkeypatch.setattr(xlsx, "MAX_CELLS", 10)
    document = read(book_of(("S", [[f"a{number}", f"b{number}"] for number in range(50)]), ("T", [["never read", 1]])))
    assert document.warnings == ("only the first 10 cells were read",)
    assert "a4" in document.text
    assert "a5" not in document.text
    assert "never read" not in document.text


def test_a_row_number_out_of_this_world_ends_the_sheet():
    data = saved(book_of(("S", [["first", 1], ["last", 2]])))
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(out, "w") as new:
        for name in old.namelist():
            content = old.read(name).replace(b'<row r="2"', b'<row r="2000000000"')
            new.writestr(name, content.replace(b'r="A2"', b'r="A2000000000"').replace(b'r="B2"', b'r="B2000000000"'))
    document = read(out.getvalue())
    assert "first" in document.text
    assert "last" not in document.text


def test_the_title_comes_from_the_properties():
    book = book_of(("S", [["x", 1]]))
    book.properties.title = "Budget of the year"
    assert read(book).title == "Budget of the year"


def test_an_empty_workbook_is_empty():
    with pytest.raises(LoadError) as caught:
        read(openpyxl.Workbook())
    assert caught.value.reason is Reason.EMPTY


@pytest.mark.parametrize("cut", [0.3, 0.9])
def test_a_cut_file_is_damaged(cut):
    data = saved(book_of(("S", [["x", 1]])))
    with pytest.raises(LoadError) as caught:
        read(data[: int(len(data) * cut)])
    assert caught.value.reason is Reason.DAMAGED


def test_a_sheet_that_is_no_xml_is_damaged():
    data = saved(book_of(("S", [["x", 1]])))
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(out, "w") as new:
        for name in old.namelist():
            new.writestr(name, b"<worksheet" if "sheet1" in name else old.read(name))
    with pytest.raises(LoadError) as caught:
        read(out.getvalue())
    assert caught.value.reason is Reason.DAMAGED


def test_values_are_those_that_the_sheet_shows():
    book = openpyxl.Workbook()
    sheet = book.active
    sheet.append(["Code", "Share", "Hours", "Note"])
    sheet.append([77, 0.125, dt.timedelta(hours=31, minutes=5), "a_x000D_\nb"])
    for cell, code in (("A2", "00000"), ("B2", "0.0%"), ("C2", "[h]:mm")):
        sheet[cell].number_format = code
    assert read(saved(book)).text.split("\n")[-1] == "Code: 00077 | Share: 12.5% | Hours: 31:05 | Note: a b"


def test_merged_cells_fill_their_area():
    book = openpyxl.Workbook()
    sheet = book.active
    for row in (["Catch", "Fish", None, "Crab", None], [None, "2023", "2024", "2023", "2024"], ["Wick", 1, 2, 3, 4]):
        sheet.append(row)
    sheet.append(["Oban", 5, 6, 7, 8])
    sheet["A5"] = "Both"
    sheet["B5"], sheet["C5"] = 6, 8
    sheet["D6"], sheet["E6"] = 1, 2
    for area in ("A1:A2", "B1:C1", "D1:E1", "A5:A6"):
        sheet.merge_cells(area)
    assert read(saved(book)).text.split("\n")[4:] == [
        "Catch: Wick | Fish 2023: 1 | Fish 2024: 2 | Crab 2023: 3 | Crab 2024: 4",
        "Catch: Oban | Fish 2023: 5 | Fish 2024: 6 | Crab 2023: 7 | Crab 2024: 8",
        "Catch: Both | Fish 2023: 6 | Fish 2024: 8",
        "Catch: Both | Crab 2023: 1 | Crab 2024: 2",
    ]


@pytest.mark.parametrize("zero", [False, True])
def test_formulas_without_a_value_are_shown_with_a_warning(zero):
    book = openpyxl.Workbook()
    book.active.append(["Part", "Price"])
    book.active.append(["Sluice", "=6*7"])
    data = saved(book)
    if zero:  # as XlsxWriter writes them
        data = changed(
            data, "xl/worksheets/sheet1.xml", b"<v></v>", b"<v>0</v>", b"<v/>", b"<v>0</v>", b"<v />", b"<v>0</v>"
        )
        data = changed(data, "xl/workbook.xml", b"<calcPr ", b'<calcPr fullCalcOnLoad="1" ')
    document = read(data)
    assert document.text.split("\n")[-1] == "Part: Sluice | Price: =6*7"
    assert "1 formulas have no stored value" in document.warnings[0]


@pytest.mark.parametrize("number_format", ["yyyy-mm-dd", "[h]:mm", "0.00", "@"])
def test_the_zero_that_xlsxwriter_stores_under_any_format_is_no_value(number_format):
    xlsxwriter = pytest.importorskip("xlsxwriter")
    out = io.BytesIO()
    with xlsxwriter.Workbook(out) as book:
        sheet = book.add_worksheet()
        sheet.write_row(0, 0, ["Part", "Due"])
        sheet.write(1, 0, "Sluice")
        sheet.write_formula(1, 1, "=DATE(2026,11,28)", book.add_format({"num_format": number_format}))
    assert read(out.getvalue()).text.split("\n")[-1] == "Part: Sluice | Due: =DATE(2026,11,28)"


@pytest.mark.parametrize("number_format", [27, 31, 36, 50, 58, 71, 81])
@pytest.mark.parametrize("date_1904", [False, True])
def test_built_in_formats_of_east_asian_and_thai_dates_are_dates(number_format, date_1904):
    xlsxwriter = pytest.importorskip("xlsxwriter")
    out = io.BytesIO()
    with xlsxwriter.Workbook(out, {"date_1904": date_1904}) as book:
        sheet = book.add_worksheet()
        sheet.write_row(0, 0, ["Part", "Due"])
        sheet.write(1, 0, "Sluice")
        sheet.write_datetime(1, 1, dt.datetime(2026, 11, 28), book.add_format({"num_format": number_format}))
    assert read(out.getvalue()).text.split("\n")[-1] == "Part: Sluice | Due: 2026-11-28"


def test_formulas_are_shown_under_the_names_that_people_type():
    xlsxwriter = pytest.importorskip("xlsxwriter")
    out = io.BytesIO()
    with xlsxwriter.Workbook(out, {"use_future_functions": True}) as book:
        sheet = book.add_worksheet()
        sheet.write_row(0, 0, ["Part", "Price"])
        sheet.write(1, 0, "Sluice")
        sheet.write_dynamic_array_formula("B2", "=FILTER(D1:D9,LET(limit,5,D1:D9>limit))", None, "")
    assert read(out.getvalue()).text.split("\n")[-1] == "Part: Sluice | Price: =FILTER(D1:D9,LET(limit,5,D1:D9>limit))"


def test_the_false_zeros_of_an_array_formula_are_not_shown():
    xlsxwriter = pytest.importorskip("xlsxwriter")
    out = io.BytesIO()
    with xlsxwriter.Workbook(out) as book:
        sheet = book.add_worksheet()
        sheet.write_row(0, 0, ["Net", "Gross", "Fee"])
        for row in (1, 2, 3):
            sheet.write_row(row, 0, [10 * row, "", 0])
        sheet.write_array_formula("B2:B3", "{=A2:A3*1.2}")
        sheet.write(3, 1, 0)
    assert read(out.getvalue()).text.split("\n")[-3:] == [
        "Net: 10 | Gross: =A2:A3*1.2 | Fee: 0",
        "Net: 20 | Fee: 0",
        "Net: 30 | Gross: 0 | Fee: 0",
    ]


def changed(data: bytes, name: str, *pairs: bytes) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as archive, zipfile.ZipFile(out, "w") as written:
        for member in archive.namelist():
            content = archive.read(member)
            if member == name:
                for old, new in zip(pairs[::2], pairs[1::2], strict=True):
                    if b"fullCalcOnLoad" in new and b"fullCalcOnLoad" in content:
                        continue
                    content = content.replace(old, new)
            written.writestr(member, content)
    return out.getvalue()


def test_notes_and_chart_titles_are_read():
    book = openpyxl.Workbook()
    sheet = book.active
    for row in (["Year", "Catch"], [1, 20], [2, 30]):
        sheet.append(row)
    sheet["B2"].comment = openpyxl.comments.Comment("Scales were broken.", "Ann")
    chart = openpyxl.chart.BarChart()
    chart.title = "Catch of the fleet"
    chart.add_data(openpyxl.chart.Reference(sheet, min_col=2, min_row=1, max_row=3), titles_from_data=True)
    sheet.add_chart(chart, "D1")
    text = read(saved(book)).text
    assert "Chart: Catch of the fleet" in text
    assert "Comment on B2: Scales were broken." in text


def test_strict_workbooks_and_templates_are_read():
    data = saved(book_of(("S", [["Name", "Town"], ["Ann", "Wick"]])))
    main, office = (
        "schemas.openxmlformats.org/spreadsheetml/2006/main",
        "schemas.openxmlformats.org/officeDocument/2006/",
    )
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as archive, zipfile.ZipFile(out, "w") as written:
        for member in archive.namelist():
            content = archive.read(member).decode()
            content = content.replace(main, "purl.oclc.org/ooxml/spreadsheetml/main")
            written.writestr(member, content.replace(office, "purl.oclc.org/ooxml/officeDocument/"))
    assert read(out.getvalue()).text == read(data).text
    assert load_any(Path("a.xltx"), data, LoadOptions()).loader == "xlsx"


def test_a_strict_file_is_read_like_the_usual_one():
    book = book_of(("Rents", [["House", "Rent", "Since"], ["Pier 4", 850.5, dt.date(2026, 11, 28)]]))
    out = io.BytesIO()
    usual, strict = b"http://schemas.openxmlformats.org/", b"http://purl.oclc.org/ooxml/"
    with zipfile.ZipFile(io.BytesIO(saved(book))) as source, zipfile.ZipFile(out, "w") as written:
        for name in source.namelist():
            content = source.read(name)
            for kind in (b"spreadsheetml", b"drawingml", b"officeDocument"):
                if name != "[Content_Types].xml":
                    content = content.replace(usual + kind + b"/2006/", strict + kind + b"/")
            written.writestr(name, content)
    assert "2026-11-28" in read(book).text
    assert load_any(Path("x.xlsx"), out.getvalue(), LoadOptions()).text == read(book).text
