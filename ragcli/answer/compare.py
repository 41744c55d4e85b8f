"""Compare a sentence with the passage that it cites: what it counts, its limits, times, negations and roles.

Each rule looks for one way in which the sentence says something else than the passage's best-matching sentence, and is
silent when it cannot tell. The rules follow natural logic (MacCartney and Manning 2007, "Natural logic for textual
inference"): they compare aligned words with their signs. They know English.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from decimal import Decimal
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


_NEAR = 0.75  # of the best sentence's score: sentences that match a claim as well
_COVERED = 0.5  # the share of a clause's words that the passage must hold before a negation in it is compared
_CONCEPTS = frozenset(("allow", "require", "accept", "open", "include", "valid", "active"))
_BOTH_WAYS = frozenset(
    map(stem, _set_of("meet marry border equal resemble match agree share differ merge connect join link debate"))
)
_SHORT_NAME = 2  # words of one who acts: more are likely to be a description, or more than one
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
    ">=": _set_of("require minimum notic"),
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
_ONLY = _set_of("only solely exclusively alone just merely restricted limited reserved unless except nobody none")
_ONLY_IF = _set_of("before until must required require requires need needs needed if not without till")
_ALL = _set_of("anyone everyone everybody anybody all any every notonly always")


class _Pair(NamedTuple):
    """A claim with the passage that it is compared with."""

    claim: Reading
    best: Sequence[Reading]  # the sentences that match the claim best
    passage: Sequence[Reading]
    held: frozenset[str]  # the words of the passage


def readings(passage: str) -> list[Reading]:
    """Read the sentences of a passage."""
    return [read(passage[start:end]) for start, end in sentences(passage)]


def amounts_held(claim: str, passage: Sequence[Reading]) -> frozenset[str]:
    """Return the numbers of ``claim``, as written, that the passage holds in another unit: two years are 24 months."""
    known = [amount for sentence in passage for amount in sentence.amounts]
    held = {amount.shown for amount in read(claim).amounts if any(_equal(amount, other) for other in known)}
    held |= {
        amount.shown
        for amount in read(claim).amounts
        if any(_is_one(amount, period) for sentence in passage for period in sentence.periods)
    }
    return frozenset(held)


def miscounted(claim: str, passage: Sequence[Reading]) -> list[str]:
    """Return the amounts of ``claim`` whose number the passage has for something else, or per another period."""
    known = [(amount, sentence) for sentence in passage for amount in sentence.amounts]
    found = []
    reading = read(claim)
    for amount in reading.amounts:
        alike = [(other, sentence) for other, sentence in known if _equal(amount, other)]
        if not alike:
            number = [other for other, _ in known if amount.values & other.values and other.units]
            numbers_of_the_kind = [other for other, _ in known if _comparable(amount, other)]
            known_kind = bool(numbers_of_the_kind) and amount.shown != "one"
            periodic = any(_is_one(amount, period) for sentence in passage for period in sentence.periods)
            if (number or known_kind) and amount.units and not periodic:
                found.append(_phrase(reading, amount))
        elif amount.noun and all(other.noun != amount.noun for other, _ in alike):
            elsewhere = any(other.noun == amount.noun and not _equal(amount, other) for other, _ in known)
            if elsewhere and all(other.noun for other, _ in alike):
                found.append(_phrase(reading, amount))
        elif amount.periods:
            said = frozenset[str]().union(*(sentence.periods for _, sentence in alike))
            anywhere = frozenset[str]().union(*(sentence.periods for sentence in passage))
            lasting = {unit for other, _ in known for unit in other.units}
            if not amount.periods & (said or anywhere | lasting):
                found.append(_phrase(reading, amount))
    if not reading.amounts and reading.periods:
        for sentence in _best(reading, passage):
            equal = any(_is_one(amount, period) for amount in sentence.amounts for period in reading.periods)
            if sentence.periods and not sentence.periods & reading.periods and not equal:
                found.append(f"each {min(reading.periods)}")
                break
    return list(dict.fromkeys(found))


def contradicted(claim: str, passage: Sequence[Reading]) -> str:
    """Return the sentence of the passage that says something else than ``claim``; "" when none is known to."""
    reading = read(claim)
    if any(sentence.plain.strip(" .") == reading.plain.strip(" .") for sentence in passage):
        return ""
    held = frozenset[str]().union(*(sentence.stems for sentence in passage))
    pair = _Pair(reading, _best(reading, passage), passage, held)
    for rule in _RULES:
        sentence = rule(pair)
        if sentence is not None:
            return sentence.text
    return ""


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

    scored = sorted(((score(sentence), -i) for i, sentence in enumerate(passage)), reverse=True)
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
    """Whether two amounts are the same, converted where the units differ; an unknown unit is any."""
    if not one.units or not other.units:
        return bool(one.values & other.values)
    if one.units & other.units:
        return bool(one.values & other.values)
    return bool(_in_base(one) & _in_base(other))


def _in_base(amount: Amount) -> set[tuple[str, Decimal]]:
    return {
        (kind, (value * factor).normalize())
        for kind, factor in (UNITS[unit] for unit in amount.units & UNITS.keys())
        if factor is not None
        for value in amount.values
    }


def _comparable(one: Amount, other: Amount) -> bool:
    def kinds(amount: Amount) -> set[str]:
        return {UNITS[unit][0] if unit in UNITS else unit for unit in amount.units} or {""}

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
        return bool(implied & sentence.stems) or amount.bound == "<="
    if other.bound in _FLIPPED[amount.bound]:  # more than and at most: both can be true, of different things
        here = {w.stem for w in claim.words if w.clause == claim.words[amount.at].clause and w.stem}
        there = {word.stem for word in sentence.words if word.piece == sentence.words[other.at].piece and word.stem}
        here -= _COMPARATIVES | _UNIT_STEMS
        if all(name[0].isdigit() or name in _UNIT_STEMS or name in NUMBER_WORDS for name in there):
            there |= sentence.stems  # "..., for no more than three nights" is about the whole
        if len(here & there) < _SAID_OF * len(here):
            return True
    ours, theirs = (_sign_at(reading, one.at) for reading, one in ((claim, amount), (sentence, other)))
    return ours != theirs and other.bound in _FLIPPED[amount.bound]


def _sign_at(reading: Reading, at: int) -> int:
    clause = reading.words[at].clause
    return min((word.sign for word in reading.words if word.clause == clause and word.stem), default=1)


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
        alike = [(other, sentence) for other, sentence in alike if not _of_another(claim, other, sentence)]
        agreeing = [(one.order == other.order) == (one.negated == other.negated) for other, _ in alike]
        known = _predicate(claim, one) <= (alike[0][1].stems if alike else frozenset())
        if alike and known and not any(agreeing) and not any(_says_both(claim, one, *pair) for pair in alike):
            return alike[0][1]
        if not alike and one.is_date and not one.negated and one.word in {"before", "after"}:
            numbers = {name for name in one.object if name[0].isdigit()}
            for sentence in best[:1]:
                exact = any(str(value) in numbers for amount in sentence.amounts for value in amount.values)
                if exact and not sentence.orders and not any(amount.bound for amount in sentence.amounts):
                    return sentence
    return None


def _predicate(claim: Reading, one: Ordered) -> frozenset[str]:
    """Return the word that is said to happen before or after: the last one with a meaning in front of that."""
    before = [word for word in claim.words[: one.at] if word.stem and word.text not in UNIT_NAMES]
    happening = [word.stem for word in before if word.stem[0].isalpha() and word.stem not in one.object | _CONCEPTS]
    return frozenset(happening[-1:])


def _of_another(claim: Reading, other: Ordered, sentence: Reading) -> bool:
    """Whether the claim names one who is named in another clause: Ann led it until 1990, when Bo took over."""
    clause = sentence.words[other.at].clause
    names = {word.stem for word in sentence.words if word.is_name and word.stem}
    here = {word.stem for word in sentence.words if word.clause == clause and word.stem}
    return bool((names - here) & claim.stems) and not names & here & claim.stems


def _says_both(claim: Reading, one: Ordered, other: Ordered, sentence: Reading) -> bool:
    """Whether a sentence goes on with "after that" and the claim is about what it says there."""
    if not _AFTER_THAT.search(sentence.plain):
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
    held = pair.held
    for name, clause in claim.denied:
        holding = [sentence for sentence in best if name in sentence.stems]
        if not holding or not _is_covered(claim, clause, held):
            continue
        if all(_affirms(sentence, name, claim, clause) for sentence in holding) and not _excused(claim, holding[0]):
            return holding[0]
    for sentence in best:
        for name, clause in sentence.denied:
            if any(word.stem == name and word.sign > 0 for word in sentence.words):
                continue  # it denies of one thing what it affirms of another
            if name not in claim.stems or not _affirms(claim, name, sentence, clause) or _excused(claim, sentence):
                continue
            clauses = {word.clause for word in claim.words if word.stem == name}
            if any(_is_covered(claim, one, held) for one in clauses):
                return sentence
    return None


def _affirms(affirming: Reading, name: str, denying: Reading, clause: int) -> bool:
    """Whether a reading holds a word and never negated; of a concept, whether it is about the same things."""
    places = [word for word in affirming.words if word.stem == name]
    if any(word.sign < 0 for word in places):
        return False
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


def _is_covered(claim: Reading, clause: int, held: frozenset[str]) -> bool:
    own = {word.stem for word in claim.words if word.clause == clause and word.stem} - _CONCEPTS
    return len(own & held) >= _COVERED * len(own)


def _excused(claim: Reading, sentence: Reading) -> bool:
    """Whether a negation with a condition on one side meets a condition on the other: not unless, only if."""
    if _opposite_limits(claim, sentence):
        return True
    subject = next((word.stem for word in claim.words if word.stem), "")
    if sentence.has(*_ONLY_WORDS) and subject not in sentence.stems:
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
    if claim.has(*_ONLY_WORDS):
        sentence = best[0]
        conditional = claim.has("after", "once", "if", "when", "with", "from", "before")
        if not any(one.has(*_ONLY) or (conditional and one.has(*_ONLY_IF)) for one in best):
            return sentence
        for one in best:
            if one.has("except") and not one.has("only") and claim.stems <= one.stems:
                return one
    elif claim.has(*_ALL):
        for sentence in best:
            narrow = sentence.has(*_ONLY_WORDS) and not sentence.has(*_ALL)
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
        excepted = {word.stem: word.sign for word in sentence.words[at + 1 :] if word.clause == clause and word.stem}
        rule = {word.stem for word in sentence.words[:at] if word.stem} - excepted.keys() - _CONCEPTS
        subject = next((word for word in claim.words if word.stem), None)
        rest = claim.stems - excepted.keys() - _CONCEPTS
        named = subject is not None and subject.stem in excepted and len(rule & claim.stems) >= _ENOUGH_OF_A_RULE
        if subject is None or not (named or (excepted.keys() <= claim.stems and rest and rest <= rule)):
            continue
        general = min((one.sign for one in sentence.words[:at] if one.stem in claim.stems), default=1)
        narrow = any(word.text in _ONLY_WORDS for word in sentence.words[:at])
        sign = next(word.sign for word in claim.words if word.stem in excepted)
        if claim.has(*_ONLY_WORDS) if narrow else not claim.has(*_ONLY_WORDS) and sign == general:
            return sentence
    return None


# -- roles ------------------------------------------------------------------------------------------------------------


def _sides(reading: Reading, verb: int) -> tuple[frozenset[str], frozenset[str]]:
    """Return the words before and behind a verb in its clause: those who act, and those who are acted upon."""
    words = reading.words
    clause = words[verb].clause
    first = next((i for i, word in enumerate(words) if word.clause == clause), verb)
    left = [word for word in words[first:verb] if word.stem]
    if not set(_things(left)):  # an apposition lies between: the chair, Ada, was elected
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
        if words[i].clause != words[start].clause or words[i].text in _SMALL_WORDS - {"of"} | _PLACES:
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
            crossed = actor & their_target and target & their_actor and not actor & their_actor
            if crossed and not any(one.order != other.order for one in claim.orders for other in sentence.orders):
                return sentence
        ours, theirs = _objects(claim.words), _objects(sentence.words)
        for one, names in ours.items():
            for other, others in ours.items():
                if one >= other or one not in theirs or other not in theirs:
                    continue
                if (
                    names & theirs[other] - theirs[one]
                    and others & theirs[one] - theirs[other]
                    and not names & theirs[one]
                    and not others & theirs[other]
                ):
                    return sentence
    return None


def _objects(words: Iterable[Word]) -> dict[str, frozenset[str]]:
    """Return what stands behind each preposition, up to the next one or the end of the clause: from A, to B."""
    found: dict[str, set[str]] = {}
    current, clause = "", -1
    for word in words:
        if word.text in _SMALL_WORDS:
            current, clause = word.text, word.clause
        elif word.clause != clause or word.text in _PLACES:
            current = ""
        elif current and word.stem:
            found.setdefault(current, set()).add(word.stem)
    return {name: frozenset(stems) for name, stems in found.items()}


def _amounts_exchanged(pair: _Pair) -> Reading | None:
    """What is listed in parallel must keep its amount: adults 12 euro, children 5."""
    claim = pair.claim
    said = frozenset[str]().union(*(_content(claim, word.piece) for word in claim.words))
    for sentence in pair.best:
        content = {piece: _content(sentence, piece) for piece in {word.piece for word in sentence.words}}
        for amount in claim.amounts:
            places = [other for other in sentence.amounts if _equal(amount, other)]
            if len(places) != 1:
                continue
            home = sentence.words[places[0].at].piece
            others = frozenset[str]().union(*(stems for piece, stems in content.items() if piece != home))
            own = {name for name in content[home] - others if not name[0].isdigit()}
            if not own or own & said:
                continue
            ours = {name for name in _content(claim, claim.words[amount.at].piece) if not name[0].isdigit()}
            for rival in sentence.amounts:
                piece = sentence.words[rival.at].piece
                is_rival = piece != home and _comparable(amount, rival) and not _equal(amount, rival)
                is_said = any(_equal(rival, one) for one in claim.amounts)
                if is_rival and not is_said and (content[piece] - content[home]) & ours:
                    return sentence
    return None


def _objects_exchanged(pair: _Pair) -> Reading | None:
    """What is listed in parallel must keep its object: signed for the landlord, and Otto for the tenant."""
    claim = pair.claim
    nouns = claim.stems - {word.stem for i, word in enumerate(claim.words) if _is_verb(claim.words, i)}
    for sentence in pair.best:
        pieces = {word.piece for word in sentence.words}
        content = {piece: _content(sentence, piece) for piece in pieces}
        objects = {piece: _objects(word for word in sentence.words if word.piece == piece) for piece in pieces}
        for preposition, names in _objects(claim.words).items():
            for piece in pieces:
                theirs = objects[piece].get(preposition, frozenset())
                others = frozenset[str]().union(*(content[other] for other in pieces if other != piece))
                if not theirs or theirs & claim.stems or not (content[piece] - theirs) & nouns - others:
                    continue
                for other in pieces - {piece}:
                    common = names & objects[other].get(preposition, frozenset())
                    if common and _numbers(content[other] - content[piece]) & _numbers(claim.stems):
                        continue  # six months for the battery, said without the "warranty" of the first part
                    if common and not (_denies(claim, common) and _denies(sentence, common)):
                        return sentence
    return None


def _numbers(stems: frozenset[str]) -> frozenset[str]:
    return frozenset(name for name in stems if name[0].isdigit() or name in NUMBER_WORDS)


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


def _pieces(reading: Reading) -> list[int]:
    return sorted({word.piece for word in reading.words})


def _said(reading: Reading, piece: int) -> frozenset[str]:
    """Return the stems of a piece, with the values of its amounts in place of the numbers as written."""
    values = {amount.at: f"{min(amount.values)}" for amount in reading.amounts}
    return frozenset(
        values.get(i, word.stem)
        for i, word in enumerate(reading.words)
        if word.piece == piece and word.stem and word.text not in UNIT_NAMES and word.stem not in _CONCEPTS
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


def _denies(reading: Reading, stems: frozenset[str]) -> bool:
    return any(word.stem in stems and word.sign < 0 for word in reading.words)


def _content(reading: Reading, piece: int) -> frozenset[str]:
    words = [word for word in reading.words if word.piece == piece]
    found = {word.stem for word in words if word.stem}
    found |= {f"~{one.order}" for one in reading.orders if reading.words[one.at].piece == piece}
    if any(word.text in {"without", "not", "no", "never"} for word in words):
        found.add("~not")
    return frozenset(found)


def _substituted(pair: _Pair) -> Reading | None:
    """Who did what: another one, or another thing, of the passage must not have taken the place."""
    claim, best = pair.claim, pair.best
    for sentence in best[:1]:
        for at, place in _shared_verbs(claim, sentence):
            actor, target = _sides(claim, at)
            their_actor, their_target = _sides(sentence, place)
            if not (actor and target) or _is_relative(claim, at):
                continue
            if _is_relative(sentence, place):
                if _is_another(claim, actor, target, sentence, place, pair.held):
                    return sentence
                continue
            if not (their_actor and their_target):
                continue
            same_actor, same_target = actor & their_actor, target & their_target
            if not claim.has(*_ONLY_WORDS) and _goes_without_verb(sentence, actor):
                continue
            if not same_actor and same_target and actor <= pair.held and len(their_actor) <= _SHORT_NAME:
                return sentence
            is_same = actor <= their_actor or their_actor <= actor
            if is_same and same_actor and not same_target and target <= sentence.stems:
                return sentence
    return None


def _goes_without_verb(sentence: Reading, actor: frozenset[str]) -> bool:
    """Whether those who act stand in a part with "only" and no verb: admins delete any file, members only their own."""
    return any(
        actor <= {word.stem for word in part}
        and any(word.text in _ONLY_WORDS for word in part)
        and not any(word.text in _BE or word.stem in _CONCEPTS for word in part)
        for piece in _pieces(sentence)
        for part in [[word for word in sentence.words if word.piece == piece]]
    )


def _is_another(
    claim: Reading,
    actor: frozenset[str],
    target: frozenset[str],
    sentence: Reading,
    verb: int,
    held: frozenset[str],
) -> bool:
    """Whether a relative clause names another one who acts than the claim: the play, which Ann wrote."""
    words = sentence.words
    start = next((i for i in range(verb, -1, -1) if words[i].text in _RELATIVE), 0)
    named = {word.stem for word in words[start + 1 : verb] if word.stem and word.is_name}
    before = next((word.stem for word in reversed(words[:start]) if word.stem), "")
    names = {word.stem for word in claim.words if word.stem and word.is_name}
    return bool(named and before in target and names & actor and actor <= held and not named & actor)


_RULES = (
    _limits, _times, _negations, _only, _excepted, _swapped, _amounts_exchanged, _objects_exchanged,
    _clauses_exchanged, _objects_of_others, _substituted,
)  # fmt: skip
