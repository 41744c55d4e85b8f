"""What a server, or what stands there, can do wrong: one line, exit code 2, nothing written."""

import os
import socket
import subprocess
import sys
import time
from concurrent import futures
from pathlib import Path

import pytest

pytest.importorskip("pymilvus", reason="needs pymilvus: make test-cluster installs it")

from milvus_servers import free_port, running

TOKEN = "root:Milvus"


def refused(done, *said):
    """One line that says it, and nothing on stdout."""
    assert done.returncode == 2, done.stderr
    assert done.stdout == ""
    assert done.stderr.count("\n") == 1, done.stderr
    assert done.stderr.startswith("ragcli: ")
    for words in said:
        assert words in done.stderr


def test_no_server(ragcli, documents, tmp_path):
    started = time.monotonic()
    port = free_port()
    refused(
        ragcli("index", "-i", "m", "--store", f"milvus://127.0.0.1:{port}/docs", str(documents)),
        f"milvus://127.0.0.1:{port} does not answer", "--store files",
    )  # fmt: skip
    assert time.monotonic() - started < 60  # pymilvus alone tries for minutes
    status = ragcli("status", "-i", "m")
    assert "nothing has been indexed" in status.stderr
    assert ragcli("index", "-i", "m", str(documents)).returncode == 0  # and it is not in the way
    assert ragcli("query", "-i", "m", "boats").returncode == 0


def test_a_server_that_takes_calls_and_never_answers(ragcli, documents):
    with socket.socket() as deaf:
        deaf.bind(("127.0.0.1", 0))
        deaf.listen()
        uri = f"milvus://127.0.0.1:{deaf.getsockname()[1]}/docs"
        started = time.monotonic()
        refused(ragcli("index", "--store", uri, str(documents)), "does not answer")
        assert time.monotonic() - started < 60


def test_no_server_is_told_of_before_a_cluster_is_asked_for_anything(ragcli, documents):
    pytest.importorskip("ray", reason="needs ray: make test-cluster installs it")
    with socket.create_server(("127.0.0.1", 0)) as other:  # would be waited for, for 45 s, and then be what is said
        address = f"127.0.0.1:{other.getsockname()[1]}"
        uri = f"milvus://127.0.0.1:{free_port()}/docs"
        refused(
            ragcli("index", "--engine", "ray", "--address", address, "--store", uri, str(documents)), "does not answer"
        )


@pytest.mark.parametrize(
    ("uri", "said"),
    [
        ("milvus://root:secret@127.0.0.1/docs", "RAGCLI_MILVUS_TOKEN"),
        ("milvus://127.0.0.1/docs?token=secret", "RAGCLI_MILVUS_TOKEN"),
        ("milvus://127.0.0.1", "invalid collection name"),
        ("milvus://127.0.0.1/a/b", "invalid collection name"),
        ("milvus://127.0.0.1/docs?index=ivf", "index=flat or index=hnsw"),
        ("http://127.0.0.1/docs", "milvus://HOST:PORT/COLLECTION"),
        ("milvus://127.0.0.1:x/docs", "milvus://HOST:PORT/COLLECTION"),
        ("somewhere", "milvus://HOST:PORT/COLLECTION"),
    ],
)
def test_an_address_that_is_none(ragcli, documents, tmp_path, uri, said):
    done = ragcli("index", "-i", "m", "--store", uri, str(documents))
    refused(done, said)
    assert "secret" not in done.stderr
    assert not (tmp_path / "home" / "m").exists()


def test_a_collection_of_someone_else(lite, ragcli, documents, tmp_path):
    foreign, other, wide = lite.uri(), lite.uri(), lite.uri()
    client = lite.client()
    client.create_collection(foreign.rsplit("/", 1)[1], dimension=384)
    before = sorted(client.list_collections())
    refused(ragcli("index", "-i", "m", "--store", foreign, str(documents)), "was not made by ragcli", "--store")
    assert ragcli("index", "-i", "first", "--store", other, str(documents)).returncode == 0
    refused(ragcli("index", "-i", "second", "--store", other, str(documents)), "belongs to another index")
    # an index of this name and place, which was made with a model of another dimension
    make_wide = f"""
from pathlib import Path
import sys; sys.path.insert(0, {str(Path(__file__).parents[2] / "index")!r})
from small_index import SETTINGS
from ragcli.index.writer import open_writer
with open_writer(Path({str(tmp_path / "home" / "wide")!r})) as writer:
    writer.start(SETTINGS._replace(store={wide!r}))
"""
    settings = {"XDG_CONFIG_HOME": str(tmp_path / "settings")}
    subprocess.run([sys.executable, "-c", make_wide], check=True, env={**os.environ, **settings})
    refused(ragcli("index", "-i", "third", "--store", wide, str(documents)), "vectors of 8 numbers", "gives 384")
    # nothing was written, and the index whose collection it is goes on
    assert ragcli("verify", "-i", "first").returncode == 0
    made = {uri.rsplit("/", 1)[1] for uri in (other, wide)}
    assert sorted(client.list_collections()) == sorted({*before, *made})
    client.close()


def test_an_index_that_names_a_server_which_nobody_named_here(lite, ragcli, documents, tmp_path):
    uri = lite.uri()
    assert ragcli("index", "-i", "m", "--store", uri, str(documents)).returncode == 0
    elsewhere = {"XDG_CONFIG_HOME": str(tmp_path / "of someone else")}
    refused(
        ragcli("query", "-i", "m", "boats", **elsewhere), "not trusted on this machine", f"ragcli config trust {uri}"
    )
    refused(ragcli("repair", "-i", "m", **elsewhere), "not trusted on this machine")
    refused(ragcli("verify", "-i", "m", **elsewhere), "not trusted on this machine")
    assert ragcli("query", "-i", "m", "--mode", "keyword", "boats", **elsewhere).returncode == 0
    assert ragcli("config", "trust", uri, **elsewhere).returncode == 0
    assert ragcli("query", "-i", "m", "boats", **elsewhere).returncode == 0
    assert ragcli("config", "distrust", uri, **elsewhere).returncode == 0
    refused(ragcli("query", "-i", "m", "boats", **elsewhere), "not trusted on this machine")


def test_a_found_settings_file_names_no_server(lite, ragcli, documents):
    (documents / "ragcli.toml").write_text(f'store = "{lite.uri()}"\n')
    done = ragcli("index", ".", cwd=documents)
    refused(done, "may not set store", "ragcli config trust")
    assert ragcli("config", "trust", cwd=documents).returncode == 0
    assert ragcli("index", ".", cwd=documents).returncode == 0
    assert ragcli("query", "boats", cwd=documents).returncode == 0


def test_offline_reaches_this_machine_alone(lite, ragcli, documents):
    assert ragcli("index", "-i", "m", "--offline", "--store", lite.uri(), str(documents)).returncode == 0
    assert ragcli("query", "-i", "m", "--offline", "boats").returncode == 0
    refused(
        ragcli("index", "-i", "n", "--offline", "--store", "milvus://milvus.example:19530/docs", str(documents)),
        "offline", "milvus.example",
    )  # fmt: skip
    # a proxy would carry what is meant for this machine to another one
    proxy = f"http://127.0.0.1:{free_port()}"
    assert ragcli("query", "-i", "m", "boats", http_proxy=proxy, grpc_proxy=proxy).returncode == 0


def test_pymilvus_is_not_installed(lite, ragcli, documents, tmp_path):
    assert ragcli("index", "-i", "m", "--store", lite.uri(), str(documents)).returncode == 0
    (tmp_path / "without" / "pymilvus").mkdir(parents=True)
    missing = "raise ModuleNotFoundError(\"No module named 'pymilvus'\", name='pymilvus')"
    (tmp_path / "without" / "pymilvus" / "__init__.py").write_text(missing)
    path = os.pathsep.join([str(tmp_path / "without"), os.environ.get("PYTHONPATH", "")])
    for command in (["index", "-i", "n", "--store", lite.uri(), str(documents)], ["query", "-i", "m", "boats"]):
        refused(ragcli(*command, PYTHONPATH=path), "pip install 'ragcli[cluster]'")
    assert ragcli("query", "-i", "m", "--mode", "keyword", "boats", PYTHONPATH=path).returncode == 0


def test_a_server_that_is_too_old(ragcli, documents):
    import grpc
    from pymilvus.grpc_gen import common_pb2, milvus_pb2, milvus_pb2_grpc

    class Old(milvus_pb2_grpc.MilvusServiceServicer):
        def Connect(self, request, context):  # noqa: N802 (as gRPC calls it)
            return milvus_pb2.ConnectResponse(status=common_pb2.Status(), identifier=1)

        def GetVersion(self, request, context):  # noqa: N802
            return milvus_pb2.GetVersionResponse(status=common_pb2.Status(), version="v2.2.16")

    server = grpc.server(futures.ThreadPoolExecutor(2))
    milvus_pb2_grpc.add_MilvusServiceServicer_to_server(Old(), server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        uri = f"milvus://127.0.0.1:{port}/docs"
        refused(ragcli("index", "--store", uri, str(documents)), "Milvus v2.2.16", "too old", "2.3")
    finally:
        server.stop(None).wait()


def test_tls_is_asked_for_where_there_is_none(lite, ragcli, documents):
    uri = lite.uri().replace("milvus://", "milvus+tls://")
    refused(ragcli("index", "--store", uri, str(documents)), "milvus+tls://127.0.0.1", "does not answer")


def test_the_token_comes_from_the_environment_and_goes_nowhere_else(ragcli, documents, tmp_path):
    with running("real", tmp_path / "server", auth=True) as server:
        uri = server.uri()
        index = ["index", "-i", "m", "--store", uri, str(documents)]
        refused(ragcli(*index), "does not accept the token", "RAGCLI_MILVUS_TOKEN")
        refused(ragcli(*index, RAGCLI_MILVUS_TOKEN="root:wrong-secret"), "does not accept the token")
        assert ragcli(*index, RAGCLI_MILVUS_TOKEN=TOKEN).returncode == 0
        answers = [
            ragcli("query", "-i", "m", "boats", RAGCLI_MILVUS_TOKEN=token, **more)
            for token in (TOKEN, "root:wrong-secret")
            for more in ({}, {"RAGCLI_DEBUG": "1"})
        ]
        assert [done.returncode for done in answers] == [0, 0, 2, 2]
        written = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if is_ours(path, tmp_path))
        for secret in (TOKEN, "wrong-secret"):
            assert secret.encode() not in written
            assert not any(secret in done.stdout + done.stderr for done in answers)


def is_ours(path, tmp_path):
    return path.is_file() and not path.is_relative_to(tmp_path / "server")
