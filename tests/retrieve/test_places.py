"""Line and column of hits, checked against the bytes of the files themselves."""

from __future__ import annotations

import json

import pytest

FILLER = "Nobody writes about anything else in this place, and nobody reads it either, 第一. "


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Files whose passages begin in the middle of lines."""
    folder = tmp_path_factory.mktemp("files")
    (folder / "one.json").write_text(
        json.dumps({"text": FILLER * 24 + "the zebra sleeps " + FILLER * 4}, ensure_ascii=False)
    )
    (folder / "long.txt").write_text(f"# Title\n\n{FILLER * 24}the walrus sleeps {FILLER * 4}\n")
    code = [f"def step_{i}(value):\n    return value + {i}\n" for i in range(12)]
    (folder / "steps.py").write_text("\n\n".join([*code, "    # the giraffe sleeps\n    x = 1", *code]))
    return folder


@pytest.fixture(scope="module")
def index(files, tmp_path_factory):
    from ragcli.api import open_index
    from ragcli.ingest.options import SyncOptions
    from ragcli.ingest.sync import sync

    folder = tmp_path_factory.mktemp("home") / "index"
    sync(folder, [files], SyncOptions())
    with open_index(folder) as opened:
        yield opened


@pytest.mark.parametrize(("name", "word"), [("one.json", "zebra"), ("long.txt", "walrus"), ("steps.py", "giraffe")])
def test_line_and_column_are_those_of_the_word_in_the_file(index, files, name, word):
    from ragcli.api import search
    from ragcli.retrieve.engine import SearchOptions

    hit = search(index, word, SearchOptions(k=1, mode="keyword", reranker=None)).hits[0]
    assert hit.chunk.path == files / name
    line = (files / name).read_bytes().splitlines()[hit.snippet.line - 1]
    assert line[hit.snippet.column - 1 :].startswith(word.encode())
