#!/usr/bin/env bash
# sphinx==9.0.4 with snowballstemmer==3.1.1, as pip installs them, and with 3.0.1; Node.js runs the search, 2026-11
#
# Expected: the search of a Sphinx site finds the words of its pages. Index and query are stemmed by the same algorithm
#   of Snowball, and whoever builds the site has nothing to choose.
# Happens: the index is stemmed in Python, by whichever release of snowballstemmer is installed (sphinx asks for 2.2 or
#   later), the query in the browser, by the stemmers of Snowball 3.0.1 that Sphinx carries. Since 3.1 they differ:
#   - Finnish: "python" is in the index as "pytho", and the browser asks for "python". The page is not found.
#   - English: the browser asks for "intern" to find "internal", which the index now calls "internal". Parts of words
#     count as long as no page has the term itself. With one page about interned strings, the search for "internal"
#     finds that page, and none of those on which it stands.
# Why it matters: the site changes without a change of its text or of Sphinx. Nothing fails at the build, and a look at
#   the generated index shows a sensible list. Sphinx 9.2.0, for Python 3.13, carries the same stemmers.
# What ragcli does: one function makes the terms of texts and of queries. A test holds the stems, so that another release
#   of the stemmer cannot change them unseen.
set -euo pipefail
command -v node >/dev/null || { echo "Node.js is needed" >&2; exit 2; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"${PYTHON:-python3}" -m venv "$work/venv"
cd "$work"
mkdir en fi
printf 'language = "en"\n' >en/conf.py
printf 'language = "fi"\n' >fi/conf.py
cat >en/index.rst <<'RST'
Guide
=====

.. toctree::

   state
   strings
RST
printf 'State\n=====\n\nThe internal state of the lamp is private.\n' >en/state.rst
printf 'Strings\n=======\n\nShort strings are interned in a table.\n' >en/strings.rst
cat >fi/index.rst <<'RST'
Opas
====

.. toctree::

   asennus
RST
printf 'Asennus\n=======\n\nOhjelma on tehty kielellä Python.\n' >fi/asennus.rst
# What a browser does with a query, with the scripts of the site in their order.
cat >find.cjs <<'JS'
const fs = require("fs");
const vm = require("vm");
const [site, ...queries] = process.argv.slice(2);
const nothing = { addEventListener() {}, getElementById: () => null, readyState: "loading", documentElement: { dataset: {} } };
const page = vm.createContext({ document: nothing, localStorage: { setItem() {} }, URLSearchParams });
page.window = page;
for (const name of ["documentation_options", "doctools", "sphinx_highlight", "searchtools", "language_data"]) {
  vm.runInContext(fs.readFileSync(`${site}/_static/${name}.js`, "utf8"), page);
}
vm.runInContext(fs.readFileSync(`${site}/searchindex.js`, "utf8"), page);
page.queries = queries;
const found = "queries.map((one) => Search._performSearch(...Search._parseQuery(one)).map((hit) => hit[0]))";
console.log(JSON.stringify(vm.runInContext(found, page)));
JS
for release in 3.1.1 3.0.1; do
  "$work/venv/bin/pip" install -qq --no-compile sphinx==9.0.4 snowballstemmer==$release ||
    { echo "the packages cannot be installed" >&2; exit 2; }
  for language in en fi; do
    "$work/venv/bin/python" -m sphinx -q -b html -d "trees-$language-$release" $language "$language-$release"
  done
  node find.cjs "en-$release" internal private >"en-$release.json"
  node find.cjs "fi-$release" Python kielellä >"fi-$release.json"
done
"$work/venv/bin/python" -I - <<'PY'
import json
import sys
from pathlib import Path

EXPECTED = {"internal": ["state"], "private": ["state"], "Python": ["asennus"], "kielellä": ["asennus"]}
STATED = {"3.1.1": EXPECTED | {"internal": ["strings"], "Python": []}, "3.0.1": EXPECTED | {"internal": ["state", "strings"]}}
changed = []
for release, stated in STATED.items():
    found = [hits for language in ("en", "fi") for hits in json.loads(Path(f"{language}-{release}.json").read_text())]
    for query, seen in zip(EXPECTED, found, strict=True):
        print(f"snowballstemmer {release}, query {query}\n  expected {EXPECTED[query]}\n  seen     {sorted(seen)}")
        if sorted(seen) != stated[query]:
            changed.append(f"{release}, {query}: stated {stated[query]}, seen {seen}")
if changed:
    sys.exit("changed: " + "; ".join(changed))
print("as stated")
PY
