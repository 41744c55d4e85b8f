"""Read an image of a page with the tesseract program."""

from __future__ import annotations

import shutil
import subprocess

from ragcli.errors import LoadError
from ragcli.types import Reason

LANGUAGE = "eng"
PAGE_SECONDS = 60


def available() -> bool:
    """True when ``tesseract`` is on the PATH."""
    return shutil.which("tesseract") is not None


def read_image(image: bytes) -> str:
    """The text of a page image (PNG bytes), blank when there is none.

    Raises LoadError(NO_TEXT) with tesseract's own words when it fails, or when it takes more than a minute.
    """
    command = ["tesseract", "stdin", "stdout", "-l", LANGUAGE]
    try:
        done = subprocess.run(command, input=image, capture_output=True, timeout=PAGE_SECONDS, check=False)
    except subprocess.TimeoutExpired as error:
        raise LoadError(Reason.NO_TEXT, f"tesseract took more than {PAGE_SECONDS} s") from error
    except OSError as error:
        raise LoadError(Reason.NO_TEXT, f"tesseract does not start: {error.strerror}") from error
    if done.returncode != 0:
        said = done.stderr.decode("utf-8", "replace").strip().splitlines()
        raise LoadError(Reason.NO_TEXT, f"tesseract: {said[-1] if said else f'exit code {done.returncode}'}")
    return done.stdout.decode("utf-8", "replace")
