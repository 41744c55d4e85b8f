import pytest

from ragcli.formats.numbering import numeral


@pytest.mark.parametrize(
    ("number", "form", "shown"),
    [
        (3, "1", "3"), (3, "?", "3"), (3, "a", "c"), (26, "A", "Z"), (27, "a", "aa"), (28, "a", "ab"), (53, "a", "ba"),
        (703, "A", "AAA"), (4, "i", "iv"), (1994, "I", "MCMXCIV"), (0, "a", "0"), (-2, "i", "-2"), (4000, "i", "4000"),
    ],
)  # fmt: skip
def test_numbers_are_written_as_in_html(number, form, shown):
    """By the alphabetic and the additive systems of CSS Counter Styles."""
    assert numeral(number, form) == shown


def test_word_doubles_letters_after_z():
    assert [numeral(number, "a", doubled=True) for number in (26, 27, 28, 52, 53)] == ["z", "aa", "bb", "zz", "aaa"]
