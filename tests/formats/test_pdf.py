import io
import re
import textwrap
from collections import Counter
from pathlib import Path

import pypdf
import pytest
from PIL import Image
from reportlab.lib.utils import ImageReader
from reportlab.pdfgen import canvas

from ragcli.errors import LoadError
from ragcli.formats.blocks import LoadOptions
from ragcli.formats.pdf import loader as pdf
from ragcli.types import Document, Reason

SHARED = Path(__file__).resolve().parents[2].parent / "shared" / "docs"
LOREM = (
    "A network makes a mistake and thousands of weights took part in it. Which of them are to blame, and by how much? "
    "The bookkeeping that answers this question for all weights at once costs about twice as much as the mistake did. "
)


def draw(pages, *, title=None, outline=(), size=11) -> bytes:
    """A PDF whose pages are lists of (x, y, text); ``outline`` holds (title, level, 1-based page)."""
    out = io.BytesIO()
    sheet = canvas.Canvas(out)
    if title is not None:
        sheet.setTitle(title)
    for number, lines in enumerate(pages, start=1):
        for entry, level, page in outline:
            if page == number:
                sheet.bookmarkPage(entry)
                sheet.addOutlineEntry(entry, entry, level)
        for x, y, text in lines:
            sheet.setFont("Helvetica", size)
            sheet.drawString(x, y, text)
        sheet.showPage()
    sheet.save()
    return out.getvalue()


def flow(text: str, top: float = 700, width: int = 80) -> list[tuple[float, float, str]]:
    return [(72, top - 14 * number, line) for number, line in enumerate(textwrap.wrap(text, width))]


def read(data: bytes, name: str = "x.pdf", **options) -> Document:
    document = pdf.load(Path(name), data, LoadOptions(**options))
    position = 0
    for block in document.blocks:
        assert position <= block.start < block.end
        position = block.end
    assert position == len(document.text)
    return document


def texts(document: Document, page: int) -> list[str]:
    return [document.text[block.start : block.end] for block in document.blocks if block.page == page]


def image_page(sheet: canvas.Canvas) -> None:
    sheet.drawImage(ImageReader(Image.new("L", (60, 40), 90)), 72, 500)
    sheet.showPage()


def scanned(*, with_text: bool) -> bytes:
    out = io.BytesIO()
    sheet = canvas.Canvas(out)
    if with_text:
        sheet.drawString(72, 700, "The first page has a text layer.")
        sheet.showPage()
    image_page(sheet)
    image_page(sheet)
    sheet.showPage()  # a blank page is not a scanned one
    sheet.save()
    return out.getvalue()


def test_paragraphs_are_running_text_with_the_page_they_stand_on():
    first, second = LOREM.strip(), LOREM.replace("network", "machine").strip()
    document = read(draw([flow(first) + flow(second, 600), flow(second)]))
    assert texts(document, 1) == [first, second]
    assert texts(document, 2) == [second]


def test_running_headers_and_page_numbers_go_and_the_text_stays():
    pages = []
    for number in range(1, 7):
        header = [(72, 780, "Annual report"), (480, 780, "ACME")] if number % 2 else [(72, 780, "ACME Annual report")]
        body = flow(f"Section {number} says: {LOREM}")
        pages.append([*header, *body, (280, 40, f"Page {number} of 6")])
    document = read(draw(pages))
    assert document.text.count("Annual report") == 1  # of what they say
    assert "of 6" not in document.text
    for number in range(1, 7):
        assert texts(document, number)[-1] == f"Section {number} says: {LOREM.strip()}"


def test_two_pages_keep_what_looks_like_a_header():
    document = read(draw([[(72, 780, "Annual report"), *flow(LOREM)]] * 2))
    assert document.text.count("Annual report") == 2


def test_words_broken_over_lines_are_joined():
    lines = [
        "This network is reversi-",
        "ble, and its state-of-",
        "the-art is Navier-",
        "Stokes and COVID-",
        "19. The near-term and long-",
        "term view is that of a long walk.",
    ]
    document = read(draw([[(72, 700 - 14 * n, line) for n, line in enumerate(lines)]]))
    assert document.text == (
        "This network is reversible, and its state-of-the-art is Navier-Stokes and COVID-19. "
        "The near-term and long-term view is that of a long walk."
    )


def test_a_sentence_reads_on_over_the_page_break():
    document = read(draw([flow("The gradient is computed by the reversi-", 60), flow("ble network in one pass.")]))
    assert document.text == "The gradient is computed by the reversible network in one pass."
    assert texts(document, 2) == ["network in one pass."]


def test_columns_are_read_one_after_the_other():
    left = [(72, 700 - 14 * n, f"left line {n} goes on and") for n in range(5)]
    right = [(320, 700 - 14 * n, f"right line {n} goes on and") for n in range(5)]
    document = read(draw([left + right]))
    assert document.text.index("left line 4") < document.text.index("right line 0")


def test_superscripts_stay_in_their_line():
    out = io.BytesIO()
    sheet = canvas.Canvas(out)
    text = sheet.beginText(72, 700)
    text.setFont("Helvetica", 11)
    text.textOut("The energy is mc")
    text.setRise(5)
    text.setFont("Helvetica", 7)
    text.textOut("2")
    text.setRise(0)
    text.setFont("Helvetica", 11)
    text.textOut(" in this frame.")
    sheet.drawText(text)
    sheet.save()
    assert read(out.getvalue()).text == "The energy is mc^2 in this frame."


def test_a_page_that_is_drawn_as_one_object_keeps_its_lines():
    out = io.BytesIO()
    sheet = canvas.Canvas(out)
    sheet.beginForm("page")  # as programs that stamp pages or put two on a sheet do
    for number, line in enumerate(["The dose is 5 mg", "twice a day.", "Never with milk"]):
        sheet.drawString(72, 700 - 14 * number - 30 * (number // 2), line)
    sheet.endForm()
    sheet.doForm("page")
    sheet.save()
    assert texts(read(out.getvalue()), 1) == ["The dose is 5 mg twice a day.", "Never with milk"]


def test_marks_that_are_drawn_behind_the_text_stand_before_their_items():
    lines = [
        (700, 90, "The gate opens at eight."),
        (670, 90, "Masts are set in March, when the tide is high,"),
        (656, 90, "and the wind is low."),
        (610, 90, "lamp"),
        (580, 90, "rope"),
        (530, 72, "That is all."),
    ]
    marks = [(700, 77, "1."), (670, 77, "2."), (610, 77, "•"), (580, 77, "•")]

    def page(*drawn: tuple[int, int, str]) -> list[str]:
        out = io.BytesIO()
        sheet = canvas.Canvas(out)
        for height, left, text in drawn:
            sheet.drawString(left, height, text)
        sheet.save()
        return texts(read(out.getvalue()), 1)

    behind = page(*lines, *marks)  # as WeasyPrint does
    assert behind == page(*sorted(lines + marks, key=lambda drawn: (-drawn[0], drawn[1])))
    assert behind == [
        "1. The gate opens at eight.",
        "2. Masts are set in March, when the tide is high, and the wind is low.",
        "• lamp",
        "• rope",
        "That is all.",
    ]


def test_turned_text_keeps_its_lines():
    out = io.BytesIO()
    sheet = canvas.Canvas(out)
    sheet.translate(300, 100)
    sheet.rotate(90)
    for number, line in enumerate(textwrap.wrap(LOREM, 60)):
        sheet.drawString(0, -14 * number, line)
    sheet.save()
    assert read(out.getvalue()).text == LOREM.strip()


def test_outline_entries_become_headings_where_they_are_printed():
    pages = [
        [(72, 740, "1 Beginnings"), *flow(LOREM)],
        [*flow(LOREM, 740), (72, 400, "1.1 Attention"), *flow(LOREM, 370)],
        flow(LOREM),
    ]
    outline = [("Beginnings", 0, 1), ("Attention", 1, 2), ("Not printed", 0, 3)]
    document = read(draw(pages, outline=outline))
    headings = [(document.text[b.start : b.end], b.page, b.headings) for b in document.blocks if b.kind == "heading"]
    assert headings == [
        ("1 Beginnings", 1, ("1 Beginnings",)),
        ("1.1 Attention", 2, ("1 Beginnings", "1.1 Attention")),
    ]
    paths = [b.headings for b in document.blocks if b.kind == "paragraph"]
    assert paths == [("1 Beginnings",), ("1 Beginnings",), ("1 Beginnings", "1.1 Attention"), ("Not printed",)]


@pytest.mark.parametrize(
    ("metadata", "expected"),
    [
        ("How networks learn", "How networks learn"),
        ("Microsoft Word - report.docx", "The Printed Title"),
        ("untitled", "The Printed Title"),
        ("x", "The Printed Title"),
    ],
)
def test_title_comes_from_metadata_that_means_something_else_from_the_largest_print(metadata, expected):
    out = io.BytesIO()
    sheet = canvas.Canvas(out)
    sheet.setTitle(metadata)
    sheet.setFont("Helvetica", 24)
    sheet.drawString(72, 760, "The Printed Title")
    sheet.setFont("Helvetica", 11)
    for x, y, text in flow(LOREM):
        sheet.drawString(x, y, text)
    sheet.save()
    assert read(out.getvalue()).title == expected


def test_no_title_when_nothing_stands_out():
    assert read(draw([flow(LOREM)], title="untitled")).title == ""


def test_bullets_are_list_blocks():
    lines = ["Three things matter here:", "• the first of them", "• the second one", "• and the last"]
    document = read(draw([[(72, 700 - 14 * n, line) for n, line in enumerate(lines)]]))
    assert [block.kind for block in document.blocks] == ["paragraph", "list", "list", "list"]


def test_pages_without_a_text_layer_are_named_and_blank_ones_are_not():
    document = read(scanned(with_text=True))
    assert document.warnings == ("pages 2-3: no text layer (needs OCR)",)


def test_only_scanned_pages_is_a_failure_with_its_reason():
    with pytest.raises(LoadError) as caught:
        read(scanned(with_text=False))
    assert caught.value.reason is Reason.NO_TEXT
    assert caught.value.detail == "pages 1-2; read them with --ocr"


def test_ocr_without_tesseract_says_so(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    document = read(scanned(with_text=True), ocr=True)
    (warning,) = document.warnings
    assert warning.startswith("pages 2-3: no text layer (tesseract is not on the PATH; install it: ")


def test_ocr_reads_the_pages_without_a_text_layer(monkeypatch, tmp_path):
    columns = [
        "level",
        "page_num",
        "block_num",
        "par_num",
        "line_num",
        "word_num",
        "left",
        "top",
        "width",
        "height",
        "conf",
        "text",
    ]
    lines = (["Words", "that", "were", "only"], ["in", "the", "picture."])
    rows = [
        [5, 1, 1, 1, n, m, 9, 9, 9, 9, 96, word] for n, line in enumerate(lines, 1) for m, word in enumerate(line, 1)
    ]
    table = "\n".join("\t".join(map(str, row)) for row in [columns, *rows])
    (tmp_path / "table").write_text(f"{table}\n")
    program = tmp_path / "tesseract"
    program.write_text(f"#!/bin/sh\ncat >/dev/null\ncat {tmp_path}/table\n")
    program.chmod(0o755)
    monkeypatch.setenv("RAGCLI_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    document = read(scanned(with_text=True), ocr=True)
    assert texts(document, 2) == ["Words that were only in the picture."]
    assert document.warnings == ()


def test_blank_pages_are_empty():
    with pytest.raises(LoadError) as caught:
        read(draw([[], []]))
    assert caught.value.reason is Reason.EMPTY


@pytest.mark.parametrize("data", [b"", b"not a pdf", b"%PDF-1.7\n" + b"\0" * 500])
def test_what_is_no_pdf_is_refused(data):
    with pytest.raises(LoadError) as caught:
        read(data)
    assert caught.value.reason is (Reason.DAMAGED if data else Reason.EMPTY)


def test_a_cut_file_is_damaged():
    data = draw([flow(LOREM)])
    with pytest.raises(LoadError) as caught:
        read(data[: len(data) // 2])
    assert caught.value.reason is Reason.DAMAGED


def test_pypdf_reads_what_pdfium_refuses():
    data = draw([flow(LOREM), flow(LOREM)])
    without_header = data.replace(b"%PDF-", b"%XXX-", 1)
    document = read(without_header)
    assert texts(document, 2) == [LOREM.strip()]


def encrypted(user: str, owner: str) -> bytes:
    writer = pypdf.PdfWriter(clone_from=io.BytesIO(draw([flow(LOREM)])))
    writer.encrypt(user_password=user, owner_password=owner, algorithm="RC4-128")
    out = io.BytesIO()
    writer.write(out)
    return out.getvalue()


def test_an_owner_password_alone_does_not_keep_readers_out():
    assert read(encrypted("", "owner")).text == LOREM.strip()


def test_a_user_password_opens_the_file_and_nothing_else_does():
    data = encrypted("open sesame", "owner")
    assert read(data, password="open sesame").text == LOREM.strip()
    for password, detail in ((None, "needs a password"), ("sesame", "wrong password")):
        with pytest.raises(LoadError) as caught:
            read(data, password=password)
        assert (caught.value.reason, caught.value.detail) == (Reason.ENCRYPTED, detail)


@pytest.mark.parametrize(
    "name",
    [
        "unstructured-example-docs/example-docs/pdf/multi-column.pdf",
        "unstructured-example-docs/example-docs/pdf/list-item-example.pdf",
        "unstructured-example-docs/example-docs/pdf/a1977-backus-p21.pdf",
        "pypdf-sample-files/006-pdflatex-outline/pdflatex-outline.pdf",
    ],
)
def test_words_of_real_files_are_those_that_pypdf_finds(name):
    path = SHARED / name
    if not path.exists():
        pytest.skip(f"{path} is not here")
    # A hyphen at a line end is where the two may differ: words without it are compared.
    other = "\n".join(page.extract_text() for page in pypdf.PdfReader(path).pages)
    other = re.sub(r"\S+-\n\S+", "", other.replace("\ufb01", "fi").replace("\ufb02", "fl").replace("\ufb00", "ff"))
    expected = Counter(re.findall(r"\w{3,}", other))
    found = Counter(re.findall(r"\w{3,}", read(path.read_bytes(), path.name).text))
    assert (expected & found).total() >= 0.985 * expected.total()


def test_rows_of_a_table_stay_rows():
    rows = [
        ("Part", "Load", "Where it stands in the lock"),
        *((f"Leaf {n}", f"{n} t", "upper gate, beside the old sluice") for n in range(6)),
    ]
    page = [
        (x, 700 - 18 * at, cell) for at, row in enumerate(rows) for x, cell in zip((72, 150, 210), row, strict=True)
    ]
    assert read(draw([page])).text.split("\n") == [" | ".join(row) for row in rows]


def test_columns_that_are_written_line_by_line_are_read_one_after_the_other():
    left = [
        "The keeper opens the upper gate at",
        "dawn and closes it when the water",
        "has risen to the second mark on the",
        "wall of the old lock house.",
    ]
    right = [
        "Boats wait below the bridge until",
        "the lamp is green, and then they",
        "enter one after the other, and the",
        "largest of them goes in first.",
    ]
    page = [
        (x, 700 - 14 * at, line)
        for at, lines in enumerate(zip(left, right, strict=True))
        for x, line in zip((60, 330), lines, strict=True)
    ]
    assert read(draw([page])).text == f"{' '.join(left)}\n\n{' '.join(right)}"


def test_rows_know_the_columns_of_their_table():
    rows = [("Part", "Load", "Keeper"), *((f"Leaf {n}", f"{n} tons", f"Quist {n}") for n in range(5))]
    page = [
        (x, 700 - 18 * at, cell) for at, row in enumerate(rows) for x, cell in zip((72, 250, 400), row, strict=True)
    ]
    blocks = read(draw([[(72, 740, "The table is below."), *page]])).blocks
    assert [block.kind for block in blocks] == ["paragraph", *["row"] * 6]
    assert [block.columns for block in blocks[1:]] == ["", *["Part | Load | Keeper"] * 5]
