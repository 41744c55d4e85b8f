from pathlib import Path

from ragcli.formats.blocks import LoadOptions
from ragcli.formats.registry import load

TEXT = """= Weir manual
Ann Quist

== Gates

Open them slowly.

[NOTE]
====
Mind the ice.
====

----
== not a heading
----

=== Upper gate ===

|===
|Part |Weight

|Leaf |2 t
|Post |1 t
|===

* one
* two
"""


def test_sections_delimiters_and_tables():
    document = load(Path("a.adoc"), TEXT.encode(), LoadOptions())
    assert document.title == "Weir manual"
    found = [(b.kind, b.headings[-1], b.columns, TEXT[b.start : b.end]) for b in document.blocks]
    assert document.text == TEXT
    assert [one for one in found if one[0] == "heading"] == [
        ("heading", "Weir manual", "", "= Weir manual"),
        ("heading", "Gates", "", "== Gates"),
        ("heading", "Upper gate ===", "", "=== Upper gate ==="),
    ]
    assert ("paragraph", "Gates", "", "[NOTE]\n====\nMind the ice.\n====") in found
    assert ("code", "Gates", "", "----\n== not a heading\n----") in found
    assert ("row", "Upper gate ===", "", "|===\n|Part |Weight") in found
    assert ("row", "Upper gate ===", "Part | Weight", "|Post |1 t\n|===") in found
    assert found[-1] == ("list", "Upper gate ===", "", "* one\n* two")


def rows(source: str) -> list[tuple[str, str]]:
    document = load(Path("a.adoc"), source.encode(), LoadOptions())
    return [(document.text[b.start : b.end], b.columns) for b in document.blocks if b.kind == "row"]


def test_a_row_may_take_a_line_for_each_cell():
    cells = "|Hook\n|Load\n\n|North\n|12 t\n|South\n|9 t\n|==="
    assert rows(f"[%header,cols=2*]\n|===\n{cells}") == [
        ("|===\n|Hook\n|Load", ""),
        ("|North\n|12 t", "Hook | Load"),
        ("|South\n|9 t\n|===", "Hook | Load"),
    ]
    assert [columns for _, columns in rows(f'[cols="1,2"]\n|===\n{cells}')] == ["", "", ""]


def test_a_header_may_be_stated_and_rows_differ_in_form():
    source = '[cols="1,2",options="header"]\n|===\n|Hook |Load\n|North |12 t\n|South\n|9 t\n|===\n'
    assert rows(source) == [
        ("|===\n|Hook |Load", ""),
        ("|North |12 t", "Hook | Load"),
        ("|South\n|9 t\n|===", "Hook | Load"),
    ]


def test_names_of_texts_are_written_out():
    source = ":crane: Liebherr 550\n\nThe {crane}, the {other} and \\{crane}.\n"
    document = load(Path("a.adoc"), source.encode(), LoadOptions())
    assert document.text == ":crane: Liebherr 550\n\nThe Liebherr 550, the {other} and \\{crane}.\n"
