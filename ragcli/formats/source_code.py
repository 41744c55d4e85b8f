"""Source code in any language: blocks of top-level definitions, named where one line shows the name."""

from __future__ import annotations

import itertools
import re
from collections.abc import Sequence
from pathlib import Path

from ragcli.formats.blocks import LoadOptions
from ragcli.formats.decode import decode
from ragcli.formats.lines import Line, document, span, split_lines
from ragcli.types import Block, Document

_MODIFIERS = (
    r"(?:(?:export|default|pub(?:\([^)]*\))?|public|private|protected|internal|static|final|abstract|async|unsafe|const|"
    r"extern(?: \"[^\"]*\")?|virtual|inline|sealed|data|open|override|partial|declare|local) )*"
)
_KEYWORDS = (
    "def|class|fn|func|function|fun|sub|proc|struct|interface|trait|enum|module|mod|namespace|object|record|union|"
    "protocol|extension|type|defmodule|defun"
)
# func (s *Server) Start: the name of a Go method comes after its receiver.
_DEFINITION = re.compile(rf"\(?{_MODIFIERS}({_KEYWORDS})[ \t]+(?:\([^)]*\)[ \t]+)?([\w$.:-]*[\w$])")
_IMPL = re.compile(r"(?:unsafe )?(impl\b[^{]*)")
_SHELL_FUNCTION = re.compile(r"([A-Za-z_][\w-]*)[ \t]*\(\)[ \t]*\{?[ \t]*$")
_C_FUNCTION = re.compile(r"(?!return|else|throw)[A-Za-z_][\w:<>,*&\[\] \t]*?[ \t*&]([A-Za-z_~][\w:~]*)[ \t]*\([^;]*$")
# The type on one line and the name on the next, as C is often written.
_C_TYPE = re.compile(r"(?!typedef|#)[A-Za-z_][\w \t*:<>]*$")
_C_NAME = re.compile(r"([A-Za-z_~][\w:~]*)[ \t]*\([^;]*$")
_C_LIKE_NAMES = "c h cc cpp cxx hh hpp hxx inl java cs m mm cu cuh d dart glsl hlsl"
_C_LIKE = frozenset(f".{suffix}" for suffix in _C_LIKE_NAMES.split())
_LONG_LINE = 200  # characters; no declaration is longer, and minified code is one line of a megabyte
_CLOSERS = (")", "]", "}")
_CONTINUES = re.compile(r"(?:end|else|elif|elsif|except|finally|catch|esac|fi|done)\b")


def load(path: Path, data: bytes, options: LoadOptions) -> Document:
    """The decoded file; each block starts at a line without indentation that follows a blank one."""
    del options
    text, warnings = decode(data)
    blocks = code_blocks(split_lines(text), c_like=path.suffix.lower() in _C_LIKE)
    return document(path, text, blocks, warnings=warnings)


def code_blocks(lines: Sequence[Line], *, c_like: bool = False) -> list[Block]:
    """The top-level pieces of a source file; the path of a piece is the first definition in it, if any."""
    starts: list[int] = []
    after_blank = True
    for number, line in enumerate(lines):
        if line.is_blank:
            after_blank = True
            continue
        if not starts or (after_blank and _is_top_level(line.content)):
            starts.append(number)
        after_blank = False
    pieces = (lines[start:end] for start, end in itertools.pairwise([*starts, len(lines)]))
    return [span(piece, "code", _definition(piece, c_like)) for piece in pieces]


def _is_top_level(content: str) -> bool:
    return not (content[0].isspace() or content.startswith(_CLOSERS) or _CONTINUES.match(content))


def _definition(piece: Sequence[Line], c_like: bool) -> tuple[str, ...]:
    above = ""
    for line in piece:
        content = line.content
        if content and not content[0].isspace() and len(content) <= _LONG_LINE:
            if match := _DEFINITION.match(content):
                return (f"{match[1]} {match[2]}",)
            if match := _IMPL.match(content) or _SHELL_FUNCTION.match(content):
                return (match[1].strip(),)
            if c_like and (match := _C_FUNCTION.match(content) or (_C_TYPE.match(above) and _C_NAME.match(content))):
                return (match[1],)
        above = content
    return ()
