"""How many pages of PDF a second are read, and is the text as good?

    python -m benchmarks.pdf [PDF...] [--rounds 7]

Without names: the PDFs of sample_docs/ and of /usr/share/doc. Each file is read in turn by ragcli's loader (text,
paragraphs, headings, running lines taken out), by pypdf's extract_text and by pdfium alone; processor time, one core.
Where pdftotext is on the PATH, its text is the reference: the share of its runs of four words that each of the others
has, and the share of theirs that it has. A reference, not a truth.
"""

from __future__ import annotations

import argparse
import io
import re
import shutil
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pypdf
import pypdfium2

from benchmarks.harness import ROUNDS, spread
from benchmarks.results import write_result
from ragcli.formats import registry as loaders
from ragcli.formats.blocks import LoadOptions

SAMPLES = Path(__file__).parents[1] / "sample_docs"
RUN = 4


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="*", type=Path)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    options = parser.parse_args()
    files = options.files or [*sorted(Path("/usr/share/doc").rglob("*.pdf")), *sorted(SAMPLES.glob("*.pdf"))]
    found = {path.name: measure(path, options.rounds) for path in files}
    for name, one in found.items():
        print(f"{name:32.32} {one['pages']:4} pages ", end="")
        print(", ".join(f"{reader} {ms['median']:.2f} ms" for reader, ms in one["ms a page"].items()), end="")
        print(f"; {one['times as fast as pypdf']['median']:.1f} times pypdf; {one['agreement with pdftotext']}")
    write_result("pdf", {"rounds": options.rounds, "files": found})


def measure(path: Path, rounds: int) -> dict[str, object]:
    data = path.read_bytes()
    pages = len(pypdf.PdfReader(io.BytesIO(data)).pages)
    readers: dict[str, Callable[[], str]] = {
        "ragcli": lambda: loaders.load(path, data, LoadOptions()).text,
        "pypdf": lambda: "\n".join(page.extract_text() for page in pypdf.PdfReader(io.BytesIO(data)).pages),
        "pdfium alone": lambda: bare(data),
    }
    texts = {name: read() for name, read in readers.items()}  # and warms up
    seconds: dict[str, list[float]] = {name: [] for name in readers}
    for _ in range(rounds):
        for name, read in readers.items():
            started = time.process_time()
            read()
            seconds[name].append(time.process_time() - started)
    return {
        "pages": pages,
        "ms a page": {name: spread([1000 * one / pages for one in taken]) for name, taken in seconds.items()},
        "times as fast as pypdf": spread(
            [other / one for one, other in zip(seconds["ragcli"], seconds["pypdf"], strict=True)]
        ),
        "agreement with pdftotext": agreement(path, texts),
    }


def bare(data: bytes) -> str:
    with pypdfium2.PdfDocument(data) as document:
        return "\n".join(page.get_textpage().get_text_range() for page in document)


def agreement(path: Path, texts: dict[str, str]) -> dict[str, list[float]] | None:
    """[share of the reference's runs found, share of the own runs that the reference has], None without pdftotext."""
    if shutil.which("pdftotext") is None:
        return None
    done = subprocess.run(["pdftotext", path, "-"], capture_output=True, check=True)
    reference = runs(done.stdout.decode("utf-8", "replace"))
    shares = {}
    for name, text in texts.items():
        own = runs(text)
        shares[name] = [round(len(own & reference) / max(1, len(whole)), 3) for whole in (reference, own)]
    return shares


def runs(text: str) -> set[tuple[str, ...]]:
    words = re.findall(r"\w+", text.lower())
    return {tuple(words[i : i + RUN]) for i in range(len(words) - RUN + 1)}


if __name__ == "__main__":
    main()
