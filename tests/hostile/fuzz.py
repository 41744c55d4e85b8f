"""Feed each loader files that are almost right, through the sandbox, and count what becomes of them.

    python tests/hostile/fuzz.py --seconds 600 [--seed 7]

A loader may return a document or say why it cannot; a worker that dies, or takes longer than the limit, is a fault and
is kept in ``--keep FOLDER``. Mutations are drawn from honest files of each format: bits, bytes and blocks changed,
taken out, doubled and moved, numbers made extreme, files cut and spliced; archives also from the inside.
"""

from __future__ import annotations

import argparse
import bz2
import gzip
import io
import lzma
import random
import sys
import tempfile
import time
import zipfile
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

import hostile_files
import olefile

from ragcli.formats.blocks import LoadOptions
from ragcli.ingest.sandbox.limits import Limits
from ragcli.ingest.sandbox.pool import Request, Sandbox
from ragcli.types import Document, Reason

BATCH = 50
SAMPLES = Path(__file__).resolve().parents[2] / "sample_docs"
NUMBERS = (b"0", b"-1", b"1", b"255", b"65536", b"2147483647", b"4294967296", b"99999999999999999999", b"1e999", b"NaN")
TOKENS = (
    b"<", b">", b"&", b"</", b"<![CDATA[", b"<!--", b"]]>", b"[", b"]", b"{", b"}", b'"', b"'", b"\\", b"\0", b"\n",
    b"\r", b"\x1b[", b"\xff\xfe", b"\xef\xbb\xbf", b"\xed\xa0\x80", b"```", b"|", b"# ", b"* ", b"obj", b"endobj",
    b"R ", b"stream\n", b"PK\3\4", b"=", b"---\n", b"::", b"..", b"Content-Type: ", b"--a", b"%PDF-", b"xref",
)  # fmt: skip


def seeds() -> dict[str, list[bytes]]:
    """Honest files by suffix: the samples, and one of each format that they lack."""
    found: dict[str, list[bytes]] = {}
    for path in sorted(SAMPLES.iterdir()):
        if path.is_file() and path.suffix:
            found.setdefault(path.suffix, []).append(path.read_bytes())
    made = {
        ".docx": hostile_files.good_docx(), ".pptx": hostile_files.good_pptx(), ".xlsx": hostile_files.good_xlsx(),
        ".pdf": hostile_files.good_pdf(pages=3), ".epub": hostile_files.epub(b"<h1>A</h1><p>text</p><table><tr><td>b"),
        ".csv": b'name,"a b",c\n1,"two\nlines",3\n' * 9, ".json": b'{"a": [1, {"b": null}], "c": "d"}\n' * 3,
        ".ipynb": b'{"cells": [{"cell_type": "code", "source": ["a = 1\\n"], "outputs": [{"text": "b"}]}]}',
        ".eml": b"Subject: =?utf-8?q?a=20b?=\nContent-Type: multipart/mixed; boundary=a\n\n--a\n\ntext\n--a\n"
        b"Content-Type: text/html; charset=latin-1\n\n<p>b\n--a--\n",
        ".mbox": b"From a\nSubject: b\n\ntext\n\nFrom c\nSubject: d\n\nmore\n",
        ".py": b"def f(a):\n    return [a]\n" * 5, ".yaml": b"a:\n  - b: c\n    d: |\n      e\n",
        ".toml": b"[a]\nb = 1\n[[c]]\n", ".xml": b"<a><b c='d'>e</b></a>",
        # One under the name of the other, as they come.
        ".xlt": b"<?xml version='1.0'?><Workbook xmlns='urn:schemas-microsoft-com:office:spreadsheet' "
        b"xmlns:ss='urn:schemas-microsoft-com:office:spreadsheet'><Worksheet ss:Name='a'><Table><Row ss:Index='2'>"
        b"<Cell ss:MergeDown='1' ss:Index='2'><Data ss:Type='Number'>1</Data><Comment>c</Comment></Cell></Row></Table>"
        b"</Worksheet></Workbook>",
        ".dot": b"<?xml version='1.0'?><w:wordDocument xmlns:w='http://schemas.microsoft.com/office/word/2003/wordml'>"
        b"<w:body><w:p><w:r><w:t>a</w:t></w:r><w:r><w:footnote><w:p><w:r><w:t>b</w:t></w:r></w:p></w:footnote></w:r>"
        b"</w:p></w:body></w:wordDocument>",
        ".ics": b"BEGIN:VEVENT\nSUMMARY:a\nDTSTART:20260405T091500Z\nDESCRIPTION:b\\nc\nEND:VEVENT\n",
        ".rtf": hostile_files.RTF,
        ".zip": hostile_files.packed({"a.txt": b"text", "c.md": b"# d\n", "e.zip": hostile_files.packed({"f": b""})}),
        ".tar": hostile_files.tar({"a.txt": b"text " * 99, "b/c.md": b"# d\n"}),
        ".tgz": gzip.compress(hostile_files.tar({"a.txt": b"text " * 99, "b/c.md": b"# d\n"})),
        ".gz": gzip.compress(b"text " * 99), ".bz2": bz2.compress(b"text " * 99), ".xz": lzma.compress(b"text " * 99),
        ".png": hostile_files.picture("PNG"), ".tiff": hostile_files.picture("TIFF"),
        ".jpg": hostile_files.picture("JPEG"), ".webp": hostile_files.picture("WEBP"),
        ".bmp": hostile_files.picture("BMP"), ".msg": hostile_files.good_msg(),
        ".doc": hostile_files.good_old_office("rocks.doc"),
        ".ppt": hostile_files.good_ppt(),
        ".xls": hostile_files.good_old_office("sales.xls"),
        ".odt": hostile_files.odf(hostile_files.ODF_TEXT + hostile_files.ODF_TABLE),
        ".fodt": hostile_files.flat_odf(hostile_files.ODF_TEXT + hostile_files.ODF_TABLE),
        ".ods": hostile_files.odf(hostile_files.ODF_TABLE, "spreadsheet"),
        ".odp": hostile_files.odf(hostile_files.ODF_SLIDE, "presentation"),
        ".adoc": b"= a\n\n== b\n\n|===\n|c |d\n\n|e |f\n|===\n",
        ".srt": b"1\n00:00:01,000 --> 00:00:02,000\n<i>a\n\n2\n00:00:03,000 --> 00:00:04,000\nb.</i>\n",
        ".org": b"#+title: t\n* TODO a :x:\n** b\ntext\n| c | d |\n|---+---|\n| e | f |\n#+begin_src\ng\n#+end_src\n",
        ".tex": b"\\newcommand{\\ab}{x~y}\n\\title{t \\ab}\n\\section{a}\ntext $b$ \\ab{}\n"
        b"\\begin{tabular}{l}\nc & d \\\\ \\hline\ne & f \\\\\n\\end{tabular}\n",
        ".fb2": b"<FictionBook><body><section><title><p>a</p></title><p>b<a type='note'>1</a></p><table><tr><td>c</td>"
        b"</tr></table></section></body><body name='notes'><section><title><p>1</p></title><p>d</p></section></body>"
        b"</FictionBook>",
    }  # fmt: skip
    for suffix, data in made.items():
        found.setdefault(suffix, []).append(data)
    return found


def mutate(data: bytes, rng: random.Random, others: list[bytes], *, inside: bool = True) -> bytes:
    """``data`` with some harm done to it."""
    if inside and rng.random() < 0.75 and data.startswith((b"PK\3\4", b"\xd0\xcf\x11\xe0")):
        return (_mutate_members if data.startswith(b"PK") else _mutate_streams)(data, rng, others)
    content = bytearray(data)
    for _ in range(rng.choice((1, 1, 2, 4, 16, 64))):
        at = rng.randrange(len(content) + 1)
        length = min(len(content) - at, rng.choice((1, 2, 8, 64, 512, 4096)))
        match rng.randrange(9):
            case 0 if length:
                content[at] ^= 1 << rng.randrange(8)
            case 1:
                content[at : at + length] = rng.randbytes(length)
            case 2:
                del content[at : at + length]
            case 3:
                content[at:at] = content[at : at + length] * rng.choice((1, 2, 100))
            case 4:
                content[at:at] = rng.choice(TOKENS) * rng.choice((1, 1, 3, 1000))
            case 5:
                other = rng.choice(others)
                start = rng.randrange(len(other))
                content[at:at] = other[start : start + length]
            case 6:
                content[at:at] = rng.choice(NUMBERS)
            case 7:
                del content[rng.randrange(len(content) // 2, len(content) + 1) :]
            case _:
                content[at:at] = rng.choice((bytes(length), b"\xff" * length, "\u202e\U0001f600".encode() * length))
        if not content:
            return bytes(data[:1])
    return bytes(content[: 4 << 20])


def _mutate_members(data: bytes, rng: random.Random, others: list[bytes]) -> bytes:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    for name in rng.sample(sorted(members), min(len(members), rng.choice((1, 1, 2)))):
        members[name] = mutate(members[name] or b" ", rng, others, inside=False)
    return hostile_files.packed(members)


def _mutate_streams(data: bytes, rng: random.Random, others: list[bytes]) -> bytes:
    with olefile.OleFileIO(io.BytesIO(data)) as file:
        streams = {tuple(name): file.openstream(name).read() for name in file.listdir()}
    for name in rng.sample(sorted(streams), min(len(streams), rng.choice((1, 1, 2)))):
        streams[name] = mutate(streams[name] or b" ", rng, others, inside=False)
    tree: dict[str, object] = {}
    for name, content in streams.items():
        folder = tree
        for part in name[:-1]:
            folder = folder.setdefault(part, {})
        folder[name[-1]] = content
    return hostile_files.compound(tree)


def cases(rng: random.Random, honest: Mapping[str, list[bytes]]) -> Iterator[tuple[str, bytes]]:
    """(suffix, content) without end, each suffix as often as the others."""
    everything = [data for found in honest.values() for data in found]
    while True:
        for suffix in sorted(honest):
            yield suffix, mutate(rng.choice(honest[suffix]), rng, everything)


def fuzz(seconds: float, seed: int, limits: Limits, keep: Path | None = None) -> tuple[Counter[str], list[str]]:
    """(outcomes counted, a line for each fault) after about ``seconds``; ``keep`` gets the files at fault."""
    rng = random.Random(seed)
    source = cases(rng, seeds())
    counts: Counter[str] = Counter()
    faults: list[str] = []
    deadline = time.monotonic() + seconds
    with (
        tempfile.TemporaryDirectory(prefix="ragcli-fuzz-") as name,
        Sandbox(2, limits, LoadOptions(ocr=True)) as sandbox,
    ):
        while time.monotonic() < deadline:
            batch = {Path(name) / f"{n}{suffix}": data for n, (suffix, data) in zip(range(BATCH), source, strict=False)}
            for path, data in batch.items():
                path.write_bytes(data)
            for loaded in sandbox.load(Request(path, None) for path in batch):
                outcome = loaded.outcome
                counts["files" if loaded.container is None else "members"] += 1
                if isinstance(outcome, Document):
                    counts["documents"] += 1
                    fault = unsound(outcome)
                else:
                    assert outcome is not None  # nothing was known of it
                    counts[str(outcome.reason)] += 1
                    limit = outcome.reason in {Reason.TIMED_OUT, Reason.OUT_OF_MEMORY}
                    crash = outcome.detail.startswith(("the parser crashed", "the parser closed", "the parser answers"))
                    fault = f"{outcome.reason}: {outcome.detail}" if limit or crash else ""
                if fault:
                    faults.append(f"{loaded.path.suffix}: {fault}")
                    if keep is not None:
                        keep.mkdir(parents=True, exist_ok=True)
                        (keep / f"seed{seed}-{counts['files']}{loaded.path.suffix}").write_bytes(
                            batch[loaded.container or loaded.path]
                        )
    return counts, faults


def unsound(document: Document) -> str:
    """What is wrong with a document, "" when its blocks are spans of its text in order and can be stored."""
    position = 0
    for block in document.blocks:
        if not position <= block.start < block.end <= len(document.text):
            return f"block {block} is no span behind {position} of {len(document.text)} characters"
        position = block.end
    names = (document.text, document.title, *(h for b in document.blocks for h in b.headings), *document.warnings)
    if any("\0" in name or any("\ud800" <= c <= "\udfff" for c in name) for name in names):
        return "it holds what cannot be stored"
    return ""


def main() -> int:
    """Print the figures; 1 when there is a fault."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=300)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--keep", type=Path, default=Path("fuzz-faults"))
    given = parser.parse_args()
    started = time.monotonic()
    counts, faults = fuzz(given.seconds, given.seed, Limits(seconds=30, memory_mib=1024), given.keep)
    lines = [f"seed {given.seed}, {time.monotonic() - started:.0f} s, {len(seeds())} suffixes"]
    lines += [f"{count:>8,}  {name}" for name, count in counts.most_common()]
    lines.append(f"{len(faults):>8,}  faults (crashes, timeouts, memory, unsound documents)")
    lines += [f"{count:>8,}  {kind[:160]}" for kind, count in Counter(faults).most_common(20)]
    sys.stdout.write("\n".join(lines) + "\n")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
