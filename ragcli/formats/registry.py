"""Which loader reads a file. Loaders are imported when they are used: a run over notes never imports a PDF parser."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import NamedTuple

from ragcli.errors import LoadError
from ragcli.formats.blocks import LoadOptions
from ragcli.formats.decode import declared_encoding
from ragcli.formats.suffixes import BINARY_SUFFIXES, SOURCE_NAMES, SOURCE_SUFFIXES
from ragcli.types import Document, Reason


class _Loader(NamedTuple):
    version: int  # the module's VERSION, known here without importing it; a test compares them
    suffixes: tuple[str, ...]
    is_text: bool = True  # False: the loader itself says what is wrong with a file that is not what its name says


_LOADERS = {
    "text": _Loader(1, (".txt", ".text", ".log", ".org", ".tex")),
    "source": _Loader(1, SOURCE_SUFFIXES),
    "markdown": _Loader(1, (".md", ".markdown", ".mdown", ".mkd", ".mdx", ".qmd", ".rmd")),
    "rst": _Loader(1, (".rst", ".rest")),
    "html": _Loader(1, (".html", ".htm", ".xhtml", ".xht")),
    "table": _Loader(1, (".csv", ".tsv")),
    "notebook": _Loader(1, (".ipynb",)),
    "structured": _Loader(
        1,
        (
            *(".json", ".jsonl", ".ndjson", ".geojson", ".json5", ".yaml", ".yml", ".toml", ".xml", ".xsl", ".xsd"),
            *(".rss", ".atom", ".opml", ".ini", ".cfg", ".conf", ".properties"),
        ),
    ),
    "pdf": _Loader(1, (".pdf",), is_text=False),
    "docx": _Loader(1, (".docx",), is_text=False),
    "pptx": _Loader(1, (".pptx",), is_text=False),
    "xlsx": _Loader(1, (".xlsx", ".xlsm"), is_text=False),
    "epub": _Loader(1, (".epub",), is_text=False),
    "mail": _Loader(1, (".eml", ".mbox")),
}
# loader -> its module, where that has another name
MODULES = {"source": "source_code", "pdf": "pdf.loader", "html": "html.loader", "markdown": "markdown.loader"}
_BY_SUFFIX = {suffix: name for name, loader in _LOADERS.items() for suffix in loader.suffixes}

SUPPORTED_SUFFIXES = tuple(sorted(_BY_SUFFIX))
ALL_VERSIONS = sum(loader.version for loader in _LOADERS.values())  # grows when any loader changes or is added

_CONTROL = bytes(code for code in range(32) if code not in b"\t\n\r\f\x1b")
_HEAD = 8192  # bytes that tell text from binary


def version_of(name: str) -> int:
    """The version of the loader called ``name``, 0 when there is none of that name; imports no parser."""
    loader = _LOADERS.get(name)
    return loader.version if loader else 0


def loader_for(path: Path, head: bytes) -> str | None:
    """The name of the loader for a file, None when it is binary in no format that is read here.

    The suffix decides and ``head``, the first bytes of the file (8 KiB are plenty, none are allowed), is checked
    against it; a name that says nothing is text when its content looks like it.
    """
    suffix = path.suffix.lower()
    name = _BY_SUFFIX.get(suffix)
    if name and not _LOADERS[name].is_text:
        return name
    if suffix in BINARY_SUFFIXES:
        return None
    if name in (None, "text") and b"%PDF-" in head[:16]:
        return "pdf"
    if not _looks_like_text(head[:_HEAD], known=name is not None):
        return None
    return name or _by_content(path, head)


def load(path: Path, data: bytes, options: LoadOptions) -> Document:
    """Read the content ``data`` of the file at ``path``.

    Raises LoadError: UNSUPPORTED when no loader knows it, EMPTY, or what its loader finds, such as DAMAGED when the
    file is not what its name says.
    """
    if not data or data.isspace():
        raise LoadError(Reason.EMPTY, "the file has no text" if data else "the file has no content")
    name = loader_for(path, data[:_HEAD])
    if name is None:
        suffix = path.suffix.lower()
        raise LoadError(
            Reason.UNSUPPORTED, f"no loader for {suffix}" if suffix in BINARY_SUFFIXES else "binary content"
        )
    module = import_module(f"ragcli.formats.{MODULES.get(name, name)}")
    document: Document = module.load(path, data, options)
    return document


def _looks_like_text(head: bytes, *, known: bool) -> bool:
    if declared_encoding(head):  # UTF-16 and UTF-32 are full of zero bytes
        return True
    if b"\x00" in head and not known:
        return False
    # A log or a table with a stray NUL is still text; compressed data has a tenth of its bytes among these.
    return (len(head) - len(head.translate(None, _CONTROL))) * 20 <= len(head)


def _by_content(path: Path, head: bytes) -> str:
    if path.name.lower() in SOURCE_NAMES or head.startswith(b"#!"):
        return "source"
    return "text"
