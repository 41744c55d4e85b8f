"""Results between the server and the command line, as JSON: any dataclass of ``ragcli.types``, with all its fields.

The form is for the same version of ragcli on both ends. Floats keep every bit, and a path that is not UTF-8 its bytes.
An object of JSON has one key, which says what it was: the name of a dataclass, or one of the marks below.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

from ragcli import types

_TUPLE, _PATH, _MAPPING = "()", "/", "{}"
_LEFT_OUT = "vector"  # of the question: nothing that is printed needs its numbers
_CLASSES: dict[str, Any] = {name: found for name, found in vars(types).items() if is_dataclass(found)}


def pack(value: Any) -> Any:  # noqa: ANN401 (a value of ragcli.types, and what JSON holds)
    """Return ``value`` as JSON holds it."""
    if is_dataclass(value):
        packed = [pack(getattr(value, field.name)) for field in fields(value) if field.name != _LEFT_OUT]
        return {type(value).__name__: packed}
    if isinstance(value, tuple):
        return {_TUPLE: [pack(one) for one in value]}
    if isinstance(value, list):
        return [pack(one) for one in value]
    if isinstance(value, Path):
        return {_PATH: str(value)}
    if isinstance(value, Mapping):
        return {_MAPPING: {name: pack(one) for name, one in value.items()}}
    return value


def unpack(packed: Any) -> Any:  # noqa: ANN401 (as above)
    """Return the value that ``pack`` took apart. Raises ValueError for anything else."""
    if isinstance(packed, list):
        return [unpack(one) for one in packed]
    if not isinstance(packed, dict):
        return packed
    if len(packed) != 1:
        raise ValueError("an object must have one key")
    ((kind, content),) = packed.items()
    if kind == _PATH:
        return Path(content)
    if kind == _TUPLE:
        return tuple(map(unpack, content))
    if kind == _MAPPING:
        return {name: unpack(one) for name, one in content.items()}
    found = _CLASSES.get(kind)
    if found is None:
        raise ValueError(f"there is no {kind!r}")
    names = [field.name for field in fields(found) if field.name != _LEFT_OUT]
    return found(**dict(zip(names, map(unpack, content), strict=True)))
