import io
import zipfile

import pytest

from ragcli.errors import LoadError
from ragcli.formats import zip_container
from ragcli.types import Reason

OLE = bytes.fromhex("D0CF11E0A1B11AE1") + bytes(512)


def packed(members: dict[str, bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as written:
        for name, data in members.items():
            written.writestr(name, data)
    return out.getvalue()


def refused(data: bytes) -> LoadError:
    with pytest.raises(LoadError) as caught:
        zip_container.open_container(data, ".docx")
    return caught.value


def test_a_good_archive_opens_and_its_members_can_be_read():
    with zip_container.open_container(packed({"a.xml": b"<a/>" * 200_000}), ".docx") as opened:
        assert zip_container.read_member(opened, "a.xml") == b"<a/>" * 200_000


def test_small_members_may_be_packed_as_tightly_as_they_like():
    zip_container.open_container(packed({"a.xml": bytes(zip_container.SMALL_MEMBER)}), ".docx").close()


def test_a_member_that_unpacks_thousandfold_is_a_bomb():
    error = refused(packed({"a.xml": bytes(zip_container.SMALL_MEMBER + 1)}))
    assert error.reason is Reason.DAMAGED
    assert error.detail.startswith("zip bomb: 'a.xml' unpacks")


def test_too_many_members_are_a_bomb():
    error = refused(packed({str(number): b"" for number in range(zip_container.MAX_MEMBERS + 1)}))
    assert error.detail == "zip bomb: 10,001 members"


def test_a_declared_size_beyond_the_bound_is_a_bomb():
    data = bytearray(packed({"a.xml": b"x" * 5000}))
    directory = data.rindex(b"PK\x01\x02")
    data[directory + 24 : directory + 28] = (zip_container.MAX_UNPACKED + 1).to_bytes(4, "little")
    assert refused(bytes(data)).detail == "zip bomb: unpacks to 512 MiB"


def test_a_member_that_lies_about_its_size_is_not_unpacked_beyond_it():
    data = bytearray(packed({"a.xml": bytes(50_000_000)}))
    directory = data.rindex(b"PK\x01\x02")
    data[directory + 24 : directory + 28] = (1000).to_bytes(4, "little")
    with zip_container.open_container(bytes(data), ".docx") as opened, pytest.raises(LoadError) as caught:
        zip_container.read_member(opened, "a.xml")
    assert caught.value.reason is Reason.DAMAGED


# Named, because a zip holds the time it was made: xdist's workers must collect the same names.
@pytest.mark.parametrize(
    "data",
    [b"not a zip", b"PK\x03\x04" + bytes(100), packed({"a": b"b" * 999})[:-30]],
    ids=["no zip", "only a signature", "cut short"],
)
def test_what_is_no_zip_is_damaged(data):
    assert refused(data).reason is Reason.DAMAGED


def test_no_bytes_are_empty():
    assert refused(b"").reason is Reason.EMPTY


def test_old_and_encrypted_office_files_are_told_apart():
    old, encrypted = refused(OLE), refused(OLE + "EncryptedPackage".encode("utf-16-le"))
    assert (old.reason, old.detail) == (Reason.DAMAGED, "an old binary Office file with a .docx name")
    assert encrypted.reason is Reason.ENCRYPTED


def test_a_missing_member_is_damage():
    with (
        zip_container.open_container(packed({"a": b"b"}), ".docx") as opened,
        pytest.raises(LoadError, match="is missing"),
    ):
        zip_container.read_member(opened, "b")


def test_a_changed_byte_in_a_member_is_damage():
    data = packed({"a": bytes(range(256)) * 8})
    broken = bytearray(data)
    broken[60] ^= 0xFF
    with zip_container.open_container(bytes(broken), ".docx") as opened, pytest.raises(LoadError) as caught:
        zip_container.read_member(opened, "a")
    assert caught.value.reason is Reason.DAMAGED
