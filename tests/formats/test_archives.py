"""Archives, made by the standard library, and by hand where it refuses to make what must be refused."""

import bz2
import gzip
import io
import lzma
import stat
import tarfile
import zipfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ragcli.errors import LoadError
from ragcli.formats import archives, registry
from ragcli.formats.blocks import LoadOptions
from ragcli.formats.members import MAX_TOTAL, safe_parts, walk
from ragcli.ingest.discover import bar_member
from ragcli.types import Reason

FILES = {"notes.txt": b"The gate opens at six.\n", "reports/año.md": b"# Tides\n\nHigh water at nine.\n"}


def zipped(files: dict[str, bytes], packing: int = zipfile.ZIP_DEFLATED) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, data in files.items():
            archive.writestr(zipfile.ZipInfo(name, (2026, 3, 4, 5, 6, 8)), data, compress_type=packing)
    return out.getvalue()


def tarred(files: dict[str, bytes], mode: str = "w", *extra: tarfile.TarInfo) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode=mode) as archive:
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size, info.mtime = len(data), 1772600768
            archive.addfile(info, io.BytesIO(data))
        for info in extra:
            archive.addfile(info)
    return out.getvalue()


def read(data: bytes, name: str = "a.zip", **options: object) -> dict[str, str]:
    """The text of each member by its name, or the reason why there is none; "" is the archive itself."""
    found: dict[str, str] = {}
    try:
        document = registry.load(Path(name), data, LoadOptions(**options))
        for member in walk(document, LoadOptions(**options), bar_member):
            try:
                found[member.name] = member.read().text
            except LoadError as error:
                found[member.name] = str(error)
    except LoadError as error:
        found[""] = str(error)
    return found


TEXTS = {"notes.txt": "The gate opens at six.\n", "reports/año.md": "# Tides\n\nHigh water at nine.\n"}


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("a.zip", zipped(FILES)),
        ("a.tar", tarred(FILES)),
        ("a.tar.gz", tarred(FILES, "w:gz")),
        ("a.tgz", tarred(FILES, "w:gz")),
        ("a.tar.bz2", tarred(FILES, "w:bz2")),
        ("a.tar.xz", tarred(FILES, "w:xz")),
        ("packed.gz", tarred(FILES, "w:gz")),  # known by its content
    ],
)
def test_every_member_is_a_document_with_its_own_date(name, data):
    assert read(data, name) == TEXTS
    document = registry.load(Path(name), data, LoadOptions())
    assert (document.loader, document.text, document.blocks) == ("archive", "", ())
    assert all(abs(member.mtime_ns / 1e9 - 1772600768) < 86_400 for member in walk(document, LoadOptions()))


@pytest.mark.parametrize(("suffix", "pack"), [(".gz", gzip.compress), (".bz2", bz2.compress), (".xz", lzma.compress)])
def test_a_packed_file_is_an_archive_of_one(suffix, pack):
    both = pack(b"one, ") + pack(b"two")  # as `cat a.gz b.gz` makes it
    assert read(both, f"log.txt{suffix}") == {"log.txt": "one, two"}
    assert "damaged" in read(pack(b"words " * 9000)[:-20], f"log.txt{suffix}")[""]


def test_archives_in_archives_are_read_to_the_second():
    inner = zipped({"deep.txt": b"deep"})
    third = zipped({"second.zip": zipped({"third.zip": inner}), "first.txt": b"first"})
    assert read(third) == {
        "second.zip": "",
        "second.zip/third.zip": "damaged: archives in archives too deep",
        "first.txt": "first",
    }


def test_a_member_that_leads_out_of_the_archive_is_refused():
    files = {"../out.txt": b"a", "/etc/passwd": b"b", "C:/x.txt": b"c", "a/../../x.txt": b"d", "./ok.txt": b"fine"}
    found = read(zipped(files))
    assert found.pop("ok.txt") == "fine"
    assert len(found) == 4
    assert all(text.startswith("damaged: unsafe path") for text in found.values())
    assert not any(".." in Path(name).parts or name.startswith("/") for name in found)
    assert len(read(tarred(files), "a.tar")) == 5


@given(st.text())
def test_a_safe_name_never_leads_out(name):
    parts = safe_parts(name)
    if parts is not None:
        assert parts
        assert not {"", ".", ".."} & set(parts)
        assert not any("/" in part or "\0" in part for part in parts)


def test_links_devices_hidden_and_generated_files_have_reasons():
    info = zipfile.ZipInfo("link.txt")
    info.external_attr = (stat.S_IFLNK | 0o777) << 16
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr(info, "/etc/passwd")
        for name in ("__MACOSX/._a.txt", ".git/a", ".git/b", "x/node_modules/y/z.js", "uv.lock", "good.txt"):
            archive.writestr(name, "text")
    assert read(out.getvalue()) == {
        "link.txt": "symlink: link in an archive",
        "good.txt": "text",
        "__MACOSX": "hidden",
        ".git": "hidden",
        "x/node_modules": "ignored: built-in rule: node_modules",
        "uv.lock": "ignored: built-in rule: lock file",
    }
    document = registry.load(Path("a.zip"), out.getvalue(), LoadOptions())
    assert [m.content[2] for m in walk(document, LoadOptions(), bar_member) if m.name == ".git"] == [2]
    link, hard, fifo = (tarfile.TarInfo(name) for name in ("soft", "hard", "fifo"))
    link.type, hard.type, fifo.type = tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE
    link.linkname = hard.linkname = "/etc/passwd"
    found = read(tarred(FILES, "w", link, hard, fifo), "a.tar")
    assert (found["soft"], found["hard"]) == ("symlink: link in an archive",) * 2
    assert found["fifo"].startswith("not a regular file")


def test_members_of_one_name_are_both_read():
    data = zipped({"a.txt": b"old", "b.txt": b"new"}).replace(b"b.txt", b"a.txt")
    assert read(data) == {"a.txt": "old", "a (2).txt": "new"}


def test_a_name_in_utf8_without_its_mark_is_read():
    data = zipped({"übung.txt": b"x"}).replace("übung.txt".encode(), "übung.txt".encode())
    unmarked = bytearray(data)
    for at in (6, data.index(b"PK\1\2") + 8):
        unmarked[at + 1] &= ~0x08
    assert list(read(bytes(unmarked))) == ["übung.txt"]


def encrypted_zip() -> bytes:
    """An archive with a password, by the old cipher of zip, which the standard library reads but does not write."""
    text, password = b"The vault is behind the mill.", b"sesame"
    keys = [0x12345678, 0x23456789, 0x34567890]
    table = [zip_crc(n) for n in range(256)]

    def update(byte: int) -> None:
        keys[0] = keys[0] >> 8 ^ table[(keys[0] ^ byte) & 0xFF]
        keys[1] = (keys[1] + (keys[0] & 0xFF)) * 134775813 + 1 & 0xFFFFFFFF
        keys[2] = keys[2] >> 8 ^ table[(keys[2] ^ keys[1] >> 24) & 0xFF]

    for byte in password:
        update(byte)
    data = zipped({"secret.txt": text}, zipfile.ZIP_STORED)
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        crc = archive.infolist()[0].CRC
    cipher = bytearray()
    for byte in bytes(11) + bytes([crc >> 24]) + text:
        temp = keys[2] | 2
        cipher.append(byte ^ (temp * (temp ^ 1) >> 8 & 0xFF))
        update(byte)
    out = bytearray(data.replace(text, bytes(cipher)))
    directory = out.index(b"PK\1\2")
    out[6] |= 1
    out[directory + 8] |= 1
    for at in (18, directory + 20):
        out[at : at + 4] = len(cipher).to_bytes(4, "little")
    end = out.index(b"PK\5\6")
    out[end + 16 : end + 20] = directory.to_bytes(4, "little")
    return bytes(out)


def zip_crc(value: int) -> int:
    for _ in range(8):
        value = value >> 1 ^ (0xEDB88320 if value & 1 else 0)
    return value


def test_a_password_opens_what_it_can():
    data = encrypted_zip()
    assert read(data) == {"secret.txt": "encrypted: a zip password"}
    assert read(data, password="wrong") == {"secret.txt": "encrypted: the password does not open it"}
    assert read(data, password="sesame") == {"secret.txt": "The vault is behind the mill."}


def test_bombs_cost_themselves(monkeypatch):
    zeros = bytes(8 << 20)
    found = read(zipped({"bomb.txt": zeros, "good.txt": b"good"}))
    assert "zip bomb" in found["bomb.txt"]
    assert found["good.txt"] == "good"
    assert "a bomb" in read(gzip.compress(zeros), "a.txt.gz")[""]
    assert "a bomb" in read(lzma.compress(zeros), "a.txt.xz")[""]
    assert "a bomb" in read(tarred({"a.txt": b"first", "z": zeros}, "w:gz"), "a.tar.gz")[""]
    # a member that says it is small is not unpacked further than it says
    lying = zipped({"bomb.txt": zeros}).replace(len(zeros).to_bytes(4, "little"), (100).to_bytes(4, "little"))
    assert read(lying)["bomb.txt"].startswith("damaged")
    monkeypatch.setattr("ragcli.formats.members.Budget.spend", lambda self, size: _spend_little(self, size))
    assert read(zipped({f"{n}.txt": b"x" * 400 for n in range(5)}))[""].startswith("damaged: it unpacks")


def _spend_little(budget, size):
    budget.bytes -= size
    if MAX_TOTAL - budget.bytes > 1000:
        raise LoadError(Reason.DAMAGED, "it unpacks to more than 1 GiB; the rest is not read")


def test_ten_thousand_files_are_read_and_a_million_refused(monkeypatch):
    monkeypatch.setattr(archives, "MAX_FILES", 3)
    files = {f"{n}.txt": b"text" for n in range(5)}
    for name, data in (("a.zip", zipped(files)), ("a.tar", tarred(files))):
        found = read(data, name)
        assert "only the first 3" in found.pop("")
        assert len(found) == 3
    data = bytearray(zipped(files))
    at = data.index(b"PK\5\6")
    data[at + 8 : at + 12] = b"\xff\xff\xff\xff"
    monkeypatch.setattr(archives, "_MOST_ENTRIES", 1000)
    assert "65,535 files" in read(bytes(data))[""]


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("a.zip", zipped(FILES)[:-30]),
        ("a.zip", b"PK\5\6" + bytes(18)),
        ("a.zip", b"plain text under this name"),
        ("a.tar", b"plain text under this name"),
        ("a.tar", tarred(FILES)[:600]),
        ("a.tgz", b"\x1f\x8b nothing"),
        ("a.gz", gzip.compress(b"", mtime=0)),
        ("a.7z", b"7z\xbc\xaf\x27\x1c"),
    ],
)
def test_what_is_no_sound_archive_says_so(name, data):
    found = read(data, name)
    assert found[""].startswith(("damaged", "empty", "unsupported: 7-Zip archive"))


def test_a_damaged_member_costs_itself_and_what_is_before_the_damage_is_read():
    data = zipped({"a.txt": b"first words", "b.txt": b"other words"}, zipfile.ZIP_STORED)
    found = read(data.replace(b"other words", b"OTHER words"))
    assert found["a.txt"] == "first words"
    assert found["b.txt"].startswith("damaged: Bad CRC-32")
    cut = read(tarred({"a.txt": b"first words", "b.txt": b"x" * 4000})[:3000], "a.tar")
    assert cut["a.txt"] == "first words"
    assert "after 1 files" in cut[""]


def test_office_files_are_no_archives():
    assert [registry.loader_for(Path(name), b"PK\3\4") for name in ("a.docx", "a.epub", "a.odt")] == [
        "docx",
        "epub",
        "odf",
    ]
