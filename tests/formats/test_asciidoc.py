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
