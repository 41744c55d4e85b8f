"""RTF as Word, LibreOffice and pandoc write it, reduced to what each test is about."""

import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ragcli.errors import LoadError
from ragcli.formats import registry as loaders
from ragcli.formats.blocks import LoadOptions
from ragcli.types import Reason

HEAD = (
    r"{\rtf1\ansi\ansicpg1252\deff0{\fonttbl{\f0\froman\fcharset0 Times;}{\f1\fnil\fcharset204 Arial Cyr;}"
    r"{\f2\fnil\fcharset128 MS Mincho{\*\falt x};}{\f3\ftech\fcharset2 Symbol;}}"
    r"{\colortbl;\red0\green0\blue0;}"
    r"{\stylesheet{\s0 Normal;}{\s1\outlinelevel0 heading 1;}{\s2 Heading 2;}{\s3 Title;}"
    r"{\s4\outlinelevel2 \'dcberschrift;}{\*\cs9 heading 3;}}"
)


def load(body: str | bytes, name: str = "a.rtf", head: str = HEAD):
    data = body if isinstance(body, bytes) else f"{head}{body}}}".encode("latin-1")
    return loaders.load(Path(name), data, LoadOptions())


def text(body: str | bytes, **more: str) -> list[str]:
    found = load(body, **more)
    return [found.text[block.start : block.end] for block in found.blocks]


def test_headings_by_style_name_and_by_outline_level():
    found = load(
        r"{\info{\title A guide}{\author Ann}}\pard\s3 To earth\par\pard\s1 Rock\par\pard Hard.\par{\pard\s2 Old\par}"
        r"\pard\s4 Older\par\pard\outlinelevel1\b Sand\b0\par\pard\plain Soft.\par"
    )
    assert found.title == "A guide"
    assert found.loader == "rtf"
    assert [(b.kind, b.headings) for b in found.blocks] == [
        ("heading", ("To earth",)),
        ("heading", ("Rock",)),
        ("paragraph", ("Rock",)),
        ("heading", ("Rock", "Old")),
        ("heading", ("Rock", "Old", "Older")),
        ("heading", ("Rock", "Sand")),
        ("paragraph", ("Rock", "Sand")),
    ]


def test_the_style_may_be_stated_where_the_paragraph_ends():
    found = load(r"\pard\s1{\s0\b Rock}{\s1\b\par}\pard\s0{\s0 Hard.}{\s0\par}")  # as AbiWord writes it
    assert [(block.kind, block.headings) for block in found.blocks] == [
        ("heading", ("Rock",)),
        ("paragraph", ("Rock",)),
    ]


def test_the_code_page_is_that_of_the_font():
    assert text(r"\'e9t\'e9 {\f1 \'ef\'f0\'e8} {\f2 \'8a\'bf\'8e\'9a} {\f3 \'b7}\par") == ["été при 漢字 •"]
    assert text(r"\'ef\'f0\'e8\par", head=r"{\rtf1\ansi\ansicpg1251") == ["при"]
    assert text(r"\'8e\par", head=r"{\rtf1\mac") == ["é"]
    assert text(r"{\f2 \'95\\}\par") == ["表"]  # the second byte of this sign is a backslash


@given(
    st.text(st.characters(exclude_categories=("Cs", "Cc", "Zs", "Zl", "Zp")), min_size=1, max_size=20),
    st.integers(0, 3),
)
def test_any_text_comes_back_from_unicode_escapes(expected, skipped):
    units = expected.encode("utf-16-le")
    codes = [int.from_bytes(units[n : n + 2], "little", signed=True) for n in range(0, len(units), 2)]
    written = "".join(rf"\u{code} " + r"\'3f" * skipped for code in codes)
    assert text(rf"\uc{skipped} x{written}x\par") == [f"x{expected}x".replace("\0", "�")]


def test_what_stands_in_for_a_sign_is_left_out():
    assert text(r"a\u8212-b \u8212\'97c {\uc2\u945 ??d}\u946 ?e{\uc0\u947 f}\u8212\emdash g\par") == ["a—b —c αdβeγf—g"]


def test_signs_with_names():
    assert text(r"a\~b\_c\-d \lquote e\rquote  \ldblquote f\rdblquote\emdash\bullet\tab g\line h\{\\\}\par") == [
        "a b-cd ‘e’ “f”—• g\nh{\\}"
    ]
    assert text("one\\\ntwo\r\n and\r\nthree\\par") == ["one", "two andthree"]


def test_hidden_and_deleted_text_is_left_out():
    assert text(r"a{\v hidden}b{\deleted gone\par}c \v x\v0 d {\v\plain e}\par") == ["abc d e"]


def test_of_fields_the_result_is_read():
    body = r'{\field{\*\fldinst{HYPERLINK "http://a.example/"}}{\fldrslt{\ul a link}}} {\*\bkmkstart a}b{\xe c}\par'
    assert text(body) == ["a link b"]


def test_pictures_and_objects_are_no_text():
    picture = r"{\*\shppict{\pict\wmetafile8 0102ab}}{\nonshppict{\pict 00}}"
    binary = r"{\pict\bin9 }}{{\\\\abc}"
    embedded = r"{\object\objemb{\*\objclass Excel}{\*\objdata 0105}{\result{\pard shown}}}"
    assert text(rf"a{picture}b{binary}c {embedded}\par") == ["abc shown"]


def test_lists_have_their_markers():
    body = (
        r"{\listtext\pard\plain 1.\tab}\ls1 one\par{\listtext 2.\tab}two\par{\pntext\f3\'b7\tab}three\par\pard four\par"
        r"{\pard \fi-360 \bullet \tx360\tab five\par}{\pard\s1 {\listtext 2.1\tab}Rock\par}"
    )
    found = load(body)
    assert [(b.kind, found.text[b.start : b.end]) for b in found.blocks] == [
        ("list", "1. one"),
        ("list", "2. two"),
        ("list", "- three"),
        ("paragraph", "four"),
        ("list", "- five"),
        ("heading", "2.1 Rock"),
    ]


def test_notes_comments_and_boxes_follow_their_paragraph():
    body = (
        r"a{\super\chftn}{\footnote\pard below\par more}b{\*\atnid An}{\*\atnauthor Ann}\chatn"
        r"{\*\annotation{\*\atndate 1}really?}"
        r"{\shp{\*\shpinst{\sp{\sn type}{\sv 202}}{\shptxt\pard in a box\par}}{\shprslt again}}\par"
    )
    assert text(body) == ["ab", "Note: below more", "Comment by Ann: really?", "in a box"]


def test_headers_and_footers_stand_once():
    body = r"{\header\pard Contract\par}a\par\sect{\header Contract}{\footer\chpgn  7}{\footerf A foot}b\par"
    assert text(body) == ["a", "b", "Contract", "A foot"]


def table_row(cells: list[str], edges: str) -> str:
    return rf"\trowd{edges}\pard\intbl " + "".join(rf"{cell}\cell " for cell in cells) + r"\row "


def test_rows_have_the_names_of_their_columns():
    edges = r"\cellx100\cellx200"
    body = table_row(["Name", "Town"], edges) + table_row([r"Ann\par Bo", r"Leith{\footnote far}"], edges)
    found = load(rf"before\par {body}\pard after\par")
    assert [(b.kind, found.text[b.start : b.end]) for b in found.blocks] == [
        ("paragraph", "before"),
        ("row", "Name | Town"),
        ("row", "Name: Ann Bo | Town: Leith (Note: far)"),
        ("paragraph", "after"),
    ]


def test_merged_cells_are_told_by_their_edges_or_by_their_flags():
    body = (
        table_row(["Region", "Sales"], r"\clvmgf\cellx100\cellx300")
        + table_row(["", "new", "old"], r"\clvmrg\cellx100\cellx201\cellx300")
        + table_row(["North", "10", ""], r"\cellx98\clmgf\cellx200\clmrg\cellx300")
        + table_row(["South", "11", "12"], r"\cellx100\cellx200\cellx300")
    )
    assert text(body) == [
        "Region | Sales",
        "Region | new | old",
        "Region: North | Sales new: 10",
        "Region: South | Sales new: 11 | Sales old: 12",
    ]


def test_a_table_in_a_cell_is_text_of_the_cell():
    inner = r"\pard\intbl\itap2 x\nestcell y\nestcell{\*\nesttableprops\trowd\cellx50\nestrow}{\nonesttables\par}"
    assert text(rf"\trowd\cellx100\cellx200 {inner}\pard\intbl\itap1 a\cell b\cell\row\pard") == ["x y a | b"]


def test_a_file_that_is_cut_off_is_read_so_far():
    whole = (HEAD + r"\pard one\par\pard two}").encode()
    assert load(whole).warnings == ()
    found = load(whole[:-1])
    assert (found.text, found.warnings) == ("one\n\ntwo", ("the file ends too early",))
    assert load(whole + b"{{{ and noise").text == "one\n\ntwo"


@pytest.mark.parametrize(
    ("data", "reason", "said"),
    [
        (b"plain text", Reason.DAMAGED, "does not begin with"),
        (b"%PDF-1.7\n%binary\0", Reason.DAMAGED, "does not begin with"),
        (rb"{\rtf1\ansi{\fonttbl{\f0 Arial;}}\pard\par}", Reason.EMPTY, "no text"),
        (rb"{\rtf1" + b"{" * 1_000_000, Reason.DAMAGED, "groups in groups"),
    ],
)
def test_what_cannot_be_read_has_a_reason(data, reason, said):
    with pytest.raises(LoadError) as caught:
        load(data)
    assert caught.value.reason is reason
    assert said in caught.value.detail


@pytest.mark.skipif(not shutil.which("pandoc"), reason="an extra comparison, where pandoc is at hand")
def test_a_text_by_pandoc(tmp_path):
    source = (
        "# Rök\n\nIt is hard.[^1]\n\n1. one\n2. two\n\n- bullet\n\n| a | b |\n|---|---|\n| c | d |\n\n[^1]: Below.\n"
    )
    made = tmp_path / "a.rtf"
    subprocess.run(["pandoc", "-s", "-f", "markdown", "-o", made], input=source, text=True, check=True)
    said = ["Rök", "It is hard.", "Note: Below.", "1. one", "2. two", "- bullet", "a | b", "a: c | b: d"]
    assert text(made.read_bytes()) == said


def test_exponents_and_indices_keep_that_they_are():
    assert text(r"10{\super 6} m\up6 2\up0  x{\sub 1} H{\sub 2}O 1\super st\nosupersub !\par") == [
        "10^6 m^2 x_1 H2O 1st!"
    ]
