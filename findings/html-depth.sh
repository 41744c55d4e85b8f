#!/usr/bin/env bash
# lxml==6.1.3 (libxml2 2.14.6), beautifulsoup4==4.15.0, trafilatura==2.3.1, selectolax==1.0.2, 2026-11
#
# Expected: an HTML parser that recovers from errors reads a page to its end, or raises. Deep nesting costs at most the
#   structure of the deep part.
# Happens: libxml2 stops at the 256th level, and lxml returns what came before as a finished tree, without an exception.
#   Everything behind that place is lost, not only the deep elements: the paragraph after all of the quotations too.
#   Only the error log of the parser, which nobody keeps, says "Excessive depth". trafilatura inherits it. BeautifulSoup
#   with "lxml" does not, for it feeds the same parser in another way; HTMLParser(huge_tree=True) and selectolax read
#   all.
# Why it matters: each answer in a mail puts the earlier ones into one more <blockquote>, often with a <div> around, so
#   a thread of 130 answers is that deep. It is indexed without its oldest part and without the footer, and the file
#   counts as read.
# What ragcli does: it reads HTML, also in mail and EPUB, with a parser without that limit. A test holds a deep page.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"${PYTHON:-python3}" -m venv "$work/venv"
"$work/venv/bin/pip" install -qq --no-compile lxml==6.1.3 lxml_html_clean==0.4.6 beautifulsoup4==4.15.0 \
  trafilatura==2.3.1 selectolax==1.0.2 || { echo "the packages cannot be installed" >&2; exit 2; }
"$work/venv/bin/python" -I - <<'PY'
import logging
import sys
import warnings
from importlib.metadata import version

import lxml.html
import trafilatura
from bs4 import BeautifulSoup
from lxml import etree
from selectolax.lexbor import LexborHTMLParser

logging.disable(logging.CRITICAL)
warnings.simplefilter("ignore")
REPLIES = 130
THREAD = "".join(f"<div><p>Reply {n} stands here.</p><blockquote>" for n in range(REPLIES))
PAGE = f"<html><body>{THREAD}{'</blockquote></div>' * REPLIES}<p>The gate opens at six.</p></body></html>"
changed = []


def check(what, text, stated):
    seen = ((text or "").count("Reply"), "six" in (text or ""))
    print(f"{what}\n  expected {REPLIES} replies and the paragraph after them")
    print(f"  seen     {seen[0]} replies and {'the' if seen[1] else 'no'} paragraph after them")
    if seen != stated:
        changed.append(f"{what}: stated {stated}, seen {seen}")


print("libxml2", ".".join(map(str, etree.LIBXML_VERSION)),
      *(f"{name} {version(name)}" for name in ("lxml", "beautifulsoup4", "trafilatura", "selectolax")))
huge = lxml.html.HTMLParser(huge_tree=True)
check("lxml.html", lxml.html.fromstring(PAGE).text_content(), (127, False))
check("BeautifulSoup, lxml", BeautifulSoup(PAGE, "lxml").get_text(), (REPLIES, True))
check("trafilatura.html2txt", trafilatura.html2txt(PAGE), (127, False))
check("lxml.html, huge_tree=True", lxml.html.fromstring(PAGE, parser=huge).text_content(), (REPLIES, True))
check("selectolax", LexborHTMLParser(PAGE).text(), (REPLIES, True))
if changed:
    sys.exit("changed: " + "; ".join(changed))
print("as stated")
PY
