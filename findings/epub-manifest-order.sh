#!/usr/bin/env bash
# sphinx==9.0.4 writing an EPUB that EbookLib==0.20 reads; beside it pypandoc_binary==1.17 (pandoc 3.9), 2026-11
#
# Expected: the chapters of a book come in the order in which they are read. get_items_of_type(ITEM_DOCUMENT), by which
#   every example of EbookLib goes through a book, gives them so, since the program that wrote the book listed them so.
# Happens: EbookLib goes by the manifest, whose order means nothing, and Sphinx writes the manifest by the names of the
#   files: folder by folder, and from A to Z. The appendix comes before the welcome, the parts of a subfolder behind the
#   last page, the index of words in the middle, and the table of contents in front, as a text. The spine of the same
#   file has the order of the book. A book by pandoc has both in one order, so that code that was tried with it works.
# Why it matters: a chunk that goes over the end of a chapter joins what does not belong together, "next" and "above"
#   point elsewhere, and a summary tells the end first. All words are there, so a search for any of them passes.
# What ragcli does: it reads chapters by the spine and leaves the contents out. A test holds it.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"${PYTHON:-python3}" -m venv "$work/venv"
"$work/venv/bin/pip" install -qq --no-compile sphinx==9.0.4 EbookLib==0.20 pypandoc_binary==1.17 ||
  { echo "the packages cannot be installed" >&2; exit 2; }
mkdir -p "$work/book/gates"
cd "$work/book"
cat >conf.py <<'PY'
project, version, copyright = "Harbour", "1", "nobody"
exclude_patterns = ["out"]
PY
printf 'Harbour\n=======\n\n.. toctree::\n\n   welcome\n   gates/north\n   berths\n   appendix\n' >index.rst
for page in welcome gates/north berths appendix; do printf '%s\n===========\n\nAbout it.\n' "${page##*/}" >"$page.rst"; done
"$work/venv/bin/python" -m sphinx -q -b epub -d "$work/trees" . "$work/out"
cd "$work"
"$work/venv/bin/python" -I -W ignore - <<'PY'
import sys
from importlib.metadata import version

import pypandoc
from ebooklib import ITEM_DOCUMENT, epub

CHAPTERS = ["index", "welcome", "north", "berths", "appendix"]
parts = "\n\n".join(f"# {name}\n\nAbout it." for name in CHAPTERS)
pypandoc.convert_text(parts, "epub", format="markdown", outputfile="pandoc.epub", extra_args=["--metadata=title:Harbour"])


def order(path):
    """The names of the documents by the manifest, and by the spine."""
    book = epub.read_epub(path)
    by_spine = [book.get_item_with_id(name).get_name() for name, _ in book.spine]
    by_manifest = [item.get_name() for item in book.get_items_of_type(ITEM_DOCUMENT)]
    return [[name.rpartition("/")[2].partition(".")[0] for name in names] for names in (by_manifest, by_spine)]


changed = []


def check(what, expected, seen, stated):
    print(f"{what}\n  expected {expected}\n  seen     {seen}")
    if seen != stated:
        changed.append(f"{what}: stated {stated}, seen {seen}")


print(*(f"{name} {version(name)}" for name in ("sphinx", "EbookLib", "pypandoc_binary")), pypandoc.get_pandoc_version())
by_manifest, by_spine = order("out/Harbour.epub")
check(
    "Sphinx, get_items_of_type",
    CHAPTERS,
    by_manifest,
    ["nav", "appendix", "berths", "genindex", "index", "welcome", "north"],
)
check("Sphinx, spine", [*CHAPTERS, "genindex"], by_spine, [*CHAPTERS, "genindex"])
by_manifest, by_spine = order("pandoc.epub")
stated = [f"ch00{number}" for number in range(1, 6)]
check("pandoc, get_items_of_type", stated, [name for name in by_manifest if name.startswith("ch")], stated)
check("pandoc, spine", stated, [name for name in by_spine if name.startswith("ch")], stated)
if changed:
    sys.exit("changed: " + "; ".join(changed))
print("as stated")
PY
