#!/usr/bin/env bash
# @electric-sql/pglite@0.5.17 (PostgreSQL 18.7 as a library for Node.js), 2026-11
#
# Expected: to_tsvector cuts text at what is neither a letter nor a digit, as other full-text indexes do, or keeps a
#   compound and its parts, as PostgreSQL does with "e-mail". Each part of "client/server" or KV-2291 is found.
# Happens: the parser looks for things of the network and for numbers first.
#   - What is joined by a slash is the path of a file, and one word: "client/server" is not found by "server", "TCP/IP"
#     not by "tcp", "read/write" not by "write".
#   - A hyphen before a digit is a minus: KV-2291 is "kv" and "-2291". "KV 2291", "2291" and "0134" for 555-0134 find
#     nothing, nor does the day of 2026-11-29. With a letter behind the digits, KV-2291a, all parts are found.
#   - Where the blank behind a full stop is missing, both words are one name of a host.
# Why it matters: it is the keyword half of many a hybrid search beside pgvector. Part numbers, dates and telephone
#   numbers are what one looks up by keywords, and both halves then miss them. The query as a whole, KV-2291, works, so
#   a test by copying from the text passes.
# What ragcli does: each part is a term, digits included. A test holds it.
set -euo pipefail
command -v npm >/dev/null || { echo "npm and Node.js are needed" >&2; exit 2; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
npm install --silent --no-audit --no-fund --ignore-scripts --cache "$work/cache" @electric-sql/pglite@0.5.17 ||
  { echo "the package cannot be installed" >&2; exit 2; }
cat > find.mjs <<'JS'
import { PGlite } from "@electric-sql/pglite";

const database = new PGlite();
const one = async (query, values) => (await database.query(query, values)).rows[0];
console.log((await one("select version() as it")).it.split(" on ")[0], "under Node.js", process.version);
const cases = [ // text, query, whether it is found
  ["the client/server protocol", "client/server", true],
  ["the client/server protocol", "server", false],
  ["the client and server protocol", "server", true],
  ["the TCP/IP stack", "tcp", false],
  ["the TCP-IP stack", "tcp", true],
  ["read/write access", "write", false],
  ["valve KV-2291 leaks", "KV-2291", true],
  ["valve KV-2291 leaks", "KV 2291", false],
  ["valve KV-2291 leaks", "2291", false],
  ["valve KV-2291a leaks", "2291a", true],
  ["valve KV_2291 leaks", "2291", true],
  ["inspected on 2026-11-29", "29", false],
  ["call 555-0134", "0134", false],
  ["the gate is closed. Boats wait outside", "closed", true],
  ["the gate is closed.Boats wait outside", "closed", false],
  ["the gate is closed.Boats wait outside", "boats", false],
];
const changed = [];
for (const [text, query, stated] of cases) {
  const found = await one(
    "select to_tsvector('english', $1) @@ websearch_to_tsquery('english', $2) as it, to_tsvector('english', $1)::text as terms",
    [text, query],
  );
  console.log(`${query} in "${text}": expected true, seen ${found.it}; the terms are ${found.terms}`);
  if (found.it !== stated) changed.push(`${query} in "${text}": stated ${stated}, seen ${found.it}`);
}
await database.close();
if (changed.length) {
  console.error(`changed: ${changed.join("; ")}`);
  process.exit(1);
}
console.log("as stated");
JS
node find.mjs
