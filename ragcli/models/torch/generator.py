"""A text generation model of transformers on this machine, with the interface of a server."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from threading import Event, Thread
from typing import Any

from ragcli.errors import LlmUnavailable, ModelUnavailable, UsageError
from ragcli.models.files import missing

PREFIX = "hf:"
_LONGEST_ANSWER = 768  # tokens; an answer with citations takes a tenth of it
_LEAST_ANSWER = 32  # tokens that the prompt has to leave free

Chat = Sequence[Mapping[str, str]]


class Generator:
    """A loaded model. ``stream`` may be called any number of times."""

    def __init__(self, name: str, folder: Path) -> None:
        """Load from ``folder`` alone; ModelUnavailable when it holds no usable text generation model."""
        os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # as for encoders: spinning threads disturb each other
        from ragcli.models.torch.loading import quiet_and_offline

        with quiet_and_offline():
            from transformers import AutoModelForCausalLM, AutoTokenizer

            try:
                tokenizer: Any = AutoTokenizer.from_pretrained(str(folder), local_files_only=True)
                loaded: Any = AutoModelForCausalLM.from_pretrained(
                    str(folder), local_files_only=True, output_loading_info=True
                )
            except Exception as error:  # each library below it raises its own for files that are wrong
                reason = " ".join(str(error).split())[:300]
                raise ModelUnavailable(f"transformers cannot load {folder} to write text: {reason}") from error
        model, report = loaded
        if report["missing_keys"]:  # an encoder, say: transformers would make up the weights of the language head
            raise ModelUnavailable(
                f"{folder} holds no text generation model: {len(report['missing_keys'])} weights are missing",
                "choose an instruct model",
            )
        self.name = name
        self._tokenizer = tokenizer
        self._model = model.eval()
        self._window = int(getattr(model.config, "max_position_embeddings", 0) or 0)

    def stream(self, messages: Chat, note: Callable[[str], None]) -> Iterator[str]:
        """The pieces of the answer as they are written, always the same for the same messages.

        Each message has a role and a content. ``note`` receives a line when the answer was cut. UsageError when the
        prompt is longer than the model reads, LlmUnavailable when it fails.
        """
        from transformers import StoppingCriteriaList, TextIteratorStreamer

        ids = self._ids(messages)
        room = self._room(ids.shape[-1])
        stop = Event()
        failure: list[Exception] = []
        written = 0
        streamer: Any = TextIteratorStreamer(self._tokenizer, skip_prompt=True, skip_special_tokens=True)

        def stopped(_ids: object, _scores: object, **_: object) -> bool:
            nonlocal written
            written += 1
            return stop.is_set()

        def write() -> None:
            import torch

            from ragcli.models.torch.loading import quiet_and_offline

            try:
                with quiet_and_offline(), torch.inference_mode():
                    self._model.generate(
                        ids,
                        attention_mask=torch.ones_like(ids),
                        streamer=streamer,
                        max_new_tokens=room,
                        do_sample=False,
                        pad_token_id=self._padding(),
                        stopping_criteria=StoppingCriteriaList([stopped]),
                    )
            except Exception as error:  # noqa: BLE001 (told in the thread that asked)
                failure.append(error)
                streamer.end()

        thread = Thread(target=write, name="generate", daemon=True)
        thread.start()
        try:
            yield from (piece for piece in streamer if piece)
        finally:
            stop.set()  # also when the reader stopped early: the model must stop too
            thread.join()
        if failure:
            raise LlmUnavailable(f"{self.name} failed: {' '.join(str(failure[0]).split())[:300]}") from failure[0]
        if written >= room:
            note("the model reached its length limit: the answer is cut")

    def _ids(self, messages: Chat) -> Any:  # noqa: ANN401 (a tensor, which must not be imported to be named)
        if self._tokenizer.chat_template is None:
            text = "\n\n".join([*(message["content"] for message in messages), "Answer:"])
            return self._tokenizer(text, return_tensors="pt")["input_ids"]
        return self._tokenizer.apply_chat_template(
            _without_system(messages) if self._refuses_system() else list(messages),
            add_generation_prompt=True,
            return_tensors="pt",
            return_dict=True,
        )["input_ids"]

    def _refuses_system(self) -> bool:
        """Some templates raise on a system message."""
        import jinja2

        try:
            self._tokenizer.apply_chat_template(
                [{"role": "system", "content": "a"}, {"role": "user", "content": "b"}], tokenize=False
            )
        except jinja2.TemplateError:
            return True
        return False

    def _room(self, length: int) -> int:
        if not self._window:
            return _LONGEST_ANSWER
        room = min(_LONGEST_ANSWER, self._window - length)
        if room < _LEAST_ANSWER:
            raise UsageError(
                f"the prompt has {length} tokens and {self.name} reads {self._window}, its answer included",
                "send fewer passages: --context-tokens N",
            )
        return room

    def _padding(self) -> int | None:
        found: int | None = self._tokenizer.pad_token_id
        return self._tokenizer.eos_token_id if found is None else found


def open_generator(name: str, *, offline: bool = False) -> Generator:
    """The model of ``hf:NAME``, where NAME is a folder, or ORGANISATION/NAME in the cache or on the hub.

    UsageError for another form; ModelUnavailable when it is absent or not a text generation model.
    """
    given = name.removeprefix(PREFIX)
    if given == name or not given:
        raise UsageError(f"invalid local model {name!r}", f"write {PREFIX}FOLDER or {PREFIX}ORGANISATION/NAME")
    folder = Path(given).expanduser()
    if folder.is_dir():
        if lacks := missing(folder):
            raise ModelUnavailable(f"{folder} is not a model folder: it has no {' and no '.join(lacks)}")
        return Generator(name, folder)
    if given.count("/") != 1 or given.startswith((".", "~", "/")):
        raise ModelUnavailable(f"there is no folder {given}", f"hub models are named {PREFIX}ORGANISATION/NAME")
    from ragcli.models import hub  # loads huggingface_hub, which a folder does not need

    return Generator(name, hub.fetch(given, offline=offline)[0])


def _without_system(messages: Chat) -> list[Mapping[str, str]]:
    """The same, with the system message at the front of the first user message."""
    rules = "\n\n".join(message["content"] for message in messages if message["role"] == "system")
    rest = [message for message in messages if message["role"] != "system"]
    return [{"role": rest[0]["role"], "content": f"{rules}\n\n{rest[0]['content']}"}, *rest[1:]]
