"""The whole way with a transformers model in this process: real weights, no server."""

from __future__ import annotations

import json
import shutil

import pytest
from tiny_llama import INVENTED, REPLY, TRUE

from ragcli.errors import ExitCode, ModelUnavailable, UsageError
from ragcli.models.torch.generator import open_generator

MESSAGES = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "how often?"}]


@pytest.fixture(scope="module")
def generator(tiny_llama):
    return open_generator(f"hf:{tiny_llama}")


def test_the_answer_comes_in_pieces_and_again_the_same(generator):
    notes = []
    pieces = list(generator.stream(MESSAGES, notes.append))
    assert "".join(pieces) == REPLY
    assert len(pieces) > 5
    assert list(generator.stream(MESSAGES, notes.append)) == pieces
    assert notes == []


def test_it_is_what_transformers_itself_writes(generator, tiny_llama):
    import torch
    import transformers

    tokenizer = transformers.AutoTokenizer.from_pretrained(tiny_llama)
    model = transformers.AutoModelForCausalLM.from_pretrained(tiny_llama)
    messages = [{"role": "user", "content": "zebra 99 umbrella"}]
    prompt = tokenizer.apply_chat_template(messages, add_generation_prompt=True, return_tensors="pt", return_dict=True)
    with torch.inference_mode():
        written = model.generate(**prompt, do_sample=False, max_new_tokens=768)[0, prompt["input_ids"].shape[1] :]
    assert "".join(generator.stream(messages, str)) == tokenizer.decode(written, skip_special_tokens=True)


def test_who_stops_reading_stops_the_model(generator):
    import threading

    pieces = generator.stream(MESSAGES, str)
    next(pieces)
    pieces.close()
    assert not [thread for thread in threading.enumerate() if thread.name == "generate"]


def changed(tiny_llama, tmp_path, **config):
    folder = tmp_path / "changed"
    shutil.copytree(tiny_llama, folder)
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | config))
    return folder


def test_a_prompt_longer_than_the_window_is_refused(tiny_llama, tmp_path):
    model = open_generator(f"hf:{changed(tiny_llama, tmp_path, max_position_embeddings=40)}")
    with pytest.raises(UsageError, match=r"reads 40, its answer included; .*--context-tokens"):
        list(model.stream(MESSAGES, str))


def test_an_answer_that_fills_the_window_is_said_to_be_cut(tiny_llama, tmp_path):
    import transformers

    prompt = transformers.AutoTokenizer.from_pretrained(tiny_llama)("<s>\nassistant: ")["input_ids"]
    model = open_generator(f"hf:{changed(tiny_llama, tmp_path, max_position_embeddings=len(prompt) + 32)}")
    notes = []
    text = "".join(model.stream([{"role": "user", "content": ""}], notes.append))
    assert REPLY.startswith(text)
    assert notes == ["the model reached its length limit: the answer is cut"]


def test_a_template_without_system_messages_gets_the_rules_with_the_question(tiny_llama, tmp_path):
    folder = changed(tiny_llama, tmp_path)
    (folder / "chat_template.jinja").write_text(
        "{% for m in messages %}{% if m['role'] == 'system' %}{{ raise_exception('no system') }}{% endif %}{% endfor %}"
        "{{ messages[0]['content'][-40:] + '\\nassistant: ' }}"
    )
    assert "".join(open_generator(f"hf:{folder}").stream(MESSAGES, str)).startswith("Logs are")


def test_a_model_without_a_template_is_asked_in_plain_text(tiny_llama, tmp_path):
    folder = changed(tiny_llama, tmp_path)
    (folder / "chat_template.jinja").unlink()
    assert "".join(open_generator(f"hf:{folder}").stream(MESSAGES, str))


@pytest.mark.parametrize("name", ["llama", "hf:", ""])
def test_a_name_says_where_the_model_is(name):
    with pytest.raises(UsageError, match="write hf:FOLDER"):
        open_generator(name)


def test_folders_that_hold_no_such_model(tiny_llama, tmp_path):
    folder = changed(tiny_llama, tmp_path)
    (folder / "model.safetensors").unlink()
    with pytest.raises(ModelUnavailable, match="has no weights"):
        open_generator(f"hf:{folder}")
    with pytest.raises(ModelUnavailable, match="hub models are named"):
        open_generator("hf:./nowhere")
    with pytest.raises(ModelUnavailable, match="hub models are named"):
        open_generator("hf:gpt2")


def test_a_model_that_writes_no_text_is_refused(make_cross_encoder):
    with pytest.raises(ModelUnavailable, match="holds no text generation model"):
        open_generator(f"hf:{make_cross_encoder(kind='Roberta')}")


def test_a_hub_model_is_not_fetched_offline(monkeypatch, tmp_path):
    with pytest.raises(ModelUnavailable, match="offline"):
        open_generator("hf:nobody/nothing", offline=True)


def test_the_command_answers_and_checks(ask_logs, tiny_llama):
    done = ask_logs("--local", f"hf:{tiny_llama}", "--offline")
    assert done.returncode == ExitCode.OK, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0] == f"{REPLY} [?]"
    assert lines[3] == f"  {INVENTED}"
    done = ask_logs("--local", f"hf:{tiny_llama}", "--strict")
    assert done.returncode == ExitCode.NOT_GROUNDED
    assert done.stdout.startswith(f"{TRUE}\n")


def test_a_model_that_will_not_load_leaves_the_passages(ask_logs, tmp_path):
    done = ask_logs("--local", "hf:./nowhere")
    assert done.returncode == ExitCode.ERROR
    assert "logs.md:" in done.stdout
    assert "no folder ./nowhere" in done.stderr
