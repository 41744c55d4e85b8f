"""``ragcli cite``: whether the citations of an answer still hold."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ragcli.cli.command import command
from ragcli.cli.env import Env
from ragcli.errors import ExitCode, UsageError

if TYPE_CHECKING:
    from ragcli.answer.cite import Finding

_MOST = 1 << 25  # bytes of the text that is read


@command(index=False, home=False)
def cite(
    env: Env,
    *,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="An answer, or a text with citations; - is stdin.")],
) -> ExitCode:
    """Check the citations of an answer against the files as they are now.

    Reads what `ragcli ask` and `ragcli query` print, with or without --json, or a text that repeats their lines. For
    each citation one line says whether the quoted words hold, moved to another line or page, changed, or are gone.
    No index and no model is needed. Relative paths start in the current folder.

    Examples:
      ragcli ask "how often are logs rotated?" --json > answer.json; ragcli cite answer.json
      ragcli cite report.txt

    Exit codes: 0 all hold or moved, 1 one changed or is gone, 2 usage or fatal error.

    """
    from ragcli.answer.cite import check_citations, read_citations
    from ragcli.ingest.readers import read_documents
    from ragcli.render import write_json

    base = Path.cwd()
    findings = list(check_citations(read_citations(_text(file), base), read_documents))
    if env.json:
        write_json({"schema": 1, "citations": [_record(one) for one in findings]}, sys.stdout)
    else:
        sys.stdout.writelines(f"{_line(one, base)}\n" for one in findings)
    sound = all(one.state in {"holds", "moved"} for one in findings)
    return ExitCode.OK if sound else ExitCode.NOT_FOUND


def _text(file: Path) -> str:
    if str(file) == "-":
        data = sys.stdin.buffer.read(_MOST + 1)
    else:
        if not file.is_file():
            raise UsageError(f"{file} is not a file", "name one file, or - for stdin")
        with file.open("rb") as opened:
            data = opened.read(_MOST + 1)
    if len(data) > _MOST:
        raise UsageError(f"{file} is larger than 32 MB", "cut it into parts")
    return data.decode("utf-8", "replace")


def _record(finding: "Finding") -> dict[str, object]:
    cited = finding.cited
    return {
        "number": cited.number,
        "path": str(cited.path),
        "line": cited.line,
        "page": cited.page,
        "quote": cited.quote,
        "state": finding.state,
        "now": {"line": finding.line, "page": finding.page, "text": finding.now},
    }


def _line(finding: "Finding", base: Path) -> str:
    from ragcli.render.visible import display_path, one_line, visible, visible_name

    cited = finding.cited
    number = f"[{cited.number}] " if cited.number is not None else ""
    place = f"p. {cited.page}" if cited.page is not None else str(cited.line)
    sign = "  " if cited.page is not None else ":"
    found = f"p. {finding.page}" if cited.page is not None and finding.page else f"line {finding.line}"
    state: str = finding.state
    if finding.state == "moved":
        state = f"moved to {found}"
    elif finding.state == "changed" and finding.now:
        state = f'changed; {found} now says "{one_line(finding.now)}"'
    elif finding.state == "changed":
        state = "changed; the words are not there, nor any like them" if cited.quote else "changed; it is shorter now"
    elif finding.state == "gone":
        state = f"gone; {visible(finding.now)}"
    elif not cited.quote:
        state = "holds; the place is there, and no words were quoted"
    return f"{number}{visible_name(display_path(cited.path, base))}{sign}{place}: {state}"
