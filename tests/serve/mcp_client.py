"""Ask ``ragcli mcp`` with the official SDK, of either line (1.30 or 2.3), and print what it saw as JSON.

python tests/serve/mcp_client.py URL                 over HTTP
python tests/serve/mcp_client.py COMMAND ARGUMENT... over stdin and stdout
"""

from __future__ import annotations

import json
import sys
from typing import Any

import anyio
import mcp
from mcp import StdioServerParameters
from mcp.client.stdio import stdio_client

CALLS = [
    ("search", {"query": "how can a network run backwards?", "k": 2}),
    ("show", {"ref": "sampling.txt:5"}),
    ("ask", {"question": "how can a network run backwards?"}),
    ("status", {}),
    ("search", {"q": "a field that does not exist"}),
]


async def see(session: Any, about: dict[str, Any]) -> None:
    tools = (await session.list_tools()).tools
    answers = []
    for name, arguments in CALLS:
        result = await session.call_tool(name, arguments)
        is_error = result.is_error if hasattr(result, "is_error") else result.isError
        answers.append([name, bool(is_error), [item.text for item in result.content]])
    sys.stdout.write(json.dumps({**about, "tools": [tool.name for tool in tools], "answers": answers}))


async def with_line_2(where: list[str]) -> None:
    from mcp.client.client import Client

    if where[0].startswith("http"):
        target: Any = where[0]
    else:
        target = stdio_client(StdioServerParameters(command=where[0], args=where[1:]))
    async with Client(target) as client:
        await see(client, {"version": client.protocol_version, "instructions": client.instructions})


async def with_line_1(where: list[str]) -> None:
    from mcp import ClientSession
    from mcp.client.streamable_http import streamablehttp_client

    if where[0].startswith("http"):
        transport: Any = streamablehttp_client(where[0])
    else:
        transport = stdio_client(StdioServerParameters(command=where[0], args=where[1:]))
    async with transport as streams, ClientSession(streams[0], streams[1]) as session:
        begun = await session.initialize()
        await see(session, {"version": begun.protocolVersion, "instructions": begun.instructions})


if __name__ == "__main__":
    anyio.run(with_line_2 if hasattr(mcp, "Client") else with_line_1, sys.argv[1:])
