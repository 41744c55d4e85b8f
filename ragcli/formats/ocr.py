"""Read the picture of a page with the tesseract program, which has to be on the PATH; what was read once is kept."""

from __future__ import annotations

import csv
import hashlib
import os
import shutil
import subprocess
import tempfile
from contextlib import suppress
from functools import lru_cache
from pathlib import Path

from ragcli.errors import LoadError
from ragcli.formats.blocks import LoadOptions
from ragcli.types import Reason

PAGE_SECONDS = 120
MISSING = "tesseract is not on the PATH; install it: apt install tesseract-ocr, or brew install tesseract"

# Words of which tesseract is less sure than this (of 100) are mostly lines, stains and parts of drawings.
_FLOOR = 20.0

# Columns of tesseract's table ("tesseract --help-extra", the configuration "tsv").
_LEVEL, _BLOCK, _PARAGRAPH, _LINE, _CONFIDENCE, _TEXT = 0, 2, 3, 4, 10, 11
_WORD = "5"


def available() -> bool:
    """True when ``tesseract`` is on the PATH."""
    return shutil.which("tesseract") is not None


def read_image(image: bytes, options: LoadOptions) -> str:
    """The text of a page image (PNG bytes), blank when there is none; blank lines stand between its paragraphs.

    Words of which tesseract is not sure are left out. Raises LoadError(NO_TEXT) with tesseract's own words when it
    fails, or when it takes more than two minutes.
    """
    about = f"{_version()}\0{options.ocr_languages}\0{_FLOOR}\0".encode()
    kept = Path(options.cache, "ocr", hashlib.sha256(about + image).hexdigest()) if options.cache else None
    if kept is not None:
        with suppress(OSError, UnicodeDecodeError):
            return kept.read_text(encoding="utf-8")
    text = _words(_run(["stdin", "stdout", "-l", options.ocr_languages, "tsv"], image))
    if kept is not None:
        with suppress(OSError):  # a cache that cannot be written costs time only
            _store(kept, text)
    return text


def _store(file: Path, text: str) -> None:
    file.parent.mkdir(parents=True, mode=0o700, exist_ok=True)
    with tempfile.NamedTemporaryFile("w", encoding="utf-8", dir=file.parent, delete=False) as draft:
        draft.write(text)
    Path(draft.name).replace(file)


@lru_cache(maxsize=1)
def _version() -> str:
    """The version of tesseract: another one may read a page in another way."""
    return _run(["--version"], b"").partition("\n")[0]


def _run(arguments: list[str], image: bytes) -> str:
    # one thread per page, as every core has a parser process
    environment = {**os.environ, "OMP_THREAD_LIMIT": "1"}
    try:
        done = subprocess.run(
            ["tesseract", *arguments],
            input=image, capture_output=True, timeout=PAGE_SECONDS, check=False, env=environment,
        )  # fmt: skip
    except subprocess.TimeoutExpired as error:
        raise LoadError(Reason.NO_TEXT, f"tesseract took more than {PAGE_SECONDS} s") from error
    except FileNotFoundError as error:
        raise LoadError(Reason.NO_TEXT, MISSING) from error
    except OSError as error:
        raise LoadError(Reason.NO_TEXT, f"tesseract does not start: {error.strerror}") from error
    if done.returncode != 0:
        said = done.stderr.decode("utf-8", "replace").strip().splitlines()
        raise LoadError(Reason.NO_TEXT, f"tesseract: {said[-1] if said else f'exit code {done.returncode}'}")
    return done.stdout.decode("utf-8", "replace")


def _words(table: str) -> str:
    """The words of tesseract's table in lines and paragraphs."""
    text: list[str] = []
    place: tuple[str, ...] = ()
    for row in csv.reader(table.splitlines(), delimiter="\t", quoting=csv.QUOTE_NONE):
        if len(row) <= _TEXT or row[_LEVEL] != _WORD or not row[_TEXT].strip() or not _is_sure(row[_CONFIDENCE]):
            continue
        here = (row[_BLOCK], row[_PARAGRAPH], row[_LINE])
        if place:
            text.append(" " if here == place else "\n" if here[:2] == place[:2] else "\n\n")
        text.append(row[_TEXT].strip())
        place = here
    return "".join(text)


def _is_sure(confidence: str) -> bool:
    try:
        return float(confidence) >= _FLOOR
    except ValueError:
        return False
