"""Is the row that answers found in a table longer than a passage, in every format?

    python -m benchmarks.long_tables [FORMAT...] [--mode hybrid]

One table of 120 rows is written in each format, indexed alone, and asked 78 questions about every third row: how often
does the first passage hold the row, and how often one of the first three? LibreOffice makes odt, ods, xls, doc and one
of the PDFs, WeasyPrint another one; a format whose program is missing is left out.
"""

from __future__ import annotations

import argparse
import csv
import io
import re
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import get_args

from benchmarks.results import write_result
from ragcli.index.reader import open_index
from ragcli.ingest.sync import SyncOptions, sync
from ragcli.retrieve.engine import Searcher, SearchOptions
from ragcli.types import Mode

HEADER = ["Name", "Test pressure", "Place", "Inspector"]
ROWS = [
    [f"Pump {i}", f"{7 * i} bar", f"Hall {'South' if i % 2 == 0 else 'North'}", "Okafor" if i % 3 == 0 else "Meier"]
    for i in range(1, 121)
]
ASKED = range(3, 118, 3)
QUESTIONS = ("who is the inspector of pump {}?", "test pressure of pump {}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("formats", nargs="*", help=", ".join(MAKERS))
    parser.add_argument("--mode", choices=get_args(Mode), default="hybrid")
    parser.add_argument("--misses", action="store_true", help="print what came first in place of the row")
    options = parser.parse_args()
    found: dict[str, dict[str, int]] = {}
    known: dict[object, dict[str, int]] = {}
    for name in options.formats or MAKERS:
        make, needs = MAKERS[name]
        if needs and not shutil.which(needs) and not find_spec(needs):
            print(f"{name:24} left out: {needs} is missing")
            continue
        found[name] = ask(make, options.mode, known, show=options.misses)
        print(f"{name:24} first {found[name]['first']:3}, among three {found[name]['three']:3}, ", end="")
        print(f"of {found[name]['questions']} questions; {found[name]['passages']} passages", flush=True)
    if not options.formats:
        write_result("long_tables", {"mode": options.mode, "formats": found})


def ask(make: Callable[[Path], Path], mode: Mode, known: dict[object, dict[str, int]], *, show: bool) -> dict[str, int]:
    """How many questions have the row in the first passage, and in one of the first three.

    ``known`` has the figures of passages that were asked before: formats that read alike are asked once.
    """
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        (folder / "made").mkdir()
        (folder / "files").mkdir()
        file = make(folder / "made")
        shutil.copy(file, folder / "files" / file.name)
        sync(folder / "index", [folder / "files"], SyncOptions())
        with open_index(folder / "index", mode) as index:
            passages = tuple(chunk.embedded for chunk in index.chunks(index.catalog.chunk_ids()).values())
            if passages not in known:
                known[passages] = _figures(Searcher(index, SearchOptions(mode=mode)), show=show)
                known[passages]["passages"] = len(passages)
            return known[passages]


def _figures(searcher: Searcher, *, show: bool) -> dict[str, int]:
    questions = first = three = 0
    for number in ASKED:
        row = re.compile(rf"\bpump {number}\b", re.IGNORECASE)
        for question in QUESTIONS:
            hits = [hit.chunk.text for hit in searcher.search(question.format(number)).hits[:3]]
            has_row = [row.search(text) is not None for text in hits]
            questions += 1
            first += has_row[0]
            three += any(has_row)
            if show and not has_row[0]:
                print(f"    {question.format(number)} -> {has_row}", *hits[0].splitlines()[:2], sep="\n        ")
    return {"questions": questions, "first": first, "three": three}


def as_csv(folder: Path, delimiter: str = ",") -> Path:
    file = folder / "pumps.csv"
    with file.open("w", newline="", encoding="utf-8") as lines:
        csv.writer(lines, delimiter=delimiter).writerows([HEADER, *ROWS])
    return file


def as_markdown(folder: Path) -> Path:
    lines = [f"| {' | '.join(cells)} |" for cells in [HEADER, ["---"] * len(HEADER), *ROWS]]
    return written(folder / "pumps.md", "# Pumps\n\nAll pumps of the plant.\n\n" + "\n".join(lines) + "\n")


def as_rst(folder: Path) -> Path:
    rule = "+".join(["", *["-" * 17] * len(HEADER), ""])
    lines = [f"| {' | '.join(cell.ljust(15) for cell in cells)} |\n{rule}" for cells in ROWS]
    head = f"| {' | '.join(cell.ljust(15) for cell in HEADER)} |\n{rule.replace('-', '=')}"
    return written(folder / "pumps.rst", "Pumps\n=====\n\n" + "\n".join([rule, head, *lines]) + "\n")


def as_list_table(folder: Path) -> Path:
    rows = ["\n     ".join(["* - " + cells[0], *(f"- {cell}" for cell in cells[1:])]) for cells in [HEADER, *ROWS]]
    text = "Pumps\n=====\n\n.. list-table::\n   :header-rows: 1\n\n   " + "\n   ".join(rows) + "\n"
    return written(folder / "pumps.rst", text)


def html(*, ruled: bool = False, has_head: bool = True) -> str:
    rows = "\n".join(f"<tr>{''.join(f'<td>{cell}</td>' for cell in cells)}</tr>" for cells in ROWS)
    names = "".join(f"<th>{name}</th>" for name in HEADER)
    head = f"<thead><tr>{names}</tr></thead>" if has_head else f"<tr>{names.replace('th>', 'td>')}</tr>"
    border = "<style>table{width:100%;border-collapse:collapse} td,th{border:1px solid} td{padding:3px}</style>"
    style = border if ruled else "<style>table{width:100%} th{text-align:left}</style>"
    return f"<html><head>{style}</head><body><h1>Pumps</h1><table>{head}<tbody>{rows}</tbody></table></body></html>"


def as_html(folder: Path) -> Path:
    return written(folder / "pumps.html", html())


def as_docx(folder: Path) -> Path:
    import docx

    document = docx.Document()
    document.add_heading("Pumps", 1)
    table = document.add_table(0, len(HEADER))
    for cells in [HEADER, *ROWS]:
        for cell, text in zip(table.add_row().cells, cells, strict=True):
            cell.text = text
    document.save(str(folder / "pumps.docx"))
    return folder / "pumps.docx"


def as_pptx(folder: Path) -> Path:
    import pptx
    from pptx.util import Inches

    deck = pptx.Presentation()
    slide = deck.slides.add_slide(deck.slide_layouts[5])
    slide.shapes.title.text = "Pumps"
    table = slide.shapes.add_table(len(ROWS) + 1, len(HEADER), *map(Inches, (1, 1, 8, 5))).table
    for row, cells in enumerate([HEADER, *ROWS]):
        for column, text in enumerate(cells):
            table.cell(row, column).text = text
    deck.save(str(folder / "pumps.pptx"))
    return folder / "pumps.pptx"


def as_xlsx(folder: Path) -> Path:
    import openpyxl

    book = openpyxl.Workbook()
    for cells in [HEADER, *ROWS]:
        book.active.append(cells)
    for letter in "ABCD":  # else LibreOffice cuts "Test pressure" off in the PDF
        book.active.column_dimensions[letter].width = 16
    book.save(folder / "pumps.xlsx")
    return folder / "pumps.xlsx"


def converted(make: Callable[[Path], Path], suffix: str) -> Callable[[Path], Path]:
    """What LibreOffice makes of a file."""

    def convert(folder: Path) -> Path:
        source = make(folder)
        command = ["soffice", f"-env:UserInstallation={(folder / 'profile').as_uri()}", "--headless"]
        command += ["--convert-to", suffix, "--outdir", str(folder), str(source)]
        subprocess.run(command, check=True, capture_output=True, timeout=300)
        return source.with_suffix(f".{suffix}")

    return convert


def reportlab_pdf(*, ruled: bool, repeats: bool) -> Callable[[Path], Path]:
    def make(folder: Path) -> Path:
        from reportlab.lib import colors
        from reportlab.lib.styles import getSampleStyleSheet
        from reportlab.platypus import Paragraph, SimpleDocTemplate, Table, TableStyle

        table = Table([HEADER, *ROWS], colWidths=120, repeatRows=int(repeats))
        if ruled:
            table.setStyle(TableStyle([("GRID", (0, 0), (-1, -1), 0.5, colors.black)]))
        story = [Paragraph("Pumps", getSampleStyleSheet()["Heading1"]), table]
        SimpleDocTemplate(str(folder / "pumps.pdf")).build(story)
        return folder / "pumps.pdf"

    return make


def weasyprint_pdf(*, ruled: bool, repeats: bool) -> Callable[[Path], Path]:
    def make(folder: Path) -> Path:
        import weasyprint

        buffer = io.BytesIO()
        weasyprint.HTML(string=html(ruled=ruled, has_head=repeats)).write_pdf(buffer)
        (folder / "pumps.pdf").write_bytes(buffer.getvalue())
        return folder / "pumps.pdf"

    return make


def written(file: Path, text: str) -> Path:
    file.write_text(text, encoding="utf-8")
    return file


# How a format is made, and the program or package that makes it where ragcli's tests do not need that too.
MAKERS: dict[str, tuple[Callable[[Path], Path], str]] = {
    "csv": (as_csv, ""),
    "csv with semicolons": (lambda folder: as_csv(folder, ";"), ""),
    "markdown": (as_markdown, ""),
    "rst grid": (as_rst, ""),
    "rst list-table": (as_list_table, ""),
    "html": (as_html, ""),
    "docx": (as_docx, ""),
    "doc": (converted(as_docx, "doc"), "soffice"),
    "odt": (converted(as_docx, "odt"), "soffice"),
    "rtf": (converted(as_docx, "rtf"), "soffice"),
    "pptx": (as_pptx, ""),
    "odp": (converted(as_pptx, "odp"), "soffice"),
    "xlsx": (as_xlsx, ""),
    "xls": (converted(as_xlsx, "xls"), "soffice"),
    "ods": (converted(as_xlsx, "ods"), "soffice"),
    "pdf reportlab": (reportlab_pdf(ruled=False, repeats=False), ""),
    "pdf reportlab ruled": (reportlab_pdf(ruled=True, repeats=True), ""),
    "pdf weasyprint": (weasyprint_pdf(ruled=False, repeats=False), "weasyprint"),
    "pdf weasyprint ruled": (weasyprint_pdf(ruled=True, repeats=True), "weasyprint"),
    "pdf libreoffice docx": (converted(as_docx, "pdf"), "soffice"),
    "pdf libreoffice xlsx": (converted(as_xlsx, "pdf"), "soffice"),
    "pdf libreoffice html": (converted(as_html, "pdf"), "soffice"),
}


if __name__ == "__main__":
    main()
