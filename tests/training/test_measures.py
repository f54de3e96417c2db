"""The measures against tables worked out by hand ("How it is measured")."""

from __future__ import annotations

import pytest

from sidecar.detection.entity_types import DEFAULT_TYPES
from sidecar.detection.recognizer import Message
from sidecar.detection.span import Span
from sidecar.training.corpus import GoldSpan, Labelled
from sidecar.training.measures import ANY_LABEL, Judged, Matches, slices, tally


def judged(text: str, gold: str, found: str, ignore: tuple[tuple[int, int], ...] = ()) -> Judged:
    """``gold`` and ``found``: ``start-end-LABEL`` parted by blanks."""
    spans = [item.split("-") for item in gold.split()]
    golds = tuple(GoldSpan(int(start), int(end), label) for start, end, label in spans)
    hits = tuple(Span(int(s), int(e), label, 0.9, "r") for s, e, label in (item.split("-") for item in found.split()))
    return Judged(Labelled(Message(text), golds, "t", ignore), hits)


@pytest.mark.parametrize(
    ("gold", "found", "leaked"),
    [
        ("3-7-PERSON", "3-7-PERSON", 0),
        ("3-7-PERSON", "", 3),  # "joe "
        ("3-7-PERSON", "3-5-PERSON", 1),
        ("3-7-PERSON", "0-9-ACCOUNT_ID", 0),  # whatever its label
        ("3-7-PERSON", "3-7-PRODUCT", 0),  # redacted by default
        ("3-7-PERSON", "3-7-LOCATION", 3),  # not redacted, so no protection
        ("3-7-ORG", "", 0),  # no direct identifier
        ("3-9-PERSON", "3-5-PERSON 6-9-PERSON", 1),  # "im joe xy": the "e"
        ("0-6-PERSON", "0-2-PERSON 3-6-PERSON", 0),  # the blank between gives nothing away
    ],
)
def test_leak(gold: str, found: str, leaked: int) -> None:
    counted = tally([judged("im joe xyz", gold, found)])
    assert counted.leaked == leaked
    assert counted.identifying_leaked == (leaked > 0)


def test_leak_rate_and_dialogue_leak_over_messages() -> None:
    counted = tally(
        [
            judged("im joe", "3-6-PERSON", ""),
            judged("im joanna", "3-9-PERSON", "3-9-PERSON"),
            judged("at 12", "3-5-PASSWORD", "3-4-PASSWORD"),
            judged("ok", "", ""),
        ]
    )
    assert counted.leak_rate == pytest.approx(4 / 11)
    assert counted.dialogue_leak == pytest.approx(2 / 3)


@pytest.mark.parametrize(
    ("gold", "found", "ignore", "covered", "outside"),
    [
        ("", "0-4-PERSON", (), 4, 10),
        ("0-4-PERSON", "0-6-PERSON", (), 2, 6),
        ("0-4-ORG", "0-6-PERSON", (), 2, 6),
        ("", "0-4-PERSON", ((0, 3),), 1, 7),
        ("", "0-4-PRODUCT", (), 0, 10),  # counts neither way
        ("", "0-4-LOCATION", (), 0, 10),
    ],
)
def test_over_redaction(gold: str, found: str, ignore: tuple[tuple[int, int], ...], covered: int, outside: int) -> None:
    counted = tally([judged("abcdefghij", gold, found, ignore)])
    assert (counted.outside_covered, counted.outside) == (covered, outside)


def test_clean_messages_touched() -> None:
    counted = tally(
        [
            judged("abc", "", "0-1-PERSON"),
            judged("abc", "", ""),
            judged("abc", "", "0-1-PERSON", ((0, 2),)),
            judged("abc", "0-1-PERSON", "0-2-PERSON"),
        ]
    )
    assert (counted.clean, counted.clean_touched) == (3, 1)
    assert counted.touched == pytest.approx(1 / 3)


def test_another_policy_protects_more() -> None:
    one = judged("in paris", "3-8-PERSON", "3-8-LOCATION")
    assert tally([one]).leak_rate == 1
    assert tally([one], DEFAULT_TYPES | {"LOCATION"}).leak_rate == 0


@pytest.mark.parametrize(
    ("found", "right", "wrong", "missed"),
    [
        ("0-4-PERSON", 1, 0, 0),
        ("0-3-PERSON", 1, 0, 0),  # 3/4
        ("0-2-PERSON", 1, 0, 0),  # exactly one half
        ("0-1-PERSON", 0, 1, 1),
        ("0-9-PERSON", 0, 1, 1),  # 4/9
        ("", 0, 0, 1),
        ("0-4-PERSON 6-9-PERSON", 1, 1, 0),
    ],
)
def test_entities_match_at_half_overlap(found: str, right: int, wrong: int, missed: int) -> None:
    counted = tally([judged("abcdefghij", "0-4-PERSON", found)]).by_label["PERSON"]
    assert (counted.right, counted.wrong, counted.missed) == (right, wrong, missed)


def test_each_gold_span_matches_once() -> None:
    counted = tally([judged("abcdefghij", "0-4-PERSON", "0-2-PERSON 2-4-PERSON")]).by_label["PERSON"]
    assert (counted.right, counted.wrong, counted.missed) == (1, 1, 0)


def test_labels_that_a_source_lacks_are_not_held_against_it() -> None:
    one = judged("abcdefghij", "0-4-PERSON", "0-4-PERSON 6-9-URL")
    assert tally([one]).by_label[ANY_LABEL].precision == pytest.approx(1 / 2)
    assert tally([one], labels=frozenset({"PERSON"})).by_label[ANY_LABEL].precision == 1


def test_label_free_matching_ignores_labels() -> None:
    by_label = tally([judged("abcdefghij", "0-4-PERSON", "0-4-USERNAME")]).by_label
    assert by_label[ANY_LABEL].right == 1
    assert (by_label["PERSON"].missed, by_label["USERNAME"].wrong) == (1, 1)


def test_f_measures() -> None:
    matches = Matches(right=6, wrong=2, missed=4)  # precision 3/4, recall 3/5
    assert matches.f(1) == pytest.approx(2 * 0.75 * 0.6 / 1.35)
    assert matches.f(2) == pytest.approx(5 * 0.75 * 0.6 / (4 * 0.75 + 0.6))
    assert Matches().f(1) == 0


def test_slices() -> None:
    parts = slices([judged(text, "", "") for text in ("one two three", "One two three four", "a b c d")])
    assert {name: len(part) for name, part in parts.items()} == {"all": 3, "≤ 3 tokens": 1, "lower case": 2}
