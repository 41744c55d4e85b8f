"""Pictures, read with tesseract when asked to: photographs of pages, scans, screenshots; each frame is a page."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from PIL import Image, ImageOps, ImageSequence

from ragcli.errors import LoadError
from ragcli.formats import ocr
from ragcli.formats.blocks import LoadOptions, TextBuilder
from ragcli.types import Document, Reason

MAX_FRAMES = 1_000
_MAX_PIXELS = 100_000_000
_ENOUGH_DPI = 150  # tesseract is made for letters of 300 dpi, and reads those of 150 well
_WANTED_DPI = 300
_SCREEN_DPI = 96  # of a picture that does not say
_LONG_SIDE = 2_500  # pixels: a photograph of a page has more, whatever it says about dpi
_PARAGRAPH_BREAK = re.compile(r"\n{2,}")
_BROKEN = (OSError, ValueError, SyntaxError, OverflowError)


def load(path: Path, data: bytes, options: LoadOptions) -> Document:
    """Read the text in a picture: a page per frame.

    Raises LoadError: UNSUPPORTED unless ``options.ocr``, NO_TEXT without tesseract or when it fails, EMPTY when there
    is no text in the picture, TOO_LARGE, DAMAGED.
    """
    if not options.ocr:
        raise LoadError(Reason.UNSUPPORTED, "a picture; read the text in pictures with --ocr")
    if not ocr.available():
        raise LoadError(Reason.NO_TEXT, ocr.MISSING)
    builder, warnings = TextBuilder(), []
    try:
        with Image.open(io.BytesIO(data)) as image:
            if image.width * image.height > _MAX_PIXELS:
                raise LoadError(Reason.TOO_LARGE, f"{image.width} x {image.height} pixels")
            count = getattr(image, "n_frames", 1)
            if count > MAX_FRAMES:
                warnings.append(f"only the first {MAX_FRAMES:,} of {count:,} pages were read")
            for number, frame in enumerate(_frames(image), start=1):
                page = number if image.format == "TIFF" else None
                for paragraph in _PARAGRAPH_BREAK.split(ocr.read_image(frame, options)):
                    builder.add(paragraph, page=page)
    except Image.DecompressionBombError as error:
        raise LoadError(Reason.TOO_LARGE, str(error)[:200]) from error
    except _BROKEN as error:
        raise LoadError(Reason.DAMAGED, f"the picture cannot be read: {error}"[:200]) from error
    if builder.is_empty:
        raise LoadError(Reason.EMPTY, "no text in the picture")
    return builder.build(path, "", tuple(warnings))


def _frames(image: Image.Image) -> Iterator[bytes]:
    """Each frame as a grey PNG, upright; of an animation the first."""
    most = MAX_FRAMES if image.format == "TIFF" else 1
    for frame in islice(ImageSequence.Iterator(image), most):
        if frame.width * frame.height > _MAX_PIXELS:
            raise LoadError(Reason.TOO_LARGE, f"{frame.width} x {frame.height} pixels")
        dpi = _dpi(frame)
        upright = ImageOps.exif_transpose(frame)
        if upright.mode in ("RGBA", "LA", "PA") or "transparency" in upright.info:
            behind = Image.new("RGBA", upright.size, "white")  # what is see-through is mostly paper
            upright = Image.alpha_composite(behind, upright.convert("RGBA"))
        grey = upright.convert("L")
        if dpi < _ENOUGH_DPI and max(grey.size) <= _LONG_SIDE:
            factor = min(4.0, _WANTED_DPI / dpi)
            size = (round(grey.width * factor), round(grey.height * factor))
            grey, dpi = grey.resize(size, Image.Resampling.LANCZOS), _WANTED_DPI
        buffer = io.BytesIO()
        grey.save(buffer, "PNG", dpi=(dpi, dpi), compress_level=1)
        yield buffer.getvalue()


def _dpi(image: Image.Image) -> float:
    try:
        found = float(image.info.get("dpi", (0, 0))[0])
    except (TypeError, ValueError, ZeroDivisionError, IndexError):
        return _SCREEN_DPI
    return found if 30 <= found <= 2400 else _SCREEN_DPI
