"""What may stand in a record (A18–A20, A23)."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sidecar.audit.fields import OTHER_METHOD, RecordRejected, halves_of, parts_of
from sidecar.audit.record import Action, Decision, Entry, Event, Intent, Outcome
from sidecar.errors import AuditUnavailable
from tests.audit.samples import PSEUDONYM, changed, intent, outcome, types_of

CANARIES = (
    "john.smith@example.com",
    "John Smith",
    "DE89370400440532013000",
    "4111 1111 1111 1111",
    "+1 212 555 0100",
    "12 Main Street, Springfield",
    "/conversations/john.smith@example.com",
    "Jürgen Müller",
    "bob\nroot",
    "\ud83d",
)
OPERATOR_WORDS = {"actor", "route", "policy", "detector"}  # configured; config and our own version strings fill them


def _text_fields() -> list[tuple[Entry, str]]:
    samples: list[Entry] = [intent(), outcome(), Event(Action.START)]
    found: list[tuple[Entry, str]] = []
    for sample in samples:
        found += [(sample, name) for name, kind in types_of(sample).items() if "str" in kind]
    return found


@pytest.mark.parametrize("canary", CANARIES)
@pytest.mark.parametrize(("sample", "name"), _text_fields(), ids=lambda value: value if isinstance(value, str) else "")
def test_no_field_that_an_exchange_can_reach_admits_personal_data_a19_a20(sample: Any, name: str, canary: str) -> None:
    if name in OPERATOR_WORDS:
        return _operator_words_stay_clean(sample, name, canary)
    value: Any = {"entities": {canary: 1}, "confidence": {canary: 1}, "conversations": (canary,)}.get(name, canary)
    if name == "method":
        assert parts_of(changed(sample, method=canary)).facts["method"] == OTHER_METHOD
        return None
    with pytest.raises(RecordRejected) as caught:
        parts_of(changed(sample, **{name: value}))
    assert name in str(caught.value)
    assert canary not in str(caught.value)
    with pytest.raises(RecordRejected, match=f"'{name}'"):
        halves_of(changed(sample, **{name: value}))
    return None


def _operator_words_stay_clean(sample: Any, name: str, canary: str) -> None:
    """An operator may name things as he likes, but for control characters, and for e-mail addresses outside names."""
    if canary in ("bob\nroot", "\ud83d") or (name != "actor" and "@" in canary):
        for write in (parts_of, halves_of):
            with pytest.raises(RecordRejected):
                write(changed(sample, **{name: canary}))


def test_a_rejected_record_counts_as_an_audit_that_is_unavailable() -> None:
    """So whoever handles AuditUnavailable refuses the exchange, and nothing slips by."""
    with pytest.raises(AuditUnavailable):
        parts_of(outcome()._replace(reason="John Smith said so"))


@pytest.mark.parametrize("count", [True, 2**53, -(2**53), 1.5, "3"])
def test_counts_are_whole_numbers_that_json_can_hold(count: Any) -> None:
    for write in (parts_of, halves_of):
        with pytest.raises(RecordRejected):
            write(outcome()._replace(entities={"PERSON": count}))
        with pytest.raises(RecordRejected):
            write(outcome()._replace(bytes_sent=count))


@pytest.mark.parametrize("count", [True, 1.0, [1]])
def test_a_count_is_judged_by_itself_though_one_that_equals_it_was_taken_before(count: Any) -> None:
    halves_of(outcome()._replace(entities={"PERSON": 1}))
    with pytest.raises(RecordRejected):
        halves_of(outcome()._replace(entities={"PERSON": count}))


def test_a_subclass_can_not_carry_fields_of_its_own_a20() -> None:
    @dataclass(frozen=True)
    class Wide(Event):
        note: str = "John Smith"

    for write in (parts_of, halves_of):
        with pytest.raises(RecordRejected):
            write(Wide(Action.START))


def test_absent_and_none_and_empty_are_one_thing_a18() -> None:
    bare = Outcome("x1", Action.PROXY, Decision.COMPLETED)
    same = Outcome("x1", Action.PROXY, Decision.COMPLETED, reason=None, entities={}, conversations=(), subject=None)
    assert parts_of(bare) == parts_of(same)
    assert set(parts_of(bare).facts) == {
        "phase", "exchange_id", "action", "decision", "residuals", "bytes_received", "bytes_sent", "duration_us",
    }  # fmt: skip


def test_what_links_to_a_person_stands_apart_a24() -> None:
    parts = parts_of(intent()._replace(conversation=PSEUDONYM, subject=PSEUDONYM))
    assert set(parts.links) == {"target_pseudonym", "conversation", "subject"}
    assert not set(parts.facts) & set(parts.links)
    assert parts_of(outcome()).links == {"conversations": [PSEUDONYM]}


def test_neither_a_part_nor_its_repr_shows_a_link() -> None:
    assert PSEUDONYM not in repr(parts_of(intent()))
    assert "k1:" not in repr(halves_of(intent()))


def test_every_field_of_every_entry_has_a_grammar() -> None:
    """A new text field without a grammar would refuse every exchange: this names it first."""
    samples: list[Entry] = [
        intent()._replace(conversation=PSEUDONYM, subject=PSEUDONYM, purpose="CASE-7"),
        outcome()._replace(
            reason="not_parseable",
            subject=PSEUDONYM,
            messages=3,
            results=2,
            confidence={"p80": 4},
            receipt_sha256="0" * 64,
        ),
        _full_event(),
    ]
    for sample in samples:
        missing = [name for name in types_of(sample) if getattr(sample, name) is None]
        assert missing == []
        parts = parts_of(sample)
        assert set(types_of(sample)) == (set(parts.facts) | set(parts.links)) - {"phase"}


def _full_event() -> Event:
    digest = "ab" * 32
    return Event(
        Action.START, "torn_line", 1, digest, digest, "p", "d", 7, digest, digest, "local:1", 3, 2,
        (PSEUDONYM,), PSEUDONYM, "archive", digest, digest, digest, digest,
    )  # fmt: skip


def test_intent_keeps_every_value() -> None:
    assert parts_of(Intent("x1", Action.AUDIT_READ, "auditor", "token")).facts == {
        "phase": "intent", "exchange_id": "x1", "action": "audit_read", "actor": "auditor", "proof": "token",
    }  # fmt: skip


# -- what is sealed ----------------------------------------------------------------------------------------------------

PSEUDONYMS = st.from_regex(r"k[0-9]{1,6}:[0-9a-f]{32}", fullmatch=True)
WORDS = st.from_regex(r"[a-z][a-z0-9_]{0,63}", fullmatch=True)
OPERATORS_WORDS = st.text(max_size=20) | st.sampled_from(["50%", "%s %d", 'a "b" \\ c', "Prüfung", "%%"])
NUMBERS = st.integers(-(2**53), 2**53) | st.booleans()
COUNTS = st.dictionaries(
    st.sampled_from(["PERSON", "EMAIL", "EMAIL_ADDRESS", "p80", "p10", "p100", "10 %"]),
    st.integers(-3, 2**53),
    max_size=3,
)
DIGESTS = st.just("ab" * 32)
INTENTS = st.builds(
    Intent, WORDS, st.sampled_from(Action), OPERATORS_WORDS, WORDS, st.none() | DIGESTS, st.none(),
    st.none() | OPERATORS_WORDS, st.none() | st.sampled_from(["GET", "BREW", "x"]), st.none() | PSEUDONYMS,
    st.none() | PSEUDONYMS, st.none() | PSEUDONYMS | st.just("%s"), st.none() | st.sampled_from(["CASE-7", "anna"]),
)  # fmt: skip
OUTCOMES = st.builds(
    Outcome, WORDS, st.sampled_from(Action), st.sampled_from(Decision), st.none() | WORDS, st.none() | NUMBERS,
    st.lists(PSEUDONYMS, max_size=2).map(tuple), st.none() | PSEUDONYMS, COUNTS, COUNTS, NUMBERS, st.none() | NUMBERS,
    st.none(), NUMBERS, NUMBERS, NUMBERS, st.none() | OPERATORS_WORDS, st.none() | OPERATORS_WORDS, st.none() | DIGESTS,
)  # fmt: skip
EVENTS = st.builds(Event, st.sampled_from(Action), st.none() | WORDS, st.none() | NUMBERS, conversations=st.just(()))


class Word(str):
    """A text of another class than ``str``, as enumerations are."""

    __slots__ = ()


def written(write: Any, entry: Entry) -> Any:
    try:
        return write(entry)
    except RecordRejected:
        return RecordRejected


@settings(max_examples=500)
@given(INTENTS | OUTCOMES | EVENTS)
def test_a18_what_is_sealed_is_the_canonical_form_of_what_was_checked(entry: Entry) -> None:
    """Or it is refused."""
    assert written(halves_of, entry) == written(lambda one: parts_of(one).halves, entry)


@pytest.mark.parametrize("entry", [intent()._replace(exchange_id=Word("x1")), intent()._replace(route=Word("chat"))])
def test_a18_texts_of_other_classes_are_written_alike(entry: Entry) -> None:
    assert halves_of(entry) == parts_of(entry).halves


def test_every_field_that_is_given_is_sealed() -> None:
    for sample in (intent(), outcome()._replace(subject=PSEUDONYM, messages=3, results=2), _full_event()):
        facts, links = (json.loads(half) for half in halves_of(sample))
        assert (facts, links) == (parts_of(sample).facts, parts_of(sample).links)
