"""Files that LibreOffice turns into OpenDocument: a sheet of Lotus 1-2-3, written here byte by byte."""

import shutil
import struct
import time
from pathlib import Path

import pytest

from ragcli.errors import LoadError
from ragcli.formats import registry
from ragcli.formats.blocks import LoadOptions
from ragcli.ingest.sandbox.limits import Limits
from ragcli.ingest.sandbox.pool import Request, Sandbox
from ragcli.types import Reason, Skipped

needs_libreoffice = pytest.mark.skipif(not shutil.which("soffice"), reason="soffice is not on the PATH")


def record(kind: int, data: bytes) -> bytes:
    return struct.pack("<2H", kind, len(data)) + data


def label(row: int, column: int, text: str) -> bytes:
    return record(0x0F, struct.pack("<B2H", 0xFF, column, row) + b"'" + text.encode() + b"\0")


LOTUS = record(0, b"\x06\x04") + label(0, 0, "Town") + label(0, 1, "Pier") + label(1, 0, "Leith")
LOTUS += label(1, 1, "north") + record(1, b"")


@needs_libreoffice
def test_a_sheet_of_lotus_is_read_once_and_kept(tmp_path):
    options = LoadOptions(office=True, cache=str(tmp_path))
    found = registry.load(Path("towns.wk1"), LOTUS, options)
    assert (found.loader, found.path, found.text.split("\n")[-1]) == (
        "office",
        Path("towns.wk1"),
        "Town: Leith | Pier: north",
    )
    (kept,) = (tmp_path / "office").iterdir()
    assert kept.read_bytes().startswith(b"PK")
    kept.write_bytes(b"another")
    with pytest.raises(LoadError, match=r"ods|OpenDocument"):  # so it comes from there
        registry.load(Path("towns.wk1"), LOTUS, options)


def test_without_the_option_the_reason_says_how_to_read_it():
    with pytest.raises(LoadError, match="Lotus document; read it with --office") as refused:
        registry.load(Path("towns.wk1"), LOTUS, LoadOptions())
    assert refused.value.reason is Reason.UNSUPPORTED


def test_without_libreoffice_the_reason_says_so(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(LoadError, match="install LibreOffice"):
        registry.load(Path("towns.wk1"), LOTUS, LoadOptions(office=True))


def test_noise_is_no_document():
    with pytest.raises(LoadError, match=r"not a \.wpd file") as refused:
        registry.load(Path("a.wpd"), bytes(range(256)) * 9, LoadOptions(office=True))
    assert refused.value.reason is Reason.DAMAGED


def test_text_under_such_a_name_is_text():
    assert registry.load(Path("a.key"), b"plain words\n", LoadOptions()).loader == "text"


@needs_libreoffice
def test_libreoffice_ends_with_the_time_of_its_file(tmp_path):
    file = tmp_path / "towns.wk1"
    file.write_bytes(LOTUS)
    with Sandbox(1, Limits(seconds=1.0), LoadOptions(office=True)) as sandbox:
        (loaded,) = sandbox.load([Request(file, None)])
    assert isinstance(loaded.outcome, Skipped)
    assert loaded.outcome.reason is Reason.TIMED_OUT
    patience = time.monotonic() + 20  # what is killed takes a moment to end on a busy machine
    while left := _running():
        assert time.monotonic() < patience, left
        time.sleep(0.1)


def _running() -> list[Path]:
    """The processes of LibreOffice that ragcli started, from whichever test."""
    return [
        one
        for one in Path("/proc").glob("[0-9]*/cmdline")
        if b"ragcli-office-" in _read(one) and _state(one.with_name("stat")) != "Z"
    ]


def _read(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError:  # it has ended
        return b""


def _state(file: Path) -> str:
    return _read(file).rpartition(b")")[2].split()[0].decode() if _read(file) else "Z"
