"""An encrypted connection to Milvus: the same answers, and no word to a server whose certificate nobody vouches for."""

import asyncio
import json
import queue
import shutil
import ssl
import subprocess
import threading
from contextlib import suppress
from types import SimpleNamespace

import pytest

pytest.importorskip("pymilvus", reason="needs pymilvus: make test-cluster installs it")

ROOTS = "GRPC_DEFAULT_SSL_ROOTS_FILE_PATH"


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    """(a certificate for this machine, signed by itself, its key)."""
    if shutil.which("openssl") is None:
        pytest.skip("openssl makes the certificate, and is not installed")
    folder = tmp_path_factory.mktemp("certificate")
    made, key = folder / "certificate.pem", folder / "key.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=127.0.0.1",
         "-addext", "subjectAltName=IP:127.0.0.1", "-out", made, "-keyout", key],
        check=True, capture_output=True,
    )  # fmt: skip
    return made, key


@pytest.fixture
def encrypted(lite, certificate):
    """What takes TLS in front of a server that does not: ``uri``, and ``served`` connections that got through."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(*certificate)
    context.set_alpn_protocols(["h2"])
    served = []

    async def serve(reader, writer):
        served.append(writer.get_extra_info("ssl_object").version())
        inner_reader, inner_writer = await asyncio.open_connection("127.0.0.1", lite.port)
        await asyncio.gather(_carry(reader, inner_writer), _carry(inner_reader, writer))

    async def stand():
        door = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context)
        stop = asyncio.Event()
        opened.put((door.sockets[0].getsockname()[1], asyncio.get_running_loop(), stop))
        await stop.wait()
        door.close()

    opened = queue.Queue()
    thread = threading.Thread(target=lambda: asyncio.run(stand()))
    thread.start()
    port, loop, stop = opened.get(timeout=20)
    yield SimpleNamespace(uri=f"milvus+tls://127.0.0.1:{port}/{lite.uri().rpartition('/')[2]}", served=served)
    loop.call_soon_threadsafe(stop.set)
    thread.join()


async def _carry(reader, writer):
    with suppress(OSError):
        while data := await reader.read(1 << 16):
            writer.write(data)
            await writer.drain()
    writer.close()


def test_an_encrypted_server_gives_the_answers_of_files(encrypted, certificate, ragcli, documents):
    known = {ROOTS: str(certificate[0])}
    done = ragcli("index", "-i", "m", "--store", encrypted.uri, str(documents), **known)
    assert done.returncode == 0, done.stderr
    assert ragcli("index", "-i", "files", str(documents)).returncode == 0
    asked = ("query", "--json", "--all", "boats")
    answers = [json.loads(ragcli(*asked, "-i", i, **known).stdout)["hits"] for i in ("m", "files")]
    found, wanted = ([(hit["path"], hit["score"]) for hit in hits] for hits in answers)
    assert found == wanted
    assert len(found) == 2
    assert set(encrypted.served) <= {"TLSv1.2", "TLSv1.3"}
    assert encrypted.served


def test_a_certificate_that_nobody_vouches_for_is_refused(encrypted, ragcli, documents):
    done = ragcli("index", "-i", "m", "--store", encrypted.uri, str(documents), RAGCLI_MILVUS_TOKEN="root:Milvus")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("ragcli: the server at milvus+tls://127.0.0.1")
    assert done.stderr.count("\n") == 1
    assert encrypted.served == []
