"""How many false sentences does the check of a written answer catch, and how many true ones does it mark?

    python -m benchmarks.claims [--rules]

claims.txt holds sentences about passages: what a passage supports, and the same with one change, of a number, a unit, a
limit, a negation, a role and so on. One more kind, "citation", is a true sentence that also cites a passage about
something else. The part "development" served to write the rules, and "varied" (leases, manuals, tables, minutes,
e-mails) to correct them. The part "held out" has the same kinds of text as "varied" and was only counted. With --rules
the reranker takes no part. With --show, the sentences with a wrong verdict are printed, except those held out. Writes
results/claims.json.
"""

from __future__ import annotations

import argparse
import json
from collections import Counter, defaultdict
from pathlib import Path
from typing import NamedTuple

from benchmarks.results import write_result
from ragcli.answer.claims import Supports, check_claims
from ragcli.types import Chunk

SET = Path(__file__).with_name("claims.txt")
PARTS = ("development", "varied", "held out")


class Case(NamedTuple):
    part: str
    passage: str
    other: str  # a passage about something else
    kind: str  # of the change; "" for a true sentence
    sentence: str  # with its citations: [1] is the passage, [2] the other


def cases() -> list[Case]:
    """Return every sentence of the set, in its order."""
    part = ""
    read: list[tuple[str, str, str, str]] = []
    passages: dict[str, list[str]] = defaultdict(list)
    for line in SET.read_text(encoding="utf-8").splitlines():
        sign, _, rest = line.partition(" ")
        if sign == "==":
            part = rest
        elif sign == "P":
            passages[part].append(rest.replace("\\n", "\n"))
            first = True
        elif sign == "+":
            read.append((part, passages[part][-1], "", rest))
            if first:
                read.append((part, passages[part][-1], "citation", rest))
            first = False
        elif sign == "-":
            kind, _, sentence = rest.partition(" ")
            read.append((part, passages[part][-1], kind, sentence))
    found = []
    for name, passage, kind, sentence in read:
        among = passages[name]
        other = among[(among.index(passage) + 1) % len(among)]
        cited = f"{sentence.rstrip('.')} [1]{'[2]' if kind == 'citation' else ''}."
        found.append(Case(name, passage, other, kind, cited))
    return found


def objection(case: Case, supports: Supports) -> str:
    """Return why the check marks the sentence; "" when it does not."""
    (checked,) = check_claims(case.sentence, [_chunk(case.passage, 1), _chunk(case.other, 2)], "", supports)
    return checked.claim.reason


def _chunk(text: str, number: int) -> Chunk:
    size = len(text.encode())
    return Chunk(number, Path(f"/notes/{number}.md"), "", 0, len(text), text, (0, size), (1, 1), None, ())


def no_model(_claim: str, _passage: str) -> float | None:
    return None


def _default_models() -> Supports:
    from ragcli.models.files import DEFAULT_RERANKER
    from ragcli.models.open import open_query_encoder
    from ragcli.models.resolve import DEFAULT_MODEL, resolve
    from ragcli.retrieve.rerank import open_judge

    return open_judge(open_query_encoder(resolve(DEFAULT_MODEL)), DEFAULT_RERANKER).probability


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rules", action="store_true", help="without the reranker")
    parser.add_argument("--show", action="store_true", help="print the wrong verdicts, except those held out")
    given = parser.parse_args()
    supports = no_model if given.rules else _default_models()
    marked: dict[str, Counter[str]] = defaultdict(Counter)
    count: dict[str, Counter[str]] = defaultdict(Counter)
    for case in cases():
        reason = objection(case, supports)
        kind = case.kind or "true"
        count[case.part][kind] += 1
        marked[case.part][kind] += bool(reason)
        if given.show and case.part != PARTS[2] and bool(reason) != bool(case.kind):
            print(f"{kind:9} {case.sentence}  {reason}")
    figures: dict[str, object] = {}
    for part in PARTS:
        false = [kind for kind in count[part] if kind != "true"]
        caught, made = sum(marked[part][kind] for kind in false), sum(count[part][kind] for kind in false)
        figures[part] = {
            "false sentences": made,
            "caught": round(caught / made, 4),
            "true sentences": count[part]["true"],
            "marked": round(marked[part]["true"] / count[part]["true"], 4),
            "caught by kind": {kind: f"{marked[part][kind]} of {count[part][kind]}" for kind in sorted(false)},
        }
    print(json.dumps(figures, indent=1))
    if not given.rules:
        write_result("claims", figures)


if __name__ == "__main__":
    main()
