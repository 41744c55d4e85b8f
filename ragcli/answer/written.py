"""From what a language model wrote to an Answer whose sentences were checked against what they cite."""

from __future__ import annotations

from collections.abc import Sequence

from ragcli.answer.claims import Supports, check_claims, is_refusal, strike
from ragcli.errors import LlmUnavailable
from ragcli.types import Answer, Citation, Hit


def written_answer(
    question: str,
    text: str,
    hits: Sequence[Hit],
    *,
    by: str,
    supports: Supports,
    strict: bool,
    notes: Sequence[str] = (),
) -> Answer:
    """The answer that ``text`` gives from ``hits``, the passages of its prompt in their order.

    A refusal has no text, claims or citations. With ``strict``, sentences that are not borne out are taken out of the
    text and stay among the claims. LlmUnavailable when there is no text at all.
    """
    text = text.strip()
    if not text:
        raise LlmUnavailable(f"{by} gave an empty answer", "ask again, or ask another model")
    if is_refusal(text):
        return Answer(question, "", (), grounded=True, by=by, notes=tuple(notes))
    checked = check_claims(text, [hit.chunk for hit in hits], question, supports)
    claims = tuple(one.claim for one in checked)
    return Answer(
        question,
        strike(text, checked) if strict else text,
        passages_cited(hits),
        grounded=bool(claims) and all(claim.supported for claim in claims),
        by=by,
        claims=claims,
        notes=tuple(notes),
    )


def passages_cited(hits: Sequence[Hit]) -> tuple[Citation, ...]:
    """The passages as a model was given them, numbered; what is quoted of each is its best sentence."""
    return tuple(
        Citation(
            number, hit.chunk, hit.snippet.text, hit.snippet.start, hit.snippet.end, hit.snippet.line, hit.snippet.page
        )
        for number, hit in enumerate(hits, 1)
    )
