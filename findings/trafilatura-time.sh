#!/usr/bin/env bash
# trafilatura==2.3.1, beside readability-lxml==0.9 and html2text==2025.4.15, 2026-11
#
# Expected: an extractor of main text drops menus and ads, and leaves the sentences that it keeps as they are. The element
#   <time> marks a date or an hour inside a sentence, as the standard shows it, so it is text like <em> or <abbr>.
# Happens: trafilatura deletes <time> with what is in it, wherever it stands: "The deadline is . The office opens at and
#   closes at ." In a table of events the column of days is empty. So it is with favor_recall, with every output format
#   and in a list. The text of <data>, <abbr> and <dfn> is kept.
# Why it matters: the pages with careful markup, of authorities, conferences and timetables, lose just the dates, and the
#   sentences that are left read as if nothing were missing. "When is the deadline" finds the right page without the
#   answer.
# What ragcli does: <time> is text. A test holds it.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"${PYTHON:-python3}" -m venv "$work/venv"
# readability-lxml comes by itself: older resolvers of pip stumble over lxml[html-clean] and lxml[html_clean] together
{ "$work/venv/bin/pip" install -qq --no-compile trafilatura==2.3.1 html2text==2025.4.15 lxml_html_clean==0.4.6 &&
  "$work/venv/bin/pip" install -qq --no-compile --no-deps readability-lxml==0.9 chardet==5.2.0 cssselect==1.3.0; } ||
  { echo "the packages cannot be installed" >&2; exit 2; }
"$work/venv/bin/python" -I - <<'PY'
import sys
from importlib.metadata import version

import html2text
import lxml.html
import trafilatura
from readability import Document

RULES = "<p>The harbour publishes its rules for everybody who wants to rent a berth, and answers questions by mail.</p>"
PAGE = f"""<html><head><title>Berths</title></head><body><main><article><h1>Berths for boats</h1>{RULES}
<p>The deadline is <time datetime="2026-12-01">1 December</time>. The office opens at <time>8:30</time> and
costs <data value="12">twelve euro</data> a day for a <dfn>guest</dfn>.</p>{RULES}
<ul><li>Masts are set on <time>14 March</time>.</li></ul>
<table><tr><th>Event</th><th>Day</th></tr><tr><td>Launch</td><td><time>2 April</time></td></tr></table>
</article></main></body></html>"""
TIMES = ["1 December", "8:30", "14 March", "2 April"]
OTHERS = ["twelve euro", "guest", "Launch"]
changed = []


def check(what, expected, seen, stated):
    print(f"{what}\n  expected {expected}\n  seen     {seen}")
    if seen != stated:
        changed.append(f"{what}: stated {stated}, seen {seen}")


def found(text, phrases):
    return [phrase for phrase in phrases if phrase in text]


print(*(f"{name} {version(name)}" for name in ("trafilatura", "readability-lxml", "html2text")))
for options in ({}, {"favor_recall": True}, {"output_format": "markdown"}, {"output_format": "xml"}, {"fast": True}):
    text = trafilatura.extract(PAGE, **options)
    what = f"trafilatura {options or ''}".strip()
    check(f"{what}, dates and hours", TIMES, found(text, TIMES), [])
    check(f"{what}, other inline elements", OTHERS, found(text, OTHERS), OTHERS)
sentence = next(line for line in trafilatura.extract(PAGE).splitlines() if "deadline" in line)
check("trafilatura, the sentence", "The deadline is 1 December. ...", sentence.split(" and")[0],
      "The deadline is . The office opens at")
kept = lxml.html.fromstring(Document(PAGE).summary()).text_content()
check("readability-lxml, dates of the sentences", TIMES[:2], found(kept, TIMES[:2]), TIMES[:2])
check("html2text, dates and hours", TIMES, found(html2text.html2text(PAGE), TIMES), TIMES)
if changed:
    sys.exit("changed: " + "; ".join(changed))
print("as stated")
PY
