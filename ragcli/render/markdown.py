"""Results to paste into notes, issues and prompts."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TextIO
from urllib.parse import quote

from ragcli.render.passage import passage
from ragcli.render.visible import display_path, fresh_mark, one_line, visible_name
from ragcli.types import Hit, Results

# The characters that Markdown, or HTML inside it, would read as markup. A dot or a dash is markup only at the start of
# a line, and every line written here starts with other text.
_MARKUP = re.compile(r"[\\`*_\[\]<>#|~!$&]")


def write_markdown(results: Results, out: TextIO, base: Path, *, context: int) -> None:
    """Write a numbered list: a link to the place, the headings, the snippet as a quotation with its matches in bold."""
    for rank, hit in enumerate(results.hits, 1):
        out.write(f"{rank}. {_heading(hit, base)}\n\n")
        for number, line in enumerate(passage(hit, context)):
            words = "".join(
                f"**{_escape(text)}**" if style == "match" else _escape(text) for text, style in line.pieces
            )
            # An empty quotation line makes a paragraph. Two trailing blanks make a line break, which editors strip.
            out.write(("   >\n" if number else "") + f"   > {_lead(words.strip())}\n")
        out.write("\n")


def _heading(hit: Hit, base: Path) -> str:
    shown = display_path(hit.chunk.path, base)
    page, line = hit.snippet.page, hit.snippet.line
    place, fragment = (f", p. {page}", f"#page={page}") if page is not None else (f":{line}", f"#L{line}")
    link = f"[{_escape(visible_name(shown))}{place}]({quote(shown, errors='surrogateescape')}{fragment})"
    link += f" {fresh_mark(hit.fresh)}" if fresh_mark(hit.fresh) else ""
    link += f" +{len(hit.alike)} alike" if hit.alike else ""
    headings = " › ".join(_escape(one_line(heading)) for heading in hit.chunk.headings)
    return f"{link} — {headings}" if headings else link


def _escape(text: str) -> str:
    return _MARKUP.sub(lambda found: "\\" + found.group(), text)


def _lead(text: str) -> str:
    """Escape the first sign of a quoted line that starts like a list item or a rule."""
    return re.sub(r"^(\d+)([.)])|^([-+=])", lambda found: f"{found[1] or ''}\\{found[2] or found[3]}", text)
