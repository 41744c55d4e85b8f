"""The second reader of PDFs, pypdf: slower than pdfium, but it opens some files that pdfium does not."""

from __future__ import annotations

import io
import logging
import struct
import zlib

import pypdf
import pypdf.errors

from ragcli.errors import LoadError
from ragcli.formats.pdf.layout import Line, plain_lines
from ragcli.types import Reason

# pypdf is lenient and goes on until something breaks: on a damaged file these are its ways to say so.
_DAMAGE = (
    pypdf.errors.PyPdfError,
    ArithmeticError,
    AssertionError,
    AttributeError,
    LookupError,
    NotImplementedError,
    OSError,
    RecursionError,
    TypeError,
    ValueError,
    struct.error,
    zlib.error,
)

# pypdf reports each oddity of a file to its logger, which without a handler prints to stderr.
logging.getLogger("pypdf").addHandler(logging.NullHandler())


def read_pages(data: bytes, password: str | None, limit: int) -> tuple[list[list[Line]], str]:
    """The lines of at most ``limit`` pages and the metadata title ("" when there is none).

    A page that cannot be read is empty. Raises LoadError: ENCRYPTED when the password is missing or wrong, DAMAGED when
    pypdf cannot open the file.
    """
    try:
        reader = pypdf.PdfReader(io.BytesIO(data), strict=False)
        if reader.is_encrypted and not reader.decrypt(password or ""):
            raise LoadError(Reason.ENCRYPTED, "wrong password" if password else "needs a password")
        count = min(len(reader.pages), limit)
        title = str(reader.metadata.title or "") if reader.metadata else ""
    except pypdf.errors.DependencyError as error:
        raise LoadError(Reason.ENCRYPTED, str(error)) from error
    except _DAMAGE as error:
        raise LoadError(Reason.DAMAGED, f"{error or type(error).__name__}") from error
    return [_page_lines(reader, number) for number in range(count)], title


def _page_lines(reader: pypdf.PdfReader, number: int) -> list[Line]:
    try:
        return plain_lines(reader.pages[number].extract_text())
    except _DAMAGE:
        return []
