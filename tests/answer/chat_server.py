"""A server that speaks the chat completions protocol, well or badly: the first part of the path says how.

Run as ``python chat_server.py FOLDER``. It prints its port. It answers with FOLDER/reply.txt, in which ``[#words]``
stands for the number of the passage of the prompt that holds these words; a request to say a question again is
answered with FOLDER/rewrite.txt. Each request is appended to FOLDER/requests.jsonl.
"""

import json
import re
import sys
import time
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

FOLDER = Path(sys.argv[1])
FITS = 2500  # characters of a prompt that overflow_once takes
SEEN: dict[str, int] = {}


def numbered(reply: str, prompt: str) -> str:
    blocks = re.findall(r'<passage-\w+ number="(\d+)">(.*?)</passage-', prompt, re.DOTALL)
    return re.sub(r"\[#(.+?)\]", lambda m: f"[{next(n for n, text in blocks if m[1] in text)}]", reply)


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        with (FOLDER / "requests.jsonl").open("a") as log:
            log.write(json.dumps({"path": self.path, "headers": dict(self.headers), "body": body}) + "\n")
        SEEN[self.path] = SEEN.get(self.path, 0) + 1
        how = self.path.split("/")[1].replace("-", "_")
        rewriting = body["messages"][0]["content"].startswith("Rewrite")
        file = FOLDER / ("rewrite.txt" if rewriting else "reply.txt")
        self.text = numbered(file.read_text(encoding="utf-8"), body["messages"][-1]["content"])
        self.body = body
        getattr(self, how)()

    # well-behaved

    def say(self):
        self.begin()
        self.event({"choices": [{"index": 0, "delta": {"role": "assistant", "content": ""}, "finish_reason": None}]})
        self.pieces()
        self.event({"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]})
        self.event({"choices": [], "usage": {"total_tokens": 12}})
        self.send(b"data: [DONE]\n\n")
        self.end()

    def whole(self):
        record = {"choices": [{"message": {"role": "assistant", "content": self.text}, "finish_reason": "stop"}]}
        self.plain(200, json.dumps(record), "application/json")

    def only_done(self):
        self.begin()
        self.pieces()
        self.send(b"data: [DONE]\n\n")
        time.sleep(30)  # who reads on waits

    def only_finish(self):
        self.begin()
        self.pieces(last="stop")
        time.sleep(30)

    def only_end(self):
        self.begin()
        self.pieces()
        self.end()

    def comments(self):
        self.begin()
        self.send(b": keep-alive\r\n\r\n")
        self.pieces(line="\r\n")
        self.send(b"data: [DONE]\r\n\r\n")
        self.end()

    def cut(self):
        self.begin()
        self.pieces(last="length")
        self.end()

    # badly behaved

    def web(self):
        """A page at the root, the API below /v1."""
        if self.path == "/web/v1/chat/completions":
            return self.say()
        return self.page()

    def delta(self):
        self.begin()
        self.event({"choices": [{"delta": json.loads(self.text)}]})
        self.event({"choices": [{"delta": {"content": "so"}, "finish_reason": "stop"}]})
        self.end()

    def drops(self):
        self.begin()
        self.pieces()
        self.close_connection = True  # and the last chunk is never sent

    def silent_end(self):
        self.begin()
        self.end()

    def slow(self):
        self.begin()
        self.pieces()
        time.sleep(30)

    def endless(self):
        self.begin()
        while True:
            self.event({"choices": [{"delta": {"content": "on and on "}}]})

    def one_endless_line(self):
        self.begin()
        while True:
            self.send(b"data" * 5000)

    def busy_once(self):
        if SEEN[self.path] > 1:
            return self.say()
        return self.plain(429, '{"error": {"message": "slow down"}}', "application/json", {"Retry-After": "0"})

    def always_busy(self):
        self.plain(429, '{"error": {"message": "slow down"}}', "application/json", {"Retry-After": "0"})

    def busy_for_long(self):
        self.plain(429, '{"error": {"message": "quota"}}', "application/json", {"Retry-After": "3600"})

    def busy_until(self):
        self.plain(503, "", "text/plain", {"Retry-After": formatdate(time.time() + 7200, usegmt=True)})

    def no_key(self):
        said = {"error": {"message": f"Incorrect key: {self.headers.get('authorization', '')}\x1b[31m"}}
        self.plain(401, json.dumps(said), "application/json")

    def missing(self):
        self.plain(404, '{"error": "model not found, pull it first"}', "application/json")

    def refuses(self):
        self.plain(400, json.dumps({"error": {"message": self.text}}), "application/json")

    def broken(self):
        self.plain(500, "<html>Internal server error</html>", "text/html")

    def moved(self):
        self.plain(307, "", "text/plain", {"Location": f"http://{self.headers['host']}/say/v1/chat/completions"})

    def page(self):
        self.plain(200, "<html>Welcome</html>", "text/html")

    def garbage(self):
        self.begin()
        self.send(b"data: {oops\n\n")
        self.end()

    def odd(self):
        self.begin()
        self.event({"choices": [{"delta": {"content": ["no", "text"]}}]})
        self.end()

    def list(self):
        self.begin()
        self.event([1, 2])
        self.end()

    def fails_inside(self):
        self.begin()
        self.pieces()
        self.event({"error": {"message": "out of memory"}})
        self.end()

    def no_temperature(self):
        if "temperature" in self.body:
            return self.plain(400, '{"error": {"message": "Unsupported value: temperature"}}', "application/json")
        return self.say()

    def deep(self):
        self.begin()
        self.send(b"data: " + b"[" * 100_000 + b"\n\n")
        self.end()

    def deep_refusal(self):
        self.plain(500, "[" * 60_000, "application/json")

    def keeps_alive(self):
        self.begin()
        for _ in range(300):
            self.send(b": keep-alive\n\n")
            time.sleep(0.1)

    def half_line(self):
        self.begin()
        self.send(b'data: {"choices": [{"del')
        self.end()

    def error_line(self):
        self.begin()
        self.send(b'error: {"code": 500, "message": "failed to decode \\u001b[31m"}\n\n')
        self.end()

    def overflow_once(self):
        if "lines" in self.body["messages"][-1]["content"] and len(self.body["messages"][-1]["content"]) > FITS:
            said = {"error": {"code": 400, "message": "exceeds the available context size", "n_ctx": 1024}}
            return self.plain(400, json.dumps(said), "application/json")
        return self.say()

    def no_system(self):
        if self.body["messages"][0]["role"] == "system":
            return self.plain(400, '{"error": {"message": "System role not supported"}}', "application/json")
        return self.say()

    def bare_429(self):
        if SEEN[self.path] > 1:
            return self.say()
        return self.plain(429, '{"error": {"message": "slow down"}}', "application/json")

    def versioned(self):
        if not self.path.endswith("/v1/chat/completions"):
            said = {"error": f"Unexpected endpoint or method. (POST {self.path})"}
            return self.plain(200, json.dumps(said), "application/json")
        return self.say()

    def parts(self):
        self.begin()
        for part in (
            {"type": "thinking", "thinking": [{"type": "text", "text": "Let me see."}]},
            {"type": "text", "text": self.text},
        ):
            self.event({"choices": [{"delta": {"content": [part]}, "finish_reason": None}]})
        self.event({"choices": [{"delta": {}, "finish_reason": "stop"}]})
        self.end()

    def reasons(self):
        self.begin()
        self.event({"choices": [{"delta": {"reasoning_content": "Let me see."}, "finish_reason": None}]})
        self.pieces(last="stop")
        self.end()

    def thinks_only(self):
        self.begin()
        self.event({"choices": [{"delta": {"content": "<think>\nLet me see."}, "finish_reason": "length"}]})
        self.end()

    def do_GET(self):
        if self.path.startswith("/ollama/") and self.path.endswith("/api/version"):
            return self.plain(200, '{"version": "0.9.0"}', "application/json")
        if self.path.endswith("/v1/models"):
            return self.plain(200, '{"data": [{"id": "tiny"}, {"id": "large"}]}', "application/json")
        return self.plain(404, "", "text/plain")

    def ollama(self):
        self.send_response(200)
        self.send_header("Content-Type", "application/x-ndjson")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        records = [{"thinking": "Let me see.", "content": ""}, {"content": self.text}]
        for record in records:
            self.send(json.dumps({"message": record, "done": False}).encode() + b"\n")
        self.send(b'{"message": {"content": ""}, "done": true, "done_reason": "stop"}\n')
        self.end()

    # how

    def begin(self):
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream; charset=utf-8")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()

    def pieces(self, line="\n", last=None):
        size = 7
        starts = range(0, len(self.text), size)
        for start in starts:
            finish = last if start == starts[-1] else None
            piece = {"choices": [{"delta": {"content": self.text[start : start + size]}, "finish_reason": finish}]}
            self.event(piece, line)

    def event(self, record, line="\n"):
        self.send(f"data: {json.dumps(record)}{line}{line}".encode())

    def send(self, data):
        self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))
        self.wfile.flush()

    def end(self):
        self.wfile.write(b"0\r\n\r\n")

    def plain(self, status, text, kind, headers=()):
        data = text.encode()
        self.send_response(status)
        for name, value in {"Content-Type": kind, "Content-Length": str(len(data)), **dict(headers)}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(data)


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_):
        pass  # a client that has heard enough goes away


if __name__ == "__main__":
    with Server(("127.0.0.1", 0), Handler) as server:
        sys.stdout.write(f"{server.server_address[1]}\n")
        sys.stdout.flush()
        server.serve_forever()
