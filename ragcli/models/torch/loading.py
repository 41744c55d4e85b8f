"""Loading a model with sentence-transformers or transformers: from its folder alone, and without a word on stderr."""

from __future__ import annotations

import logging
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from ragcli.errors import ModelUnavailable
from ragcli.models.files import ModelFiles

BATCH = 8  # sorted by length: 1.3 times as fast as the library's 32 on a CPU, whose caches larger batches overflow
LONGEST = 8192  # tokens; taken as the window of a model without any limit


def load_sentence_model(class_name: str, files: ModelFiles) -> Any:  # noqa: ANN401 (naming the class costs its import)
    """A ``class_name`` of sentence-transformers in float32, on the best device there is.

    ModelUnavailable when the files do not load.
    """
    # Threads that wait asleep: beside other busy processes, spinning ones make torch four times slower
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    with quiet_and_offline():
        import sentence_transformers  # 5 to 7 s

        try:
            model: Any = getattr(sentence_transformers, class_name)(str(files.folder), local_files_only=True)
        except Exception as error:  # each library below it raises its own for files that are wrong
            reason = " ".join(str(error).split())
            raise ModelUnavailable(f"sentence-transformers cannot load {files.folder}: {reason}") from error
    # weights saved in half precision are computed in float32, as in the numpy runtime: a model has one answer
    model.float()
    # "[SEP]" in a text is text; a model without a text tokenizer has no such attribute
    with suppress(AttributeError):
        model.tokenizer.split_special_tokens = True
    return model


@contextmanager
def quiet_and_offline() -> Iterator[None]:
    """No socket, and no progress bars, log lines or warnings of the libraries on stderr."""
    from huggingface_hub import constants

    names = ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE")
    saved = {name: os.environ.get(name) for name in names}
    before = constants.HF_HUB_OFFLINE
    os.environ.update(dict.fromkeys(names, "1"))
    # the variables are read once, at the first import, which may have been long ago
    constants.HF_HUB_OFFLINE = True
    loggers = [logging.getLogger(name) for name in ("sentence_transformers", "transformers", "huggingface_hub")]
    levels = [logger.level for logger in loggers]
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            from transformers.utils import logging as transformers_logging

            bars: Any = transformers_logging  # its functions have no annotations
            bars.disable_progress_bar()
            for logger in loggers:
                logger.setLevel(logging.ERROR)
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
        constants.HF_HUB_OFFLINE = before
        for name, value in saved.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
