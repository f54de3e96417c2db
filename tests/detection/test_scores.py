"""The scale of scores (D8)."""

from __future__ import annotations

from sidecar.detection import scores
from sidecar.detection.entity_types import ENTITY_TYPES
from sidecar.redaction.policy import TypePolicy


def test_the_scale_rises_from_guess_to_configured_d8() -> None:
    scale = [
        scores.GUESS,
        scores.CHECKSUM,
        scores.GRAMMAR,
        scores.STRONG_GRAMMAR,
        scores.DIALOGUE,
        scores.CONTEXT,
        scores.CERTAIN_SHAPE,
        scores.CHECKED_CONTEXT,
        scores.KNOWN,
        scores.CONFIGURED,
    ]
    assert scale == sorted(set(scale))


def test_a_guess_reaches_the_default_threshold() -> None:
    assert TypePolicy().threshold <= scores.GUESS


def test_every_type_has_a_place_in_the_order_of_specificity_d8() -> None:
    assert sorted(scores.SPECIFICITY) == sorted(ENTITY_TYPES)
    assert scores.specificity("IBAN") > scores.specificity("OTHER_ID") > scores.specificity("DATE") > 0
    assert scores.specificity("UNHEARD_OF") == 0
