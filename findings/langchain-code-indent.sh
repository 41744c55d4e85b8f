#!/usr/bin/env bash
# langchain-text-splitters==1.1.3, 2026-11
#
# Expected: a splitter cuts text. MarkdownHeaderTextSplitter puts what stands below a heading into one chunk, with the
#   heading as metadata; between fences it looks for no heading, so it knows what code is. start_index says where a
#   chunk of RecursiveCharacterTextSplitter begins in the text.
# Happens: the lines come back without their indentation, between fences too. Python code is not valid any more, nested
#   lists are flat, and indented code is a paragraph. start_index is -1 for many chunks when length is counted in words
#   or tokens and chunks overlap, for the place is looked up from an offset that mixes characters and words.
# Why it matters: the chunk is what a model is shown and what is cited. Its code raises an IndentationError, or an
#   "else" belongs to another "if". A citation has no place, or a wrong one: -1 is a valid index in Python.
# What ragcli does: a chunk is a slice of the text by its two offsets. A test holds that for arbitrary documents.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"${PYTHON:-python3}" -m venv "$work/venv"
"$work/venv/bin/pip" install -qq --no-compile langchain-text-splitters==1.1.3 ||
  { echo "the packages cannot be installed" >&2; exit 2; }
"$work/venv/bin/python" -I - <<'PY'
import ast
import sys
from importlib.metadata import version

from langchain_text_splitters import MarkdownHeaderTextSplitter, RecursiveCharacterTextSplitter

CODE = """\
def state(gate, boat):
    if gate.closed:
        if boat.waits:
            return "open it"
    else:
        return "let it through"
"""
LIST = "- lamps\n    - red\n    - green\n- bells"
PAGE = f"# Gate\n\nThe rule:\n\n```python\n{CODE}```\n\n{LIST}\n"
changed = []


def check(what, expected, seen, stated):
    print(f"{what}\n  expected {expected!r}\n  seen     {seen!r}")
    if seen != stated:
        changed.append(f"{what}: stated {stated!r}, seen {seen!r}")


def is_valid(code):
    try:
        ast.parse(code)
    except SyntaxError as error:
        return type(error).__name__
    return "valid"


print("langchain-text-splitters", version("langchain-text-splitters"))
(chunk,) = MarkdownHeaderTextSplitter([("#", "title")]).split_text(PAGE)
print(chunk.page_content)
code = chunk.page_content.split("```")[1].removeprefix("python\n")
check("the code of the chunk", is_valid(CODE), is_valid(code), "IndentationError")
bare = "\n".join(line.strip() for line in LIST.splitlines())
check("the list", LIST, chunk.page_content.splitlines()[-4:], bare.splitlines())

NAMES = "harbour gate keeper bell tide ferry lamp rope boat pier mark book".split()
text = "\n\n".join(" ".join(NAMES[(i + i * j) % 12] for j in range(5 + i * 7 % 50)) + "." for i in range(60))
for overlap in (0, 10):
    splitter = RecursiveCharacterTextSplitter(
        chunk_size=40, chunk_overlap=overlap, length_function=lambda part: len(part.split()), add_start_index=True
    )
    starts = [(chunk.metadata["start_index"], chunk.page_content) for chunk in splitter.create_documents([text])]
    assert all(content in text for _, content in starts)
    lost = sum(start == -1 for start, _ in starts)
    print(f"chunks of 40 words, overlap {overlap}: expected a start_index of -1 for 0 of {len(starts)}, seen {lost}")
    if (lost > len(starts) // 10) != (overlap > 0):
        changed.append(f"overlap {overlap}: {lost} of {len(starts)}")
if changed:
    sys.exit("changed: " + "; ".join(changed))
print("as stated")
PY
