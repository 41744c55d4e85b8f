"""A safetensors file as numpy arrays over a memory map: nothing is read before it is used, and nothing is copied."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ragcli.errors import ModelUnavailable, refuse_environment

Array = npt.NDArray[np.float32]

_DTYPES = {
    "F64": "<f8",
    "F32": "<f4",
    "F16": "<f2",
    "BF16": "<u2",
    "I64": "<i8",
    "I32": "<i4",
    "U8": "<u1",
    "F8_E4M3": "V1",
}
_EMBEDDINGS = "embeddings.word_embeddings.weight"


class Weights:
    """The tensors of a BERT-like model by their name below the encoder."""

    def __init__(self, path: Path) -> None:
        """Map the file; ModelUnavailable when it is not a safetensors file or is cut off."""
        self._path = path
        try:
            with path.open("rb") as file:
                size = int.from_bytes(file.read(8), "little")
                header = json.loads(file.read(min(size, path.stat().st_size)))
            # asarray: plain arrays, since the memmap class makes every slice of it slower
            data = np.asarray(np.memmap(path, np.uint8, "r", offset=8 + size))
            header.pop("__metadata__", None)
            self._tensors = {name: _view(data, entry) for name, entry in header.items()}
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            refuse_environment(path, error)
            raise ModelUnavailable(f"{path} is damaged: {error}", "fetch the model again") from error
        # a model saved with its training head names its encoder "bert." or "roberta."
        self._prefix = next(
            (name.removesuffix(_EMBEDDINGS) for name in self._tensors if name.endswith(_EMBEDDINGS)), ""
        )

    def stored(self, name: str) -> npt.NDArray[Any]:
        """A tensor in its saved type (bfloat16 as its uint16 bits, float8 as single bytes without a type).

        ModelUnavailable when it is missing.
        """
        return self.whole(self._prefix + name)

    def whole(self, name: str) -> npt.NDArray[Any]:
        """The same by its full name in the file, as for a head, which is saved beside the encoder."""
        try:
            return self._tensors[name]
        except KeyError:
            raise ModelUnavailable(f"{self._path} has no tensor {name}", "fetch the model again") from None

    def tensors(self, start: str, parts: tuple[str, ...]) -> dict[str, Array]:
        """The weight and bias of each part, as float32, by name below ``start``."""
        names = [f"{part}.{kind}" for part in parts for kind in ("weight", "bias")]
        return {name: float32(self.stored(f"{start}.{name}")) for name in names}


def float32(stored: npt.NDArray[Any]) -> Array:
    """The values as float32: the array itself when it is that already."""
    if stored.dtype.kind == "V":
        found: Array = _float8_values().take(stored.view(np.uint8))  # half the time of indexing
        return found
    if stored.dtype == np.uint16:  # bfloat16 is the upper half of a float32
        return (stored.astype(np.uint32) << 16).view(np.float32)
    return stored.astype(np.float32, copy=False)


@cache
def _float8_values() -> Array:
    """What each byte means as float8 e4m3fn: sign, 4 bits of exponent (bias 7), 3 of fraction; all ones means NaN.

    See Micikevicius and others: FP8 Formats for Deep Learning (2022).
    """
    bits = np.arange(256, dtype=np.uint32)
    # the same bits at the place of a float32's, whose bias is 127: right but for the power of two
    values = ((bits & 0x80) << 24 | (bits & 0x7F) << 20).view(np.float32) * np.float32(2.0**120)
    values[(bits & 0x7F) == 0x7F] = np.nan
    return values


def _view(data: npt.NDArray[np.uint8], entry: dict[str, Any]) -> npt.NDArray[Any]:
    start, end = entry["data_offsets"]
    return data[start:end].view(_DTYPES[entry["dtype"]]).reshape(entry["shape"])
