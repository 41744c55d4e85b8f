import json
from pathlib import Path

import pytest

from ragcli.errors import LoadError
from ragcli.formats import notebook
from ragcli.formats.blocks import LoadOptions
from ragcli.types import Reason


def load(content: object):
    data = content if isinstance(content, bytes) else json.dumps(content).encode()
    return notebook.load(Path("a.ipynb"), data, LoadOptions())


def cell(kind: str, source: str | list[str], *outputs: dict) -> dict:
    return {"cell_type": kind, "metadata": {}, "source": source, "outputs": list(outputs)}


def test_cells_in_order_under_their_headings():
    document = load(
        {
            "nbformat": 4,
            "metadata": {},
            "cells": [
                cell("markdown", ["# Report\n", "\n", "Some *text*.\n", "\n", "- item"]),
                cell(
                    "code",
                    "print(1)\n\nx",
                    {"output_type": "stream", "name": "stdout", "text": ["1\n"]},
                    {"output_type": "execute_result", "data": {"text/plain": ["42"], "image/png": "aGk="}},
                    {"output_type": "stream", "text": "".join(f"step {number}\n" for number in range(500))},
                    {"output_type": "error", "ename": "ValueError", "evalue": "\x1b[31mbad\x1b[0m", "traceback": []},
                ),
                cell("markdown", "## Part\r\n\r\nend"),
                cell("raw", "raw text"),
                cell("code", ""),
            ],
        }
    )
    found = [(document.text[b.start : b.end], b.kind, b.headings) for b in document.blocks]
    log = found.pop(6)[0]
    assert log.startswith("step 0\nstep 1\n")
    assert log.endswith("\nstep 498\nstep 499")
    assert "\n...\n" in log
    assert len(log) < 2100
    assert found == [
        ("# Report", "heading", ("Report",)),
        ("Some *text*.", "paragraph", ("Report",)),
        ("- item", "list", ("Report",)),
        ("print(1)\n\nx", "code", ("Report",)),
        ("1", "code", ("Report",)),
        ("42", "code", ("Report",)),
        ("ValueError: bad", "code", ("Report",)),
        ("## Part", "heading", ("Report", "Part")),
        ("end", "paragraph", ("Report", "Part")),
        ("raw text", "paragraph", ("Report", "Part")),
    ]
    assert document.title == "Report"


def test_the_metadata_may_name_the_notebook():
    assert load({"metadata": {"title": "Named"}, "cells": [cell("markdown", "# Other")]}).title == "Named"


def test_notebooks_before_version_four():
    content = {"worksheets": [{"cells": [{"cell_type": "code", "input": ["x = 1"], "outputs": []}]}]}
    assert load(content).text == "x = 1"


@pytest.mark.parametrize("content", [b'{"cells": [', b"[" * 100_000, b"\xff\xfe\xfd", b"[1]", b'{"cells": 3}', b"{}"])
def test_what_is_no_notebook_is_damaged(content):
    with pytest.raises(LoadError) as caught:
        load(content)
    assert caught.value.reason is Reason.DAMAGED


def test_cells_of_any_shape_are_survived():
    cells = [1, None, {}, {"source": 3, "outputs": [1, {"data": []}]}, {"source": [1, "ok"], "outputs": {}}]
    assert load({"cells": cells}).text == "ok"


def test_no_text_is_empty():
    with pytest.raises(LoadError) as caught:
        load({"cells": [cell("code", " ")]})
    assert caught.value.reason is Reason.EMPTY


def test_outputs_in_markdown_and_html_are_read():
    document = load(
        {
            "cells": [
                cell(
                    "code",
                    "show()",
                    {"output_type": "display_data", "data": {"text/markdown": ["**Verdict:** take *it*."]}},
                    {
                        "output_type": "display_data",
                        "data": {
                            "text/plain": "<IPython.core.display.HTML object>",
                            "text/html": "<table><tr><th>Fish<th>Count<tr><td>Cod<td>3</table>",
                        },
                    },
                    {"output_type": "execute_result", "data": {"text/plain": "   a\n0  1", "text/html": "<p>no</p>"}},
                )
            ]
        }
    )
    assert document.text.split("\n\n")[1:] == ["Verdict: take it.", "Fish | Count\nFish: Cod | Count: 3", "   a\n0  1"]
