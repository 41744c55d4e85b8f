"""The HTTP routes: their answers are those of the command line, and what must not get in does not."""

from __future__ import annotations

import contextlib
import json
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import jsonschema
import pytest

from ragcli.render.record import schema

SAMPLES = Path(__file__).resolve().parents[2] / "sample_docs"

JSON = {"Content-Type": "application/json"}


class Answer:
    """What a server sent: the status, the headers, and the body."""

    def __init__(self, received: bytes) -> None:
        head, _, self.body = received.partition(b"\r\n\r\n")
        first, *lines = head.decode("latin-1").split("\r\n")
        self.status = int(first.split()[1])
        self.headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}

    @property
    def json(self):
        return json.loads(self.body)


def send(place, raw: bytes, *, seconds: float = 120) -> Answer:
    """Send bytes as they are, and read to the end: no client library may repair them."""
    family = socket.AF_UNIX if isinstance(place, Path) else socket.AF_INET
    with socket.socket(family) as connection:
        connection.settimeout(seconds)
        connection.connect(str(place) if isinstance(place, Path) else ("127.0.0.1", place))
        connection.sendall(raw)
        received = b""
        while part := connection.recv(1 << 16):
            received += part
    return Answer(received)


def ask(place, method: str, path: str, body: object = None, **headers: str) -> Answer:
    content = b"" if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
    lines = {"Host": "localhost", "Connection": "close", **({"Content-Type": "application/json"} if content else {})}
    lines |= {name.replace("_", "-"): value for name, value in headers.items()}
    if content:
        lines.setdefault("Content-Length", str(len(content)))
    head = "".join(f"{name}: {value}\r\n" for name, value in lines.items() if value is not None)
    return send(place, f"{method} {path} HTTP/1.1\r\n{head}\r\n".encode("latin-1") + content)


@pytest.fixture
def printed(sample_home):
    """What the command prints in process."""

    def run(*arguments: str) -> bytes:
        command = [sys.executable, "-m", "ragcli", *arguments, "--home", str(sample_home), "-i", "samples"]
        return subprocess.run(
            [*command, "--server", "never"], capture_output=True, check=False, timeout=300, cwd=SAMPLES
        ).stdout

    return run


@pytest.mark.parametrize("over", ["port", "socket"])
def test_answers_are_the_bytes_that_the_command_prints(server, printed, over):
    place = server.port if over == "port" else server.socket
    for question, options, fields in [
        ("how can a network run backwards?", (), {}),
        ("byte pair encoding", ("-k", "3", "--unique", "--type", "md"), {"k": 3, "unique": True, "type": ["md"]}),
        ("temperature", ("--mode", "keyword", "--no-rerank"), {"mode": "keyword", "rerank": False, "k": None}),
        ("attention", ("--path", "*.md", "--min-prob", "0.2"), {"path": ["*.md"], "min_prob": 0.2}),
        ("attention", ("--path", "sampling.txt"), {"path": ["sampling.txt"]}),
    ]:
        found = ask(place, "POST", "/v1/query", {"query": question, "index": "samples", **fields})
        assert (found.status, found.headers["content-type"]) == (200, "application/json")
        assert found.body == printed("query", question, "--json", *options)
        jsonschema.validate(found.json, schema("results"))
    found = ask(place, "POST", "/v1/ask", {"question": "how can a network run backwards?"})
    assert found.body == printed("ask", "how can a network run backwards?", "--json")
    jsonschema.validate(found.json, schema("answer"))
    found = ask(place, "POST", "/v1/show", {"ref": "sampling.txt:5", "context": 2})
    assert found.body == printed("show", "sampling.txt:5", "-C", "2", "--json")


def test_several_indexes_are_asked_at_once(ragcli, started_server, tmp_path):
    for name, text in {
        "tower": "The tower clock strikes ten at night.", "harbour": "The harbour clock strikes at noon.",
        "bread": "Bread rises in a warm kitchen.",
    }.items():  # fmt: skip
        (tmp_path / f"{name}.txt").write_text(text)
        assert ragcli("index", str(tmp_path / f"{name}.txt"), "-i", name).returncode == 0
    question, options = "when does the clock strike?", ("-i", "tower", "-i", "harbour")
    with started_server(tmp_path / "home", "-i", "tower", "--port", "0") as running:
        asked = {"query": question, "index": ["tower", "harbour"]}
        found = ask(running.port, "POST", "/v1/query", asked).json
        assert [(Path(hit["path"]).stem, hit["index"]) for hit in found["hits"]] == [
            (name, name) for name in (Path(hit["path"]).stem for hit in found["hits"])
        ]
        assert {hit["index"] for hit in found["hits"]} == {"tower", "harbour"}
        for hit in found["hits"]:
            shown = ask(running.port, "POST", "/v1/show", {"ref": str(hit["chunk"]), "index": hit["index"]}).json
            assert shown["text"] == hit["text"]
        assert found == json.loads(ragcli("query", question, *options, "--json", "--server", "never").stdout)
        answer = ask(running.port, "POST", "/v1/ask", {"question": question, "index": ["tower", "harbour"]})
        assert answer.json == json.loads(ragcli("ask", question, *options, "--json", "--server", "never").stdout)
        alone = ask(running.port, "POST", "/v1/query", {"query": question, "index": ["tower"]})
        assert alone.body == ask(running.port, "POST", "/v1/query", {"query": question, "index": "tower"}).body
        for names, status, told in [
            ([], 400, "name 1 to 64 indexes"), (["tower"] * 65, 400, "name 1 to 64 indexes"),
            (["tower", "/etc"], 400, "invalid index '/etc'"), (["tower", ["bread"]], 400, "invalid index ['bread']"),
            (["tower", "other"], 404, "there are: bread, harbour, tower"), ({"tower": 1}, 400, "invalid index"),
        ]:  # fmt: skip
            refused = ask(running.port, "POST", "/v1/query", {"query": question, "index": names})
            assert refused.status == status
            assert told in f"{refused.json['error']}; {refused.json['hint']}"


def test_an_answer_comes_as_events(server, printed):
    found = ask(server.port, "POST", "/v1/ask", {"question": "what is attention?"}, Accept="text/event-stream")
    assert found.headers["content-type"].startswith("text/event-stream")
    chunks, body = found.body, b""
    while chunks:  # chunked transfer encoding
        size, _, rest = chunks.partition(b"\r\n")
        body, chunks = body + rest[: int(size, 16)], rest[int(size, 16) + 2 :]
    events = [event for event in body.decode().split("\n\n") if event and not event.startswith(":")]
    names = [event.splitlines()[0] for event in events]
    assert names == ["event: passages", "event: answer"]
    last = json.loads(events[-1].splitlines()[1].removeprefix("data: "))
    assert last == json.loads(printed("ask", "what is attention?", "--json"))


def test_indexes_are_listed(server, sample_home):
    record = ask(server.port, "GET", "/v1/indexes").json
    (index,) = [one for one in record["indexes"] if one["name"] == "samples"]
    assert index["roots"] == [str(SAMPLES)]
    assert index["documents"] == sum(index["kinds"].values()) > 10
    assert record["default"] == "samples"


def test_the_description_names_every_route_and_field(server):
    record = ask(server.port, "GET", "/v1/openapi.json").json
    for path, about in record["paths"].items():
        for method, operation in about.items():
            body = {}
            if method == "post":
                form = operation["requestBody"]["content"]["application/json"]["schema"]
                jsonschema.Draft202012Validator.check_schema(form)
                body = {form["required"][0]: "attention" if path != "/v1/show" else "3"}
                body |= {name: one["default"] for name, one in form["properties"].items() if "default" in one}
                jsonschema.validate(body, form)
            assert ask(server.port, method.upper(), path, body or None).status == 200, (method, path)


@pytest.mark.parametrize(
    ("path", "body", "status", "told"),
    [
        ("/v1/query", {"query": "x", "topk": 3}, 400, "there is no field 'topk'"),
        ("/v1/query", {"query": "x", "k": "3"}, 400, "write an integer from 1 to 1000"),
        ("/v1/query", {"query": "x", "k": 0}, 400, "write an integer from 1 to 1000"),
        ("/v1/query", {"query": "x", "k": True}, 400, "write an integer from 1 to 1000"),
        ("/v1/query", {"query": "x", "path": "*.md"}, 400, "write a list of strings"),
        ("/v1/query", {"query": "x", "mode": "deep"}, 400, "modes: hybrid, dense, keyword"),
        ("/v1/query", {"query": " "}, 400, "the query is empty"),
        ("/v1/query", {"query": 5}, 400, "write a string"),
        ("/v1/query", {}, 400, "the field 'query' is missing"),
        ("/v1/query", b"[1]", 400, "not a JSON object"),
        ("/v1/query", b"{", 400, "the body is not JSON"),
        ("/v1/query", b"[" * 100_000, 400, "the body is not JSON"),
        ("/v1/query", {"query": "x", "index": "other"}, 404, "there are: samples"),
        ("/v1/query", {"query": "x", "index": "../samples"}, 400, "invalid index"),
        ("/v1/query", {"query": "x", "index": "/etc"}, 400, "invalid index"),
        ("/v1/query", {"query": "x", "index": ".."}, 400, "invalid index"),
        ("/v1/query", {"query": "x", "reranker": "/tmp"}, 400, "there is no field 'reranker'"),
        ("/v1/show", {"ref": "/etc/passwd:1"}, 400, "is not in the index"),
        ("/v1/show", {"ref": "../../etc/passwd"}, 400, "is not in the index"),
        ("/v2/query", {"query": "x"}, 404, "is not a route"),
        ("/healthz", {"query": "x"}, 405, "is not a route"),
    ],
)
def test_a_wrong_request_is_told_how_to_be_right(server, path, body, status, told):
    found = ask(server.port, "POST", path, body)
    assert found.status == status
    assert told in f"{found.json['error']}; {found.json['hint']}"


# -- what a page in a browser, or another program, may try ------------------------------------------------------------

ROUTES = [
    ("GET", "/healthz"), ("GET", "/v1/indexes"), ("POST", "/v1/query"), ("POST", "/v1/ask"), ("POST", "/v1/show"),
    ("GET", "/v1/openapi.json"), ("POST", "/cli/query"), ("POST", "/cli/stop"), ("OPTIONS", "/v1/query"),
    ("HEAD", "/healthz"), ("PUT", "/v1/query"), ("GET", "/no/route"), ("POST", "/mcp"),
]  # fmt: skip
ATTACKS = {
    "a page of another site": {"Origin": "https://evil.example"},
    "a page that hides its origin": {"Origin": "null"},
    "DNS rebinding": {"Host": "evil.example:{port}"},
    "DNS rebinding with its own origin": {"Host": "evil.example:{port}", "Origin": "http://evil.example:{port}"},
    "a name that begins like localhost": {"Host": "localhost.evil.example"},
    "a name that ends like an address": {"Host": "evil.127.0.0.1"},
    "every interface": {"Host": "0.0.0.0:{port}"},
    "user data before the name": {"Host": "127.0.0.1@evil.example"},
    "an origin with user data": {"Origin": "http://localhost@evil.example"},
    "an origin that begins like localhost": {"Origin": "http://localhost.evil.example"},
    "a page of another server on this machine": {"Origin": "http://localhost:1"},
    "an extension": {"Origin": "chrome-extension://aaaaaaaaaaaaaaaa"},
    "a file": {"Origin": "file://"},
    "an image or a script in a page": {"Sec-Fetch-Site": "cross-site"},
    "a page of a sister site": {"Sec-Fetch-Site": "same-site"},
    "no host": {"Host": None},
    "an empty host": {"Host": ""},
    "a number as an address": {"Host": "2130706433x"},
}


@pytest.mark.parametrize("attack", ATTACKS)
def test_no_route_answers_a_foreign_page(server, attack):
    headers = {name: value and value.format(port=server.port) for name, value in ATTACKS[attack].items()}
    for method, path in ROUTES:
        if headers.get("Host", "") is None:
            found = send(server.port, f"{method} {path} HTTP/1.0\r\n\r\n".encode())
        else:
            found = ask(server.port, method, path, {"query": "attention"} if method == "POST" else None, **headers)
        assert found.status == 403, (method, path)
        assert b"sample_docs" not in found.body


@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "127.0.0.1:{port}"}, {"Host": "[::1]:{port}"}, {"Host": "LOCALHOST"}, {"Host": "127.8.8.8"},
        {"Host": "localhost:{port}", "Origin": "http://localhost:{port}"},
        {"Host": "127.0.0.1:{port}", "Origin": "http://127.0.0.1:{port}", "Sec-Fetch-Site": "same-origin"},
    ],
)  # fmt: skip
def test_the_names_of_this_machine_are_answered(server, headers):
    headers = {name: value.format(port=server.port) for name, value in headers.items()}
    assert ask(server.port, "GET", "/healthz", **headers).status == 200


def test_two_hosts_are_refused(server):
    raw = b"GET /v1/indexes HTTP/1.1\r\nHost: localhost\r\nHost: evil.example\r\nConnection: close\r\n\r\n"
    assert send(server.port, raw).status == 400


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", None])
def test_a_form_of_a_page_is_refused(server, kind):
    """These are the types that a page may send to another site without being asked."""
    found = ask(server.port, "POST", "/v1/query", b'{"query": "attention"}', Content_Type=kind)
    assert found.status == 415


def test_no_answer_may_be_read_by_another_page(server):
    for method, path in ROUTES:
        found = ask(server.port, method, path, {"query": "attention"} if method == "POST" else None)
        assert not [name for name in found.headers if name.startswith("access-control-")]
        assert found.headers["x-content-type-options"] == "nosniff"
        assert found.headers["cache-control"] == "no-store"


def test_the_questions_of_the_command_line_are_for_the_socket_alone(server):
    for question in ("query", "ask", "show", "rerank", "stop"):
        assert ask(server.port, "POST", f"/cli/{question}", {}).status == 404
    assert server.process.poll() is None
    assert "pid" not in ask(server.port, "GET", "/healthz").json


def test_no_get_changes_anything(server):
    for path in ("/cli/stop", "/v1/query?query=x", "/cli/query"):
        assert ask(server.socket, "GET", path).status == 405
    assert server.process.poll() is None


def test_the_token_is_asked_for_on_every_route(start, short_folder):
    token = short_folder / "token"
    with start("--port", "0", "--token", str(token), folder=short_folder) as running:
        assert token.stat().st_mode & 0o777 == 0o600
        right = token.read_text().strip()
        assert len(right) >= 32
        for method, path in [route for route in ROUTES if route[1] != "/healthz"]:
            body = {"query": "attention"} if method == "POST" else None
            for wrong in (None, "Bearer", f"Bearer {right}x", f"Basic {right}", "Bearer é", right):
                assert ask(running.port, method, path, body, Authorization=wrong).status == 401
        good = ask(running.port, "POST", "/v1/query", {"query": "attention"}, Authorization=f"Bearer {right}")
        assert good.status == 200
        assert ask(running.port, "GET", f"/v1/indexes?token={right}").status == 401
        assert ask(running.port, "GET", "/healthz").json == {"ok": True}
        assert ask(running.socket, "GET", "/v1/indexes").status == 200  # only the user can open the socket


def test_another_name_is_answered_when_it_is_allowed(start, short_folder):
    with start("--port", "0", "--allow-host", "Search.example", folder=short_folder) as running:
        assert ask(running.port, "GET", "/healthz", Host=f"search.example:{running.port}").status == 200
        assert ask(running.port, "GET", "/healthz", Host="evil.example").status == 403


# -- clients that do not behave ---------------------------------------------------------------------------------------


def test_a_body_that_is_too_large_is_refused_before_it_is_read(server):
    head = f"POST /v1/query HTTP/1.1\r\nHost: localhost\r\n{_type()}Content-Length: {100 << 20}\r\n\r\n"
    assert send(server.port, head.encode()).status == 413
    chunked = f"POST /v1/query HTTP/1.1\r\nHost: localhost\r\n{_type()}Transfer-Encoding: chunked\r\n\r\n".encode()
    block = b"100000\r\n" + b" " * 0x100000 + b"\r\n"
    with contextlib.suppress(ConnectionResetError):  # the system may drop an answer to what was not read to its end
        assert send(server.port, chunked + 2 * block).status == 413
    assert ask(server.port, "GET", "/healthz").status == 200


def _type() -> str:
    return "Content-Type: application/json\r\n"


def test_half_a_request_is_given_up(server):
    """Half a body, half a head, and nothing at all: others are answered meanwhile, and each connection ends."""
    head = f"POST /v1/query HTTP/1.1\r\nHost: localhost\r\n{_type()}Content-Length: 50\r\n\r\n".encode()
    ends: dict[str, bytes] = {}

    def wait(name: str, raw: bytes) -> None:
        with socket.create_connection(("127.0.0.1", server.port), 60) as connection:
            connection.sendall(raw)
            received = b""
            while part := connection.recv(1 << 16):
                received += part
            ends[name] = received

    halves = {"body": head + b'{"query"', "head": b"GET /healthz HTTP/1.1\r\nHo", "nothing": b""}
    threads = [threading.Thread(target=wait, args=half) for half in halves.items()]
    for thread in threads:
        thread.start()
    assert ask(server.port, "POST", "/v1/query", {"query": "attention", "rerank": False}).status == 200
    for thread in threads:
        thread.join(60)
    assert Answer(ends["body"]).status == 408
    assert (ends["head"], ends["nothing"]) == (b"", b"")


@pytest.mark.parametrize(
    "raw",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",  # TLS
        b"GET / HTTP/9.9\r\n\r\n", b"nonsense\r\n\r\n", b"\r\n\r\n\r\n", b"GET /" + b"x" * 100_000,
        b"POST /v1/query HTTP/1.1\r\nHost: localhost\r\nContent-Length: -5\r\n\r\n",
        b"POST /v1/query HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
    ],
)  # fmt: skip
def test_nonsense_ends_its_own_connection_only(server, raw):
    with socket.create_connection(("127.0.0.1", server.port), 60) as connection:
        connection.sendall(raw)
        connection.shutdown(socket.SHUT_WR)
        received = b""
        while part := connection.recv(1 << 16):
            received += part
    assert not received or Answer(received).status in (400, 403, 408, 415)
    assert ask(server.port, "GET", "/healthz").status == 200


def test_more_questions_than_fit_are_told_to_come_back(start, short_folder):
    with start("--threads", "1", "--queue", "1", "--port", "0", folder=short_folder) as running:
        found: list[Answer] = []

        def question(number: int) -> None:
            found.append(ask(running.port, "POST", "/v1/query", {"query": f"how is attention computed? {number}"}))

        threads = [threading.Thread(target=question, args=(number,)) for number in range(12)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert {answer.status for answer in found} == {200, 503}
        refused = next(answer for answer in found if answer.status == 503)
        assert refused.headers["retry-after"] == "1"
        assert "ask again" in refused.json["hint"]
        assert ask(running.port, "POST", "/v1/query", {"query": "attention"}).status == 200


# -- the index changes under the server -------------------------------------------------------------------------------


def test_an_answer_is_never_older_than_the_last_commit(start, ragcli, tmp_path, short_folder):
    home, notes = tmp_path / "home", tmp_path / "notes"
    notes.mkdir()
    variables = {"RAGCLI_HOME": str(home), "RAGCLI_SOCKET": str(short_folder / "serve.sock")}
    asked = {"query": "what does the clock strike", "index": "samples", "rerank": False}
    with start("--home", str(home), "--port", "0", folder=short_folder) as running:
        assert ask(running.port, "POST", "/v1/query", asked).status == 404
        for hour in ("ten", "eleven", "twelve"):
            (notes / "clock.txt").write_text(f"The tower clock strikes {hour} at night.")
            assert ragcli("index", str(notes), "-i", "samples", **variables).returncode == 0
            for _ in range(4):  # each thread has an index of its own
                (hit,) = ask(running.port, "POST", "/v1/query", asked).json["hits"]
                assert hour in hit["text"]
        for file in sorted((home / "samples").rglob("*"), reverse=True):
            file.unlink() if file.is_file() else file.rmdir()
        (home / "samples").rmdir()
        assert ask(running.port, "POST", "/v1/query", asked).status == 404
        assert ragcli("index", str(notes), "-i", "samples", **variables).returncode == 0
        assert ask(running.port, "POST", "/v1/query", asked).status == 200


def test_eight_readers_and_a_writer(start, ragcli, tmp_path, short_folder):
    """No error, and no answer that is older than a commit which ended before the question."""
    home, notes = tmp_path / "home", tmp_path / "notes"
    notes.mkdir()
    variables = {"RAGCLI_HOME": str(home), "RAGCLI_SOCKET": str(short_folder / "serve.sock")}
    (notes / "n.txt").write_text("The counter of the harbour shows 0 boats.")
    assert ragcli("index", str(notes), "-i", "samples", **variables).returncode == 0
    committed, stop, faults = [0], threading.Event(), []
    with start("--home", str(home), "--port", "0", folder=short_folder) as running:

        def read() -> None:
            while not stop.is_set():
                least = committed[0]
                found = ask(running.port, "POST", "/v1/query", {"query": "counter harbour boats", "rerank": False})
                text = found.json["hits"][0]["text"] if found.status == 200 else found.body.decode()
                if found.status != 200 or int(text.split()[-2]) < least:
                    faults.append((least, text))
                time.sleep(0.05)  # the writer needs a processor too

        readers = [threading.Thread(target=read) for _ in range(8)]
        for reader in readers:
            reader.start()
        for number in range(1, 5):
            (notes / "n.txt").write_text(f"The counter of the harbour shows {number} boats.")
            assert ragcli("index", str(notes), "-i", "samples", **variables).returncode == 0
            committed[0] = number
        stop.set()
        for reader in readers:
            reader.join()
        log = home / "samples" / "catalog.sqlite3-wal"
        assert faults == []
        assert not log.exists() or log.stat().st_size < 8 << 20
