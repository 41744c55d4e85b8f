"""docs/query.svg: a real run of ragcli on a terminal, drawn by rich.

python docs/make_picture.py    indexes sample_docs/ in a temporary folder, asks, and writes docs/query.svg
"""

from __future__ import annotations

import html
import io
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from rich.console import Console
from rich.terminal_theme import TerminalTheme
from rich.text import Text

PROJECT = Path(__file__).resolve().parents[1]
PICTURE = PROJECT / "docs" / "query.svg"
QUESTION = "how can a network run backwards without storing activations?"
COLUMNS = 100

_THEME = TerminalTheme(
    (13, 17, 23),
    (230, 237, 243),
    [
        (72, 79, 88), (255, 123, 114), (63, 185, 80), (227, 179, 65),
        (88, 166, 255), (188, 140, 255), (86, 212, 221), (177, 186, 196),
    ],
)  # fmt: skip
# rich's own frame without the address of a web font: a picture fetches nothing
_FRAME = """<svg class="rich-terminal" viewBox="0 0 {width} {height}" xmlns="http://www.w3.org/2000/svg">
<style>
.{unique_id}-matrix {{
    font-family: ui-monospace, SFMono-Regular, Menlo, Consolas, "DejaVu Sans Mono", monospace;
    font-size: {char_height}px;
    line-height: {line_height}px;
}}
{styles}
</style>
<defs>
<clipPath id="{unique_id}-clip-terminal">
<rect x="0" y="0" width="{terminal_width}" height="{terminal_height}" />
</clipPath>
{lines}
</defs>
{chrome}
<g transform="translate({terminal_x}, {terminal_y})" clip-path="url(#{unique_id}-clip-terminal)">
{backgrounds}
<g class="{unique_id}-matrix" xml:space="preserve">
{matrix}
</g>
</g>
</svg>
"""


def printed(home: Path, index: str) -> str:
    """What the command prints in colour, below the line that calls it."""
    done = subprocess.run(
        [sys.executable, "-m", "ragcli", "query", QUESTION, "-k", "3", "-f", "text", "--home", home, "--index", index],
        cwd=PROJECT, env={**os.environ, "FORCE_COLOR": "1", "COLUMNS": str(COLUMNS)},
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    return f'\x1b[1;32m$\x1b[0m ragcli query "{QUESTION}" -k 3\n{done.stdout}'


def svg(ansi: str) -> str:
    """A terminal with this on it."""
    console = Console(record=True, width=COLUMNS, file=io.StringIO(), force_terminal=True, color_system="truecolor")
    console.print(Text.from_ansi(ansi.rstrip()))
    return console.export_svg(title="ragcli", theme=_THEME, code_format=_FRAME, unique_id="ragcli")


def shown(picture: str) -> list[str]:
    """The lines of text in such a picture."""
    rows: dict[float, str] = {}
    piece = r'<text class="ragcli-r\d+" x="([\d.]+)" y="([\d.]+)" textLength="([\d.]+)"[^>]*>([^<]*)</text>'
    for x, y, length, text in re.findall(piece, picture):
        plain = html.unescape(text).replace("\xa0", " ")
        column = round(float(x) / (float(length) / len(plain)))  # spaces without style are left out
        rows[float(y)] = f"{rows.get(float(y), ''):<{column}}{plain}"
    return [rows[y].rstrip() for y in sorted(rows)]


def main() -> None:
    """Make an index, ask and draw."""
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        subprocess.run(
            [sys.executable, "-m", "ragcli", "index", PROJECT / "sample_docs", "--home", home, "--index", "samples"],
            check=True,
        )
        PICTURE.write_text(svg(printed(home, "samples")), encoding="utf-8")
    print(PICTURE)


if __name__ == "__main__":
    main()
