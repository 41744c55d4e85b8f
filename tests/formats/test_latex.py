from pathlib import Path

import pytest

from ragcli.formats.blocks import LoadOptions
from ragcli.formats.registry import load


def read(source: str):
    return load(Path("a.tex"), source.encode(), LoadOptions())


def rows(source: str) -> list[tuple[str, str]]:
    document = read(source)
    return [(document.text[b.start : b.end], b.columns) for b in document.blocks if b.kind == "row"]


def test_headings():
    document = read("\\section{A}\nx\n\\subsection*{B  b}\n\ny\n\\section[s]{C {\\em d}}\n\\begin{frame}{E}\nz")
    assert [(document.text[b.start : b.end], b.headings) for b in document.blocks if b.kind == "heading"] == [
        ("\\section{A}", ("A",)),
        ("\\subsection*{B  b}", ("A", "B b")),
        ("\\section[s]{C {\\em d}}", ("C d",)),
        ("\\begin{frame}{E}", ("C d", "E")),
    ]


def test_the_title_is_the_one_that_the_file_states():
    assert read("\\title[short]{On \\emph{brakes}~of\n cranes}\n\\section{A}\nx").title == "On brakes of cranes"
    assert read("\\section{A}\nx").title == "A"


def test_accents_are_letters():
    document = read(r"\section{G\"odel}" + "\n" + r"Erd\H{o}s, na\"{\i}ve, \c{c}a, stra{\ss}e, \'Etude, \textbf{o}")
    assert document.text.split("\n") == [r"\section{Gödel}", r"Erdős, naïve, ça, straße, Étude, \textbf{o}"]
    assert document.blocks[0].headings == ("Gödel",)


def test_names_of_plain_texts_are_written_out_on_their_lines():
    source = "\\newcommand{\\crane}{Liebherr LHM~550}\n\\newcommand\\x[1]{a#1}\n\\def\\hook{Hook 4}\n"
    source += "Of \\crane{} and \\hook.\n"
    assert read(source + "\\hooks stay \\x{b}").text.split("\n")[3:] == [
        "Of Liebherr LHM 550 and Hook 4.",
        "\\hooks stay \\x{b}",
    ]


@pytest.mark.parametrize(
    "begin", ["\\begin{tabular}{|l|r|}\n\\hline", "\\begin{longtable}[]{@{}l>{\\raggedright}r@{}}\n\\toprule"]
)
def test_rows_of_a_table_know_their_columns(begin):
    source = f"{begin}\nHook & \\textbf{{Load}} \\\\ \\hline\nNorth & 12\\,t \\\\\nSouth & 9\\,t \\\\\n\\end{{tabular}}"
    source = source.replace("{tabular}", "{longtable}") if "longtable" in begin else source
    found = rows(source)
    assert [columns for _, columns in found] == ["", "Hook | Load", "Hook | Load"]
    assert [text.split("\n")[-1] for text, _ in found[:2]] == [
        "Hook & \\textbf{Load} \\\\ \\hline",
        "North & 12\\,t \\\\",
    ]


def test_the_header_of_pandoc_is_found_in_its_boxes():
    cell = "\\begin{{minipage}}[b]{{\\linewidth}}\\raggedright\n{}\n\\end{{minipage}}"
    head = " & ".join(map(cell.format, ("Hook", "Load")))
    source = f"\\begin{{longtable}}[]{{@{{}}\n  p{{(1 - 2)}}@{{}}}}\n\\toprule\n{head} \\\\\n\\midrule\n"
    source += "\\endhead\na & b \\\\\n"
    assert [columns for _, columns in rows(f"{source}\\end{{longtable}}")] == ["", "Hook | Load"]


def test_a_table_without_a_rule_has_no_columns():
    assert {columns for _, columns in rows("\\begin{tabular}{ll}\na & b \\\\\nc & d \\\\\n\\end{tabular}")} == {""}


def test_code_is_one_block_in_which_nothing_is_a_heading():
    document = read("\\begin{verbatim}\n\\section{no}\n\nx\n\\end{verbatim}\nafter")
    assert [b.kind for b in document.blocks] == ["code", "paragraph"]
