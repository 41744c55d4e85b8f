from pathlib import Path

from ragcli.formats import text
from ragcli.formats.blocks import LoadOptions


def blocks(content: str, name: str = "a.txt") -> list[tuple[str, str, tuple[str, ...]]]:
    document = text.load(Path(name), content.encode(), LoadOptions())
    return [(document.text[b.start : b.end], b.kind, b.headings) for b in document.blocks]


def test_paragraphs_end_at_blank_lines_and_keep_their_indentation():
    assert blocks("\n\none\ntwo\n \t \n  three\n\n") == [("one\ntwo", "paragraph", ()), ("  three", "paragraph", ())]


def test_each_line_of_lines_is_a_record():
    found = blocks("Guide\n=====\n\n  one\n", "log.lines")
    assert found == [("Guide", "record", ()), ("=====", "record", ()), ("  one", "record", ())]


def test_underlined_titles_open_sections():
    found = blocks("Guide\n=====\n\nIntro.\n\nInstall\n-------\nRun it.\n\n*****\n\nUse\n---\nText.\n")
    assert found == [
        ("Guide\n=====", "heading", ("Guide",)),
        ("Intro.", "paragraph", ("Guide",)),
        ("Install\n-------", "heading", ("Guide", "Install")),
        ("Run it.", "paragraph", ("Guide", "Install")),
        ("*****", "paragraph", ("Guide", "Install")),
        ("Use\n---", "heading", ("Guide", "Use")),
        ("Text.", "paragraph", ("Guide", "Use")),
    ]


def test_a_banner_has_a_line_above_too():
    assert blocks("======\n A  B\n======\ntext")[0] == ("======\n A  B\n======", "heading", ("A B",))


def test_rules_and_tables_are_no_titles():
    for content in (
        "Name  Age\n----  ---\nAda   36",
        "a sentence\n----------------------------\nmore",
        "----\nFrom: me\n====",
    ):
        assert blocks(content) == [(content, "paragraph", ())]


def test_form_feeds_count_pages():
    document = text.load(Path("rfc.txt"), b"one\n\f\ntwo\n\nthree\n\f\f\nfour\n", LoadOptions())
    assert [(document.text[b.start : b.end], b.page) for b in document.blocks] == [
        ("one", 1),
        ("two", 2),
        ("three", 2),
        ("four", 4),
    ]
    assert document.text == "one\n\f\ntwo\n\nthree\n\f\f\nfour\n"


def test_text_without_form_feeds_has_no_pages():
    assert text.load(Path("a.txt"), b"one", LoadOptions()).blocks[0].page is None


def test_the_title_is_the_first_heading():
    assert text.load(Path("a.txt"), b"intro\n\nName\n====\n", LoadOptions()).title == "Name"
    assert text.load(Path("a.txt"), b"intro\n", LoadOptions()).title == ""


def test_crlf_lines_keep_their_numbers():
    document = text.load(Path("a.txt"), b"\xef\xbb\xbfone\r\n\r\ntwo\r\n", LoadOptions())
    assert document.text == "one\n\ntwo\n"


def test_rows_of_a_table_with_tabs_know_their_columns():
    assert [(b.kind, b.columns) for b in text_blocks("Hook\tLoad\nNorth\t12 t\nSouth\t9 t\n")] == [
        ("row", ""),
        ("row", "Hook | Load"),
        ("row", "Hook | Load"),
    ]
    assert {b.columns for b in text_blocks("1\t2\n3\t4\n5\t6\n")} == {""}
    assert {b.kind for b in text_blocks("\tindented\n\tlines\n\tonly\n")} == {"paragraph"}
    assert {b.kind for b in text_blocks("a\tb\nother lines\nc\td\n")} == {"paragraph"}


def text_blocks(content: str):
    return text.load(Path("a.txt"), content.encode(), LoadOptions()).blocks
