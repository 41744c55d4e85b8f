"""Number formats against what Excel and LibreOffice show for them (ECMA-376 part 1, 18.8.31)."""

import datetime as dt

import pytest

from ragcli.formats.ooxml.numberformats import shown_date, shown_number, shown_time


@pytest.mark.parametrize(
    ("value", "code", "shown"),
    [
        (42, "General", "42"),
        (0.1 + 0.2, "General", "0.3"),
        (7, "0000", "0007"),
        (0.375, "0.0%", "37.5%"),
        (2, "0%", "200%"),
        (1234567.5, "#,##0.00", "1,234,567.50"),
        (-12, "#,##0.00 [$€-1]", "-12.00 €"),
        (99.5, '"£"#,##0.00', "£99.50"),
        (-5, "0.0;(0.0)", "(5.0)"),
        (0, '0;-0;"none"', "none"),
        (12, "[Red]0;[Blue]-0", "12"),
        (5551234, "000-0000", "555-1234"),
        (493012345678, r"\+00\ 000\ 0000000", "+49 301 2345678"),
        (1500000, '0.0,,"M"', "1.5M"),
        (2.25, "# ?/?", "2 1/4"),
        (12345, "0.00E+00", "1.23E+04"),
        (3, '0 "pumps"', "3 pumps"),
        (1.5, "0.0##", "1.5"),
        (5, "", "5"),
        (12.5, 'General" mm"', "12.5 mm"),
        (-3, '"about "General', "about -3"),
    ],
)
def test_numbers(value, code, shown):
    assert shown_number(value, code) == shown


def test_elapsed_times_and_dates():
    assert shown_time(dt.timedelta(hours=30, minutes=15), "[h]:mm") == "30:15"
    assert shown_time(dt.timedelta(minutes=90, seconds=5), "[mm]:ss") == "90:05"
    assert shown_date(dt.datetime(2024, 3, 1), "yyyy") == "2024"
    assert shown_date(dt.datetime(2024, 3, 1), "mmm yy") == "2024-03"
    assert shown_date(dt.datetime(2024, 3, 1), "dd/mm/yyyy") == "2024-03-01"
    assert shown_date(dt.datetime(2024, 3, 1, 9, 30), "dd/mm/yyyy hh:mm") == "2024-03-01 09:30:00"
