from pathlib import Path

import pytest

from ragcli.errors import LoadError
from ragcli.formats.blocks import LoadOptions
from ragcli.formats.registry import load

BOOK = """<?xml version="1.0" encoding="windows-1251"?>
<FictionBook xmlns="http://www.gribuser.ru/xml/fictionbook/2.0" xmlns:l="http://www.w3.org/1999/xlink">
<description><title-info><book-title>Причал</book-title></title-info></description>
<body><title><p>Причал</p></title>
<section><title><p>Глава</p><p>первая</p></title><p>Кран <emphasis>скрипел</emphasis> всю ночь<a l:href="#n1"
type="note">1</a>, 10<sup>6</sup> раз.</p><poem><stanza><v>Вода темна,</v><v>и тишина.</v></stanza></poem>
<section><title><p>Часть</p></title><cite><p>Тихо.</p></cite><table><tr><th>Кран</th><th>Вес</th></tr>
<tr><td>Север</td><td>12</td></tr></table></section></section>
<section><p>Конец.</p></section></body>
<body name="notes"><section id="n1"><title><p>1</p></title><p>Построен в 1911 году.</p></section></body>
<binary id="cover.jpg" content-type="image/jpeg">/9j/4AAQSkZJRg==</binary></FictionBook>"""


def read(text: str):
    return load(Path("a.fb2"), text.encode("cp1251"), LoadOptions())


def test_chapters_verses_tables_and_notes():
    document = read(BOOK)
    assert document.title == "Причал"
    assert [(document.text[b.start : b.end], b.page, b.headings) for b in document.blocks] == [
        ("Причал", 1, ()),
        ("Глава первая", 1, ("Глава первая",)),
        ("Кран скрипел всю ночь[1], 10^6 раз.", 1, ("Глава первая",)),
        ("Вода темна,\nи тишина.", 1, ("Глава первая",)),
        ("Часть", 1, ("Глава первая", "Часть")),
        ("Тихо.", 1, ("Глава первая", "Часть")),
        ("Кран | Вес", 1, ("Глава первая", "Часть")),
        ("Кран: Север | Вес: 12", 1, ("Глава первая", "Часть")),
        ("Конец.", 2, ("Глава первая", "Часть")),
        ("[1] Построен в 1911 году.", 3, ()),
    ]


@pytest.mark.parametrize("text", ["<html/>", "no xml", "<FictionBook>"])
def test_what_is_no_book_is_refused(text):
    with pytest.raises(LoadError):
        read(text)


def test_a_book_that_is_cut_off_is_read_as_far_as_it_goes():
    assert "Вода темна" in read(BOOK[: BOOK.index("<section><title><p>Часть")]).text


def test_names_that_are_not_declared_do_no_harm():
    assert read("<FictionBook><w:x/><body><x:p>lost</x:p><p>kept</p></body></FictionBook>").text == "kept"
