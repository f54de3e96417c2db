"""What stands in the place of a found value, by the operator of its type (D18). Pure."""

from __future__ import annotations

from sidecar.detection.entity_types import ERASED
from sidecar.detection.span import Span
from sidecar.keys import Pseudonymizer
from sidecar.redaction.canonical import canonical
from sidecar.redaction.placeholder import erased, hashed, numbered
from sidecar.redaction.policy import Operator, Policy, TypePolicy
from sidecar.redaction.surrogates import surrogate

MASK_SIGN = "*"


def acted_on(policy: Policy, span: Span) -> bool:
    """Whether the policy changes this span at all."""
    if span.label == ERASED:
        return True
    rule = policy.for_type(span.label)
    return rule.operator is not Operator.KEEP and span.score >= rule.threshold


def replacement(label: str, value: str, rule: TypePolicy, number: int | None, keys: Pseudonymizer) -> str:
    """Return the text that replaces ``value``. ``number`` is needed by ``REPLACE`` alone.

    All but ``SURROGATE`` give texts in which nothing is found again, so redacting twice is redacting once (D20). A
    surrogate is made to look like a value, and is replaced by another one when it is read again.

    What belongs to an erased person is never anything else than that, whatever the policy says (E27).
    """
    if label == ERASED:
        return erased()
    match rule.operator:
        case Operator.REPLACE:
            if number is None:
                raise ValueError("a numbered placeholder needs a number")
            return numbered(label, number)
        case Operator.MASK:
            return masked(value, rule.mask_keep_last)
        case Operator.HASH:
            return hashed(label, keys.digest(label, canonical(label, value)))
        case Operator.SURROGATE:
            return surrogate(label, value, keys)
        case Operator.DROP:
            return ""
        case Operator.KEEP:
            return value


def masked(value: str, keep_last: int) -> str:
    """Return a mask of the same length. Never shows more than half of a value, however short it is."""
    shown = min(keep_last, len(value) // 2)
    return MASK_SIGN * (len(value) - shown) + (value[-shown:] if shown else "")
