#!/usr/bin/env bash
# flexsearch==0.8.212 (npm, the search of many documentation sites) under the installed Node.js, 2026-11
#
# Expected: the default encoder of an index lowers case and removes accents. Words are compared exactly; a fuzzier match
#   has to be chosen. Numbers are words.
# Happens: repeated letters become one, and digits are letters to that step: 77 is 7, 100 is 10, 2200 is 20 and 0.
#   Longer numbers are first cut into groups of three. So room 7 and room 77 are one room, section 11 is section 1, a
#   search for 100 finds 10 and 1000, and the exact one is not first. "Meer" and "Mer" are one word as well. The encoder
#   called "Exact" does none of it; the one called "Normalize" does.
# Why it matters: section numbers, ports, error codes and years are what people look up in a manual, and several of them
#   are one to the index. Tests with words pass.
# What ragcli does: a number is a term by itself. Tests hold them.
set -euo pipefail
command -v npm >/dev/null || { echo "npm and Node.js are needed" >&2; exit 2; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
npm install --silent --no-audit --no-fund --ignore-scripts --cache "$work/cache" flexsearch@0.8.212 ||
  { echo "the package cannot be installed" >&2; exit 2; }
cat > find.mjs <<'JS'
import { createRequire } from "node:module";
import FlexSearch from "flexsearch";

const require = createRequire(import.meta.url);
const texts = ["section 1", "section 11", "room 7", "room 77", "port 10", "port 100", "port 1000", "am Meer", "Mer"];
const changed = [];

function check(encoder, query, expected, stated) {
  const index = new FlexSearch.Index(encoder ? { encoder: FlexSearch.Charset[encoder] } : {});
  texts.forEach((text, number) => index.add(number, text));
  const seen = index.search(query).map((number) => texts[number]);
  console.log(`${encoder ?? "default"} encoder, query ${query}\n  expected ${expected.join(", ")}`);
  console.log(`  seen     ${seen.join(", ")}`);
  if (JSON.stringify(seen) !== JSON.stringify(stated)) {
    changed.push(`${encoder ?? "default"}, ${query}: stated ${stated}, seen ${seen}`);
  }
}

console.log("flexsearch", require("./node_modules/flexsearch/package.json").version, "node", process.version);
check(undefined, "1", ["section 1"], ["section 1", "section 11"]);
check(undefined, "77", ["room 77"], ["room 7", "room 77"]);
check(undefined, "100", ["port 100"], ["port 10", "port 100", "port 1000"]);
check(undefined, "Mer", ["Mer"], ["Mer", "am Meer"]);
check("Normalize", "77", ["room 77"], ["room 7", "room 77"]);
check("Exact", "77", ["room 77"], ["room 77"]);
check("Exact", "100", ["port 100"], ["port 100"]);
if (changed.length) {
  console.error("changed: " + changed.join("; "));
  process.exit(1);
}
console.log("as stated");
JS
node find.mjs
