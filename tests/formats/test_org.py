from pathlib import Path

from ragcli.formats.blocks import LoadOptions
from ragcli.formats.registry import load


def found(source: str) -> list[tuple[str, str, str, tuple[str, ...]]]:
    document = load(Path("a.org"), source.encode(), LoadOptions())
    assert document.text == source
    return [(source[b.start : b.end], b.kind, b.columns, b.headings) for b in document.blocks]


def test_headings_open_sections_under_their_names():
    assert found("* One\ntext\n** TODO [#A] Two [1/3] :crane:urgent:\nmore *bold*\n") == [
        ("* One", "heading", "", ("One",)),
        ("text", "paragraph", "", ("One",)),
        ("** TODO [#A] Two [1/3] :crane:urgent:", "heading", "", ("One", "Two")),
        ("more *bold*", "paragraph", "", ("One", "Two")),
    ]


def test_the_title_is_the_one_that_the_file_states():
    assert load(Path("a.org"), b"#+title: Harbour log\n* One\n", LoadOptions()).title == "Harbour log"
    assert load(Path("a.org"), b"* [[x][One]]\n", LoadOptions()).title == "One"


def test_rows_of_a_table_know_their_columns_also_right_below_text():
    source = "* Pumps\nThese:\n| Name | Load |\n|------+------|\n| P1   | 3    |\n| P2   | 4    |\n#+TBLFM: $2=1\n"
    assert [(text, kind, columns) for text, kind, columns, _ in found(source)[1:]] == [
        ("These:", "paragraph", ""),
        ("| Name | Load |\n|------+------|", "row", ""),
        ("| P1   | 3    |", "row", "Name | Load"),
        ("| P2   | 4    |", "row", "Name | Load"),
        ("#+TBLFM: $2=1", "paragraph", ""),
    ]


def test_a_table_without_a_rule_has_no_columns_and_one_may_stand_on_top():
    assert [columns for _, _, columns, _ in found("| a | b |\n| c | d |\n")] == ["", ""]
    assert [columns for _, _, columns, _ in found("|---+---|\n| a | b |\n|---+---|\n| c | d |\n")] == ["", "a | b"]


def test_code_is_one_block_in_which_nothing_is_a_heading():
    source = "#+BEGIN_SRC sh\n* not a heading\n\nls\n#+end_src\nafter\n"
    assert [(text, kind) for text, kind, _, _ in found(source)] == [
        ("#+BEGIN_SRC sh\n* not a heading\n\nls\n#+end_src", "code"),
        ("after", "paragraph"),
    ]
    assert found("#+begin_src\nopen")[0][1] == "code"
