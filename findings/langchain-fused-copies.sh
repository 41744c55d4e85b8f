#!/usr/bin/env bash
# langchain-classic==1.0.8 with langchain-core==1.8.3, 2026-11
#
# Expected: reciprocal rank fusion gives a document 1 / (60 + rank) per list in which it stands. What is first in both
#   lists is first in the result, whatever the constant and with equal weights.
# Happens: EnsembleRetriever tells documents apart by their text, and adds the share of each copy within one list. The
#   sentence at the foot of five pages, ranks 2 to 6 of both lists, is before the passage that is first in both. One
#   copy is left, so that the other four pages are gone from the result as well. With id_key on the file both are right.
# Why it matters: folders are full of copies: versions, forwarded mails, footers, licences. The more often a text is
#   repeated, the higher it comes, above the only passage that answers. Test collections have no copies.
# What ragcli does: each passage has an id of its own and counts once per list. A test holds it.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"${PYTHON:-python3}" -m venv "$work/venv"
"$work/venv/bin/pip" install -qq --no-compile langchain-classic==1.0.8 langchain-core==1.8.3 ||
  { echo "the packages cannot be installed" >&2; exit 2; }
"$work/venv/bin/python" -I -W ignore - <<'PY'
import sys
from importlib.metadata import version

from langchain_classic.retrievers import EnsembleRetriever
from langchain_core.documents import Document
from langchain_core.retrievers import BaseRetriever


class Ranked(BaseRetriever):
    """A retriever with a result that is known."""

    ranking: list

    def _get_relevant_documents(self, query, *, run_manager):
        return self.ranking


ANSWER = Document(page_content="The gate opens at eight.", metadata={"file": "rules.md"})


def ranking(copies):
    feet = [Document(page_content="Write to the harbour office.", metadata={"file": f"{i}.md"}) for i in range(copies)]
    return [ANSWER, *feet]


STATED = {  # copies, id_key: the files of the result
    (1, None): ["rules.md", "0.md"],
    (2, None): ["0.md", "rules.md"],
    (5, None): ["0.md", "rules.md"],
    (5, "file"): ["rules.md", "0.md", "1.md", "2.md", "3.md", "4.md"],
}
changed = []
print(*(f"{name} {version(name)}" for name in ("langchain-classic", "langchain-core")))
for (copies, key), stated in STATED.items():
    lists = [Ranked(ranking=ranking(copies)) for _ in range(2)]
    expected = [document.metadata["file"] for document in ranking(copies)]
    fused = EnsembleRetriever(retrievers=lists, weights=[0.5, 0.5], id_key=key)
    seen = [document.metadata["file"] for document in fused.invoke("when does the gate open")]
    print(f"{copies} copies below the answer in both lists, id_key={key}\n  expected {expected}\n  seen     {seen}")
    if seen != stated:
        changed.append(f"{copies} copies, id_key={key}: stated {stated}, seen {seen}")
if changed:
    sys.exit("changed: " + "; ".join(changed))
print("as stated")
PY
