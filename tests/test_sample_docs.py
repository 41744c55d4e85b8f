"""The sample library keeps its promises: every answer is where questions.jsonl says it is."""

import json
import re
import subprocess
import sys
import zipfile
from collections import Counter
from pathlib import Path

import docx
import pypdfium2
import pytest
from selectolax.lexbor import LexborHTMLParser

ROOT = Path(__file__).resolve().parent.parent
SAMPLES = ROOT / "sample_docs"
QUESTIONS = [json.loads(line) for line in (SAMPLES / "questions.jsonl").read_text(encoding="utf-8").splitlines()]
ANSWERABLE = [question for question in QUESTIONS if question["path"] is not None]
UNANSWERABLE = [question for question in QUESTIONS if question["path"] is None]
DOCUMENTS = sorted(path.name for path in SAMPLES.iterdir() if path.name not in ("questions.jsonl", ".ragignore"))
MADE_WITH = "5.1.0"  # other versions of reportlab write the same pages with a few other bytes around them
BINARIES = sorted(name for name in DOCUMENTS if name.endswith((".pdf", ".docx")))


def one_line(text):
    return " ".join(text.split())


def pdf_pages(path):
    document = pypdfium2.PdfDocument(path)
    try:
        return [page.get_textpage().get_text_range() for page in document]
    finally:
        document.close()


def docx_text(path):
    parts = []
    for item in docx.Document(str(path)).iter_inner_content():
        if hasattr(item, "rows"):
            parts += [cell.text for row in item.rows for cell in row.cells]
        else:
            parts.append(item.text)
    return "\n".join(parts)


def places(path):
    """The texts in which to look for a passage: pages of a PDF by number, anything else as number None."""
    match path.suffix:
        case ".pdf":
            return dict(enumerate(map(one_line, pdf_pages(path)), start=1))
        case ".docx":
            return {None: docx_text(path)}
        case ".html":
            body = LexborHTMLParser(path.read_text(encoding="utf-8")).css_first("main, article")
            return {None: body.text()}
        case _:
            return {None: path.read_text(encoding="utf-8")}


@pytest.fixture(scope="module")
def library():
    return {name: places(SAMPLES / name) for name in DOCUMENTS}


@pytest.mark.parametrize("question", ANSWERABLE, ids=lambda question: question["id"])
def test_the_passage_stands_once_at_the_place_that_is_given(question, library):
    texts = library[question["path"]]
    found = [number for number, text in texts.items() for _ in range(text.count(question["text"]))]
    assert found == [question.get("page")]
    assert question["answer"] in one_line(question["text"])


def test_every_line_has_the_fields_of_its_kind():
    for question in ANSWERABLE:
        page = {"page"} if question["path"].endswith(".pdf") else set()
        assert set(question) == {"id", "question", "path", "text", "answer"} | page
    for question in UNANSWERABLE:
        assert set(question) == {"id", "question", "path", "text"}
        assert question["text"] is None


def test_there_are_enough_questions_and_every_document_is_asked_about():
    asked = Counter(question["path"] for question in ANSWERABLE)
    assert len(ANSWERABLE) >= 40
    assert len(UNANSWERABLE) == 10
    assert sorted(asked) == DOCUMENTS
    assert min(asked.values()) >= 3


def test_identifiers_and_questions_are_unique():
    assert len({question["id"] for question in QUESTIONS}) == len(QUESTIONS)
    assert len({question["question"] for question in QUESTIONS}) == len(QUESTIONS)


def test_formats_and_lengths_are_mixed_as_intended(library):
    suffixes = Counter(Path(name).suffix for name in DOCUMENTS)
    assert suffixes == {".md": 5, ".txt": 2, ".html": 2, ".pdf": 2, ".docx": 1, ".rst": 1}
    for name, texts in library.items():
        assert 500 <= sum(len(text.split()) for text in texts.values()) <= 1500, name


def test_page_three_of_a_pdf_is_asked_about_and_repeats_nothing_from_elsewhere(library):
    third = [question for question in ANSWERABLE if question.get("page") == 3]
    assert len(third) >= 3
    everything = [one_line(text) for texts in library.values() for text in texts.values()]
    for question in third:
        assert sum(question["text"] in text for text in everything) == 1


def test_every_pdf_page_carries_the_same_header_and_its_own_number():
    for name in BINARIES:
        if name.endswith(".pdf"):
            pages = pdf_pages(SAMPLES / name)
            assert len(pages) >= 4
            heads = {re.split(r"page \d+", page)[0] for page in pages}
            assert len(heads) == 1
            assert len(one_line(heads.pop())) > 40
            for number, page in enumerate(pages, start=1):
                assert f"page {number}" in page


def test_some_answers_stand_in_a_cell_of_a_table():
    cells = {
        cell.text
        for table in docx.Document(str(SAMPLES / "retrieval-metrics.docx")).tables
        for row in table.rows
        for cell in row.cells
    }
    assert sum(question["text"] in cells for question in ANSWERABLE) >= 2


def test_binary_files_come_out_of_the_script_unchanged(tmp_path):
    reportlab = pytest.importorskip("reportlab", reason="the docs extra is not installed")
    for folder in (tmp_path / "first", tmp_path / "second"):
        folder.mkdir()
        subprocess.run([sys.executable, ROOT / "docs" / "make_samples.py", folder], check=True, capture_output=True)
    assert sorted(path.name for path in (tmp_path / "first").iterdir()) == BINARIES
    for name in BINARIES:
        made = (tmp_path / "first" / name).read_bytes()
        assert made == (tmp_path / "second" / name).read_bytes()
        assert len(made) < 40_000
        if name.endswith(".docx"):
            assert members(tmp_path / "first" / name) == members(SAMPLES / name)
        else:
            assert pdf_pages(tmp_path / "first" / name) == pdf_pages(SAMPLES / name)
            if reportlab.Version == MADE_WITH:
                assert made == (SAMPLES / name).read_bytes()


def members(path):
    # What is packed and not how: deflate has more than one right output, and zlib and zlib-ng choose differently.
    with zipfile.ZipFile(path) as archive:
        return [(info.filename, info.date_time, archive.read(info)) for info in archive.infolist()]
