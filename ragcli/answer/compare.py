"""Compare a sentence with the passage that it cites: what it counts, its limits, times, negations and roles.

Each rule looks for one way in which the sentence says something else than the passage's best-matching sentence, and is
silent when it cannot tell. The rules follow natural logic (MacCartney and Manning 2007, "Natural logic for textual
inference"): they compare aligned words with their signs. They know English.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence, Set
from decimal import Decimal
from difflib import SequenceMatcher
from itertools import combinations, pairwise
from typing import NamedTuple

from ragcli.answer.reading import (
    BASES,
    NUMBER_WORDS,
    PAST,
    UNIT_NAMES,
    UNITS,
    Amount,
    Bound,
    Ordered,
    Reading,
    Word,
    read,
    stem,
)
from ragcli.text.sentences import sentences


def _set_of(words: str) -> frozenset[str]:
    return frozenset(words.split())


_ROUGH = Decimal("0.05")  # how far a rough amount may be from the exact one, as a share of it
_FEWEST_DIGITS, _MOST_DIGITS = 2, 15  # of a rounded value, of an exact one
_MOST_PARTS = 10  # amounts of a passage that a claim may have added up
_NEAR = 0.75  # of the best sentence's score: sentences that match a claim as well
_HALF = 0.5  # where the negation is of what is allowed, required and so on
_COVERED = 0.6  # the share of a clause's words that the passage must hold before a negation in it is compared
_CONCEPTS = frozenset(("allow", "require", "accept", "open", "include", "valid", "active"))
_BOTH_WAYS = frozenset(
    map(stem, _set_of("meet marry border equal resemble match agree share differ merge connect join link debate"))
)
_DETERMINERS = _set_of("the a an its his her their our my your this that these those each every all")
_RELATIVE = _set_of("that which who whom whose where")
_MODALS = _set_of("to will would can could may might must shall should do does did not never")
_ADVERBS = _set_of("not never also always often still now then first soon")
_ONLY_WORDS = ("only", "solely", "exclusively")
_ENOUGH_OF_A_RULE = 2  # words that a claim shares with a rule, to be about the same
_SAID_OF = 0.6  # the share of a clause's words in the passage's piece, for both to be about the same
_COMPARATIVES = frozenset(
    map(stem, _set_of("higher lower larger smaller longer shorter older younger heavier lighter"))
)
_UNIT_STEMS = frozenset(map(stem, UNIT_NAMES))
_AFTER_THAT = re.compile(r"\b(?:after (?:that|this|which)|afterwards|thereafter|then)\b", re.IGNORECASE)
_PLACES = frozenset(("in", "on", "at"))
_SMALL_WORDS = _set_of("from to for by with against as of")
_BE = _set_of("is are was were be been being")
_IMPLIED: dict[Bound, frozenset[str]] = {  # without a number in the passage: words by which a limit is meant
    "<=": _set_of("allow limit maximum capac hold last deadlin within insur"),
    ">=": _set_of("require minimum notic age reach"),
}  # fmt: skip
# Which limits of a passage a limit of a claim follows from.
_FOLLOWS: dict[Bound, frozenset[str]] = {
    "": frozenset(("", ">=", "<=", ">", "<")), ">=": frozenset((">=", ">")), "<=": frozenset(("<=", "<")),
    ">": frozenset((">",)), "<": frozenset(("<",)),
}  # fmt: skip
_FLIPPED: dict[Bound, frozenset[str]] = {
    "": frozenset(("",)), ">=": frozenset(("<",)), "<=": frozenset((">",)), ">": frozenset(("<=", "<")),
    "<": frozenset((">=", ">")),
}  # fmt: skip
_ONLY = _set_of(
    "only solely exclusively alone just merely restricted limited reserved unless except nobody none else unique sole"
)
_ONLY_IF = _set_of("before until must required require requires need needs needed if not without till")
_COPIED = 0.6  # the share of a claim's words that a sentence has in the same order, to be taken as its source
_LINKS = _set_of("from to for by with without before after more less than up down")
_TIMES = _set_of("until till since within during by when once if unless except")
_CONDITION = _set_of("if when unless where who whom which whose")
_WEAK = _set_of("may can could might must shall should allowed possible need needs required")
_COUNTS = NUMBER_WORDS.keys() | _set_of("about around roughly a")
_NEGATIVE = frozenset(map(stem, _set_of("waive abolish cease suspend missing")))
_LENGTHS = frozenset(unit for unit, (kind, _) in UNITS.items() if kind in {"time", "months"})
_TURNERS = ("without", "except")
_CELL_SIGNS = [re.compile(sign) for sign in (r"\s*\|\s*", r"\s*\t\s*", r";(?=\S)", r",(?=\S)(?!\d{3}(?!\d))")]
_REST_OF_CELL = re.compile(r"(?<=[^\W\d_])(?:,| \().*")  # door stop, rubber
_LIST_NUMBER = re.compile(r"\s*\(?\d{1,2}[.)]\s+")
_BULLET = re.compile(r"^[-*•]\s+")
_LABEL = re.compile(r"(?:[^\W\d_][^:.\n]{0,40}:|\s*(?:-\w\b,? ?|--[\w-]+)+)\s")
_FIRST_YEAR, _LAST_YEAR = 1000, 2100  # a number between them is taken for a year
_TURNING = _set_of("by before after more less")
_PRONOUNS = _set_of("it they he she this these that those")
_CONTRARIES = """
    rise increase grow climb gain raise/fall decrease drop decline shrink lose lower cut reduce|widen/narrow
    |strengthen/weaken|improve/worsen deteriorate|add introduce create/remove drop delete|first/last
    |first/second/third/fourth/fifth|newest latest/oldest earliest|start begin/end stop finish|pause/resume
    |enable/disable|lock/unlock|encrypt/decrypt|upload/download|import/export|input/output|internal/external
    |public/private|minimum/maximum|highest most largest/lowest least smallest|left/right|upper/lower|inside/outside
    |north northern/south southern/east eastern/west western|spring/summer/autumn/winter
    |morning/afternoon/evening/night|day/night|weekday/weekend|manual manually/automatic automatically
    |monday/tuesday/wednesday/thursday/friday/saturday/sunday|temporary/permanent|ascending/descending
    |january/february/march/april/june/july/august/september/october/november/december
    |buyer customer/seller provider supplier|landlord lessor/tenant lessee|employer/employee|sender/recipient
    |lender/borrower|teacher/pupil|parent/child|adult/child|man/woman|mother/father|son/daughter|brother/sister
    |uncle/aunt nephew|husband/wife|winner/loser|client/server|source/target|read/write|true/false|online/offline
    |hot warm/cold cool|dry/wet|early/late|earlier/later|long/short|success/failure|good/poor bad|light/dark|high/low
    |strong/weak|fast quick/slow|easy/difficult hard|full/empty|cheap/expensive|safe/dangerous|support/oppose|win/lose
    |pass succeed/fail|connect/disconnect|install/uninstall|debit/credit|profit/loss|income/expense|local/remote
    |same/lower/higher|horizontal/vertical|up/down|oral orally verbal verbally/writing written
    """
_ALL = _set_of("anyone everyone everybody anybody all every notonly always")
_TURNED_ROUND = (("before", "after"), ("more", "less"), ("up", "down"), ("with", "without"))


def _contraries() -> dict[str, frozenset[str]]:
    """Return the words that exclude each word, all by their base forms."""
    found: dict[str, frozenset[str]] = {}
    for group in _CONTRARIES.split("|"):
        sides = [frozenset(stem(word) or word for word in side.split()) for side in group.split("/")]
        for side in sides:
            others = frozenset[str]().union(*(other for other in sides if other is not side))
            found |= {name: found.get(name, frozenset()) | others for name in side}
    return found


_CONTRARY = _contraries()


class _Pair(NamedTuple):
    """A claim with the passage that it is compared with."""

    claim: Reading
    best: Sequence[Reading]  # the sentences that match the claim best
    passage: Sequence[Reading]
    held: frozenset[str]  # the words of the passage


def readings(passage: str) -> list[Reading]:
    """Read the sentences of a passage; each row of a table, and each line with a label, is one."""
    return [read(part) for start, end in sentences(passage) for part in _parts(passage[start:end])]


def _parts(sentence: str) -> list[str]:
    """Cut a sentence into the rows and labelled lines in it, the cells of rows parted by bars."""
    found: list[str] = []
    for numbered in sentence.split("\n"):
        line = _LIST_NUMBER.sub("", numbered, count=1) if _LIST_NUMBER.match(numbered) else numbered
        sign = next((sign for sign in _CELL_SIGNS if len(sign.findall(line)) > 1), None)
        row = line if sign is None else sign.sub(" | ", line)
        if found and sign is None and not _LABEL.match(line) and not _is_row(found[-1]):
            found[-1] += f"\n{line}"
        else:
            found.append(row.strip("| "))
    return found


def _is_row(text: str) -> bool:
    return text.count(" | ") > 1


def amounts_held(claim: str, passage: Sequence[Reading]) -> frozenset[str]:
    """Return the numbers of ``claim``, as written, that the passage holds in another unit: two years are 24 months."""
    return frozenset(re.split(r"[\s:]", amount.shown)[0] for amount in read(claim).amounts if _is_held(amount, passage))


def _is_held(amount: Amount, passage: Sequence[Reading]) -> bool:
    """Whether a passage has an amount, in any unit, or two of which it is the sum or the difference."""
    known = [other for sentence in passage for other in sentence.amounts]
    if any(_equal(amount, other) and (other.units or not amount.units) for other in known):
        return True
    if any(_is_one(amount, length) for sentence in passage for length in sentence.lengths):
        return True
    parts = [other for other in known if _comparable(amount, other)]
    if len(parts) > _MOST_PARTS or any(amount.values & other.values for other in known):
        return False  # of many numbers, two make up any other; or the number is of another unit
    return any(
        kind == other_kind and result in {(kind, value + other_value), (kind, abs(value - other_value))}
        for one, other in combinations(parts, 2)
        for kind, value in _in_base(one)
        for other_kind, other_value in _in_base(other)
        for result in _in_base(amount)
    )


def miscounted(claim: str, passage: Sequence[Reading]) -> list[str]:
    """Return the amounts of ``claim`` whose number the passage has for something else, or per another period."""
    known = [(amount, sentence) for sentence in passage for amount in sentence.amounts]
    found = []
    reading = read(claim)
    for amount in reading.amounts:
        alike = [(other, sentence) for other, sentence in known if _equal(amount, other)]
        if amount.units and all(not other.units for other, _ in alike):  # a bare 6 is no proof of 6 days beside 6 weeks
            alike = [] if any(_has_other_unit(amount, other) for other, _ in known) else alike
        if not alike:
            number = [other for other, _ in known if amount.values & other.values and other.units]
            alike_units = [other for other, _ in known if _comparable(amount, other)]
            if amount.shown == "one":  # of one litre, one millilitre can be wrong; one night is no news
                number = [other for other in number if _has_other_unit(amount, other)]
                alike_units = [other for other in alike_units if other.units & amount.units]
            counted = amount.noun and any(other.noun == amount.noun for other in alike_units)
            if (number or alike_units) and not _is_held(amount, passage) if amount.units else counted:
                found.append(_phrase(reading, amount))
        elif amount.noun and all(other.noun != amount.noun for other, _ in alike):
            elsewhere = any(other.noun == amount.noun and not _equal(amount, other) for other, _ in known)
            if elsewhere and all(other.noun for other, _ in alike):
                found.append(_phrase(reading, amount))
        elif amount.periods:
            said = frozenset[str]().union(*(sentence.periods for _, sentence in alike))
            anywhere = frozenset[str]().union(*(sentence.periods for sentence in passage))
            lasting = {unit for _, sentence in alike for other in sentence.amounts for unit in other.units}
            if not amount.periods & (said or anywhere | lasting):
                found.append(_phrase(reading, amount))
    if not reading.amounts and reading.lengths:
        everywhere = frozenset[str]().union(*(sentence.lengths for sentence in passage))
        one = any(_is_one(amount, length) for amount, _ in known for length in reading.lengths)
        if (
            not one
            and not reading.lengths & everywhere
            and any(sentence.lengths for sentence in _best(reading, passage))
        ):
            found.append(f"one {min(reading.lengths)}")
    return list(dict.fromkeys(found))


def _has_other_unit(amount: Amount, other: Amount) -> bool:
    """Whether the number of an amount counts another unit of its kind: weeks or months in place of days."""
    lengths = other.units & _LENGTHS and amount.units & _LENGTHS
    same = amount.values & other.values and other.units and not amount.units & other.units
    return bool(same and (lengths or _comparable(amount, other)) and not _equal(amount, other))


def contradicted(claim: str, passage: Sequence[Reading]) -> str:
    """Return the sentence of the passage that says something else than ``claim``; "" when none is known to."""
    reading = read(claim)
    if any(_is_part(reading, sentence) for sentence in passage):
        return ""
    held = frozenset[str]().union(*(sentence.stems for sentence in passage))
    pair = _Pair(reading, _best(reading, passage), passage, held)
    for rule in _RULES:
        sentence = rule(pair)
        if sentence is not None:
            return sentence.text
    return ""


def _is_part(claim: Reading, sentence: Reading) -> bool:
    """Whether a sentence has the words of a claim side by side, with the same negations and amounts."""
    ours, theirs = (
        " ".join(
            f"{word.stem or word.text}{word.sign:+}" for word in one.words if word.stem or word.text in _LINKS | _TIMES
        )
        for one in (claim, sentence)
    )
    only = claim.has(*_ONLY_WORDS) == sentence.has(*_ONLY_WORDS)
    same = all(any(_is_same(one, other) for other in sentence.amounts) for one in claim.amounts)
    return f" {ours} " in f" {theirs} " and only and same


def _is_same(one: Amount, other: Amount) -> bool:
    kept = (one.units, one.bound, one.side, one.periods) == (other.units, other.bound, other.side, other.periods)
    return kept and bool(one.values & other.values) and bool(one.scaled) == bool(other.scaled) and _equal(one, other)


def in_common(claim: str, passage: Sequence[Reading]) -> float:
    """Return the share of the claim's words with a meaning that the passage holds, in [0, 1]; 1 when it has none."""
    stems = read(claim).stems - _CONCEPTS - _UNIT_STEMS
    held = frozenset[str]().union(*(sentence.stems for sentence in passage))
    return len(stems & held) / len(stems) if stems else 1.0


def _best(claim: Reading, passage: Sequence[Reading]) -> list[Reading]:
    """Return the sentences with the most words of the claim, rare ones counting more, best first."""
    count = Counter(name for sentence in passage for name in sentence.stems)

    def score(sentence: Reading) -> float:
        return sum(1 / count[name] for name in sentence.stems & claim.stems)

    says = [(i, sentence) for i, sentence in enumerate(passage) if not sentence.text.rstrip("*_ ").endswith("?")]
    scored = sorted(((score(sentence), -i) for i, sentence in says), reverse=True)
    return [passage[-i] for value, i in scored if value > 0 and value >= _NEAR * scored[0][0]]


def _phrase(claim: Reading, amount: Amount) -> str:
    """Return an amount with what it counts, as the claim has it."""
    words = claim.words[amount.at : amount.at + 5]
    end = next((word for word in words[1:] if (word.stem and word.text.isalpha()) or word.text in "%"), words[0])
    start = claim.words[amount.at - 1] if amount.at and claim.words[amount.at - 1].text in "$€£¥" else words[0]
    end = words[0] if start is not words[0] else end
    return claim.plain[start.start : end.start + len(end.text)]


# -- amounts ----------------------------------------------------------------------------------------------------------


def _equal(one: Amount, other: Amount) -> bool:
    """Whether an amount is another one, converted or rounded; an unknown unit is any."""
    if not one.units or not other.units or one.units & other.units:
        ours, theirs = (one.scaled, other.scaled) if one.scaled and other.scaled else (one.values, other.values)
        return bool(ours & theirs) or _is_rounded(ours, theirs, one)
    base, their_base = _in_base(one), _in_base(other)
    return bool(base & their_base) or any(
        kind == their_kind and _is_rounded({value}, {their_value}, one)
        for kind, value in base
        for their_kind, their_value in their_base
    )


def _is_rounded(values: Set[Decimal], exact: Set[Decimal], amount: Amount) -> bool:
    """Whether a value is an exact one with fewer digits; of a rough amount, at most 5 % away."""
    if amount.units == {"clock"} or _is_year(amount):
        return False
    return any(
        (amount.is_rough and abs(value - one) <= abs(one) * _ROUGH)
        or (_FEWEST_DIGITS <= _digits(value) < _digits(one) <= _MOST_DIGITS and one.quantize(value) == value)
        for value in values
        for one in exact
    )


def _is_year(amount: Amount) -> bool:
    return not amount.units and any(_FIRST_YEAR <= value < _LAST_YEAR for value in amount.values)


def _digits(value: Decimal) -> int:
    return len(value.normalize().as_tuple().digits)


def _in_base(amount: Amount) -> set[tuple[str, Decimal]]:
    """Return the values of an amount in the first unit of its kind, or in its own where that is not converted."""
    return {
        (kind if factor is not None else unit, (value * (factor or 1)).normalize())
        for unit, (kind, factor) in ((unit, UNITS[unit]) for unit in amount.units & UNITS.keys())
        for value in amount.values
    } | {(amount.noun, value) for value in amount.values if amount.noun}


def _comparable(one: Amount, other: Amount) -> bool:
    def kinds(amount: Amount) -> set[str]:
        return {UNITS[unit][0] if unit in UNITS and UNITS[unit][1] is not None else unit for unit in amount.units} or {
            ""
        }

    return bool(kinds(one) & kinds(other))


def _is_one(amount: Amount, period: str) -> bool:
    """Whether an amount is one period: 7 days are a week."""
    kind, factor = UNITS[period]
    return factor is not None and (kind, factor.normalize()) in _in_base(amount)


def _limits(pair: _Pair) -> Reading | None:
    """At least, at most, more than, less than: a limit must follow from the passage's."""
    claim, best = pair.claim, pair.best
    for amount in claim.amounts:
        alike = [
            (other, sentence)
            for sentence in (best or pair.passage)
            for other in sentence.amounts
            if _equal(amount, other) and (other.units == amount.units or not other.units or not amount.units)
        ]
        if not alike:
            continue
        verdicts = [_limit_follows(claim, amount, sentence, other) for other, sentence in alike]
        if not any(verdicts):
            return alike[0][1]
        if amount.side and all(other.side == -amount.side for other, _ in alike):
            return alike[0][1]
    return None


def _limit_follows(claim: Reading, amount: Amount, sentence: Reading, other: Amount) -> bool:
    if other.bound in _FOLLOWS[amount.bound]:
        return True
    if not other.bound:
        implied = _IMPLIED.get(amount.bound, frozenset())
        early = amount.bound == ">=" and any(one.order == "before" for one in sentence.orders)
        return bool(implied & sentence.stems) or amount.bound == "<=" or early
    if other.bound in _FLIPPED[amount.bound]:  # more than and at most: both can be true, of different things
        here = {w.stem for w in claim.words if w.clause == claim.words[amount.at].clause and w.stem}
        there = {word.stem for word in sentence.words if word.piece == sentence.words[other.at].piece and word.stem}
        here -= _COMPARATIVES | _UNIT_STEMS | _CONCEPTS
        there -= _COMPARATIVES
        if all(name[0].isdigit() or name in _UNIT_STEMS or name in NUMBER_WORDS for name in there):
            there |= sentence.stems  # "..., for no more than three nights" is about the whole
        if len(here & there) < _SAID_OF * len(here):
            return True
    is_turned = claim.words[amount.at].sign != sentence.words[other.at].sign
    return is_turned and other.bound in _FLIPPED[amount.bound]


# -- order in time ----------------------------------------------------------------------------------------------------


def _times(pair: _Pair) -> Reading | None:
    """Before and after: what is said to be before a time or event must not be after it in the passage."""
    claim, best = pair.claim, pair.best
    for one in claim.orders:
        alike = [
            (other, sentence)
            for sentence in pair.passage
            for other in sentence.orders
            if _same_object(one, other) and (sentence in best or len(one.object & sentence.stems) > 1)
        ]
        alike = [(other, sentence) for other, sentence in alike if not _of_another(claim, one, other, sentence)]
        agreeing = [(one.order == other.order) == (one.negated == other.negated) for other, _ in alike]
        if (
            alike
            and _happens(claim, one, alike[0][1], pair.held)
            and not any(agreeing)
            and not any(_says_both(claim, one, *pair) for pair in alike)
        ):
            return alike[0][1]
        if sentence := _happened_then(one, claim, pair):
            return sentence
        if not alike and one.is_date and not one.negated and one.word in {"before", "after"}:
            numbers = {name for name in one.object if name[0].isdigit()}
            for sentence in best[:1]:
                exact = any(str(value) in numbers for amount in sentence.amounts for value in amount.values)
                if exact and not sentence.orders and not any(amount.bound for amount in sentence.amounts):
                    return sentence
    return None


def _happened_then(one: Ordered, claim: Reading, pair: _Pair) -> Reading | None:
    """Return the sentence by which something happened in a year, or when something else does, and not until then."""
    for sentence in pair.best:
        texts = [word.text for word in sentence.words]
        if any(_same_object(one, other) for other in sentence.orders):
            continue
        if one.is_date and one.word in {"until", "till"} and not claim.has("not", "no", "never"):
            began = any(
                texts[amount.at - 1 : amount.at] == ["in"] and amount.at and texts[amount.at] in one.object
                for amount in sentence.amounts
                if _is_year(amount)
            )
            if began and _happens(claim, one, sentence, pair.held):
                return sentence
        elif one.word == "before" and not one.negated:
            clauses = {word.clause for word in sentence.words if word.text in {"when", "once", "whenever"}}
            said = {word.stem for word in sentence.words if word.clause in clauses and word.stem}
            event = {name for name in one.object if not name[0].isdigit()}
            if len(one.object) > 1 and event and event <= said and _happens(claim, one, sentence, pair.held):
                return sentence
    return None


def _happens(claim: Reading, one: Ordered, sentence: Reading, held: frozenset[str]) -> bool:
    """Whether the sentence has what is said to happen before or after, and the passage all the words of that."""
    before = [word for word in claim.words[: one.at] if word.stem and word.text not in UNIT_NAMES]
    happening = {word.stem for word in before if word.stem[0].isalpha()} - one.object - _CONCEPTS
    return not happening or (bool(happening & sentence.stems) and happening <= held)


def _of_another(claim: Reading, one: Ordered, other: Ordered, sentence: Reading) -> bool:
    """Whether the claim names one who is named in another clause: Ann led it until 1990, when Bo took over."""
    if {word.stem for word in claim.words if word.is_name} & other.object - one.object:
        return True
    clause = sentence.words[other.at].clause
    then = [word for word in sentence.words if word.clause > clause]
    if any(word.text == "when" for word in then) and {word.stem for word in then if word.stem} & claim.stems:
        return True
    names = {word.stem for word in sentence.words if word.is_name and word.stem}
    here = {word.stem for word in sentence.words if word.clause == clause and word.stem}
    return bool((names - here) & claim.stems) and not names & here & claim.stems


def _says_both(claim: Reading, one: Ordered, other: Ordered, sentence: Reading) -> bool:
    """Whether a sentence goes on with "after that" and the claim is about what it says there."""
    if other.word == "then" or not _AFTER_THAT.search(sentence.plain):
        return False
    clause = sentence.words[other.at].clause
    here = {word.stem for word in sentence.words if word.clause == clause and word.stem}
    return bool((sentence.stems - here) & (claim.stems - one.object - here))


def _same_object(one: Ordered, other: Ordered) -> bool:
    common = one.object & other.object
    numbers = {name for name in one.object if name[0].isdigit()}
    if numbers and any(name[0].isdigit() for name in other.object) and not numbers & other.object:
        return False
    return 2 * len(common) >= min(len(one.object), len(other.object)) and bool(common)


# -- negation ---------------------------------------------------------------------------------------------------------


def _negations(pair: _Pair) -> Reading | None:
    """What one side denies, the other must not affirm."""
    claim, best = pair.claim, pair.best
    for sentence in best:
        both_turn = claim.has(*_TURNERS) and sentence.has(*_TURNERS)
        near = sentence.stems | (pair.held if sentence.has(*_PRONOUNS) else frozenset())
        for name, clause in claim.denied + (claim.turned if both_turn else ()):
            if name not in sentence.stems or not _is_covered(claim, name, clause, near):
                continue
            holding = [one for one in best if name in one.stems]
            if all(_affirms(one, name, claim, clause) for one in holding) and not _excused(claim, sentence):
                return sentence
        for name, clause in sentence.denied + (sentence.turned if both_turn else ()):
            if name not in claim.stems or not _affirms(claim, name, sentence, clause) or _excused(claim, sentence):
                continue
            if _is_affirmed_closer(sentence, name, clause, claim):
                continue  # it denies of one thing what it affirms of another
            clauses = {word.clause for word in claim.words if word.stem == name}
            if any(_is_covered(claim, name, one, near) for one in clauses):
                return sentence
    return None


def _is_affirmed_closer(sentence: Reading, name: str, clause: int, claim: Reading) -> bool:
    """Whether a clause that affirms what another one denies has as many words of the claim as that one."""

    def common(number: int) -> int:
        return len({word.stem for word in sentence.words if word.clause == number and word.stem in claim.stems})

    affirming = {word.clause for word in sentence.words if word.stem == name and word.sign > 0}
    return any(common(one) >= common(clause) for one in affirming)


def _affirms(affirming: Reading, name: str, denying: Reading, clause: int) -> bool:
    """Whether a reading holds a word and never negated; of a concept, whether it is about the same things."""
    places = [word for word in affirming.words if word.stem == name]
    if any(word.sign < 0 for word in places) or any(name == other for other, _ in affirming.denied):
        return False
    if next((word.text for word in denying.words if word.clause == clause), "") in _CONDITION:
        return False  # who has no ticket
    if denying.has("so") and denying.has("that"):
        return False  # not so long that
    opening = {word.clause: word.text for word in reversed(affirming.words)}
    places = [word for word in places if opening[word.clause] not in _CONDITION]
    if affirming.stems & _NEGATIVE - denying.stems:
        return False  # the toll is waived
    others = {word.stem for word in denying.words if word.clause == clause and word.stem} - {name} - _CONCEPTS
    if any(word.sign < 0 and word.stem in others for word in affirming.words):
        return False  # what it is denied of is denied on the other side too
    if name not in _CONCEPTS:
        return bool(places)
    about = {word.stem for word in denying.words if word.clause == clause and word.stem} - _CONCEPTS
    if not about and denying.has("but"):  # welcome, but not required
        about = {word.stem for word in denying.words if word.clause == clause - 1 and word.stem} - _CONCEPTS
    clauses = {word.clause for word in places}
    return bool(about & {word.stem for word in affirming.words if word.clause in clauses})


def _is_covered(claim: Reading, name: str, clause: int, held: frozenset[str]) -> bool:
    own = {word.stem for word in claim.words if word.clause == clause and word.stem} - _CONCEPTS
    own = own if len(own) > 1 else set(claim.stems - _CONCEPTS)
    return len(own & held) >= (_HALF if name in _CONCEPTS else _COVERED) * len(own)


def _excused(claim: Reading, sentence: Reading) -> bool:
    """Whether a negation with a condition on one side meets a condition on the other: not unless, only if."""
    if _opposite_limits(claim, sentence) or sentence.has("none"):
        return True
    subject = next((word.stem for word in claim.words if word.stem), "")
    if sentence.has(*_ONLY_WORDS) and (subject not in sentence.stems or not claim.stems <= sentence.stems):
        return True  # only admins may, so others may not
    if any(_same_object(one, other) for one in claim.orders for other in sentence.orders):
        return True  # the orders have been compared, with their negations
    for one, other in ((claim, sentence), (sentence, claim)):
        excepted = next((word.start for word in one.words if word.text in {"unless", "except"}), None)
        if excepted is not None and any(w.start > excepted and w.stem in other.stems for w in one.words):
            return True
        if any(ordered.object & other.stems and not other.orders for ordered in one.orders if ordered.negated):
            return True
    if claim.orders and sentence.orders:
        return True  # not A before B, and B before A
    return (
        claim.is_conditional
        and sentence.has("unless", "until", "before", "except", "without")
        and claim.has("only", "unless", "if", "once", "when", "after", "until")
    )


def _opposite_limits(claim: Reading, sentence: Reading) -> bool:
    return any(
        one.bound and other.bound and other.bound not in _FOLLOWS[one.bound] and _equal(one, other)
        for one in claim.amounts
        for other in sentence.amounts
    )


# -- only -------------------------------------------------------------------------------------------------------------


def _only(pair: _Pair) -> Reading | None:
    """Only: the passage must say so too; and what it says of some only, the claim must not say of all."""
    claim, best = pair.claim, pair.best
    if not best:
        return None
    counts = any(
        word.text in _ONLY_WORDS and (behind.text[0].isdigit() or behind.text in _COUNTS or before.text == "the")
        for before, word, behind in zip((claim.words[0], *claim.words), claim.words, claim.words[1:], strict=False)
    )
    if claim.has(*_ONLY_WORDS) and not counts:
        sentence = best[0]
        conditional = claim.has("after", "once", "if", "when", "with", "from", "before")
        if not any(one.has(*_ONLY) or (conditional and one.has(*_ONLY_IF)) for one in best):
            return sentence
        for one in best:
            if one.has("except") and not one.has("only") and claim.stems <= one.stems:
                return one
    elif claim.has(*_ALL) or (claim.has("any") and not claim.has("without", "not", "no")):
        for sentence in best:
            narrow = sentence.has(*_ONLY_WORDS) and not sentence.has(*_ALL, *(("any",) if claim.has("any") else ()))
            if narrow and (len(claim.stems & sentence.stems) >= 2 or claim.has("notonly")):
                return sentence
    return None


def _excepted(pair: _Pair) -> Reading | None:
    """What is excepted from a rule, the claim must not put under the rule: nobody may, except deliveries."""
    claim = pair.claim
    if claim.has("except", "unless", "without"):
        return None
    for sentence in pair.best:
        at = next((i for i, word in enumerate(sentence.words) if word.text == "except"), None)
        if at is None:
            continue
        clause = sentence.words[at].clause
        rest_of_it = sentence.words[at + 1 :]
        verb = next((i for i, word in enumerate(rest_of_it) if i and _is_plain_verb(word.text)), len(rest_of_it))
        excepted = {word.stem: word.sign for word in rest_of_it[:verb] if word.clause == clause and word.stem}
        general_part = (*sentence.words[:at], *(word for word in rest_of_it[verb:] if word.clause == clause))
        rule = {word.stem for word in general_part if word.stem} - excepted.keys() - _CONCEPTS
        said = claim.stems - _CONCEPTS
        of_all = claim.has("all", "every", "everyone") and not excepted.keys() & claim.stems
        if of_all and len(said) >= _ENOUGH_OF_A_RULE and said <= rule:
            return sentence
        subject = next((word for word in claim.words if word.stem), None)
        rest = claim.stems - excepted.keys() - _CONCEPTS
        named = subject is not None and subject.stem in excepted and len(rule & claim.stems) >= _ENOUGH_OF_A_RULE
        if subject is None or not (named or (excepted.keys() <= claim.stems and rest and rest <= rule)):
            continue
        general = next((one.sign for one in reversed(sentence.words[:at]) if one.stem in claim.stems), 1)
        narrow = any(word.text in _ONLY_WORDS for word in sentence.words[:at])
        sign = next(word.sign for word in claim.words if word.stem in excepted)
        if claim.has(*_ONLY_WORDS) if narrow else not claim.has(*_ONLY_WORDS) and sign == general:
            return sentence
    return None


def _is_plain_verb(text: str) -> bool:
    return text in BASES or text in PAST or text in _BE or text in _MODALS


# -- roles ------------------------------------------------------------------------------------------------------------


def _sides(reading: Reading, verb: int) -> tuple[frozenset[str], frozenset[str]]:
    """Return the words before and behind a verb in its clause: those who act, and those who are acted upon."""
    words = reading.words
    clause = words[verb].clause
    first = next((i for i, word in enumerate(words) if word.clause == clause), verb)
    left = [word for word in words[first:verb] if word.stem]
    if not set(_things(left)) and not any(word.text in _PRONOUNS | _RELATIVE for word in words[first:verb]):
        # an apposition lies between: the chair, Ada, was elected
        left = [word for word in words[:verb] if word.stem]
    right = [word for word in words[verb + 1 :] if word.clause == clause and word.stem]
    before, behind = frozenset(_things(left)), frozenset(_things(right))
    if not _is_passive(words, verb):
        return before, behind
    by = next((i for i in range(verb + 1, len(words)) if words[i].text == "by" and words[i].clause == clause), None)
    if by is not None and any(one.word == "by" and one.at == by + 1 for one in reading.orders):
        by = None  # by the end of April
    agent = [] if by is None else [word for word in words[by + 1 : _agent_end(words, by + 1)] if word.stem]
    return frozenset(_things(agent)), before


def _is_passive(words: Sequence[Word], verb: int) -> bool:
    before = verb - 1
    while before >= 0 and (words[before].text.endswith("ly") or words[before].text in _ADVERBS):
        before -= 1
    follows_be = before >= 0 and words[before].text in _BE and not words[verb].text.endswith(("ing", "er"))
    if follows_be:
        return True
    if not words[verb].text.endswith("ed") and words[verb].text not in PAST:
        return False
    rest = [word.text for word in words[verb + 1 : verb + 7] if word.clause == words[verb].clause]
    return "by" in rest and rest[0] not in _DETERMINERS


def _is_relative(reading: Reading, at: int) -> bool:
    """Whether a word stands in a relative clause, where the one who acts may stand before it."""
    clause = reading.words[at].clause
    return any(word.clause == clause and word.text in _RELATIVE for word in reading.words)


def _agent_end(words: Sequence[Word], start: int) -> int:
    for i in range(start, len(words)):
        if (
            words[i].clause != words[start].clause
            or words[i].text in _SMALL_WORDS - {"of"} | _PLACES | _TIMES | _TURNING
        ):
            return i
    return len(words)


def _is_verb(words: Sequence[Word], at: int) -> bool:
    """Whether a word looks like a verb, or like a comparative, by its form and its neighbours."""
    text = words[at].text
    before = words[at - 1].text if at else ""
    behind = words[at + 1].text if at + 1 < len(words) else ""
    if before in _DETERMINERS:
        return False
    compares = behind == "than" and (text.endswith("er") or before in {"more", "less"})
    if text.endswith("ed") or text in PAST or before in _MODALS or compares:
        return True
    if text.endswith("s") and (text.removesuffix("s") in BASES or text.removesuffix("es") in BASES):
        return True
    is_followed = text.endswith("s") and behind in _SMALL_WORDS - {"of", "as"}
    takes_object = behind in _DETERMINERS or is_followed or behind[:1].isdigit()
    return takes_object or (at + 1 < len(words) and words[at + 1].is_name and not words[at].is_name)


def _things(words: Sequence[Word]) -> Iterator[str]:
    return (
        word.stem
        for word in words
        if word.stem[0].isalpha() and word.stem not in _CONCEPTS and word.text not in UNIT_NAMES
    )


def _shared_verbs(claim: Reading, sentence: Reading) -> Iterator[tuple[int, int]]:
    """Yield the places of words that occur once on both sides, and could be verbs or comparatives."""
    for i, word in enumerate(claim.words):
        if not word.stem or word.is_name or word.stem in _BOTH_WAYS or word.stem in _CONCEPTS:
            continue
        if not _is_verb(claim.words, i):
            continue
        places = [j for j, other in enumerate(sentence.words) if other.stem == word.stem and not other.is_name]
        if len(places) == 1 and word.stem[0].isalpha() and _is_verb(sentence.words, places[0]):
            before = {(claim.words[i - 1].text if i else ""), sentence.words[places[0] - 1].text if places[0] else ""}
            if before != {"more", "less"}:
                yield i, places[0]


def _swapped(pair: _Pair) -> Reading | None:
    """Who did it to whom: the words on both sides of a verb must not have changed places."""
    claim, best = pair.claim, pair.best
    for sentence in best:
        for at, place in _shared_verbs(claim, sentence):
            actor, target = _sides(claim, at)
            their_actor, their_target = _sides(sentence, place)
            both = actor & target & their_actor & their_target  # the choir of one place, and that of another
            actor, target = actor - both, target - both
            if not their_actor and sentence.words[0].text in _PRONOUNS:
                their_actor = _subject_before(sentence, pair.passage)
            crossed = actor & their_target and target & their_actor and not actor & their_actor
            if crossed and not any(one.order != other.order for one in claim.orders for other in sentence.orders):
                return sentence
    return None


def _subject_before(sentence: Reading, passage: Sequence[Reading]) -> frozenset[str]:
    """Return what a pronoun at the front of a sentence stands for: the subject of the nearest sentence with a noun."""
    for before in reversed(passage[: passage.index(sentence)]):
        words = before.words
        if words and words[0].text not in _PRONOUNS:
            verb = next(
                (i for i, word in enumerate(words) if word.text in _BE or (i and _is_verb(words, i))), len(words)
            )
            return frozenset(_things([word for word in words[:verb] if word.stem]))
    return frozenset()


def _opposed(pair: _Pair) -> Reading | None:
    """What one does must not be replaced by its contrary: Ida opposed the toll, and the council supported it."""
    claim = pair.claim
    for at, word in enumerate(claim.words):
        contrary = _CONTRARY.get(word.stem, frozenset())
        if not contrary or not _is_verb(claim.words, at):
            continue
        actor, target = _sides(claim, at)
        passive = _is_passive(claim.words, at)
        if _does(pair.passage, word.stem, actor or target):
            continue
        for sentence in pair.best:
            for place, other in enumerate(sentence.words):
                if other.stem not in contrary or other.sign != word.sign or not _is_verb(sentence.words, place):
                    continue
                their_actor, their_target = _sides(sentence, place)
                if passive and _is_passive(sentence.words, place) and target & their_target:
                    if claim.is_conditional or claim.has("if", "when"):
                        continue
                    return sentence
                if actor & their_actor and (target & their_target or not (target and their_target)):
                    return sentence
    return None


def _does(passage: Sequence[Reading], verb: str, said: frozenset[str]) -> bool:
    """Whether a verb is said of one of ``said`` in a passage, or of nothing that is known."""
    for sentence in passage:
        for i, word in enumerate(sentence.words):
            if word.stem == verb:
                theirs = frozenset().union(*_sides(sentence, i))
                if not theirs or theirs & said:
                    return True
    return False


def _year_of_another(pair: _Pair) -> Reading | None:
    """A year must not be given to what has another in the sentence: 3 million in 2023, up 8% from 2022."""
    years = [amount for amount in pair.claim.amounts if _is_year(amount)]
    if len(years) != 1:
        return None
    said = pair.claim.stems - {pair.claim.words[years[0].at].stem}
    for sentence in pair.best[:1]:
        own: set[str] = set()
        rival: set[str] = set()
        places = [amount for amount in sentence.amounts if _is_year(amount)]
        for amount in places:
            clause = sentence.words[amount.at].clause
            stems = {word.stem for word in sentence.words if word.clause == clause and word.stem} & said
            (own if _equal(amount, years[0]) else rival).update(stems)
        if any(_equal(amount, years[0]) for amount in places) and not own and len(rival) > 1:
            return sentence
    return None


def _amount_of_another(pair: _Pair) -> Reading | None:
    """An amount must not be given to what has another in the passage: adults 12 euro, children 5."""
    claim = pair.claim
    units = {word.stem for one in claim.amounts for word in claim.words[one.at : one.at + 3] if word.text in UNIT_NAMES}
    said = frozenset(name for name in claim.stems - _CONCEPTS - units if not _is_number(name))
    for amount in claim.amounts:
        own = [(other, one) for one in pair.passage for other in one.amounts if _equal(amount, other)]
        for sentence in pair.passage if own and (amount.shown != "one" or amount.units) else ():
            is_row = _is_row(sentence.text)
            same = [other for other, one in own if one is sentence]
            if (same and is_row) or (not is_row and ((_is_year(amount) and not same) or not (amount.units or same))):
                continue
            for rival in sentence.amounts:
                if rival.at and sentence.words[rival.at - 1].text == "every":
                    continue  # how often is not how long
                if rival.shown == "one" and not rival.units:
                    continue
                if (
                    not _comparable(amount, rival)
                    or _is_year(amount) != _is_year(rival)
                    or any(_equal(rival, one) for one in claim.amounts)
                ):
                    continue
                if any(_in_one_range(sentence, rival, other) for other in same):
                    continue
                only_here = all(one is sentence for _, one in own)
                if only_here and any(_is_given_to_another(sentence, other, rival, said) for other in same):
                    return sentence
                if _is_year(amount):
                    continue
                alone = all(other is rival or not _comparable(rival, other) for other in sentence.amounts)
                whole = is_row or (alone and not same)
                theirs = said & (sentence.stems if whole else _content(sentence, sentence.words[rival.at].piece))
                if all(
                    (other.units or not amount.units) and _near(pair.passage, one, other, sentence) & said < theirs
                    for other, one in own
                ):
                    return sentence
    return None


def _is_given_to_another(sentence: Reading, own: Amount, rival: Amount, said: Set[str]) -> bool:
    """Whether a claim with an amount names what has the rival in the sentence, and not what has the amount itself."""
    mine, theirs = (
        frozenset(
            name
            for name in _content(sentence, sentence.words[one.at].piece) - _UNIT_STEMS - _CONCEPTS
            if name[0] != "~" and not _is_number(name)
        )
        for one in (own, rival)
    )
    return bool(theirs - mine) and theirs - mine <= said and bool(mine - theirs) and bool((mine - theirs) - said)


def _near(passage: Sequence[Reading], sentence: Reading, amount: Amount, rival: Reading) -> frozenset[str]:
    """Return the words around an amount: of its part of the sentence, or of all where the rival is in another one."""
    if sentence is rival:
        return _content(sentence, sentence.words[amount.at].piece)
    i = passage.index(sentence)
    return sentence.stems | (passage[i - 1].stems if i and sentence.has(*_PRONOUNS) else frozenset())


def _in_one_range(sentence: Reading, one: Amount, other: Amount) -> bool:
    first, last = sorted((one.at, other.at))
    between = {word.text for word in sentence.words[first + 1 : last]}
    return between <= {"and", "to", "-"} | UNIT_NAMES.keys()


def _is_number(name: str) -> bool:
    return name[0].isdigit() or name in NUMBER_WORDS


def _clauses_exchanged(pair: _Pair) -> Reading | None:
    """What is said in two parallel parts must not change places: reads are served, and writes are queued."""
    claim = pair.claim
    mine = [stems for stems in (_said(claim, piece) for piece in _pieces(claim)) if len(stems) > 1]
    if len(mine) < 2:
        return None
    for sentence in pair.best:
        theirs = [_said(sentence, piece) for piece in _pieces(sentence)]
        for i, one in enumerate(theirs):
            for other in theirs[i + 1 :]:
                first, second = one - other, other - one
                mixed = [stems for stems in mine if stems & first and stems & second]
                if len(mixed) > 1 and not mixed[0] & mixed[1] & (first | second):
                    return sentence
    return None


def _predicate_of_another(pair: _Pair) -> Reading | None:
    """What one does must not be said of another one: Dr. Ito designed the study and Dr. Sand analysed the data."""
    words = pair.claim.words
    verb = next((i for i, word in enumerate(words) if i and (word.text in _BE or _is_verb(words, i))), None)
    if verb is None or pair.claim.is_conditional:
        return None
    subject = {word.stem for word in words[:verb] if word.stem}
    predicate = {word.stem for word in words[verb:] if word.stem} - subject - _CONCEPTS
    for sentence in pair.best[:1]:
        said = {piece: {w.stem for w in sentence.words if w.piece == piece and w.stem} for piece in _pieces(sentence)}
        of_one = {name for name in subject if sum(name in stems for stems in said.values()) == 1}
        homes = [piece for piece, stems in said.items() if of_one and of_one <= stems]
        others = [piece for piece, stems in said.items() if predicate & stems]
        if len(homes) != 1 or len(others) != 1 or homes == others or not predicate <= said[others[0]]:
            continue
        part = [word for word in sentence.words if word.piece == others[0] and word.stem]
        first = next(i for i, word in enumerate(part) if word.stem in predicate)
        theirs = set(_things(part[:first])) - subject
        own = {word.stem for word in sentence.words if word.piece == homes[0] and word.stem} - subject - _CONCEPTS
        if theirs and own:
            return sentence
    return None


def _pieces(reading: Reading) -> list[int]:
    return sorted({word.piece for word in reading.words})


def _said(reading: Reading, piece: int) -> frozenset[str]:
    """Return the stems of a piece, with the values of its amounts in place of the numbers as written."""
    values = {amount.at: f"{min(amount.values)}" for amount in reading.amounts}
    return frozenset(
        values.get(i, f"{word.stem}{word.sign:+}" if word.stem in _CONCEPTS else word.stem)
        for i, word in enumerate(reading.words)
        if word.piece == piece and word.stem and word.text not in UNIT_NAMES and word.text not in _WEAK
    )


def _objects_of_others(pair: _Pair) -> Reading | None:
    """Where two do the same to different things, each must keep its own: Ann orders the red ones; Ben the blue ones."""
    claim = pair.claim
    for sentence in pair.best:
        for at, word in enumerate(claim.words):
            places = [i for i, other in enumerate(sentence.words) if other.stem == word.stem and not other.is_name]
            if not word.stem or len(places) < 2 or not _is_verb(claim.words, at):
                continue
            actor, target = _sides(claim, at)
            sides = [_sides(sentence, place) for place in places]
            for own_actor, own_target in sides:
                for other_actor, other_target in sides:
                    is_own = actor & (own_actor - other_actor) and not actor & (other_actor - own_actor)
                    is_taken = target & (other_target - own_target) and (own_target - other_target) - target
                    if is_own and is_taken:
                        return sentence
    return None


def _of_another_row(pair: _Pair) -> Reading | None:
    """What stands in two columns of a table must stand in one row."""
    claim = f" {' '.join(_marks(pair.claim))} "
    rows = [one for one in pair.passage if _is_row(one.text)]
    rows = rows[1:] if rows and not rows[0].amounts else rows  # without the names of the columns
    found: dict[int, dict[str, list[int]]] = {}  # the places of the claim's values in each column
    for i, row in enumerate(rows):
        for column, cell in enumerate(_cells(row.text)):
            if cell and f" {cell} " in claim:
                found.setdefault(column, {}).setdefault(cell, []).append(i)
    single = [places for values in found.values() if len(values) == 1 for places in values.values()]
    apart = (one[0] for one, other in combinations(single, 2) if not set(one) & set(other))
    return next((rows[i] for i in apart), None)


def _of_another_label(pair: _Pair) -> Reading | None:
    """What stands behind a label must not be said of another one: a definition, or an option of a command."""
    claim = pair.claim
    lines = [(match.group(), one) for one in pair.passage if (match := _LABEL.match(_BULLET.sub("", one.text)))]
    found = [({word.text for word in read(label).words if word.text.isalnum()}, one) for label, one in lines]
    said = {word.text for word in claim.words}
    named = [(label, one) for label, one in found if label and label <= said]
    if len(named) != 1:
        return None
    label, own = named[0]
    rest = claim.stems - {stem(word) for word in label}
    for _, other in found:
        theirs = rest & other.stems
        if other is not own and theirs > rest & own.stems and len(theirs) > 1 and len(theirs) >= _SAID_OF * len(rest):
            return own
    return None


def _cells(row: str) -> list[str]:
    """Return the cells of a row, without the name of the column where it precedes, in the form of :func:`_marks`."""
    cells = (cell.rpartition(": ")[2] for cell in row.strip("| ").split(" | "))
    return [" ".join(_marks(read(_REST_OF_CELL.sub("", cell)))) for cell in cells]


# -- copies -----------------------------------------------------------------------------------------------------------


def _altered(pair: _Pair) -> Reading | None:
    """A copy of a passage's sentence in which two words have changed places, or one is replaced by its contrary."""
    claim = _marks(pair.claim)
    contrasts = _contrasts(pair.passage)
    for sentence in pair.best:
        marks = _marks(sentence)
        same_sign = pair.claim.has("not", "no", "never") == sentence.has("not", "no", "never")
        if same_sign and _has_turned(claim, marks, contrasts):
            return sentence
        matcher = SequenceMatcher(None, claim, marks, autojunk=False)
        blocks = [block for block in matcher.get_matching_blocks() if block.size]
        if not blocks or sum(block.size for block in blocks) < _COPIED * len(claim):
            continue
        gone = set(marks) - set(claim)
        if any(
            (_CONTRARY.get(name, frozenset()) | contrasts.get(name, frozenset())) & gone
            for name in set(claim) - set(marks)
        ):
            return sentence
        first, last = blocks[0], blocks[-1]
        span = marks[max(0, first.b - first.a) : last.b + len(claim) - last.a]
        if _TURNING & (set(claim) ^ set(span)):
            continue  # the other way round in both: before it, and after that
        if _has_passive(pair.claim) != _has_passive(sentence):
            continue
        if _has_exchanged(claim, marks) or _has_exchanged_parts(claim, marks, matcher):
            return sentence
    return None


def _contrasts(passage: Sequence[Reading]) -> dict[str, frozenset[str]]:
    """Return the words that a sentence sets against each other: with the drug than with the placebo."""
    found: dict[str, frozenset[str]] = {}
    for sentence in passage:
        places: dict[str, list[Word]] = {}
        for before, word in pairwise(word for word in sentence.words if word.text not in _DETERMINERS):
            if before.text in _SMALL_WORDS | _PLACES - {"of"} and word.stem and word.stem[0].isalpha():
                places.setdefault(before.text, []).append(word)
        for words in places.values():
            for one, other in combinations(words, 2):
                if one.stem != other.stem and (one.piece != other.piece or sentence.has("than")):
                    found[one.stem] = found.get(one.stem, frozenset()) | {other.stem}
                    found[other.stem] = found.get(other.stem, frozenset()) | {one.stem}
    return found


def _has_turned(claim: Sequence[str], marks: Sequence[str], contrasts: Mapping[str, Set[str]]) -> bool:
    """Whether a claim is a copy in which one word is replaced by its contrary: less for more, before for after."""
    for start in range(len(marks) - len(claim) + 1 if len(claim) > 2 else 0):
        apart = [(one, other) for one, other in zip(claim, marks[start:], strict=False) if one != other]
        if len(apart) == 1:
            one, other = apart[0]
            turned = apart[0] in _TURNED_ROUND or apart[0][::-1] in _TURNED_ROUND
            if turned or other in _CONTRARY.get(one, frozenset()) or other in contrasts.get(one, frozenset()):
                return True
    return False


def _has_exchanged(claim: Sequence[str], marks: Sequence[str]) -> bool:
    """Whether two words of a claim stand in each other's place in what it is a copy of."""
    for start in range(len(marks) - len(claim) + 1):
        apart = [(one, other) for one, other in zip(claim, marks[start:], strict=False) if one != other]
        if len(apart) == 2 and apart[0] == apart[1][::-1]:
            return True
    return False


def _has_exchanged_parts(claim: Sequence[str], marks: Sequence[str], matcher: SequenceMatcher[str]) -> bool:
    """Whether words that replace others of the copied sentence stand where those have gone, and the other way round."""
    changes = [
        (set(claim[i:j]) - set(marks[k:n]) - _LINKS, set(marks[k:n]) - set(claim[i:j]) - _LINKS)
        for kind, i, j, k, n in matcher.get_opcodes()
        if kind == "replace"
    ]
    return any(
        new & other_gone and gone & other_new for (new, gone), (other_new, other_gone) in combinations(changes, 2)
    )


def _marks(reading: Reading) -> list[str]:
    """Return the words of a reading that say something, numbers as their values."""
    values = {amount.at: f"{min(amount.values)}" for amount in reading.amounts}
    return [
        values.get(i) or word.stem or word.text
        for i, word in enumerate(reading.words)
        if word.stem or word.text in _LINKS
    ]


def _has_passive(reading: Reading) -> bool:
    return any(_is_passive(reading.words, i) for i, word in enumerate(reading.words) if word.stem)


def _content(reading: Reading, piece: int) -> frozenset[str]:
    words = [word for word in reading.words if word.piece == piece]
    found = {word.stem for word in words if word.stem}
    found |= {f"~{one.order}" for one in reading.orders if reading.words[one.at].piece == piece}
    if any(word.text in {"without", "not", "no", "never"} for word in words):
        found.add("~not")
    return frozenset(found)


def _substituted(pair: _Pair) -> Reading | None:
    """Another one who is named in the passage must not have taken the place of the one who did it."""
    claim, names = pair.claim, _names(pair.passage)
    for sentence in pair.best[:1]:
        for at, place in _shared_verbs(claim, sentence):
            actor, target = _sides(claim, at)
            their_actor, their_target = _sides(sentence, place)
            named = actor and their_actor and actor | their_actor <= names and not actor & their_actor
            turned = any(one.order != other.order for one in claim.orders for other in sentence.orders)
            relative = _is_relative(claim, at) or _is_relative(sentence, place)
            passive = _is_passive(claim.words, at) and _is_passive(sentence.words, place)
            if any(_CONTRARY.get(one, frozenset()) & their_actor for one in actor - their_actor):
                named = not actor & their_actor  # the seller, where it is the buyer
            if passive and actor and their_actor and not actor & their_actor and actor <= pair.held:
                named = True  # by finance, where it is by the team lead
            if named and target & their_target and not turned and not relative:
                return sentence
    return None


def _names(passage: Sequence[Reading]) -> frozenset[str]:
    """Return the words with a capital within a sentence, and those that begin one before such a word."""
    return frozenset(
        word.stem
        for one in passage
        for word, follower in zip(one.words, one.words[1:], strict=False)
        if word.stem and (word.is_name or (follower.is_name and word is one.words[0]))
    )


_RULES = (
    _limits, _times, _negations, _only, _excepted, _swapped, _opposed, _amount_of_another, _year_of_another,
    _clauses_exchanged, _predicate_of_another, _objects_of_others, _substituted, _altered, _of_another_row,
    _of_another_label,
)  # fmt: skip
