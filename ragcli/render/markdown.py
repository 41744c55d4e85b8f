"""Results to paste into notes, issues and prompts."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TextIO
from urllib.parse import quote

from ragcli.render.passage import passage
from ragcli.render.visible import display_path, one_line, visible_name
from ragcli.types import Hit, Results

# What Markdown or HTML inside it would take for markup; a dot or a dash means something only at the start of a line,
# and every line written here starts with text of our own.
_MARKUP = re.compile(r"[\\`*_\[\]<>#|~!$&]")


def write_markdown(results: Results, out: TextIO, base: Path, *, context: int) -> None:
    """A numbered list: a link to the place, the headings, the snippet as a quotation with its matches in bold."""
    for rank, hit in enumerate(results.hits, 1):
        out.write(f"{rank}. {_heading(hit, base)}\n\n")
        for number, line in enumerate(passage(hit, context)):
            words = "".join(
                f"**{_escape(text)}**" if style == "match" else _escape(text) for text, style in line.pieces
            )
            # Two trailing blanks would be a line break that editors strip; an empty quotation line is a paragraph.
            out.write(("   >\n" if number else "") + f"   > {_lead(words.strip())}\n")
        out.write("\n")


def _heading(hit: Hit, base: Path) -> str:
    shown = display_path(hit.chunk.path, base)
    page, line = hit.snippet.page, hit.snippet.line
    place, fragment = (f", p. {page}", f"#page={page}") if page is not None else (f":{line}", f"#L{line}")
    link = f"[{_escape(visible_name(shown))}{place}]({quote(shown, errors='surrogateescape')}{fragment})"
    headings = " › ".join(_escape(one_line(heading)) for heading in hit.chunk.headings)
    return f"{link} — {headings}" if headings else link


def _escape(text: str) -> str:
    return _MARKUP.sub(lambda found: "\\" + found.group(), text)


def _lead(text: str) -> str:
    """A quoted line may itself start like a list item or a rule: the first sign is escaped."""
    return re.sub(r"^(\d+)([.)])|^([-+=])", lambda found: f"{found[1] or ''}\\{found[2] or found[3]}", text)
