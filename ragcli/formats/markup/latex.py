"""LaTeX: sections and tables, each a span of the file, in which accents and short names are written out."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from ragcli.formats.blocks import LoadOptions, header_line
from ragcli.formats.decode import decode
from ragcli.formats.escapes import unescaped
from ragcli.formats.lines import Blocks, Line, document, split_lines
from ragcli.types import Document

_GROUP = r"\{((?:[^{}]|\{(?:[^{}]|\{[^{}]*\})*\})*)\}"
_SECTION = re.compile(
    rf"[ \t]*\\(part|chapter|section|subsection|subsubsection|frametitle)\*?(?:\[[^]]*\])?{_GROUP}"
    rf"|[ \t]*\\begin\{{(frame)\}}(?:<[^>]*>)?(?:\[[^]]*\])*{_GROUP}"
)
_LEVELS = {"part": 1, "chapter": 2, "section": 3, "subsection": 4, "subsubsection": 5, "frametitle": 6, "frame": 6}
_TITLE = re.compile(rf"\\title(?:\[[^]]*\])?{_GROUP}")
_TABLE = re.compile(r"[ \t]*\\begin\{(tabular[*xy]?|tabulary|longtable|supertabular|xltabular|tblr|longtblr|array)\}")
_RULE = re.compile(r"\\(?:hline|toprule|midrule|bottomrule|end(?:first)?head|cline|cmidrule)\b")
_ROW_END = re.compile(r"\\\\(?:\[[^]]*\])?|\\tabularnewline\b")
_SPANNING = re.compile(rf"\\multi(?:column|row)\{{[^{{}}]*\}}\{{[^{{}}]*\}}{_GROUP}")
_BEGIN = re.compile(
    rf"\\begin\{{[^{{}}]*\}}(?:\[[^]]*\])*(?:{_GROUP})*|\\end\{{[^{{}}]*\}}|\\caption(?:\[[^]]*\])?{_GROUP}"
)
_COMMAND = re.compile(r"\\[a-zA-Z]+\*?(?:\[[^]]*\])?|(?<!\\)[{}$]|(?<!\\)%.*")
_CODE = re.compile(r"[ \t]*\\begin\{(verbatim|lstlisting|minted|Verbatim)\*?\}")

# \newcommand{\crane}{Liebherr 550}: a name for plain text.
_NAMED = re.compile(r"\\(?:(?:re)?newcommand\*?\s*\{?|def\s*)\\([a-zA-Z]{2,})\}?\s*\{([^\\{}#%\n]{1,200})\}")


def load(path: Path, data: bytes, options: LoadOptions) -> Document:
    r"""The decoded file; its title is that of ``\title``, else the first section."""
    del options
    text, warnings = decode(data)
    text = _written_out(unescaped(text, ".tex"))
    blocks = Blocks()
    _scan(blocks, split_lines(text))
    title = _TITLE.search(text)
    return document(path, text, blocks.found, title=_plain(title[1]) if title else blocks.title, warnings=warnings)


def _written_out(text: str) -> str:
    """``text`` with the names that it gives to plain texts replaced by these; every line stays where it is."""
    texts: dict[str, str] = {}
    ends = 0
    for match in _NAMED.finditer(text):
        texts[match[1]] = match[2].replace("~", " ")
        ends = match.end()
    if not texts:
        return text
    used = re.compile(rf"\\({'|'.join(map(re.escape, texts))})(?![a-zA-Z])(?:\{{\}})?")
    return text[:ends] + used.sub(lambda match: texts[match[1]], text[ends:])


def _scan(blocks: Blocks, lines: Sequence[Line]) -> None:
    at = begin = 0
    while at < len(lines):
        content = lines[at].content
        if section := _SECTION.match(content):
            blocks.add(lines[begin:at], "paragraph")
            name = section[1] or section[3]
            blocks.heading([lines[at]], _plain(section[2] or section[4] or ""), _LEVELS[name])
            begin = at + 1
        elif table := _TABLE.match(content):
            blocks.add(lines[begin:at], "paragraph")
            end = _end(lines, at, table[1])
            _add_table(blocks, lines[at:end])
            at, begin = end - 1, end
        elif code := _CODE.match(content):
            blocks.add(lines[begin:at], "paragraph")
            end = _end(lines, at, code[1])
            blocks.add(lines[at:end], "code")
            at, begin = end - 1, end
        elif lines[at].is_blank:
            blocks.add(lines[begin:at], "paragraph")
            begin = at + 1
        at += 1
    blocks.add(lines[begin:], "paragraph")


def _end(lines: Sequence[Line], at: int, name: str) -> int:
    """The line after the end of the environment that begins in line ``at``."""
    closing = f"\\end{{{name}"
    return next((number for number in range(at, len(lines)) if closing in lines[number].content), len(lines) - 1) + 1


def _add_table(blocks: Blocks, lines: Sequence[Line]) -> None:
    """The rows of a table; the first one names the columns when a rule stands below it."""
    ends = [number for number, line in enumerate(lines) if _ROW_END.search(line.content)]
    columns = ""
    if len(ends) > 1:
        head, *below = _ROW_END.split("\n".join(line.content for line in lines[: ends[1] + 1]))
        has_rule = _RULE.search(below[0].split("&", 1)[0]) is not None
        columns = header_line(map(_plain, _BEGIN.sub("", head).split("&"))) if has_rule else ""
    # What stands behind the last row belongs to it.
    starts = [0, *(end + 1 for end in ends[:-1])]
    for number, (start, end) in enumerate(zip(starts, [*starts[1:], len(lines)], strict=True)):
        blocks.add(lines[start:end], "row", columns=columns if number else "")


def _plain(markup: str) -> str:
    """The text that a reader sees of a title or a cell, on one line."""
    markup = _SPANNING.sub(r"\1", _BEGIN.sub("", markup))
    text = _COMMAND.sub("", markup.replace("\\\\", " ").replace("~", " ").replace("\n", " "))
    return " ".join(text.replace("\\", "").split())
