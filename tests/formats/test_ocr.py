import io

import pytest
from PIL import Image

from ragcli.errors import LoadError
from ragcli.formats.pdf import ocr
from ragcli.types import Reason


def png() -> bytes:
    out = io.BytesIO()
    Image.new("L", (30, 20), 200).save(out, "PNG")
    return out.getvalue()


@pytest.fixture
def tesseract(tmp_path, monkeypatch):
    """A stand-in for the program, as a shell script."""

    def install(script: str) -> None:
        program = tmp_path / "tesseract"
        program.write_text(f"#!/bin/sh\n{script}\n")
        program.chmod(0o755)
        monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")

    return install


def test_available_only_when_on_the_path(tesseract, tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert not ocr.available()
    tesseract("exit 0")
    assert ocr.available()


def test_the_image_goes_in_and_the_text_comes_out(tesseract, tmp_path):
    tesseract(f'cat >"{tmp_path}/image"\necho "$@"')
    assert ocr.read_image(png()) == "stdin stdout -l eng\n"
    assert (tmp_path / "image").read_bytes() == png()


def test_a_failure_carries_what_the_program_said(tesseract):
    tesseract('cat >/dev/null\necho "Error opening data file eng.traineddata" >&2\nexit 1')
    with pytest.raises(LoadError, match=r"eng\.traineddata") as caught:
        ocr.read_image(png())
    assert caught.value.reason is Reason.NO_TEXT


def test_a_program_that_takes_too_long_is_stopped(tesseract, monkeypatch):
    monkeypatch.setattr(ocr, "PAGE_SECONDS", 0.2)
    tesseract("exec sleep 30")
    with pytest.raises(LoadError, match="took more than"):
        ocr.read_image(png())
