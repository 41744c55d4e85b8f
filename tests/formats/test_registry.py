import gzip
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ragcli.errors import LoadError
from ragcli.formats import registry as loaders
from ragcli.formats.blocks import LoadOptions
from ragcli.types import Reason

OPTIONS = LoadOptions()
NAMES = list(loaders._LOADERS)
# The formats whose text is the file, line for line.
TEXT_SUFFIXES = [".txt", ".org", ".tex", ".py", ".c", ".md", ".rst", ".json", ".jsonl", ".yaml", ".toml", ".xml"]


@pytest.mark.parametrize("name", NAMES)
def test_each_module_of_the_list_exports_a_loader(name):
    assert callable(import_module(f"ragcli.formats.{loaders._LOADERS[name].module}").load)


def test_a_document_names_its_loader():
    assert loaders.load(Path("a.py"), b"x = 1\n", OPTIONS).loader == "source"
    assert loaders.load(Path("a.htm"), b"<p>x", OPTIONS).loader == "html"


def test_no_suffix_has_two_loaders_or_is_binary():
    suffixes = [suffix for entry in loaders._LOADERS.values() for suffix in entry.suffixes]
    assert len(suffixes) == len(set(suffixes)) == len(loaders.SUPPORTED_SUFFIXES)
    assert not loaders._BINARY_SUFFIXES & set(suffixes)


def test_a_loader_that_is_gone_has_no_version():
    assert loaders.version_of("wordstar") == 0
    assert sum(map(loaders.version_of, NAMES)) == loaders.ALL_VERSIONS


@pytest.mark.parametrize(
    ("name", "head", "loader"),
    [
        ("a.md", b"# Title", "markdown"),
        ("A.MD", b"# Title", "markdown"),
        ("a.pdf", b"%PDF-1.7", "pdf"),
        ("a.txt", b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\x00\x00\x00", "pdf"),
        ("a", b"%PDF-1.7\n\x00", "pdf"),
        ("a.docx", b"", "docx"),
        ("a.odt", b"", "odf"),
        ("a.FODS", b"<?xml", "odf"),
        ("README", b"Read me", "text"),
        ("notes.unknown", b"some text", "text"),
        ("notes.unknown", b"some\x00binary", None),
        ("Makefile", b"all:\n\ttrue\n", "source"),
        ("run", b"#!/bin/sh\ntrue\n", "source"),
        ("a.rs", b"fn main() {}", "source"),
        ("a.txt", "été".encode("utf-16"), "text"),
        ("a.txt", "plain".encode("utf-16-le"), "text"),
        ("a.log", b"line\n" * 100 + b"\x00" + b"line\n" * 100, "text"),
        ("a.txt", bytes(range(256)) * 4, None),
        ("a.ts", b"G" + bytes(range(256)), None),
        ("a.ts", b"export const a = 1;\n", "source"),
        ("a.gif", b"", None),
        ("a.doc", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "doc"),
        ("a.doc", b"{\\rtf1", "rtf"),
        ("a.docx", b"PK\3\4", "docx"),
        ("a.dot", b"digraph { a -> b }\n", "text"),
        ("a.pot", b'msgid "Lock"\n', "text"),
        ("a.msg", b"string name\nfloat64 x\n", "text"),
        (".bashrc", b"export A=1\n", "source"),
        ("empty", b"", "text"),
    ],
)
def test_suffix_first_then_content(name, head, loader):
    assert loaders.loader_for(Path(name), head) == loader


@pytest.mark.parametrize(
    ("name", "data", "reason"),
    [
        ("a.txt", b"", Reason.EMPTY),
        ("a.docx", b"", Reason.EMPTY),
        ("a.md", b" \r\n\t\n", Reason.EMPTY),
        ("a.html", "\u00a0\n\u2003".encode(), Reason.EMPTY),
        ("a.txt", "\ufeff \n".encode(), Reason.EMPTY),
        ("a.csv", b",,\n,,\n", Reason.EMPTY),
        ("a.pdf", b"just some text", Reason.DAMAGED),
        ("a.docx", b"just some text", Reason.DAMAGED),
        ("a.xlsx", b"%PDF-1.7 and more", Reason.DAMAGED),
        ("a.epub", b"PK\x03\x04 and no more", Reason.DAMAGED),
        ("a.png", b"\x89PNG", Reason.UNSUPPORTED),
        ("a", b"\x7fELF\x00\x00", Reason.UNSUPPORTED),
    ],
)
def test_what_cannot_be_loaded_has_a_reason(name, data, reason):
    with pytest.raises(LoadError) as caught:
        loaders.load(Path(name), data, OPTIONS)
    assert caught.value.reason is reason
    assert caught.value.detail


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("a.vsd", "Visio drawing; read it with --office"),
        ("a.PST", "Outlook mailbox: no loader"),
        ("a.hwp", "Hangul document; read it with --office"),
        ("a.mp3", "no loader for .mp3"),
        ("a.unknown", "binary content"),
    ],
)
def test_a_format_that_is_not_read_is_named(name, said):
    with pytest.raises(LoadError) as caught:
        loaders.load(Path(name), b"\xd0\xcf\x11\xe0" + bytes(99), OPTIONS)
    assert (caught.value.reason, caught.value.detail) == (Reason.UNSUPPORTED, said)


def test_a_text_under_the_name_of_such_a_format_is_text():
    assert loaders.loader_for(Path("a.ws"), b"plain words") == "text"


def test_a_text_run_imports_no_parser_library():
    code = (
        "import sys; from pathlib import Path; from ragcli.formats import registry as loaders;"
        "from ragcli.formats.blocks import LoadOptions;"
        "suffixes = ('.md', '.txt', '.py', '.rst', '.csv', '.json', '.ipynb');"
        '[loaders.load(Path(\'a\' + s), b\'{"cells": [{"source": "a"}]}\', LoadOptions()) for s in suffixes];'
        "[loaders.loader_for(Path('a' + s), b'x') for s in loaders.SUPPORTED_SUFFIXES];"
        "print(sorted({m.split('.')[0] for m in sys.modules}))"
    )
    modules = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    for parser in (
        "selectolax",
        "pypdf",
        "pypdfium2",
        "docx",
        "pptx",
        "openpyxl",
        "lxml",
        "charset_normalizer",
        "numpy",
    ):
        assert f"'{parser}'" not in modules


LINES = st.one_of(
    st.text(st.characters(codec="utf-8", exclude_characters="\r\x00"), max_size=12),
    st.sampled_from(
        [
            *(
                "# H",
                "Title",
                "====",
                "---",
                "```",
                "    code",
                "- item",
                "1. one",
                "> quote",
                "| a | b |",
                "|---|---|",
            ),
            *("::", ".. note::", "+---+", "=== ===", "def f():", "int f(void)", "}", "{", "[", '"a": 1,', "[section]"),
            *("<a>", "</a>", "<!--", "-->", "* Head", "\\section{S}", "\f", "\t", "\ufeff", "\u2028", "***", ".."),
        ]
    ),
)


@pytest.mark.parametrize("suffix", TEXT_SUFFIXES)
@settings(max_examples=80)
@given(lines=st.lists(LINES, min_size=1, max_size=12))
def test_text_is_the_file_and_blocks_cover_it(suffix, lines):
    text = "\n".join(lines)
    data = text.encode()
    if text.startswith("\ufeff"):
        text = text[1:]
    try:
        document = loaders.load(Path(f"a{suffix}"), data, OPTIONS)
    except LoadError as error:
        # Random control characters can make it binary; some of them are white space to str.
        assert error.reason in ({Reason.UNSUPPORTED} if text.strip() else {Reason.EMPTY, Reason.UNSUPPORTED})  # noqa: PT017
        return
    if "\\" not in text and "&" not in text:  # whose escapes are decoded
        assert document.text == text
    assert document.text.count("\n") == text.count("\n")
    text = document.text
    end = 0
    for block in document.blocks:
        assert block.start >= end
        assert not text[end : block.start].strip()
        piece = text[block.start : block.end]
        assert piece.strip()
        assert not piece.startswith("\n")
        assert not piece.endswith("\n")
        end = block.end
    assert not text[end:].strip()


@pytest.mark.parametrize(
    ("name", "head", "loader"),
    [
        ("letter", b"PK\3\4\x14\0[Content_Types].xml...word/document.xml", "docx"),
        ("letter.bak", b"PK\3\4\x14\0mimetypeapplication/vnd.oasis.opendocument.text", "odf"),
        ("letter.old", b"{\\rtf1 a}", "rtf"),
        ("page", b"<!DOCTYPE html><p>a", "html"),
        ("page.asp", b"<html><p>a", "html"),
        ("notes.txt", b"<html><p>a", "text"),
        ("a.zip", b"PK\3\4\x14\0word/document.xml", "archive"),
    ],
)
def test_documents_are_known_by_their_first_bytes(name, head, loader):
    assert loaders.loader_for(Path(name), head) == loader


def test_old_office_files_are_known_by_their_streams():
    data = gzip.decompress((Path(__file__).parent / "data" / "scripts.doc.gz").read_bytes())
    assert loaders.load(Path("letter"), data, OPTIONS).loader == "doc"


@pytest.mark.parametrize("name", ["page.doc", "book.xls"])
def test_web_pages_saved_as_one_file_under_names_of_office(name):
    page = (
        'MIME-Version: 1.0\nContent-Type: multipart/related; boundary="B"\n\n--B\n'
        "Content-Type: text/html; charset=utf-8\nContent-Transfer-Encoding: quoted-printable\n\n"
        "<html><h1>Caf=C3=A9</h1><p>It slips wh=\nen wet.</p></html>\n--B--\n"
    )
    for head in (
        "",
        "Date: Tue, 12 Mar 2024 08:15:00 +0000\nMessage-ID: <1@host>\nSubject: Exported From Confluence\n",
    ):
        assert loaders.load(Path(name), (head + page).encode(), LoadOptions()).text.endswith(
            "Café\n\nIt slips when wet."
        )
