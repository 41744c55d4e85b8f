"""How much of what a program writes into a document does ragcli find in it?

    python -m benchmarks.fidelity [--keep FOLDER]

pandoc writes a text with headings, lists, a table and notes in each format that it knows, and LibreOffice makes other
files out of its Word file and its presentation. Prints for each file the share of the words of the producer's own text
export (``pandoc -t plain``, ``soffice --convert-to txt``) that ragcli finds in it, and how many of the headings. Needs
pandoc; without LibreOffice its files are left out. Exit code 1 when a share is under 98 %, but for the EPUB of
LibreOffice, which leaves the first row of tables out.
"""

from __future__ import annotations

import argparse
import re
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path

from ragcli.errors import LoadError
from ragcli.formats.blocks import LoadOptions
from ragcli.formats.registry import load

WANTED = 0.98
HEADINGS = ("Gates and locks", "Opening hours", "Repairs", "What it costs")
SOURCE = """
# Gates and locks

The north gate of Leith was built in 1911 and closes at dusk.[^pin] It weighs 38,500 kg, as *every* pilot knows.

## Opening hours

3. Ring the bell twice.
4. Wait for the green lantern.
    a. In fog, sound the horn.
    b. Otherwise do nothing.

- Dogs stay on a lead.
- Vessels over 40 m need a tug.

| Port    | Spring tide | Neap tide |
|---------|-------------|-----------|
| Leith   | 5.6 m       | 2.8 m     |
| Hoy     | 3.1 m       | 1.4 m     |
| Ålesund | 1.9 m       | 0.7 m     |

## Repairs

> Water waits for nobody, wrote the harbour master Lindqvist in his logbook.

capstan

:   A winch for the anchor cable, turned by four people.

The caretaker — Łucja Müller — oils the hinge monthly. Ключ у сторожа. 水門は閉じた。

# What it costs

A berth costs €12.50 per night; see [the tariff](https://example.org/tariff).[^late]

[^pin]: The hinge pin is made of bronze.
[^late]: Late payment costs 2 % per month.
"""
PANDOC = (
    "docx",
    "odt",
    "rtf",
    "epub2",
    "epub3",
    "html4",
    "html5",
    "rst",
    "asciidoc",
    "org",
    "latex",
    "ipynb",
    "docbook5",
    "fb2",
)
SUFFIXES = {
    "epub2": "epub", "epub3": "epub", "html4": "html", "html5": "html", "asciidoc": "adoc", "latex": "tex",
    "docbook5": "xml",
}  # fmt: skip
LIBREOFFICE = {
    "docx": ("docx", "odt", "fodt", "ott", "rtf", "doc", "html", "epub", "pdf"),
    "pptx": ("pptx", "odp", "fodp", "ppt", "pdf"),
}
_WORD = re.compile(r"[^\W_]+")
# A number before an item or a note, which each program writes in its own way.
_MARK = re.compile(r"\[?\b\d{1,2}\b[\].)]?|\b[a-z]\b")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--keep", type=Path, help="leave the files in this folder")
    keep = parser.parse_args().keep
    if not shutil.which("pandoc"):
        sys.exit("pandoc is not on the PATH")
    with tempfile.TemporaryDirectory() as temporary:
        folder = keep or Path(temporary)
        folder.mkdir(exist_ok=True)
        print(f"{'producer':12} {'file':16} {'words':>6} {'found':>7} headings")
        shares = [*_by_pandoc(folder), *(_by_libreoffice(folder) if shutil.which("soffice") else ())]
    sys.exit(min(shares) < WANTED)


def _by_pandoc(folder: Path) -> list[float]:
    source = folder / "source.md"
    source.write_text(SOURCE, encoding="utf-8")
    wanted = _run("pandoc", "-t", "plain", "--wrap=none", source)
    shares = []
    for name in PANDOC:
        file = folder / f"{name}.{SUFFIXES.get(name, name)}"
        _run("pandoc", "-s", "-t", name, "-M", "title=Harbour handbook", "-o", file, source)
        shares.append(_compare("pandoc", file, wanted))
    _run("pandoc", "-o", folder / "pptx.pptx", source)
    shares.append(_compare("pandoc", folder / "pptx.pptx", wanted))
    return shares


def _by_libreoffice(folder: Path) -> list[float]:
    shares = []
    for made, formats in LIBREOFFICE.items():
        for kind in formats:
            out = folder / f"libreoffice-{kind}"
            _office(folder / f"{made}.{made}", kind, out)
            file = next(out.glob(f"{made}.{kind}"), None)
            if file is None:
                print(f"LibreOffice does not write .{kind}")
                continue
            wanted = _run("pandoc", "-t", "plain", "--wrap=none", folder / "source.md")
            if made == "docx":
                _office(folder / "docx.docx", "txt:Text (encoded):UTF8", folder)
                wanted = (folder / "docx.txt").read_text(encoding="utf-8-sig")
            share = _compare("LibreOffice", file, wanted)
            shares += [share] if kind != "epub" else []
    return shares


def _office(file: Path, kind: str, out: Path) -> None:
    profile = (out.parent / "profile").absolute().as_uri()
    _run("soffice", f"-env:UserInstallation={profile}", "--headless", "--convert-to", kind, "--outdir", out, file)


def _run(*command: str | Path) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def _compare(producer: str, file: Path, wanted: str) -> float:
    try:
        document = load(file, file.read_bytes(), LoadOptions())
    except LoadError as error:
        print(f"{producer:12} {file.name:16} {error}")
        return 0.0
    words = Counter(_WORD.findall(_MARK.sub(" ", wanted.casefold())))
    found = Counter(_WORD.findall(document.text.casefold()))
    share = sum((words & found).values()) / words.total()
    missing = " ".join((words - found).elements())
    headings = {name for block in document.blocks for name in block.headings}
    named = sum(any(heading in name for name in headings) for heading in HEADINGS)
    print(f"{producer:12} {file.name:16} {words.total():6} {share:7.1%} {named} of {len(HEADINGS)}  {missing[:80]}")
    return share


if __name__ == "__main__":
    main()
