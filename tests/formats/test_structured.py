import json
from pathlib import Path

import pytest

from ragcli.formats import structured
from ragcli.formats.blocks import LoadOptions
from ragcli.formats.registry import load as load_any


def blocks(name: str, content: str) -> list[tuple[str, tuple[str, ...]]]:
    document = structured.load(Path(name), content.encode(), LoadOptions())
    assert document.text == content
    return [(document.text[b.start : b.end], b.headings) for b in document.blocks]


@pytest.mark.parametrize("indent", [1, 2, 4, "\t"])
def test_json_entries_are_blocks(indent):
    records = [{"name": f"n{number}", "tags": ["x", {"y": 1}]} for number in range(3)]
    found = [content for content, _ in blocks("a.json", json.dumps(records, indent=indent))]
    assert len(found) == 3
    for content, record in zip(found, records, strict=True):
        assert json.loads(content.strip().strip("[],")) == record


def test_a_json_object_is_cut_at_its_keys():
    text = '{\n  "a": 1,\n  "b": {\n    "c": [2]\n  },\n  "d": 3\n}\n'
    assert [content for content, _ in blocks("a.json", text)] == [
        '{\n  "a": 1,',
        '  "b": {\n    "c": [2]\n  },',
        '  "d": 3\n}',
    ]


def test_minified_json_is_one_block():
    text = json.dumps([{"n": number} for number in range(10_000)])
    assert blocks("a.json", text) == [(text, ())]


def test_json_lines_are_rows():
    document = structured.load(Path("a.jsonl"), b'{"a": 1}\n\n{"b": 2}\n', LoadOptions())
    assert [(document.text[b.start : b.end], b.kind) for b in document.blocks] == [
        ('{"a": 1}', "row"),
        ('{"b": 2}', "row"),
    ]


def test_yaml_is_cut_at_its_top_keys():
    text = "---\n# settings\na: 1\nb:\n  c: 2\n\n  d: 3\n- e\n"
    assert [content for content, _ in blocks("a.yaml", text)] == [
        "---\n# settings",
        "a: 1",
        "b:\n  c: 2\n\n  d: 3",
        "- e",
    ]


def test_sections_of_toml_and_ini_are_headings():
    text = "a = 1\n\n[tool.x]  # comment\nb = [\n  2,\n]\n[[list]]\nc = 3\n"
    assert blocks("a.toml", text) == [
        ("a = 1", ()),
        ("[tool.x]  # comment\nb = [\n  2,\n]", ("tool.x",)),
        ("[[list]]\nc = 3", ("list",)),
    ]


def test_xml_is_cut_below_its_root():
    text = '<?xml version="1.0"?>\n<root>\n  <a>\n    <b/>\n  </a>\n  <c/>\n</root>\n'
    assert [content for content, _ in blocks("a.xml", text)] == [
        '<?xml version="1.0"?>',
        "<root>",
        "  <a>\n    <b/>\n  </a>",
        "  <c/>\n</root>",
    ]


def test_damaged_json_is_still_text():
    assert blocks("a.json", '{\n  "a": 1,\n  "b"') == [('{\n  "a": 1,', ()), ('  "b"', ())]


@pytest.mark.parametrize(
    ("name", "raw", "text"),
    [
        ("a.json", '{"a": "\\u041f\\u0440\\u0438 \\ud83d\\ude00 \\"x\\"\\nline"}', '{"a": "При 😀 "x" line"}'),
        ("a.jsonl", '{"m": "\\u00e9t\\u00e9"}\n{"m": "C:\\\\tmp"}', '{"m": "été"}\n{"m": "C:\\tmp"}'),
        ("a.xml", "<a>R&#233;sum&eacute; &amp; &#x41f;</a>", "<a>Résumé & П</a>"),
        ("a.properties", "name = Gr\\u00f6\\u00dfe", "name = Größe"),
        ("a.json", '{"broken": "\\ud83d alone \\u12"}', '{"broken": "\\ud83d alone \\u12"}'),
    ],
)
def test_escapes_are_decoded_on_their_lines(name, raw, text):
    assert load_any(Path(name), raw.encode(), LoadOptions()).text == text


@pytest.mark.parametrize(
    ("name", "raw", "text"),
    [
        (
            "a.yaml",
            'k: "Schl\\xFCssel \\u2013 \\U0001F600 C:\\\\x41"',
            'k: "Schlüssel – 😀 C:\\\\x41"',
        ),  # as PyYAML writes
        ("a.toml", 'k = "Schl\\u00fcssel"', 'k = "Schlüssel"'),
        ("a.bib", 'author={G{\\"o}del and M{\\"u}ller}', "author={Gödel and Müller}"),
        ("a.svg", "<svg><text>Caf&#233;</text></svg>", "<svg><text>Café</text></svg>"),
        ("a.webmanifest", '{"name": "Schl\\u00fcssel"}', '{"name": "Schlüssel"}'),
        ("package", '[{"name": "Schl\\u00fcssel"}]', '[{"name": "Schlüssel"}]'),
        ("book.tei", '<?xml version="1.0"?><p>Caf&#233;</p>', '<?xml version="1.0"?><p>Café</p>'),
    ],
)
def test_escapes_of_other_formats_and_under_other_names(name, raw, text):
    assert load_any(Path(name), raw.encode(), LoadOptions()).text == text


def test_xml_is_in_the_encoding_that_it_declares():
    raw = '<?xml version="1.0" encoding="windows-1250"?><a>Klíč</a>'
    assert load_any(Path("a.xml"), raw.encode("cp1250"), LoadOptions()).text == raw
    assert load_any(Path("a.xml"), raw.encode(), LoadOptions()).text == raw  # an editor saved it as UTF-8
