"""Optimized graphs of ONNX models in the cache folder: opening one takes a fifth of the time of the published file.

A file serves only for the weights, the onnxruntime and the processor features that it was made with: all three are in
its name, and so is the digest of its own bytes. Whatever is wrong with the cache costs only time.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple, Self

from ragcli.models.digest import cache_folder, weights_sha256
from ragcli.models.numpy.transformer import cpu_flags

_FOLDER = "onnx"
_FORM = 1  # goes up when the options of a session change that an optimized graph depends on
_MOST_FILES = 6  # 34 MB each; a home that machines share may have one per kind of processor
_OLD_DRAFT = 3600.0  # seconds; its writer was killed


class PreparedModel(NamedTuple):
    """Where the optimized graph of one model for this machine is, or will be."""

    folder: Path
    name: str  # of the file, up to the digest of its bytes

    @classmethod
    def of(cls, model: Path, runtime: str) -> Self | None:
        """That of the ONNX file ``model`` with this version of the runtime; None where the processor is not known."""
        flags = cpu_flags()
        if not flags:
            return None
        try:
            weights = weights_sha256([model])
        except OSError:
            return None
        import hashlib  # 3 ms, in a thread

        made_with = hashlib.sha256(f"{_FORM} {runtime} {sorted(flags)}".encode()).hexdigest()
        return cls(cache_folder() / _FOLDER, f"{weights[:32]}-{made_with[:32]}-")

    def find(self) -> Path | None:
        """The file, when its bytes are what was written. A damaged one is removed."""
        for path in self._files():
            if path.name.startswith(self.name) and path.suffix == ".onnx":
                with suppress(OSError):
                    if path.name == f"{self.name}{weights_sha256([path])}.onnx":
                        return path
                self.forget(path)
        return None

    def begin(self) -> Path | None:
        """The path of a draft to write; None where the cache cannot be written."""
        draft = self.folder / f"{self.name}{os.urandom(8).hex()}.tmp"
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            draft.touch()
        except OSError:
            return None
        return draft

    def keep(self, draft: Path) -> None:
        """Give a finished draft its name, and remove the least recently made files beyond the bound."""
        try:
            with draft.open("rb+") as file:
                os.fsync(file.fileno())  # or a power cut might leave the name without the bytes
            final = self.folder / f"{self.name}{weights_sha256([draft])}.onnx"
            draft.replace(final)
            weights_sha256([final])  # which is remembered, for the next process
            made = sorted(((path.stat().st_mtime, path) for path in self._files()), reverse=True)
        except OSError:
            self.forget(draft)
            return
        finished = [path for _, path in made if path.suffix == ".onnx"]
        drafts = [path for at, path in made if path.suffix == ".tmp" and time.time() - at > _OLD_DRAFT]
        for path in (*finished[_MOST_FILES:], *drafts):
            self.forget(path)

    def forget(self, path: Path) -> None:
        """Remove a file of the cache, if that can be done."""
        with suppress(OSError):
            path.unlink(missing_ok=True)

    def _files(self) -> Iterator[Path]:
        with suppress(OSError):
            yield from list(self.folder.iterdir())
