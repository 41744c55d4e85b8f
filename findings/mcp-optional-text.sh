#!/usr/bin/env bash
# mcp==2.3.0 (the Python SDK of the Model Context Protocol), 2026-11
#
# Expected: a tool with the parameter "query: str | None = None" publishes {"anyOf": [string, null]}. A client sends a
#   string, as the schema says, and the function gets that string.
# Happens: a string for a parameter whose annotation is not exactly "str" is first read as JSON. The query null arrives
#   as None, as if there had been no query. A query that is a JSON object or array, such as {"port": 8080} or ["a"], is
#   turned into one, and is then refused as "not a valid string". 42, true and "x" in quotes stay strings. The same tool
#   with "query: str" gets all of them as sent.
# Why it matters: people who search code and settings paste such text, and null is a word like others. To make a
#   parameter optional, for example to allow a search by file alone, is enough to change what it receives.
# What ragcli does: it speaks the protocol itself and takes strings as they are. A test asks for these.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"${PYTHON:-python3}" -m venv "$work/venv"
"$work/venv/bin/pip" install -qq --no-compile mcp==2.3.0 pydantic==2.14.3 ||
  { echo "the packages cannot be installed" >&2; exit 2; }
"$work/venv/bin/python" -I - <<'PY'
import asyncio
import logging
import sys
from importlib.metadata import version

from mcp import Client
from mcp.server.mcpserver import MCPServer

logging.disable(logging.CRITICAL)
server = MCPServer("search")


@server.tool()
def optional(query: str | None = None) -> str:
    return repr(query)


@server.tool()
def required(query: str) -> str:
    return repr(query)


STATED = {
    "harbour": "'harbour'",
    "null": "None",
    '{"port": 8080}': "refused",
    '["a"]': "refused",
    "42": "'42'",
    "true": "'true'",
    '"harbour"': "'\"harbour\"'",
}


async def main():
    changed = []
    async with Client(server) as client:
        (schema,) = (tool.input_schema for tool in (await client.list_tools()).tools if tool.name == "optional")
        print("schema of the optional query:", schema["properties"]["query"]["anyOf"])
        for name in ("optional", "required"):
            for query, optional_answer in STATED.items():
                answer = await client.call_tool(name, {"query": query})
                seen = "refused" if answer.is_error else answer.content[0].text
                stated = optional_answer if name == "optional" else repr(query)
                print(f"{name}: sent {query!r}, expected {query!r}, seen {seen}")
                if seen != stated:
                    changed.append(f"{name}, {query}: stated {stated}, seen {seen}")
    return changed


print("mcp", version("mcp"))
changed = asyncio.run(main())
if changed:
    sys.exit("changed: " + "; ".join(changed))
print("as stated")
PY
