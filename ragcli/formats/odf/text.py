"""The text of paragraphs of an OpenDocument file, and what hangs on them: notes, comments, boxes."""

from __future__ import annotations

from collections.abc import Iterator

from lxml.etree import _Element as Element

from ragcli.formats.equations import lowered, raised
from ragcli.formats.odf.styles import Styles, q
from ragcli.formats.ooxml.parts import picture_name

P, H, NOTE, COMMENT = q("text:p"), q("text:h"), q("text:note"), q("office:annotation")
_SPAN, _STYLE_NAME = q("text:span"), q("text:style-name")
INLINE = (P, H, q("text:a"), _SPAN)
_MARKS = {q("text:s"): " ", q("text:tab"): " ", q("text:line-break"): "\n"}
_DRAW = q("draw:a").removesuffix("a")
# A drawing that may hold text; in a link (draw:a) it stands in the line.
_BOXES = """frame g custom-shape rect ellipse circle line polyline polygon path connector caption measure
    regular-polygon control"""
_IMAGE, _BOX, _OBJECT = q("draw:image"), q("draw:text-box"), q("draw:object")
BOXES = frozenset(_DRAW + name for name in _BOXES.split())
# What no reader of the document sees as text. Deleted text stands in text:tracked-changes.
NOT_TEXT = frozenset(
    (
        *map(q, ("text:tracked-changes", "table:tracked-changes", "office:forms", "office:scripts", "text:ruby-text")),
        *map(q, ("office:binary-data", "draw:object", "draw:object-ole", "draw:plugin", "draw:applet", "svg:title")),
        *map(q, ("svg:desc", "office:event-listeners", "text:meta-field-source", "table:dde-links", "text:script")),
        *map(q, ("text:table-of-content-source", "text:alphabetical-index-source", "text:bibliography-source")),
        *map(q, ("text:illustration-index-source", "text:object-index-source", "text:table-index-source")),
        *map(q, ("text:user-index-source", "text:note-citation", "dc:creator", "dc:date", "meta:date-string")),
        *map(q, ("table:content-validations", "table:calculation-settings", "presentation:notes", "draw:glue-point")),
        *map(q, ("meta:creator-initials", "table:table-source", "table:scenario", "office:annotation-end")),
    )
)


def inline(paragraph: Element, styles: Styles) -> tuple[str, list[Element]]:
    """The text of a paragraph with its line breaks, and the notes, comments and drawings in it, in their order."""
    hanging: list[Element] = []
    lines = "".join(_pieces(paragraph, styles, hanging)).split("\n")
    return "\n".join(cleaned for line in lines if (cleaned := " ".join(line.split()))), hanging


def _pieces(element: Element, styles: Styles, hanging: list[Element], before: str = "") -> Iterator[str]:
    """The texts below ``element``, behind the text ``before``."""
    text = (element.text or "").replace("\n", " ")
    yield text
    before = text or before
    for child in element:
        tag = child.tag
        text = ""
        if tag in _MARKS:
            text = _MARKS[tag]
        elif tag in BOXES or tag in (NOTE, COMMENT):
            hanging.append(child)
        elif tag == _SPAN and styles.is_hidden("text", child.get(_STYLE_NAME, "")):
            pass
        elif isinstance(tag, str) and tag not in NOT_TEXT:
            text = "".join(_pieces(child, styles, hanging, before))
            height = styles.height_of(child.get(_STYLE_NAME, "")) if tag == _SPAN else 0
            text = raised(before, text) if height > 0 else lowered(before, text) if height < 0 else text
        tail = (child.tail or "").replace("\n", " ")
        yield text
        yield tail
        before = tail or text or before


def picture(frame: Element) -> str | None:
    """The description of the picture in a frame, "" where it has none that says something, None without a picture."""
    if frame.find(_IMAGE) is None or frame.find(_BOX) is not None or frame.find(_OBJECT) is not None:
        return None
    texts = (picture_name(frame.findtext(tag) or "") for tag in (q("svg:desc"), q("svg:title")))
    return next(filter(None, texts), "")


def flat_text(element: Element, styles: Styles) -> str:
    """All text below ``element`` on one line, as it stands in a cell: notes and comments in brackets."""
    return " ".join(_flat(element, styles))


def _flat(element: Element, styles: Styles) -> Iterator[str]:
    for child in element:
        if child.tag in (P, H):
            text, hanging = inline(child, styles)
            yield from text.split()
            for other in hanging:
                yield from _hung(other, styles)
        elif child.tag == COMMENT:
            yield from _hung(child, styles)
        elif isinstance(child.tag, str) and child.tag not in NOT_TEXT:
            yield from _flat(child, styles)


def _hung(element: Element, styles: Styles) -> Iterator[str]:
    if element.tag not in (NOTE, COMMENT):
        yield from (picture(element) or "").split()
        yield from _flat(element, styles)
    elif note := describe(element, styles):
        yield f"({note})"


def describe(element: Element, styles: Styles) -> str:
    """A note or a comment with what it is: "Note: text", "Comment by Ann: text"; "" when it has no text."""
    text = flat_text(element, styles)
    if not text:
        return ""
    if element.tag == NOTE:
        return f"Note: {text}"
    author = " ".join((element.findtext(q("dc:creator")) or "").split())
    return f"Comment by {author}: {text}" if author else f"Comment: {text}"
