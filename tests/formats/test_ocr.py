"""Pictures and scanned pages, by a stand-in for tesseract, and by the program itself where it is installed."""

import io
import shutil
from pathlib import Path

import pytest
from PIL import Image, ImageDraw, ImageFont

from ragcli.errors import LoadError
from ragcli.formats import ocr, registry
from ragcli.formats.blocks import LoadOptions
from ragcli.types import Document, Reason

OPTIONS = LoadOptions(ocr=True)
TABLE = "level\tpage_num\tblock_num\tpar_num\tline_num\tword_num\tleft\ttop\twidth\theight\tconf\ttext\n"
needs_tesseract = pytest.mark.skipif(shutil.which("tesseract") is None, reason="tesseract is not installed")


def words(*found: tuple[int, int, int, float, str]) -> str:
    """Tesseract's table of words: block, paragraph, line, confidence, text."""
    lines = [f"5\t1\t{b}\t{p}\t{line}\t1\t0\t0\t9\t9\t{sure}\t{text}\n" for b, p, line, sure, text in found]
    return TABLE + "4\t1\t1\t1\t1\t0\t0\t0\t9\t9\t-1\t\n" + "".join(lines)


def drawn(*lines: str, size: tuple[int, int] = (900, 200)) -> Image.Image:
    image = Image.new("RGB", size, "white")
    for number, line in enumerate(lines):
        ImageDraw.Draw(image).text((30, 30 + 50 * number), line, fill="black", font=ImageFont.load_default(28))
    return image


def encoded(image: Image.Image, kind: str = "PNG", **how: object) -> bytes:
    out = io.BytesIO()
    image.save(out, kind, **how)
    return out.getvalue()


def read(data: bytes, name: str = "a.png", options: LoadOptions = OPTIONS) -> Document:
    return registry.load(Path(name), data, options)


@pytest.fixture
def tesseract(tmp_path, monkeypatch):
    """A stand-in for the program, as a shell script."""

    def install(script: str) -> None:
        program = tmp_path / "tesseract"
        program.write_text(f"#!/bin/sh\n{script}\n")
        program.chmod(0o755)
        monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
        ocr._version.cache_clear()

    yield install
    ocr._version.cache_clear()


@pytest.fixture
def without_tesseract(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))


def test_available_only_when_on_the_path(tesseract, without_tesseract):
    assert not ocr.available()
    tesseract("exit 0")
    assert ocr.available()


def test_the_image_goes_in_and_the_words_come_out_in_lines_and_paragraphs(tesseract, tmp_path):
    table = words(
        (1, 1, 1, 96, "High"),
        (1, 1, 1, 91, '"water'),
        (1, 1, 2, 80, "rises."),
        (1, 2, 1, 3, "|~"),
        (2, 1, 1, 90, "End"),
    )
    (tmp_path / "table").write_text(table)
    tesseract(f'cat >"{tmp_path}/image"\necho "$@" >"{tmp_path}/asked"\ncat "{tmp_path}/table"')
    image = encoded(drawn("x"))
    text = ocr.read_image(image, LoadOptions(ocr=True, ocr_languages="deu+eng"))
    assert text == 'High "water\nrises.\n\nEnd'
    assert (tmp_path / "image").read_bytes() == image
    assert (tmp_path / "asked").read_text() == "stdin stdout -l deu+eng tsv\n"


def test_a_page_is_read_once_for_each_language_and_version(tesseract, tmp_path):
    def program(version: str) -> None:
        tesseract(
            f'[ "$1" = --version ] && echo "tesseract {version}" && exit\necho x >>"{tmp_path}/calls"\ncat >/dev/null'
        )

    image = encoded(drawn("x"))
    for version, language in (("5", "eng"), ("5", "eng"), ("5", "deu"), ("6", "eng"), ("6", "eng")):
        program(version)
        ocr.read_image(image, LoadOptions(ocr=True, ocr_languages=language, cache=str(tmp_path / "cache")))
    assert (tmp_path / "calls").read_text() == "x\n" * 3


def test_a_failure_carries_what_the_program_said(tesseract):
    tesseract('cat >/dev/null\necho "Error opening data file eng.traineddata" >&2\nexit 1')
    with pytest.raises(LoadError, match=r"eng\.traineddata") as caught:
        ocr.read_image(encoded(drawn("x")), OPTIONS)
    assert caught.value.reason is Reason.NO_TEXT


def test_a_program_that_takes_too_long_is_stopped(tesseract, monkeypatch):
    tesseract('[ "$1" = --version ] && exit\nexec sleep 30')
    monkeypatch.setattr(ocr, "PAGE_SECONDS", 0.2)
    with pytest.raises(LoadError, match="took more than"):
        ocr.read_image(encoded(drawn("x")), OPTIONS)


def test_without_being_asked_or_without_the_program_the_reason_says_what_to_do(without_tesseract):
    for options, reason, said in (
        (LoadOptions(), Reason.UNSUPPORTED, "--ocr"),
        (OPTIONS, Reason.NO_TEXT, "apt install tesseract-ocr"),
    ):
        with pytest.raises(LoadError, match=said) as caught:
            read(encoded(drawn("x")), options=options)
        assert caught.value.reason is reason


def sent(folder: Path) -> Image.Image:
    """What the stand-in was given."""
    return Image.open(io.BytesIO((folder / "image").read_bytes()))


def test_a_picture_is_turned_upright_enlarged_and_put_on_white(tesseract, tmp_path):
    tesseract(f'cat >"{tmp_path}/image"')
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was turned
    with pytest.raises(LoadError, match="no text in the picture") as caught:
        read(encoded(Image.new("RGB", (100, 300)), "JPEG", exif=exif, dpi=(75, 75)), "a.jpg")
    assert caught.value.reason is Reason.EMPTY
    seen = sent(tmp_path)
    assert (seen.size, seen.mode, round(seen.info["dpi"][0])) == ((1200, 400), "L", 300)
    for how in ({"dpi": (300, 300)}, {"dpi": (150, 150)}):
        with pytest.raises(LoadError):
            read(encoded(Image.new("RGBA", (100, 300)), **how))
        seen = sent(tmp_path)
        assert (seen.size, seen.getpixel((5, 5))) == ((100, 300), 255)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (encoded(drawn("x"))[:300], Reason.DAMAGED),
        (b"%PDF-1.7 no picture", Reason.DAMAGED),
        (encoded(Image.new("1", (20_000, 20_000))), Reason.TOO_LARGE),
    ],
)
def test_a_picture_that_cannot_be_read_says_so(tesseract, data, reason):
    tesseract("cat >/dev/null")
    with pytest.raises(LoadError) as caught:
        read(data)
    assert caught.value.reason is reason


@needs_tesseract
@pytest.mark.parametrize(("name", "kind"), [("a.png", "PNG"), ("a.bmp", "BMP"), ("a.webp", "WEBP"), ("a.jpg", "JPEG")])
def test_pictures_of_each_format_are_read(name, kind):
    document = read(encoded(drawn("The harbour gate opens at six."), kind), name)
    assert (document.text, document.loader, document.blocks[0].page) == (
        "The harbour gate opens at six.",
        "picture",
        None,
    )


@needs_tesseract
def test_the_frames_of_a_fax_are_pages():
    first, second = drawn("The first page says harbour."), drawn("The second page says mill.")
    data = encoded(first, "TIFF", save_all=True, append_images=[second], dpi=(200, 200))
    document = read(data, "fax.tif")
    assert document.text == "The first page says harbour.\n\nThe second page says mill."
    assert [block.page for block in document.blocks] == [1, 2]


@needs_tesseract
def test_a_scanned_page_of_a_pdf_is_read():
    scan = encoded(drawn("The harbour gate opens at six.", size=(1200, 600)), "PDF", resolution=200)
    with pytest.raises(LoadError, match="read them with --ocr"):
        read(scan, "scan.pdf", LoadOptions())
    document = read(scan, "scan.pdf")
    assert "The harbour gate opens at six." in document.text
    assert document.blocks[0].page == 1
