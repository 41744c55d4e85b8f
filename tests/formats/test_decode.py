import codecs

import pytest

from ragcli.formats.decode import declared_encoding, decode

GERMAN = "Die Prüfung der Größe ergab für Österreich schöne Zahlen: 15 € für Äpfel und Öl.\n" * 3
RUSSIAN = "Индекс хранится на диске и переживает отключение питания без потери данных.\n" * 3
POLISH = "Święta noc, żółta łąka i gęś: proszę państwa, źródło jest tutaj, dziękuję bardzo za uwagę.\n" * 3
JAPANESE = "これは文書検索のための日本語の文章です。意味で文書を探すことができます。\n" * 3
CHINESE = "这是一个用于测试文档检索的中文段落，可以按照意思来查找文件。\n" * 3


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        (GERMAN, "cp1252"),
        ("L'été, à la plage, où êtes-vous? «Là», répond Zoë.\n", "cp1252"),
        (RUSSIAN, "cp1251"),
        (RUSSIAN, "koi8-r"),
        (POLISH, "cp1250"),
        (JAPANESE, "shift_jis"),
        (JAPANESE, "euc_jp"),
        (CHINESE, "gb18030"),
    ],
)
def test_legacy_encodings_are_guessed_and_named(text, encoding):
    decoded, warnings = decode(text.encode(encoding))
    assert decoded == text
    assert len(warnings) == 1
    assert "guessed" in warnings[0]


@pytest.mark.parametrize(
    ("bom", "encoding"),
    [
        (codecs.BOM_UTF8, "utf-8"),
        (codecs.BOM_UTF16_LE, "utf-16-le"),
        (codecs.BOM_UTF16_BE, "utf-16-be"),
        (codecs.BOM_UTF32_LE, "utf-32-le"),
        (codecs.BOM_UTF32_BE, "utf-32-be"),
    ],
)
def test_a_byte_order_mark_decides_and_is_dropped(bom, encoding):
    assert decode(bom + f"{RUSSIAN}é".encode(encoding)) == (f"{RUSSIAN}é", ())


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
def test_utf_16_without_a_mark_shows_by_its_zeros(encoding):
    text = "Plain English, as Windows tools write it.\n"
    assert declared_encoding(text.encode(encoding)) == (encoding, 0)
    assert decode(text.encode(encoding)) == (text, ())


def test_a_few_broken_bytes_do_not_garble_utf_8():
    text, warnings = decode(RUSSIAN.encode() + b"\xff\n")
    assert text == RUSSIAN + "\ufffd\n"
    assert warnings == ("1 invalid UTF-8 sequences were replaced",)


def test_line_ends_become_one_kind_and_nul_is_replaced():
    assert decode(b"a\r\nb\rc\n\x00") == ("a\nb\nc\n\ufffd", ())


def test_only_a_sample_is_guessed_from_and_all_is_decoded():
    text = JAPANESE * 4000
    assert len(text.encode("shift_jis")) > 512 * 1024
    assert decode(text.encode("shift_jis"))[0] == text


def test_bytes_of_no_encoding_are_still_decoded():
    data = bytes(range(1, 256))
    text, warnings = decode(data)
    assert text.startswith("\x01\x02")
    assert warnings


@pytest.mark.parametrize(
    ("encoding", "text"),
    [
        ("cp1251", "Ключ от ворот лежит у сторожа на причале номер два."),
        ("shift_jis", "水門の鍵は二番桟橋の番人が持っている。"),
        ("euc-jp", "水門の鍵は二番桟橋の番人が持っている。"),
        ("cp1255", "המפתח של השער נמצא אצל השומר ברציף."),
        ("cp949", "수문 열쇠는 두 번째 부두의 경비원에게 있다."),
    ],
)
def test_short_texts_in_the_code_pages_of_windows_are_read(encoding, text):
    assert decode(text.encode(encoding) * 2)[0] == text * 2
