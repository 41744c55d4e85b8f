"""The hub, reached and not reached, in fresh interpreters: its library reads the environment once, when imported."""

from __future__ import annotations

import hashlib
import json
import subprocess
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar

import pytest

from ragcli.models.hub import needed

Run = Callable[..., subprocess.CompletedProcess[str]]

RESOLVE = """
from ragcli.errors import ModelUnavailable
from ragcli.models.resolve import resolve
try:
    files = resolve(NAME, offline=OFFLINE)
    print(files.name, files.revision, sorted(p.relative_to(files.folder).as_posix() for p in files.folder.rglob("*.*")))
except ModelUnavailable as error:
    print(error)
"""


@pytest.fixture
def ask(run_python: Run) -> Callable[..., str]:
    """What ``resolve`` prints for a name, and that it prints nothing else."""

    def run(name: str, *, offline: bool = False, **env: str) -> str:
        done = run_python(RESOLVE.replace("NAME", repr(name)).replace("OFFLINE", str(offline)), **env)
        assert done.stderr == ""
        assert done.stdout.count("\n") == 1
        return done.stdout

    return run


def test_an_unreachable_hub_is_one_line_with_the_way_out(ask: Callable[..., str]) -> None:
    line = ask("some/model", HF_ENDPOINT="http://127.0.0.1:9")
    for part in ("some/model", "http://127.0.0.1:9", "could not be reached", "no network", "refused"):
        assert part in line
    for way in ("ragcli models add FOLDER", "HF_ENDPOINT", "HTTPS_PROXY", "REQUESTS_CA_BUNDLE", "SSL_CERT_FILE"):
        assert way in line


def test_a_dead_proxy_is_named_without_its_password(ask: Callable[..., str]) -> None:
    line = ask("some/model", HF_ENDPOINT="https://hub.invalid", HTTPS_PROXY="http://me:secret@127.0.0.1:9")
    assert "the proxy 127.0.0.1:9" in line
    assert "secret" not in line


def test_an_unknown_host_is_no_network(ask: Callable[..., str]) -> None:
    assert "cannot be looked up" in ask("some/model", HF_ENDPOINT="https://hub.invalid")


def test_tls_failures_point_at_the_certificates(ask: Callable[..., str], hub: str) -> None:
    line = ask("some/model", HF_ENDPOINT=hub.replace("http:", "https:"))  # a server that does not speak TLS
    assert "TLS failed" in line
    assert "SSL_CERT_FILE" in line


@pytest.mark.parametrize("switch", ["RAGCLI_OFFLINE", "HF_HUB_OFFLINE", "--offline"])
def test_offline_asks_nobody(switch: str, ask: Callable[..., str], hub: str) -> None:
    env = {} if switch == "--offline" else {switch: "1"}
    line = ask("org/tiny", offline=switch == "--offline", HF_ENDPOINT=hub, **env)
    assert f"offline ({switch})" in line
    assert "ragcli models add FOLDER" in line
    assert Hub.asked == []


@pytest.mark.parametrize("name", ["two words", "org/na me", "???", ""])
def test_a_name_that_no_hub_has(name: str, ask: Callable[..., str]) -> None:
    assert "neither a folder, an added model nor" in ask(name, HF_ENDPOINT="http://127.0.0.1:9")


@pytest.mark.parametrize(
    ("status", "parts"),
    [
        (404, ["has no public model org/absent (answer 404)", "check the name"]),
        (401, ["has no public model org/absent (answer 401)", "HF_TOKEN"]),
        (403, ["restricts access to org/absent", "HF_TOKEN"]),
        (503, ["answered 503", "try again later"]),
    ],
)
def test_refusals_are_told_apart(status: int, parts: list[str], ask: Callable[..., str], hub: str) -> None:
    Hub.refusal = status
    line = ask("org/absent", HF_ENDPOINT=hub)
    for part in parts:
        assert part in line


def test_a_model_is_fetched_once_and_only_what_is_needed(ask: Callable[..., str], hub: str) -> None:
    first = ask("org/tiny", HF_ENDPOINT=hub)
    assert first.startswith(f"org/tiny {COMMIT} ")
    assert "model.safetensors" in first
    assert not {"onnx/model.onnx", "pytorch_model.bin", "README.md"} & {path for _, path in Hub.asked}
    fetched = [path for command, path in Hub.asked if command == "GET" and path in Hub.files]
    assert fetched[-1] == "model.safetensors"  # so that its presence means a whole model
    assert sorted(fetched) == sorted(set(fetched))
    Hub.asked.clear()
    assert ask("org/tiny", HF_ENDPOINT=hub) == ask("org/tiny", offline=True, HF_ENDPOINT=hub) == first
    assert Hub.asked == []


def test_a_download_that_was_cut_short_is_resumed(ask: Callable[..., str], hub: str, tmp_path: Path) -> None:
    first = ask("org/tiny", HF_ENDPOINT=hub)
    [weights] = tmp_path.rglob("model.safetensors")
    weights.unlink()
    assert "offline" in ask("org/tiny", offline=True, HF_ENDPOINT=hub)
    assert ask("org/tiny", HF_ENDPOINT=hub) == first


def test_bare_names_are_those_of_sentence_transformers(ask: Callable[..., str], hub: str) -> None:
    Hub.refusal = 404
    assert "sentence-transformers/some-model" in ask("some-model", HF_ENDPOINT=hub)


def test_needed_leaves_out_exports_and_second_weights() -> None:
    listing = [
        "1_Pooling/config.json", "2_Dense/model.safetensors", "2_Dense/pytorch_model.bin", "3_Dense/pytorch_model.bin",
        "README.md", "config.json", "model.safetensors", "onnx/model.onnx", "onnx/config.json", "openvino/model.bin",
        "pytorch_model.bin", "rust_model.ot", "sentencepiece.bpe.model", "tf_model.h5", "train_script.py", "vocab.txt",
        ".gitattributes", "training_args.bin", "tokenizer.json", "model-00001-of-00002.safetensors",
    ]  # fmt: skip
    assert needed(listing) == [
        "1_Pooling/config.json", "2_Dense/model.safetensors", "3_Dense/pytorch_model.bin", "config.json",
        "model.safetensors", "sentencepiece.bpe.model", "vocab.txt", "tokenizer.json",
        "model-00001-of-00002.safetensors",
    ]  # fmt: skip
    assert needed(["config.json", "pytorch_model.bin"]) == ["config.json", "pytorch_model.bin"]


COMMIT = "0123456789abcdef0123456789abcdef01234567"


class Hub(BaseHTTPRequestHandler):
    """As much of the hub as a download asks for."""

    files: ClassVar[dict[str, bytes]] = {}
    asked: ClassVar[list[tuple[str, str]]] = []
    refusal: ClassVar[int] = 0

    def do_GET(self) -> None:
        self._answer(body=True)

    def do_HEAD(self) -> None:
        self._answer(body=False)

    def _answer(self, *, body: bool) -> None:
        path = self.path.partition("?")[0]
        name = path.partition(f"/resolve/{COMMIT}/")[2]
        self.asked.append((self.command, name or path))
        if self.refusal:
            code = {401: "RepoNotFound", 403: "GatedRepo", 404: "RepoNotFound"}.get(self.refusal, "")
            self._send(self.refusal, b"{}", {"X-Error-Code": code} if code else {}, body=body)
        elif name in self.files:
            content = self.files[name]
            etag = {"ETag": f'"{hashlib.sha1(content).hexdigest()}"', "X-Repo-Commit": COMMIT}
            self._send(200, content, etag, body=body)
        elif "/tree/" in path:
            tree = [
                {"type": "file", "path": file, "size": len(content), "oid": hashlib.sha1(content).hexdigest()}
                for file, content in self.files.items()
            ]
            self._send(200, json.dumps(tree).encode(), {}, body=body)
        elif path.startswith("/api/models/org/tiny"):
            info = {"id": "org/tiny", "sha": COMMIT, "siblings": [{"rfilename": file} for file in self.files]}
            self._send(200, json.dumps(info).encode(), {}, body=body)
        else:
            self._send(404, b"{}", {"X-Error-Code": "EntryNotFound"}, body=body)

    def _send(self, status: int, content: bytes, headers: dict[str, str], *, body: bool) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if body:
            self.wfile.write(content)

    def log_message(self, *args: object) -> None:
        pass


@pytest.fixture
def hub(make_model: Callable[..., Path]) -> Iterator[str]:
    folder = make_model("tiny")
    Hub.files = {
        path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()
    } | {"onnx/model.onnx": b"onnx", "pytorch_model.bin": b"torch", "README.md": b"about"}
    Hub.asked.clear()
    Hub.refusal = 0
    server = ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()
    thread.join()
