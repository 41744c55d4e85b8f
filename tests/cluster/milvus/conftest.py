"""Milvus servers for the tests: started when one is asked for, stopped at the end of the module."""

import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parents[1] / "index")]


@pytest.fixture(scope="module", params=["lite", "real"])
def server(request, tmp_path_factory):
    """Each test that asks for it runs against both."""
    with _running(request.param, tmp_path_factory.mktemp(request.param)) as started:
        yield started


@pytest.fixture(scope="module")
def lite(tmp_path_factory):
    with _running("lite", tmp_path_factory.mktemp("lite")) as started:
        yield started


@pytest.fixture(scope="module")
def real(tmp_path_factory):
    with _running("real", tmp_path_factory.mktemp("real")) as started:
        yield started


@pytest.fixture
def trusted(monkeypatch, tmp_path):
    """In this process and in its children, servers are trusted by a list of the test's own."""
    from ragcli.index.milvus.address import parse_address
    from ragcli.index.milvus.trust import trust_server

    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "settings"))
    return lambda uri: trust_server(parse_address(uri).endpoint)


@pytest.fixture
def documents(tmp_path):
    """Two notes of a sentence each."""
    folder = tmp_path / "docs"
    folder.mkdir()
    (folder / "a.txt").write_text("The harbour is deep, and boats lie in it.")
    (folder / "b.txt").write_text("Bread rises near a warm oven.")
    return folder


def _running(kind, folder):
    from milvus_servers import running  # which needs pymilvus for its answers

    return running(kind, folder)
