"""Read an English sentence for comparing it with another: its words with their clauses and signs, amounts and times.

This is a reading by rules, without a parser. A clause ends at a comma, a semicolon or a conjunction. A word is negated
when its clause is ("Dogs are not allowed") or when it is the object of "without" or "except". Words such as "forbidden"
and "closed" are read as a negated "allow" and "open".
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from functools import cache, lru_cache
from itertools import pairwise
from typing import Literal, NamedTuple

from ragcli.text.terms import terms


def _split(words: str) -> list[str]:
    return words.split()


def _set_of(words: str) -> frozenset[str]:
    return frozenset(words.split())


Bound = Literal["", ">=", "<=", ">", "<"]
Order = Literal["before", "after"]

_ALIKE = str.maketrans({"‘": "'", "’": "'", "“": '"', "”": '"', "„": '"', "–": "-", "—": "-", "‐": "-", "‑": "-"})

# What is written in several words, or glued on, in the one form that the tables below know.
_REWRITES = [
    (re.compile(pattern, re.IGNORECASE), form)
    for pattern, form in (
        (r"^[\W_]*(?:a: *)?(?:yes|no), ", ""),  # the answer to a question
        (r"\bcan'?t\b|\bcannot\b", "can not"),
        (r"\bwon't\b", "will not"),
        (r"n't\b", " not"),
        (r"(?<=\d)\s?([ap])\.\s?m\b\.?", r" \1m"),
        (r"(?<=\d)\s?o'clock\b", ":00"),
        (r"\bwith or without\b|\bwhether or not\b|\bif not\b", "with"),
        (r"\bno longer\b(?! than)|\bnot any ?more\b", "not"),
        (r"\bnon-(?=\w)", "not "),
        (r"\bnot (?:only|just)\b", "notonly"),
        (r"\bnot (?:always|necessarily)\b", "sometimes"),
        (r"\b(?:protect|keep|stop|prevent)(?:s|ed|ing)?((?: [\w-]+){1,5}) from (?:being )?", r"\1 not "),
        (r"\b(?:avoid|prevent)(?:s|ed|ing)?\b", "without"),
        (r"\b(?:fail(?:s|ed)? to|refrain(?:s|ed)? from)\b", "not"),
        (r"\bnothing but\b|\bnobody but\b|\bno one but\b", "only"),
        (r"\bno one\b", "nobody"),
        (r"\b(?:with the exception of|apart from|aside from|other than|except for|excluding|save for)\b", "except"),
        (r"\b(?:instead of|rather than)\b", "without"),
        (r"\b(?:have|has|had) to\b", "must"),
        (r"\bis to be\b|\bwas to be\b|\bare to be\b", "must be"),
        (r"\bper cent\b", "percent"),
        (r"\s-+\s", " ; "),
        (r"\bfree of charge\b", "free"),
        (r"\bfree (?:of|from)\b", "without"),
        (r"\b(?:an?|one) year and a half\b", "18 months"),
        (r"\b(?:an?|one) hour and a half\b", "90 minutes"),
        (r"\b(?:an?|one) (day|week|month) and a half\b", r"1.5 \1s"),
        (r"\b(?:an? )?half (?:an? )?hour\b", "30 minutes"),
        (r"\b(?:an? )?quarter of an hour\b", "15 minutes"),
        (r"\b(?:one|two|three|four|five|six|seven|eight|nine|ten|\w+teen|\w+ty)(?:-\w+)? \((\d+)\)", r"\1"),
        (r"\b(?:a|one)[- ]third(?= of\b)|(?<=\bby )a third\b", "33 percent"),
        (r"\b(?:a|one)[- ]quarter(?= of\b)|(?<=\bby )a quarter\b", "25 percent"),
        (r"\b(?:a|one)[- ]fifth(?= of\b)|(?<=\bby )a fifth\b", "20 percent"),
        (r"\b(?:a|one)[- ]tenth(?= of\b)|(?<=\bby )a tenth\b", "10 percent"),
        (r"\bhalf of\b", "50 percent of"),
        (r"\btwo[- ]thirds\b", "67 percent"),
        (r"\bthree[- ]quarters\b", "75 percent"),
        (r"\btwice\b", "two times"),
        (r"\ba dozen\b", "12"),
        (r"\bnoon\b", "12 pm"),
        (r"\bmidnight\b", "12 am"),
        (r"\b(not|never) (?:attempt|try)(?: to)?\b", r"\1"),
        (r"\b(?:turned|switched) off\b|(?<=\b(?:is|be) )off\b|(?<=\bare )off\b", "not active"),
        (r"\b(?:turned|switched) on\b|\bon(?= by default\b)", "active"),
        (r"\b(an?|one) (?=hundred|thousand|million|billion)", "1 "),
    )
]

_TOKEN = re.compile(
    r"(?P<number>\d+(?:[.,:]\d+)*)|(?P<word>[^\W\d_]+(?:'[^\W\d_]+)*)|(?P<sign>[$€£¥%°]|[^\w\s])", re.UNICODE
)
_LONGEST = 2000  # characters of a sentence that are read
_GROUPED = re.compile(r"(?<![\d.,])(\d{1,3})((?:[ \u00a0\u2009\u202f']\d{3})+)(?!\d)")

_SMALL = _split(
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen "
    "eighteen nineteen"
)
_TENS = _split("twenty thirty forty fifty sixty seventy eighty ninety")
_PREPOSITIONS = _set_of("in on at for from to by with during before after until since within")
NUMBER_WORDS: dict[str, Decimal | int] = (
    {"half": Decimal("0.5")}
    | {word: i for i, word in enumerate(_SMALL)}
    | {word: 20 + 10 * i for i, word in enumerate(_TENS)}
)
_SCALES = {"hundred": 2, "thousand": 3, "million": 6, "billion": 9, "trillion": 12}

# With the factors by which units of one kind are converted; "-" where they are not.
_KINDS = {
    "time": "ms 0.001 | second 1 | minute 60 | hour 3600 | day 86400 | night - | week 604800",
    "months": "month 1 | quarter 3 | year 12 | decade 120 | century 1200",
    "length": "mm 1 | cm 10 | m 1000 | km 1000000 | inch 25.4 | foot 304.8 | yard 914.4 | mile 1609344",
    "mass": "mg 1 | g 1000 | kg 1000000 | tonne 1000000000 | ounce - | pound -",
    "volume": "ml 1 | cl 10 | litre 1000 | gallon - | pint -",
    "data": "bit - | byte 1 | kb 1000 | mb 1000000 | gb 1000000000 | tb 1000000000000",
    "temperature": "°c - | °f - | kelvin -",
    "power": "mw - | watt 1 | kw 1000 | megawatt 1000000",
    "energy": "wh 1 | kwh 1000 | mwh 1000000 | joule -",
    "ratio": "percent - | permille -",
    "money": "dollar - | euro - | sterling - | cent - | penny - | franc - | yen - | mark - | krone - | rupee - "
    "| yuan - | rouble - | peso -",
    "pressure": "bar - | pascal -",
    "voltage": "volt 1 | kilovolt 1000",
    "frequency": "hertz 1 | khz 1000 | mhz 1000000 | ghz 1000000000",
}
UNITS: dict[str, tuple[str, Decimal | None]] = {  # the kind and the factor of each
    name: (kind, None if factor == "-" else Decimal(factor))
    for kind, units in _KINDS.items()
    for name, factor in (one.split() for one in units.split("|"))
}
_SPELLINGS = {
    "ms": "millisecond", "second": "sec secs s", "minute": "min mins", "hour": "hr hrs h", "night": "", "week": "wk",
    "year": "yr yrs annum", "century": "centuries", "mm": "millimetre millimeter", "cm": "centimetre centimeter",
    "m": "metre meter", "km": "kilometre kilometer", "inch": "inches", "foot": "feet ft", "mile": "mi",
    "mg": "milligram", "g": "gram gramme", "kg": "kilogram kilo", "tonne": "ton t", "ounce": "oz",
    "ml": "millilitre milliliter", "litre": "l liter", "kb": "kilobyte kib", "mb": "megabyte mib",
    "gb": "gigabyte gib", "tb": "terabyte tib", "byte": "", "°c": "celsius", "°f": "fahrenheit",
    "kw": "kilowatt", "watt": "w", "megawatt": "", "kwh": "", "percent": "% percentage",
    "dollar": "$ usd", "euro": "€ eur",
    "sterling": "£ gbp pound", "pound": "lb lbs", "cent": "ct", "penny": "pence", "franc": "chf", "yen": "¥ jpy",
    "krone": "kronor kroner krona crown", "hertz": "hz", "volt": "v",
}  # fmt: skip


def _unit_names() -> dict[str, frozenset[str]]:
    names: dict[str, set[str]] = {}
    for unit in UNITS:
        for spelling in (unit, *_SPELLINGS.get(unit, "").split()):
            for form in {spelling, f"{spelling}s"} if len(spelling) > 2 else {spelling}:
                names.setdefault(form, set()).add(unit)
    return {form: frozenset(units) for form, units in names.items()}


UNIT_NAMES = _unit_names()
_DAY_HALVES = {"am": 0, "pm": 12 * 60}
_ADVERBS = {
    "hourly": "hour", "daily": "day", "nightly": "night", "weekly": "week", "monthly": "month", "quarterly": "quarter",
    "yearly": "year", "annual": "year", "annually": "year",
}  # fmt: skip
_MEASURES = _set_of(
    "long wide high deep tall old apart away ahead later earlier short thick higher lower longer shorter more less"
)
_ROUGHLY = re.compile(
    r"\b(?:about|around|roughly|approximately|some|nearly|almost|circa|close to|just over|just under)\W+"
    r"(?:an? |the )?[$€£¥]?$",
    re.IGNORECASE,
)
_NOT_A_PERIOD = _set_of("within for after before in of half than during last take takes lasts quarter about")

# Before a number. A negation in front turns more than into at most: "do not take more than".
_MORE = (
    "more|longer|later|larger|greater|higher|bigger|older|heavier|taller|deeper|wider|faster|warmer|hotter"
    "|above|further"
)
_LESS = (
    "less|fewer|smaller|shorter|younger|lower|lighter|cheaper|earlier|sooner|slower|closer|nearer|colder|cooler|below"
)
_LIMITS: list[tuple[str, Bound]] = [
    (r"\bat least|\bminimum(?: \w+){0,3}?|\bmin\.?", ">="),
    (r"\bfrom (?:the )?age", ">="),
    (r"\bat most|\bup to|\bmaximum(?: \w+){0,3}?|\bmax\.?|\b(?:limited|capped|restricted) (?:to|at)", "<="),
    (r"\bwithin|\blimit of|\bby", "<="),
    (rf"\b(?:no|not|never) (?:any )?(?:{_MORE})(?: \w+){{0,2}}? than|\bnot (?:exceed|exceeding|above|over)", "<="),
    (rf"\b(?:no|not|never) (?:{_LESS})(?: \w+){{0,2}}? than|\bnot (?:below|under)", ">="),
    (rf"\b(?:{_MORE})(?: \w+){{0,4}}? than|\bover|\babove|\bexceeds?|\bexceeding|\bbeyond|\bupwards of", ">"),
    (rf"\b(?:{_LESS})(?: \w+){{0,4}}? than|\bunder|\bbelow", "<"),
]
_BOUNDS = [
    (re.compile(rf"(?:{pattern})[\W_]*(?:(?:a|an|the|of|about|age|for|to|in|some|another)\b[\W_]*)*$"), bound)
    for pattern, bound in _LIMITS
]
_BEHIND: list[tuple[re.Pattern[str], Bound]] = [
    (re.compile(rf"\W*(?:or|and) (?:above|over|up|upwards|{_MORE})\b|\W*(?:at least|minimum)\b"), ">="),
    (re.compile(rf"\W*(?:or|and) (?:under|{_LESS})\b|\W*(?:at most|maximum)\b"), "<="),
]
_CURRENCY_END = re.compile(r"(?:[$€£¥]|\b(?:usd|eur|gbp|chf|jpy)\b|\s)+$")
_DENIED_BEFORE = re.compile(r"\b(?:not|never)(?:\W+\w+){0,3}\W*$")
_NONE_BEFORE = re.compile(r"\b(?:no|nobody|nothing|neither)(?:\W+\w+){0,3}\W*$")  # nobody may stay longer than
_ABOVE = re.compile(r"\W*(above|over|more|higher|longer|older|extra)\b|\W*(below|under|less|lower|shorter|younger)\b")
_LIMIT_AHEAD = re.compile(
    rf"(?:\W+\w+){{0,3}}?\W+(?:(?:{_MORE}|{_LESS})(?:\W+\w+){{0,4}}?\W+than|over|under|above|below|exceed)\W+[\w$€£]"
)
_IN_TIME = re.compile(r"\b(?:later|earlier|sooner)\b")
_AHEAD = re.compile(r"\W*(?:before|prior|ahead|in advance)\b")
_MIRRORED: dict[Bound, Bound] = {">": "<", "<": ">", ">=": "<=", "<=": ">=", "": ""}
_TURNED: dict[Bound, Bound] = {">": "<=", "<": ">=", ">=": "<", "<=": ">", "": ""}

_ORDER_WORDS: list[tuple[str, Order]] = [
    (r"(?:no|not|never)(?: \w+){0,3} later than", "before"),
    (r"(?:no|not|never)(?: \w+){0,3} earlier than", "after"),
    (r"before|prior to|ahead of|in advance of|(?<!wait )until|till|within|earlier than", "before"),
    (r"after|since|(?<!the )following|as soon as|once|upon|wait until|later than", "after"),
]
_ORDERS = [(re.compile(rf"(?<![-\w])(?:{pattern})(?![-\w])", re.IGNORECASE), order) for pattern, order in _ORDER_WORDS]
# Within ten days of the claim is after the claim.
_WITHIN_OF = re.compile(
    r"\bwithin (?:[\w,.]+ ){1,3}(?:minutes?|hours?|days?|weeks?|months?|years?) of\b", re.IGNORECASE
)
# From 10 to 6 is a range, not an order.
_RANGE = re.compile(r"\bfrom\b[^,;]{1,40}?\b(?:to|until|till)\b", re.IGNORECASE)
_MONTH = "january|february|march|april|may|june|july|august|september|october|november|december"
_TIME = rf"\d[\w:.]*|\w+day|{_MONTH}|(?:end|start|beginning|middle) of|next|noon|midnight|then"
_ORDERS_OF_A_TIME: list[tuple[re.Pattern[str], Order]] = [
    (re.compile(rf"\bby(?= (?:the )?(?:{_TIME})\b)", re.IGNORECASE), "before"),
    (re.compile(rf"\bfrom(?= (?:the )?(?:\d|(?:end|start|beginning|middle) of\b)| (?:{_MONTH})\b)", re.IGNORECASE),
     "after"),
]  # fmt: skip

_BREAKS = _set_of("but while whereas although though because so if unless when where which who whose whom that notonly")
_AUXILIARIES = _set_of(
    "is are was were be been being has have had does do did will would may can could might must should shall not no "
    "never need"
)
_FINITE = _set_of("is are was were has have had will may can must should shall would do does need")
_RELATIVE = frozenset(("that", "which", "who"))
_ITS_VERB = 2
_SUBORDINATE = _set_of("that which who if when unless where")
_ARTICLES = _set_of("the a an any")
_NEGATORS = _set_of("not no never none nobody nothing neither nor nowhere hardly")
_NOUN_NEGATORS = frozenset(("without", "except"))
_CONDITIONS = _set_of("unless until without except before only if must after with once when notonly till")

_CONCEPTS: dict[str, tuple[str, int]] = {
    word: (name, sign)
    for name, yes, no in (
        ("allow", "allow allows allowed allowing permit permits permitted may can could might authorized entitled "
         "possible able eligible legal", "forbid forbids forbidden prohibit prohibits prohibited ban bans banned "
         "impossible unable illegal"),
        ("require", "require requires required must need needs needed necessary compulsory mandatory obligatory should "
         "shall", "optional voluntary unnecessary exempt exempted"),
        ("accept", "accept accepts accepted admit admits admitted", "refuse refuses refused reject rejects rejected "
         "deny denies denied decline declines declined disqualify disqualifies disqualified"),
        ("open", "open opens opened opening", "closed closing shut"),
        ("include", "include includes included including cover covers covered covering contain contains contained",
         "exclude excludes excluded lack lacks lacked omit omitted"),
        ("valid", "valid", "invalid void"),
        ("same", "same identical", "different separate"),
        ("active", "active activity", "inactive inactivity"),
    )
    for words, sign in ((yes, 1), (no, -1))
    for word in words.split()
}  # fmt: skip
_IRREGULAR_VERBS = """
    sell:sold|buy:bought|lose:lost losing|teach:taught|keep:kept|hold:held|leave:left leaving|make:made making|pay:paid
    |send:sent|build:built|rebuild:rebuilt|give:gave given giving|take:took taken taking|write:wrote written writing
    |run:ran running|begin:began begun|break:broke broken|choose:chose chosen|win:won|lead:led|meet:met|find:found
    |tell:told|say:said|get:got|eat:ate eaten|see:saw seen|go:went gone goes|come:came coming|know:knew known
    |grow:grew grown|fly:flew flown|fall:fell fallen|rise:rose risen|steal:stole stolen|spend:spent|lend:lent
    |hide:hid hidden|drive:drove driven|speak:spoke spoken|draw:drew drawn|show:shown|feed:fed|catch:caught
    |bring:brought|think:thought|feel:felt|stand:stood|understand:understood|wear:wore worn|throw:threw thrown
    |shoot:shot|sink:sank sunk|swim:swam swum|sing:sang sung|ride:rode ridden|freeze:froze frozen|dive:dived dove diving
    |use:used using|die:died dying dead|cut:cutting|stop:stopping stopped
    """
_IRREGULAR_NOUNS = "child:children|woman:women|man:men|person:people"
_IRREGULAR = {
    form: base.strip()
    for base, forms in (one.split(":") for one in f"{_IRREGULAR_VERBS}|{_IRREGULAR_NOUNS}".split("|"))
    for form in forms.split()
}
PAST = frozenset(_IRREGULAR)  # forms of irregular verbs
BASES = frozenset(_IRREGULAR.values())
_EMPTY = _set_of(
    """
    a about again all also am an and any are as at be been being both by did do does doing during each every for from
    had has have he her here hers him his how i in into is it its itself just let lets me more most my of on once or
    other our out over own same she so some such than the their them then there these they this those through to too
    under up upon us very was we were what will with would you your yours yet ever always usually never not no nor
    neither none nobody nothing only if unless until till before after since without except while when which who whose
    that but because than per within between among off down else however still even already one ones above below beyond
    """
)
_MONTHS = frozenset(_MONTH.split("|"))


class Word(NamedTuple):
    """A word or number of a sentence."""

    text: str  # in small letters
    stem: str  # the base form, or the name of a concept; "" for words without meaning of their own
    clause: int
    piece: int  # finer than a clause: also cut at "and" and "or"
    sign: int  # -1: negated
    is_name: bool
    start: int  # in the rewritten text of the sentence


class Amount(NamedTuple):
    """A number and what it counts."""

    shown: str
    values: frozenset[Decimal]  # the ways to read it; of a time of day, minutes after midnight
    units: frozenset[str]  # names of UNITS, or "clock"; empty: none is known
    noun: str  # the stem of the word behind it, where no unit is known
    bound: Bound
    side: int  # 1: so much above something, -1: below
    periods: frozenset[str]  # per month, a week
    at: int  # of the word
    is_rough: bool  # about, almost
    scaled: frozenset[Decimal]  # of 3.5 million: the values with the million; empty where no such word stands behind it


class Ordered(NamedTuple):
    """A time or event, and whether something is before or after it."""

    order: Order
    object: frozenset[str]  # stems and numbers
    negated: bool
    is_date: bool  # the object is a time of day or a date, not a length of time
    word: str  # before, until and so on
    at: int


@dataclass(frozen=True, slots=True)
class Reading:
    """A sentence as it is compared."""

    text: str  # as written
    plain: str
    words: tuple[Word, ...]
    amounts: tuple[Amount, ...]
    orders: tuple[Ordered, ...]
    denied: tuple[tuple[str, int], ...]  # what negations are about: stems with the number of their clause
    turned: tuple[tuple[str, int], ...]  # where another negation turns that round: no entry without a badge
    periods: frozenset[str]
    lengths: frozenset[str]  # units that an article counts: an hour, per month

    @property
    def stems(self) -> frozenset[str]:
        """The base forms of the words that carry meaning, and the numbers."""
        return frozenset(word.stem for word in self.words if word.stem)

    def has(self, *texts: str) -> bool:
        """Whether one of these words occurs."""
        return any(word.text in texts for word in self.words)

    @property
    def is_conditional(self) -> bool:
        """Whether a condition or exception is named, which turns a negation round: not ... unless."""
        return any(word.text in _CONDITIONS or word.stem == "require" for word in self.words)


@lru_cache(maxsize=4096)
def read(sentence: str) -> Reading:
    """Read a sentence. Equal texts are read once."""
    plain = unicodedata.normalize("NFKC", sentence[:_LONGEST]).translate(_ALIKE).replace("*", "").replace("`", "")
    plain = _GROUPED.sub(lambda match: match[1] + re.sub(r"\D", "", match[2]), plain)
    for pattern, form in _REWRITES:
        plain = pattern.sub(form, plain)
    tokens = list(_TOKEN.finditer(plain))
    texts = [token.group().lower() for token in tokens]
    clauses, pieces = _cut(texts)
    consumed = _consumed(plain, tokens)
    words, denied, turned = _signed(plain, tokens, texts, clauses, pieces, consumed)
    periods = _periods(texts)
    amounts = tuple(_amounts(plain, words, clauses, periods))
    orders = tuple(_orders(plain, words, amounts))
    return Reading(
        sentence, plain, words, amounts, orders, denied, turned, frozenset(name for _, name in periods), _lengths(texts)
    )


@cache
def stem(word: str) -> str:
    """Return the base form of a word in small letters; "" when it has no meaning of its own."""
    word = word.removesuffix("'s").replace("'", "")
    if word in _CONCEPTS:
        return _CONCEPTS[word][0]
    if word in _EMPTY:
        return ""
    if word in {"employer", "employers"}:  # its stem would be that of "employs", which says nothing about who
        return "employer"
    found = terms(_IRREGULAR.get(word, word))
    return found[-1] if found else ""


def _cut(texts: Sequence[str]) -> tuple[list[int], list[int]]:
    """Return the number of the clause and of the piece of each word."""
    clauses: list[int] = []
    pieces: list[int] = []
    clause = piece = 0
    relative = 0  # 1: in a relative clause, 2: behind its verb
    for i, text in enumerate(texts):
        if relative and text in _FINITE and texts[i - 1] not in _AUXILIARIES:
            relative += 1
            if relative > _ITS_VERB:  # the verb of the main clause
                clause, piece, relative = clause + 1, piece + 1, 0
        elif relative == _ITS_VERB and _is_main_verb(texts, i):
            clause, piece, relative = clause + 1, piece + 1, 0
        if text in {";", ":", "(", ")"} or text in _BREAKS or (text == "," and not _goes_on(texts, i)):
            clause += 1
            piece += text != ":"  # a label and its value
            relative = 1 if text in _RELATIVE else 0
        elif text in {"and", "or", "nor", ","}:
            piece += 1
            rest = texts[i + 1 : i + 5]
            stop = next((j for j, word in enumerate(rest) if word in {",", ";", "and", "or"} | _BREAKS), len(rest))
            if text == "and" and _AUXILIARIES & set(rest[:stop]):
                clause += 1
        clauses.append(clause)
        pieces.append(piece)
    return clauses, pieces


def _is_main_verb(texts: Sequence[str], i: int) -> bool:
    """Whether a word behind a relative clause looks like the verb of the main one: what is not paid expires."""
    text, before = texts[i], texts[i - 1]
    return (
        (before.endswith("ed") or before in PAST)
        and text.isalpha()
        and text.endswith("s")
        and not text.endswith("ss")
        and text not in UNIT_NAMES
        and bool(stem(text))
    )


def _goes_on(texts: Sequence[str], comma: int) -> bool:
    """Whether a comma stands in a list: at most two words later, another comma or "or" follows."""
    rest = texts[comma + 1 : comma + 5]
    stop = next((j for j, word in enumerate(rest) if word in {",", "or", "nor"}), None)
    return stop is not None and 0 < stop <= 2 and not _AUXILIARIES & set(rest[:stop]) and rest[0] not in _BREAKS


def _consumed(plain: str, tokens: Sequence[re.Match[str]]) -> set[int]:
    """Return the positions of negations that are part of a limit or an order: no more than, not before."""
    spans = [
        match.span()
        for match in re.finditer(
            rf"\b(?:no|not|never) (?:any )?(?:(?:{_MORE}|{_LESS})\b|exceed|over\b|under\b)", plain, re.IGNORECASE
        )
    ]
    return {i for i, token in enumerate(tokens) for start, end in spans if start <= token.start() < end}


def _signed(
    plain: str,
    tokens: Sequence[re.Match[str]],
    texts: Sequence[str],
    clauses: Sequence[int],
    pieces: Sequence[int],
    consumed: set[int],
) -> tuple[tuple[Word, ...], tuple[tuple[str, int], ...], tuple[tuple[str, int], ...]]:
    signs = dict.fromkeys(clauses, 1)
    own = [1] * len(texts)
    denied: list[tuple[str, int]] = []
    stems: list[str] = []
    for i, (token, text) in enumerate(zip(tokens, texts, strict=True)):
        if token["number"]:
            stems.append(text)
        elif token["sign"]:
            stems.append("")
        elif text == "may" and (token.group()[0] == "M" and i) and _near_number(texts, i):
            stems.append("may-month")
        else:
            stems.append(stem(text))
    for i, text in enumerate(texts):
        end = next((j for j in range(i + 1, len(texts)) if clauses[j] != clauses[i]), len(texts))
        if text in _NEGATORS and i not in consumed and not _turns_a_limit(plain, tokens, i, end):
            signs[clauses[i]] *= -1
            denied += [(found, clauses[i]) for found in _focus(stems[i + 1 : end], text, texts[i + 1 : end])]
            modal = texts[i - 1] if i else ""
            if text == "not" and modal in {"may", "can", "must", "should", "could"}:
                denied.append(("allow", clauses[i]))
                stems[i - 1] = "allow"
        elif text in _NOUN_NEGATORS:
            for j in range(i + 1, _object_end(texts, stems, i + 1, end)):
                own[j] *= -1
            denied += [(found, clauses[i]) for found in _focus(stems[i + 1 : end], text, texts[i + 1 : end])]
        elif text in _CONCEPTS and _CONCEPTS[text][1] < 0:
            signs[clauses[i]] *= -1
            denied.append((stems[i], clauses[i]))
    words = tuple(
        Word(
            text, name, clause, piece, signs[clause] * mark,
            token.group()[0].isupper() and i > 0 and texts[i - 1] not in {".", ":"}, token.start(),
        )
        for i, (token, text, name, clause, piece, mark) in enumerate(
            zip(tokens, texts, stems, clauses, pieces, own, strict=True)
        )
    )  # fmt: skip
    # never closed: open
    doubled = {
        (stems[i], clauses[i]) for i, text in enumerate(texts) if _is_negative(text) and signs[clauses[i]] * own[i] > 0
    }
    denied = [one for one in denied if one not in doubled]
    negated = Counter(clauses[i] for i, text in enumerate(texts) if text in _NEGATORS or _is_negative(text))
    excepted = {clauses[i] for i, text in enumerate(texts) if text in _NOUN_NEGATORS}
    apart = {clauses[i] for i, text in enumerate(texts) if text == ";"}
    joined = {clauses[i] for i, text in enumerate(texts) if text in _SUBORDINATE}
    # "no entry without a badge" and "changes that are not signed are invalid" deny nothing by themselves
    turned = {
        clause
        for clause in negated
        if clause in excepted
        or any(
            near in negated and {near, clause} & joined and max(near, clause) not in apart
            for near in (clause - 1, clause + 1)
        )
    }
    denied = list(dict.fromkeys(denied))
    return (
        words,
        tuple((name, clause) for name, clause in denied if clause not in turned),
        tuple((name, clause) for name, clause in denied if clause in turned),
    )


def _is_negative(text: str) -> bool:
    return _CONCEPTS.get(text, ("", 1))[1] < 0


def _object_end(texts: Sequence[str], stems: Sequence[str], start: int, end: int) -> int:
    """Return where the object of a preposition ends that begins at ``start``."""
    seen = False
    for j in range(start, end):
        if (texts[j] in _AUXILIARIES and texts[j - 1] not in _ARTICLES) or (seen and texts[j] in _PREPOSITIONS):
            return j
        seen = seen or bool(stems[j])
    return end


def _near_number(texts: Sequence[str], i: int) -> bool:
    return any(text[:1].isdigit() for text in (*texts[max(0, i - 2) : i], *texts[i + 1 : i + 2]))


def _turns_a_limit(plain: str, tokens: Sequence[re.Match[str]], i: int, end: int) -> bool:
    """Whether a negation belongs to a limit further on in its clause: do not take more than four."""
    match = _LIMIT_AHEAD.match(plain[tokens[i].end() : tokens[end - 1].end()])
    return match is not None and (tokens[i].group().lower() in {"not", "never"} or "than" in match.group())


def _focus(following: Sequence[str], negator: str, texts: Sequence[str]) -> list[str]:
    """Return what a negation is about: the next word with a meaning, and the one after it where they are a noun."""
    places = [i for i, name in enumerate(following) if name and not name[0].isdigit()]
    if negator in {"none", "neither"} and "of" in texts[:1]:  # what they do, not who they are
        places = [i for i in places if texts[i].endswith("ed") or texts[i] in PAST or texts[i - 1] in _AUXILIARIES]
    if not places:
        return []
    first = places[0]
    found = [following[first]]
    noun = negator in {"no", "without", "except", "neither", "nor"}
    if first + 1 < len(following) and following[first + 1] and (noun or found[0] in {"allow", "require"}):
        found.append(following[first + 1])
    return found


def _periods(texts: Sequence[str]) -> list[tuple[int, str]]:
    """Return the periods of a sentence, each with its place: per month, a week, daily."""
    found: list[tuple[int, str]] = []
    for i, text in enumerate(texts):
        if text in _ADVERBS:
            found.append((i, _ADVERBS[text]))
        elif text in {"per", "a", "an", "each", "every", "/"} and i + 1 < len(texts):
            if texts[i + 1] == "second" and text != "per" and stem("".join(texts[i + 2 : i + 3])):
                continue  # a second bag
            units = [u for u in UNIT_NAMES.get(texts[i + 1], ()) if UNITS[u][0] in {"time", "months"}]
            if not units or (text in {"a", "an"} and (not i or texts[i - 1] in _NOT_A_PERIOD)):
                continue
            found.append((i, units[0]))
    return found


def _lengths(texts: Sequence[str]) -> frozenset[str]:
    units = {
        unit
        for before, text in pairwise(texts)
        if before in {"a", "an", "per", "each", "every", "whole"}
        for unit in UNIT_NAMES.get(text, ())
        if UNITS[unit][0] in {"time", "months"}
    }
    return frozenset(units | {_ADVERBS[text] for text in texts if text in _ADVERBS})


def _amounts(
    plain: str, words: Sequence[Word], clauses: Sequence[int], periods: Sequence[tuple[int, str]]
) -> list[Amount]:
    found: list[Amount] = []
    skip = -1
    for i, word in enumerate(words):
        if i <= skip:
            continue
        values, scaled, last, is_clock = _values(words, i)
        if not values:
            continue
        skip = last
        shown = plain[word.start : words[last].start + len(words[last].text)]
        units, noun, behind = _unit(words, i, last)
        if is_clock and not units & {"am", "pm"}:
            units = frozenset({"clock"})
        if units & {"am", "pm"}:
            values = frozenset(_minutes(value, next(iter(units & {"am", "pm"})), is_clock) for value in values)
            units = frozenset({"clock"})
        elif is_clock and not _is_of_24_hours(word.text):
            values = frozenset(time for value in values for time in (value, value + 12 * 60))
        bound = _bound(plain, words, i, behind)
        near = frozenset(name for place, name in periods if clauses[place] == word.clause) or frozenset(
            name  # for each day of delay, two euro are charged
            for place, name in periods
            if clauses[place] == word.clause - 1 and place < i and words[place].text in {"each", "every", "per"}
        )
        end = words[behind].start + len(words[behind].text)
        beside = _ABOVE.match(plain, end)
        side = 0 if beside is None else 1 if beside[1] else -1
        found.append(
            Amount(shown, values, units, noun, bound, side, near, i, bool(_ROUGHLY.search(plain[: word.start])), scaled)
        )
    return _inherited(found, words)


def _is_of_24_hours(time: str) -> bool:
    """Whether a time such as 02:30 or 14:30 can be one half of the day only."""
    return time.startswith("0") or int(time.split(":")[0]) > 12


def _values(words: Sequence[Word], i: int) -> tuple[frozenset[Decimal], frozenset[Decimal], int, bool]:
    """Return the values of the number that begins at a word, those scaled by a word behind it, its last word.

    At the end: whether it is a time such as 8:30.
    """
    text = words[i].text
    values: set[Decimal] = set()
    last = i
    is_clock = False
    if text[0].isdigit():
        if re.fullmatch(r"\d{1,2}:\d{2}", text):
            hours, minutes = text.split(":")
            values, is_clock = {Decimal(int(hours) * 60 + int(minutes))}, True
        else:
            for form in {text, text.replace(",", ""), text.replace(".", "").replace(",", "."), text.replace(",", ".")}:
                try:
                    values.add(Decimal(form).normalize())
                except InvalidOperation:
                    continue
            if re.fullmatch(r"\d{1,3}(?:,\d{3})+(?:\.\d+)?", text):
                values = {Decimal(text.replace(",", "")).normalize()}
    elif text in NUMBER_WORDS:
        value = Decimal(NUMBER_WORDS[text])
        follow = i + 2 if i + 1 < len(words) and words[i + 1].text == "-" else i + 1
        if value >= 20 and follow < len(words) and 0 < NUMBER_WORDS.get(words[follow].text, 0) < 10:
            value += NUMBER_WORDS[words[follow].text]
            last = follow
        values = {value}
    if values and last + 1 < len(words) and words[last + 1].text in _SCALES:
        last += 1
        scaled = frozenset(value.scaleb(_SCALES[words[last].text]).normalize() for value in values)
        return frozenset(values) | scaled, scaled, last, is_clock
    return frozenset(values), frozenset(), last, is_clock


def _unit(words: Sequence[Word], i: int, last: int) -> tuple[frozenset[str], str, int]:
    """Return the units that stand before or behind a number, or the noun behind it, and where that ends."""
    before = words[i - 1].text if i else ""
    if before in {"$", "€", "£", "¥", "usd", "eur", "gbp", "chf", "jpy"}:
        return UNIT_NAMES[before], "", last
    noun = ""
    at = last + 1
    if at + 1 < len(words) and words[at].text[0].isdigit() and words[at + 1].text in UNIT_NAMES:
        at += 2  # two 500 mg tablets
    for j in range(at, min(at + 4, len(words))):
        text = words[j].text
        if text == "-" and j == at:
            continue
        if text == "°" and j + 1 < len(words) and f"°{words[j + 1].text}" in UNITS:
            return frozenset({f"°{words[j + 1].text}"}), "", j + 1
        if text in _DAY_HALVES and j <= at + 1:
            return frozenset({text}), "", j
        if text in UNIT_NAMES and not (len(text) == 1 and j > at):
            return UNIT_NAMES[text], "", j
        if noun and text in _MEASURES:
            break
        if not text.isalpha() or text in _EMPTY - {"more", "other"} or words[j].clause != words[i].clause:
            break
        if text in _AUXILIARIES or text in _CONCEPTS:
            break
        noun = words[j].stem or noun
    return frozenset(), noun, last


def _minutes(value: Decimal, half: str, is_clock: bool) -> Decimal:
    minutes = value if is_clock else value * 60
    return minutes % (12 * 60) + _DAY_HALVES[half]


def _bound(plain: str, words: Sequence[Word], i: int, behind: int) -> Bound:
    home = words[i - 2 if i > 1 and words[i - 1].text == ":" else i].clause  # minimum length: 14
    start = (
        next((words[j].start for j in range(i - 1, -1, -1) if words[j].clause not in {home, words[i].clause}), -1) + 1
    )
    text = _CURRENCY_END.sub("", plain[start : words[i].start].lower())
    end = words[behind].start + len(words[behind].text)
    after = plain[end : end + 24].lower()
    for pattern, bound in _BEHIND:
        if pattern.match(after):
            return bound
    for pattern, bound in _BOUNDS:
        match = pattern.search(text)
        if match is None:
            continue
        if _IN_TIME.search(match.group()) and _AHEAD.match(after):
            bound = _MIRRORED[bound]  # no later than five days before
        denied = _DENIED_BEFORE.search(text[: match.start()])
        none = "than" in match.group() and _NONE_BEFORE.search(text[: match.start()])
        is_turned = bound in {">", "<"} and (denied or none)
        return _TURNED[bound] if is_turned else bound
    return ""


def _inherited(found: list[Amount], words: Sequence[Word]) -> list[Amount]:
    """Give a number in a range or a list the unit of the next one: from 10 to 15 minutes."""
    for i in range(len(found) - 2, -1, -1):
        one, other = found[i], found[i + 1]
        between = [word.text for word in words[one.at + 1 : other.at]]
        joined = bool(between) and all(text in {"to", "-", "or", "and", "until", "by", ","} for text in between)
        if joined and not one.units and not one.noun and other.units:
            values = one.values
            if other.units == {"clock"}:
                values = frozenset(value * 60 + half for value in values for half in _DAY_HALVES.values())
            found[i] = one._replace(units=other.units, values=values, periods=one.periods | other.periods)
    return found


def _orders(plain: str, words: Sequence[Word], amounts: Sequence[Amount]) -> list[Ordered]:
    found: list[Ordered] = []
    taken: set[int] = set()
    by_place = {amount.at: amount for amount in amounts}
    ranges = [match.span() for match in _RANGE.finditer(plain)]
    of = {match.start(): match.end() for match in _WITHIN_OF.finditer(plain)}
    for pattern, order in (*_ORDERS, *_ORDERS_OF_A_TIME, (_WITHIN_OF, "after")):
        for match in pattern.finditer(plain):
            at = next((i for i, word in enumerate(words) if word.start >= match.end()), None)
            in_range = any(start <= match.start() < end for start, end in ranges)
            if at is None or in_range or match.end() in taken:
                continue
            taken.add(match.end())
            clause = words[at].clause
            until = _event_end(words, at)
            if match.start() in of and pattern is not _WITHIN_OF:
                until = next(
                    i for i in range(at + 1, len(words)) if words[i].start + len(words[i].text) == of[match.start()]
                )
            inside = range(at, until)
            stems = frozenset(
                str(next(iter(by_place[j].values))) if j in by_place else words[j].stem
                for j in inside
                if words[j].stem or j in by_place
            )
            is_date = any(
                (j in by_place and by_place[j].units == {"clock"})
                or re.fullmatch(r"1\d{3}|20\d\d", words[j].text)
                or words[j].text in _MONTHS
                or words[j].stem == "may-month"
                for j in inside[:4]
            )
            # A clause in front, "before the scan, patients must not eat", is negated with the one behind it.
            own = [word for word in words if word.clause == clause and not at <= words.index(word) < until]
            inner = any(word.text in _AUXILIARIES or word.start < match.start() for word in own)
            home = clause if inner else next((w.clause for w in words[until:] if w.stem), clause)
            negated = any(word.sign < 0 for word in words if word.clause == home and word.stem)
            opens = next((word.text for word in words if word.clause == home), "")
            if match.group().lower().startswith(("no ", "not ", "never ")) or opens in _RELATIVE:
                negated = False
            lasts = at in by_place and any(
                UNITS[unit][0] in {"time", "months"} for unit in by_place[at].units & UNITS.keys()
            )
            if stems and (match.group().lower() != "within" or lasts):
                found.append(Ordered(order, stems, negated, is_date, match.group().lower(), at))
    for i, word in enumerate(words):
        before = {other.stem for other in words[:i] if other.clause == word.clause - 1 and other.stem}
        if word.text == "then" and words[i - 1].text in {",", ";", "and"} and before:
            found.append(Ordered("after", frozenset(before), False, False, "then", i))
    return sorted(found, key=lambda one: one.at)


def _event_end(words: Sequence[Word], at: int) -> int:
    """Return where the time or event ends that begins at a word: at the end of its clause, a verb or another order."""
    seen = False
    for j in range(at, min(at + 8, len(words))):
        text = words[j].text
        is_verb = text in _AUXILIARIES and seen
        if words[j].clause != words[at].clause or is_verb or any(p.fullmatch(text) for p, _ in _ORDERS):
            return max(j, at + 1)
        seen = seen or bool(words[j].stem)
    return min(at + 8, len(words))
