#!/usr/bin/env bash
# docutils==0.23 (the HTML writer under Sphinx), trafilatura==2.3.1, readability-lxml==0.9, 2026-11
#
# Expected: an extractor of main content drops navigation and related links, and keeps the warnings and footnotes that
#   stand inside <main>, between the paragraphs of a manual. The page has no navigation at all.
# Happens: the html5 writer of docutils marks topics, sidebars, admonitions and footnotes as <aside>. trafilatura
#   removes every one of them, also with favor_recall and in html2txt(), the way to get all of the text. readability
#   keeps the longest and drops the others. The same document from the older html4 writer of docutils, which writes
#   <div> and <table>, keeps its warning, note and topic in both, and its footnote in trafilatura.
# Why it matters: "Never stand under the raised gate" is the sentence that somebody will search for, and a footnote
#   often holds the exception. The loss is silent, and depends on the writer that built the pages.
# What ragcli does: an <aside> inside the text of a page is content unless it is mostly links. Tests hold callouts,
#   footnotes and topics.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"${PYTHON:-python3}" -m venv "$work/venv"
# readability-lxml comes by itself: older resolvers of pip stumble over lxml[html-clean] and lxml[html_clean] together
{ "$work/venv/bin/pip" install -qq --no-compile docutils==0.23 trafilatura==2.3.1 lxml==6.1.3 lxml_html_clean==0.4.6 &&
  "$work/venv/bin/pip" install -qq --no-compile --no-deps readability-lxml==0.9 chardet==5.2.0 cssselect==1.3.0; } ||
  { echo "the packages cannot be installed" >&2; exit 2; }
"$work/venv/bin/python" -I - <<'PY'
import logging
import sys
from importlib.metadata import version

import lxml.html
import readability
import trafilatura
from docutils.core import publish_string

logging.disable(logging.CRITICAL)
SOURCE = """
The raised gate
===============

Two motors raise the gate of the canal, and the keeper lifts it twice a day for the ferry. [1]_ A bell rings before
the gate moves, and boats wait below the white mark until the lamp turns green.

.. topic:: Hours

   The gate is lifted at six in the morning and at nine in the evening.

.. warning:: Never stand under the raised gate, not even when the motors are off.

.. note:: The second motor starts a minute later.

The keeper writes each lift into a book, and the book is kept in the white house for ten years. Visitors may read it
on the first Monday of a month, when the keeper is at home and the gate is closed.

.. [1] The ferry leaves from pier four.
"""
PARTS = {"paragraph": "kept in the white house", "topic": "six in the morning", "warning": "Never stand under",
         "note": "second motor", "footnote": "pier four"}
STYLE = {"embed_stylesheet": False, "stylesheet_path": ""}
new, old = (publish_string(SOURCE, writer=writer, settings_overrides=STYLE).decode() for writer in ("html5", "html4"))


def by_readability(page):
    return lxml.html.fromstring(readability.Document(page).summary()).text_content()


changed = []


def check(what, text, stated):
    seen = [name for name, words in PARTS.items() if words in " ".join((text or "").split())]
    print(f"{what}\n  expected {' '.join(PARTS)}\n  seen     {' '.join(seen)}")
    if " ".join(seen) != stated:
        changed.append(f"{what}: stated {stated!r}, seen {' '.join(seen)!r}")


print(*(f"{name} {version(name)}" for name in ("docutils", "trafilatura", "readability-lxml")))
check("text of the html5 page", lxml.html.fromstring(new).text_content(), "paragraph topic warning note footnote")
check("trafilatura.extract, html5", trafilatura.extract(new), "paragraph")
check("trafilatura.extract(favor_recall=True), html5", trafilatura.extract(new, favor_recall=True), "paragraph")
check("trafilatura.html2txt, html5", trafilatura.html2txt(new), "paragraph")
check("trafilatura.extract, html4", trafilatura.extract(old), "paragraph topic warning note footnote")
check("readability, html5", by_readability(new), "paragraph warning")
check("readability, html4", by_readability(old), "paragraph topic warning note")
if changed:
    sys.exit("changed: " + "; ".join(changed))
print("as stated")
PY
