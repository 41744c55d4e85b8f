"""Split text into sentences, as spans: for cutting long paragraphs, for snippets and for answers.

Both steps take time linear in the text. ``units`` groups lines that read as one piece (a paragraph, a list item, a line
of code, a heading); ``sentences`` cuts each unit at its full stops. A doubtful full stop is not a cut: people can read
a sentence that is too long, but not half a sentence.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import NamedTuple

Span = tuple[int, int]

_LINE = re.compile(r"[^\n\r\f\v\x1c-\x1e\x85\u2028\u2029]+")
_TEXT = re.compile(r"\S")
_FENCE = re.compile(r"\s*(?:```|~~~)")
_ITEM = re.compile(
    r"\s*(?:[-*+•‣▪◦●○■□–—]\s|\d{1,3}(?:\.\d{1,3})*[.)]\s|\d{1,3}(?:\.\d{1,3})+\s+[A-Z]"
    r"|[a-z]\.\s|\(?(?:\d{1,3}|[a-z]|[ivx]{2,4})\)\s)"
)
_ALONE = re.compile(r"\s*(?:#{1,6}\s|\||([=\-~*_^+.#])\1{2,}+\s*+$)")  # headings, table rows, rules
_INDENT = re.compile(r" {4}| {0,3}\t")
_CODE_SIGN = re.compile(r"[={}\[\]<>;_\\|#`$]|\w\(")
# Lines that were written one by one: so many, and these shares of them end early, and at one of these signs.
_FEWEST_RECORDS = 3
_EARLY = 0.5
_SIGNED = 0.2
_PROSE_BLANKS = 5  # an indented line with fewer blanks counts as code: a statement of few words

_WIDE_STOPS = "。！？｡．।॥։።፧។៕။"
_LINE_ENDS = f".,;:!?…-–—([{{{_WIDE_STOPS}，、"
_CLOSERS = "\"'”’»›)\\]}」』）】》〉］"
_STOP = re.compile(rf"(?P<signs>[.!?…؟۔⸮‽{_WIDE_STOPS}]++)[*_{_CLOSERS}]*+")
# Note signs, [12] and (Smith et al., 2019) may stand behind a stop and still belong to its sentence.
_CITATION = re.compile(
    r"(?:[⁰¹²³⁴-⁹]{1,6}|\s?\[\d[\d,;\s–-]{0,40}\]|\s\([A-Z][^()]{1,100},\s(?:1[5-9]|20)\d\d[a-z]?(?:,\s[^()]{1,30})?\)\.?)"
    r"(?=\s|$)"
)
_BLANK = re.compile(r"\s*+")
_OPENERS = re.compile(r"[*_\"'“‘«‹(\[{「『（¿¡]*+")
_QUOTED_GOES_ON = re.compile(r"[とがをはのにでも、，,]")  # after a quotation that ends with its own full stop
_STARTER = re.compile(
    r"(?:After|All|Although|An?|And|As|At|Because|Before|Both|But|By|During|Each|Finally|First|For|From|He|Her|Here|His"
    r"|How|However|I|If|In|It|Its|Many|Most|My|No|Not|Now|On|One|Only|Our|She|Since|So|Some|Such|That|The|Their|Then"
    r"|There|Therefore|These|They|This|Those|Though|Thus|To|Today|Under|Until|We|What|When|Where|While|Why|With|Yet"
    r"|You|Your)(?![\w.'’-])"
)
_NUMBERED = re.compile(r"#?[A-Z]{0,2}\d|[IVXLC]{2,}\b|[A-Z]\b(?!\s+[a-z])")
_ACRONYM = re.compile(r"(?:\w\.)+\w")
_ENUMERATOR = re.compile(r"\d{1,3}(?:\.\d{1,3})*|[A-Za-z]|[ivxIVX]{1,4}")


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


# These never end a sentence: a name or the rest of the clause follows.
_TITLES = _words(
    """adm brig capt cdr cf cmdr col cpl dr e.g eg fr gen gov hon i.e ie lt maj messrs mlle mme mr mrs ms mt mx n.b pres
    prof rep resp rev sen sgt viz vs"""
)
# These do not end a sentence when a number follows.
_COUNTED = _words(
    """abb alg app approx art bd bl c ca ch chap chs circa col def ed eq eqn eqs est ex fig figs fn ft ill inv l lem ll
    ln min no nos nr op p para pg pl pp prop pt ref refs s sec sect ser sp supp tab thm v ver vol vols"""
)
# These end a sentence only when a word follows that rarely stands inside one.
_SHORT = _words(
    """a.d a.m al apr approx apt assn assoc aug ave b.c blvd bros ca co conf corp dec dept dist ed eds esp est feb fri
    gmbh inc incl intl jan jr jul jun ltd mar misc mon nov oct p.m ph.d proc pty rd s.a sat sep sept sq sr st trans
    transl tue tues thu thur thurs u.k u.n u.s univ wed"""
)


class _Line(NamedTuple):
    start: int  # without the blanks at both ends
    end: int
    width: int  # with the blanks at its start


def sentences(text: str) -> list[Span]:
    """Return the spans ``(start, end)`` of the sentences of ``text``, in order.

    They do not overlap, neither begin nor end with white space, and together hold every non-blank character. A blank
    line, a heading, a list item, a table row and a line of code always begin a new sentence.
    """
    return [span for start, end in units(text) for span in _split(text, start, end)]


def units(text: str) -> list[Span]:
    """Return the spans of the paragraphs, headings, list items, table rows and lines of code of ``text``, in order.

    They do not overlap, neither begin nor end with white space, and together hold every non-blank character. Lines that
    were not wrapped but written one by one, as in notes and addresses, are units too.
    """
    found: list[list[_Line]] = []
    lines = [match.span() for match in _LINE.finditer(text)]
    # With an odd number of fences, the text begins or ends inside a block, and which side is code is unknown.
    paired = sum(_FENCE.match(text, *line) is not None for line in lines) % 2 == 0
    fenced = in_item = False
    apart = True  # the next line begins a unit, whatever its form
    before = 0
    for start, end in lines:
        first, last = _trim(text, start, end)
        # More than one line break since the last line means that an empty line lies between.
        apart = apart or not (start - before == 1 or text[before:start] == "\r\n") or first == last
        before = end
        if first == last:
            continue
        in_item = in_item and not apart
        is_fence = _FENCE.match(text, start, end) is not None
        fenced ^= is_fence and paired
        starts_item = _ITEM.match(text, start, end) is not None
        alone = (
            (fenced or is_fence)
            or _ALONE.match(text, start, end) is not None
            or (not starts_item and _is_code(text, start, (first, last), in_item=in_item))
        )
        if apart or alone or starts_item:
            found.append([])
        found[-1].append(_Line(first, last, last - start))
        in_item = (in_item or starts_item) and not alone
        apart = alone
    return [span for part in found for span in _spans(text, part)]


def _spans(text: str, lines: Sequence[_Line]) -> list[Span]:
    if _are_records(text, lines):
        return [(line.start, line.end) for line in lines]
    return [(lines[0].start, lines[-1].end)]


def _are_records(text: str, lines: Sequence[_Line]) -> bool:
    """Whether the lines of a paragraph were written one by one: they end early, and not where a clause ends.

    A line ends early when the next word would have stood on it: wrapped lines have no room for it. Verses and
    translations with a line per clause end early too, mostly at a sign.
    """
    if len(lines) < _FEWEST_RECORDS:
        return False
    width = max(line.width for line in lines)
    early = 0
    for line, following in pairwise(lines):
        # text that is written without blanks is wrapped anywhere
        is_wide = text[following.start] >= "\u2e80"
        word = 1 if is_wide else len(text[following.start : following.end].split(maxsplit=1)[0])
        early += line.width + 1 + word <= width
    signed = [text[line.end - 1] in _LINE_ENDS for line in lines]
    return early >= _EARLY * (len(lines) - 1) and sum(signed) < _SIGNED * len(lines) and not signed[-1]


def _trim(text: str, start: int, end: int) -> Span:
    match = _TEXT.search(text, start, end)
    if match is None:
        return start, start
    while text[end - 1].isspace():
        end -= 1
    return match.start(), end


def _is_code(text: str, start: int, inner: Span, *, in_item: bool) -> bool:
    """Whether a line, non-blank in ``inner``, reads as code; the indented lines of a list item continue the item."""
    first, last = inner
    if text[last - 1] in "{}":
        return True
    # Wrapped prose may end a line with a semicolon or begin one with blanks, so a second sign has to agree.
    ends_a_statement = text[last - 1] == ";"
    if in_item or not (ends_a_statement or _INDENT.match(text, start)):
        return False
    has_sign = _CODE_SIGN.search(text, first, last - ends_a_statement) is not None
    return has_sign or text.count(" ", *inner) < _PROSE_BLANKS


def _split(text: str, start: int, end: int) -> Iterator[Span]:
    """Yield the sentences of one unit."""
    # In a text without capitals, a small letter after a full stop means nothing.
    capitals = not text[start:end].islower()
    begin = start
    for stop in _STOP.finditer(text, start, end):
        if stop.start() < begin:
            continue  # inside a citation, which belongs to the last sentence
        cut = _end_of_sentence(text, (start, begin, end), stop, capitals=capitals)
        if cut is not None:
            yield begin, cut
            begin = _after(_BLANK, text, cut, end)
    yield begin, end


def _end_of_sentence(text: str, bounds: tuple[int, int, int], stop: re.Match[str], *, capitals: bool) -> int | None:
    """Return where the sentence with this stop ends; None when it goes on, or is the last of its unit."""
    unit, begin, end = bounds
    cut = stop.end()
    if cut == end:
        return None
    signs = stop["signs"]
    if any(sign in _WIDE_STOPS for sign in signs) or (text[cut] >= "\u2e80" and signs[-1] in "!?"):
        quoted = cut > stop.start() + len(signs)
        return None if quoted and _QUOTED_GOES_ON.match(text, cut) else cut
    citation = _CITATION.match(text, cut, end)
    if citation:
        cut = citation.end()
    elif not text[cut].isspace():
        return None
    following = _after(_OPENERS, text, _after(_BLANK, text, cut, end), end)
    if following == end:
        return None  # only opening marks are left, and they are not a sentence
    if capitals and text[following].islower():
        return None
    if signs == "." and _is_abbreviation(_word_before(text, begin, stop.start()), text, stop.start(), unit, following):
        return None
    return cut


def _word_before(text: str, begin: int, stop: int) -> str:
    tail = text[max(begin, stop - 24) : stop]
    return "" if not tail or tail[-1].isspace() else tail.rsplit(maxsplit=1)[-1].lstrip("\"'“‘«([{*_¿¡—–/")


def _is_abbreviation(word: str, text: str, stop: int, unit: int, following: int) -> bool:
    """Whether the full stop at ``stop`` belongs to ``word``, given what follows."""
    if stop - len(word) == unit and _ENUMERATOR.fullmatch(word):
        return True
    lower = word.lower()
    if lower in _TITLES or (lower in _COUNTED and _NUMBERED.match(text, following)):
        return True
    is_short = lower in _SHORT or (len(word) == 1 and word.isupper()) or _ACRONYM.fullmatch(word) is not None
    return is_short and _STARTER.match(text, following) is None


def _after(pattern: re.Pattern[str], text: str, start: int, end: int) -> int:
    match = pattern.match(text, start, end)
    assert match is not None  # these patterns match the empty string
    return match.end()
