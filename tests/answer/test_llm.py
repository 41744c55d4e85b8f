"""The client against a real server on this machine."""

from __future__ import annotations

import json
import logging
import os
import socket
import time

import pytest

from ragcli.answer.llm import ContextOverflow, list_models, open_endpoint, stream_chat
from ragcli.answer.prompt import Message
from ragcli.errors import LlmUnavailable, UsageError

KEY = "sk-very-secret-0123456789"
MESSAGES = (Message("system", "Be brief."), Message("user", "Wie oft werden Straßen gekehrt? 🧹"))
REPLY = "Größere Straßen werden täglich gekehrt [1], 小さい通り werden es nie [2]. 🧹🧹"


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch):
    for name in list(os.environ):
        if name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)


@pytest.fixture
def ask(chat_server):
    """The pieces of the answer and the notes."""
    chat_server.reply(REPLY)

    def run(how, timeout=20.0, key=KEY, url=None, messages=MESSAGES):
        endpoint = open_endpoint(url or chat_server.url(how), "tiny", key=key, timeout=timeout)
        notes: list[str] = []
        return list(stream_chat(endpoint, messages, notes.append)), notes

    return run


@pytest.fixture
def refused(ask):
    """The one line of a failure; the key is in none of it, nor in what it was caused by."""

    def run(how, **given):
        with pytest.raises(LlmUnavailable) as error:
            ask(how, **given)
        current: BaseException | None = error.value
        while current is not None:
            assert KEY not in f"{current} {current!r}"
            current = current.__cause__ or current.__context__
        assert "\n" not in str(error.value)
        return str(error.value)

    return run


def test_the_request(ask, chat_server):
    ask("say")
    (request,) = chat_server.requests()
    assert request["path"] == "/say/v1/chat/completions"
    assert request["headers"]["Authorization"] == f"Bearer {KEY}"
    assert request["body"] == {
        "model": "tiny",
        "stream": True,
        "temperature": 0,
        "messages": [{"role": m.role, "content": m.content} for m in MESSAGES],
    }


def test_without_a_key_none_is_sent(ask, chat_server):
    ask("say", key="")
    assert "Authorization" not in chat_server.requests()[0]["headers"]


def test_an_answer_arrives_in_pieces(ask):
    pieces, notes = ask("say")
    assert "".join(pieces) == REPLY
    assert len(pieces) > 5
    assert notes == []


@pytest.mark.parametrize("how", ["comments", "whole", "only-done", "only-finish"])
def test_the_ways_to_say_that_an_answer_is_complete(ask, how):
    started = time.monotonic()
    pieces, notes = ask(how)
    assert ("".join(pieces), notes) == (REPLY, [])
    assert time.monotonic() - started < 25  # the server holds the line for 30 s: nobody waited for its end


def test_an_answer_that_only_ends_is_taken_with_a_note(ask):
    pieces, notes = ask("only-end")
    assert "".join(pieces) == REPLY
    assert notes == ["the stream ended without saying that the answer is complete"]


def test_an_answer_that_was_cut_is_said_to_be(ask):
    pieces, notes = ask("cut")
    assert "".join(pieces) == REPLY
    assert notes == ["the model reached its length limit: the answer is cut"]


def test_a_busy_server_is_asked_again_when_the_wait_is_short(ask, chat_server):
    pieces, notes = ask("busy-once")
    assert "".join(pieces) == REPLY
    assert notes == [f"127.0.0.1:{chat_server.port} is busy: asked again after 0 ms"]
    assert len(chat_server.requests()) == 2


def test_a_model_that_takes_no_temperature_is_asked_without(ask, chat_server):
    pieces, notes = ask("no-temperature")
    assert "".join(pieces) == REPLY
    assert "takes no temperature" in notes[0]
    assert ["temperature" in request["body"] for request in chat_server.requests()] == [True, False]


@pytest.mark.parametrize(
    ("how", "fragments"),
    [
        ("always-busy", ["limit is reached (429): slow down", "try again in 0 ms"]),
        ("busy-for-long", ["(429): quota", "try again in 1 h"]),
        ("busy-until", ["(503)", "try again in "]),
        ("no-key", ["refused the key (401): Incorrect key: Bearer ***", "OPENAI_API_KEY"]),
        ("missing", ["does not know the model tiny", "(404): model not found, pull it first", "--base-url"]),
        ("broken", ["answered 500;"]),
        ("moved", ["has moved (307)", "--base-url"]),
        ("page", ["does not speak the chat completions protocol: it answered with a page of HTML", "/v1"]),
        ("garbage", ["it sent invalid JSON"]),
        ("odd", ["its events have another form"]),
        ("list", ["it sent JSON that is not an object"]),
        ("fails-inside", ["broke off: out of memory"]),
        ("drops", ["broke off in the middle of its answer"]),
        ("silent-end", ["closed the stream without an answer"]),
        ("one-endless-line", ["its answer is not an event stream"]),
    ],
)
def test_what_can_go_wrong_is_one_line(refused, how, fragments):
    line = refused(how)
    for fragment in fragments:
        assert fragment in line


def test_a_long_wait_is_not_waited_for(refused, chat_server):
    refused("busy-for-long")
    assert len(chat_server.requests()) == 1


def test_a_key_goes_nowhere_else(refused, chat_server):
    refused("moved")
    assert [request["path"] for request in chat_server.requests()] == ["/moved/v1/chat/completions"]


def test_without_a_key_one_is_asked_for(refused):
    assert "wants a key (401)" in refused("no-key", key="")


def test_a_server_that_falls_silent_is_given_up(refused):
    assert "sent nothing for 500 ms; give it longer: --timeout" in refused("slow", timeout=0.5)


def test_a_model_that_does_not_stop_is_stopped(ask):
    pieces, notes = ask("endless")
    assert 100_000 < len("".join(pieces)) < 101_000
    assert notes == ["tiny did not stop: its answer was cut off"]


def test_an_endpoint_that_is_not_there(refused):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    line = refused("", url=f"http://127.0.0.1:{port}/v1")
    assert f"nothing answers at 127.0.0.1:{port} (Connection refused)" in line


def test_a_server_that_speaks_no_http(refused):
    with socket.create_server(("127.0.0.1", 0)) as server:
        import threading

        def answer():
            connection, _ = server.accept()
            with connection:
                connection.recv(100)
                connection.sendall(b"\0\1\2\3 not http\r\n\r\n")

        threading.Thread(target=answer, daemon=True).start()
        assert "broke off" in refused("", url=f"http://127.0.0.1:{server.getsockname()[1]}/v1")


def test_this_machine_is_not_asked_through_a_proxy(ask, monkeypatch):
    for name in ("http_proxy", "HTTP_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    assert "".join(ask("say")[0]) == REPLY


def test_another_machine_is_asked_through_the_proxy(chat_server, monkeypatch):
    chat_server.reply(REPLY)
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{chat_server.port}")
    endpoint = open_endpoint("http://example.invalid/say/v1", "tiny", timeout=20)
    # the server is no proxy, but what it is asked shows that it was taken for one
    with pytest.raises(LlmUnavailable):
        list(stream_chat(endpoint, MESSAGES, str))
    assert chat_server.requests()[0]["path"].startswith("http://example.invalid/")


@pytest.mark.parametrize(("name", "value"), [("https_proxy", "nonsense://x:y@z"), ("SSL_CERT_FILE", "/nowhere.pem")])
def test_settings_that_cannot_be_used(monkeypatch, name, value):
    monkeypatch.setenv(name, value)
    endpoint = open_endpoint("https://example.invalid/v1", "tiny", timeout=20)
    with pytest.raises(LlmUnavailable, match="settings of the network cannot be used") as error:
        list(stream_chat(endpoint, MESSAGES, str))
    assert value not in str(error.value)


@pytest.mark.parametrize(
    "url",
    ["", "localhost:11434", "ftp://x/v1", "http://", "http:///v1", "http://[::1/v1", "http://a\x00b/", "http://x:y:z/"],
)
def test_what_is_no_address_is_refused(url):
    with pytest.raises(UsageError, match="the base URL is not an http address"):
        open_endpoint(url, "tiny", timeout=1)


@pytest.mark.parametrize("url", [f"http://me:{KEY}@x/v1", f"http://x/v1?key={KEY}", f"http://x/v1#{KEY}"])
def test_an_address_holds_no_secret(url):
    with pytest.raises(UsageError, match="OPENAI_API_KEY") as error:
        open_endpoint(url, "tiny", timeout=1)
    assert KEY not in str(error.value)


@pytest.mark.parametrize("key", [f"{KEY}\nX-Other: 1", f"{KEY} b", f"{KEY}é"])
def test_what_cannot_be_a_key_is_refused_and_not_shown(key):
    with pytest.raises(UsageError, match="OPENAI_API_KEY") as error:
        open_endpoint("http://x/v1", "tiny", key=key, timeout=1)
    assert KEY not in str(error.value)


def test_a_line_break_behind_a_key_does_no_harm(ask, chat_server):
    ask("say", key=f"{KEY}\n")
    assert chat_server.requests()[0]["headers"]["Authorization"] == f"Bearer {KEY}"


@pytest.mark.parametrize("url", ["http://localhost:1/v1", "http://127.3.2.1/v1", "https://[::1]:8/v1"])
def test_offline_allows_this_machine(url):
    assert open_endpoint(url, "tiny", timeout=1, offline=True).url == url


@pytest.mark.parametrize("url", ["https://api.openai.com/v1", "http://10.0.0.1/v1", "http://localhost.example/v1"])
def test_offline_allows_nothing_else(url):
    with pytest.raises(LlmUnavailable, match="offline"):
        open_endpoint(url, "tiny", timeout=1, offline=True)


def test_the_key_is_in_no_log_and_no_repr(ask, chat_server, caplog):
    caplog.set_level(logging.DEBUG)
    ask("say")
    assert caplog.records  # the HTTP library does log
    assert KEY not in caplog.text
    assert KEY not in repr(open_endpoint(chat_server.url("say"), "tiny", key=KEY, timeout=1))


@pytest.mark.parametrize(
    ("how", "fragments"),
    [
        ("deep", ["invalid JSON"]),
        ("deep-refusal", ["answered 500"]),
        ("half-line", ["invalid JSON"]),
        ("error-line", ["broke off: failed to decode", "ask again"]),
        ("overflow-once", ["does not fit into the context window of 1024 tokens", "--context-tokens"]),
    ],
)
def test_a_broken_stream_is_one_line(refused, how, fragments):
    given = {"messages": (Message("user", "lines " * 1000),)} if how == "overflow-once" else {}
    line = refused(how, **given)
    for fragment in fragments:
        assert fragment in line


def test_signs_of_life_are_no_answer(refused):
    started = time.monotonic()
    assert "sent nothing for 1.0 s; give it longer: --timeout" in refused("keeps-alive", timeout=1.0)
    assert time.monotonic() - started < 20  # the server goes on for 30 s


def test_a_busy_server_that_names_no_time_is_asked_once_more(ask, chat_server):
    pieces, notes = ask("bare-429")
    assert "".join(pieces) == REPLY
    assert notes == [f"127.0.0.1:{chat_server.port} is busy: asked again after 2.0 s"]


def test_a_model_without_a_system_role_gets_the_rules_in_the_question(ask, chat_server):
    pieces, notes = ask("no-system")
    assert "".join(pieces) == REPLY
    assert "has no system role" in notes[0]
    (message,) = chat_server.requests()[-1]["body"]["messages"]
    assert message == {"role": "user", "content": f"{MESSAGES[0].content}\n\n{MESSAGES[1].content}"}


def test_a_base_url_without_its_version_is_completed(ask, chat_server):
    pieces, notes = ask("versioned", url=chat_server.url("versioned").removesuffix("/v1"))
    assert ("".join(pieces), notes) == (REPLY, [])
    assert [request["path"] for request in chat_server.requests()] == [
        "/versioned/chat/completions",
        "/versioned/v1/chat/completions",
    ]


@pytest.mark.parametrize("how", ["parts", "reasons", "ollama"])
def test_thoughts_that_the_server_tells_apart_are_handed_over(chat_server, how):
    chat_server.reply(REPLY)
    endpoint = open_endpoint(chat_server.url(how), "tiny", timeout=20, context_tokens=3000)
    thoughts: list[str] = []
    assert "".join(stream_chat(endpoint, MESSAGES, lambda _note: None, thoughts.append)) == REPLY
    assert "".join(thoughts) == "Let me see."


@pytest.mark.parametrize(
    "delta",
    [
        {"reasoning_text": "hm"}, {"content": [{"type": "thought", "text": "hm"}]},
        {"content": [{"type": "text", "text": "hm", "thought": True}]},
        {"content": "hm", "extra_content": {"google": {"thought": True}}},
    ],
)  # fmt: skip
def test_more_ways_to_tell_thoughts_apart(chat_server, delta):
    chat_server.reply(json.dumps(delta))
    thoughts: list[str] = []
    endpoint = open_endpoint(chat_server.url("delta"), "tiny", timeout=20)
    assert "".join(stream_chat(endpoint, MESSAGES, print, thoughts.append)) == "so"
    assert "".join(thoughts) == "hm"


@pytest.mark.parametrize("path", ["", "/v1", "/v1/", "/v1/chat/completions"])
def test_a_base_url_may_be_the_page_of_the_server_or_its_whole_address(chat_server, path):
    chat_server.reply(REPLY)
    root = chat_server.url("web").removesuffix("/v1")
    endpoint = open_endpoint(f"{root}{path}", "tiny", timeout=20)
    assert "".join(stream_chat(endpoint, MESSAGES, print)) == REPLY


def test_ollama_is_asked_for_a_window_that_holds_the_prompt(chat_server):
    chat_server.reply(REPLY)
    endpoint = open_endpoint(chat_server.url("ollama"), "tiny", timeout=20, context_tokens=3000)
    assert "".join(stream_chat(endpoint, MESSAGES, str)) == REPLY
    (request,) = chat_server.requests()
    assert request["path"] == "/ollama/api/chat"
    assert request["body"]["options"] == {"temperature": 0, "num_ctx": 6144}


def test_the_models_of_a_server_are_listed(chat_server):
    for url in (chat_server.url("say"), chat_server.url("say").removesuffix("/v1")):
        assert list_models(open_endpoint(url, "", timeout=5)) == ["large", "tiny"]


@pytest.mark.parametrize(
    ("said", "window"),
    [
        ("This model's maximum context length is 4096 tokens. However, you requested 5000 tokens", 4096),
        ("Requested tokens (5000) exceed context window of 4096", 4096),
        ("prompt too long; exceeded max context length by 10 tokens", 0),
        ("The input token count (5000) exceeds the maximum number of tokens allowed (4096).", 4096),
        ("Prompt length 5000 is greater than max_seq_len 4096", 4096),
        ("Request too large for model `tiny`: limit 4096, requested 5000", 0),
        ("Trying to keep the first 5000 tokens, but the model is loaded with context length of only 4096 tokens", 4096),
        ("The input (5000 tokens) is longer than the model's context length (4096 tokens).", 4096),
        ("Input validation error: `inputs` tokens + `max_new_tokens` must be <= 4096", 0),
        ("prompt is too long: 212000 tokens > 200000 maximum", 0),
    ],
)
def test_the_ways_to_say_that_a_prompt_is_too_long(chat_server, said, window):
    chat_server.reply(said)
    endpoint = open_endpoint(chat_server.url("refuses"), "tiny", timeout=10)
    with pytest.raises(ContextOverflow, match="does not fit into the context window") as raised:
        list(stream_chat(endpoint, [Message("user", "how?")], lambda _note: None))
    assert raised.value.window == window
