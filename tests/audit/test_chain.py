"""One record as one line (A9, A18, A24)."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from hashlib import sha256
from typing import Any

import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st

from sidecar.audit.chain import GENESIS, LINE_LIMIT, BrokenLine, Flaw, Place, Salts, instant, seal, unseal
from sidecar.audit.fields import Parts
from tests.audit.samples import LOG_ID, entries, lines_of

SALTS = Salts(b"a" * 16, b"b" * 16)
PLACE = Place(LOG_ID, 0, "2026-03-01T09:00:00.000001Z")


def _resealed(change: dict[str, Any]) -> bytes:
    """Write a line by hand, as an independent writer would, with members added to its head, facts or links."""
    facts = {"phase": "event", **change.get("entry", {})}
    links = change.get("links", {})
    head = {"log": LOG_ID, "prev": GENESIS, "seq": 0, "time": PLACE.time, "v": 1, **change.get("head", {})}
    commitments = [
        sha256(b"sidecar-audit/1/facts\x00" + SALTS.facts + rfc8785.dumps(facts)).hexdigest(),
        sha256(b"sidecar-audit/1/links\x00" + SALTS.links + rfc8785.dumps(links)).hexdigest(),
    ]
    digest = sha256(b"\x00" + rfc8785.dumps({"commitments": commitments, "head": head})).hexdigest()
    salts = [SALTS.facts.hex(), SALTS.links.hex()]
    return rfc8785.dumps({"entry": facts, "hash": digest, "head": head, "links": links, "salts": salts}) + b"\n"


def test_a_line_is_what_the_documented_formula_says() -> None:
    line, digest = seal(Parts({"phase": "event"}, {}), PLACE, SALTS)
    assert line == _resealed({})
    assert json.loads(line)["hash"] == digest


TEXT = st.text(st.characters(codec="utf-8"), max_size=8)
MEMBERS = st.dictionaries(TEXT, st.one_of(TEXT, st.integers(-(2**53) + 1, 2**53 - 1), st.lists(TEXT, max_size=3)))


@given(MEMBERS, MEMBERS)
def test_sealing_and_unsealing_are_inverse_and_canonical_a18(facts: dict[str, Any], links: dict[str, Any]) -> None:
    line, digest = seal(Parts(facts, links), PLACE, SALTS)
    sealed = unseal(line)
    assert (dict(sealed.parts.facts), dict(sealed.parts.links)) == (facts, links)
    assert (sealed.place, sealed.hash) == (PLACE, digest)
    assert line == rfc8785.dumps(json.loads(line)) + b"\n"
    assert line.count(b"\n") == 1


@given(MEMBERS, st.randoms())
def test_the_order_of_members_changes_nothing_a18(facts: dict[str, Any], random: Any) -> None:
    shuffled = list(facts.items())
    random.shuffle(shuffled)
    assert seal(Parts(dict(shuffled), {}), PLACE, SALTS) == seal(Parts(facts, {}), PLACE, SALTS)


@pytest.mark.parametrize(
    "change",
    [
        {"entry": {"invented_later": "x"}},
        {"entry": {"ratio": 0.25}},
        {"links": {"household": "k1:00"}},
        {"head": {"epoch": 3}},
    ],
)
def test_members_of_later_versions_are_kept_and_covered_a18(change: dict[str, Any]) -> None:
    line = _resealed(change)
    sealed = unseal(line)
    for part, members in change.items():
        for name, value in members.items():
            if part != "head":
                assert {"entry": sealed.parts.facts, "links": sealed.parts.links}[part][name] == value
            edited = line.replace(json.dumps(value).encode(), b"7", 1)
            with pytest.raises(BrokenLine):
                unseal(edited)


GOOD = lines_of(entries(1))[1]


@pytest.mark.parametrize(
    ("line", "flaw"),
    [
        (GOOD[:-1], Flaw.TORN),
        (b"", Flaw.TORN),
        (b"\n", Flaw.NOT_JSON),
        (b"[1]\n", Flaw.NOT_JSON),
        (b"{" * 100_000 + b"\n", Flaw.NOT_JSON),
        (b'{"a":' * 100_000 + b"\n", Flaw.NOT_JSON),
        (b"\xff\xfe\n", Flaw.NOT_JSON),
        (b"\x00" * 10 + b"\n", Flaw.NOT_JSON),
        (b" " * (LINE_LIMIT + 1), Flaw.NOT_JSON),
        (b"{}\n", Flaw.EDITED),
        (b" " + GOOD, Flaw.EDITED),
        (GOOD.replace(b'"GET"', b'"PUT"'), Flaw.EDITED),
        (GOOD.replace(b'"entry":{', b'"entry":{"action":"proxy",'), Flaw.EDITED),
        (GOOD.replace(b'{"entry"', b'{"also":1,"entry"'), Flaw.EDITED),
        (GOOD.replace(b'"seq":1', b'"seq":true'), Flaw.EDITED),
        (GOOD.replace(b'"seq":1', b'"seq":"1"'), Flaw.EDITED),
        (GOOD.replace(b'"seq":1', b'"seq":1e999'), Flaw.EDITED),
        (GOOD.replace(b'"seq":1', b'"seq":18446744073709551616'), Flaw.EDITED),
        (GOOD.replace(b'"v":1', b'"v":2'), Flaw.UNKNOWN_VERSION),
        (GOOD.replace(b'"salts":["', b'"salts":["zz'), Flaw.EDITED),
        (GOOD.replace(b'"salts":["', b'"salts":[1,"'), Flaw.EDITED),
        (GOOD.replace(b'"route":"chat"', b'"route":"\\ud800"'), Flaw.EDITED),
    ],
    ids=lambda value: value.value if isinstance(value, Flaw) else None,
)
def test_a_line_that_no_writer_wrote_is_named_for_what_it_is(line: bytes, flaw: Flaw) -> None:
    with pytest.raises(BrokenLine) as caught:
        unseal(line)
    assert caught.value.flaw is flaw


def test_the_error_holds_nothing_of_the_line() -> None:
    with pytest.raises(BrokenLine) as caught:
        unseal(b'{"name": "John Smith"}\n')
    assert "John" not in repr(caught.value)
    assert caught.value.__cause__ is None


def test_erasing_a_part_leaves_the_hash_computable_from_its_commitment_a24() -> None:
    """What a later version needs: the hash over a line depends on a part through its commitment alone."""
    line, digest = seal(Parts({"phase": "intent"}, {"subject": "k1:00"}), PLACE, SALTS)
    outer = json.loads(line)
    kept = sha256(b"sidecar-audit/1/links\x00" + SALTS.links + b'{"subject":"k1:00"}').hexdigest()
    facts = sha256(b"sidecar-audit/1/facts\x00" + SALTS.facts + b'{"phase":"intent"}').hexdigest()
    leaf = rfc8785.dumps({"commitments": [facts, kept], "head": outer["head"]})
    assert sha256(b"\x00" + leaf).hexdigest() == digest


def test_a_commitment_can_not_be_matched_without_the_salt_a21() -> None:
    one = seal(Parts({"phase": "intent"}, {"subject": "k1:00"}), PLACE, SALTS)[1]
    other = seal(Parts({"phase": "intent"}, {"subject": "k1:00"}), PLACE, replace(SALTS, links=b"c" * 16))[1]
    assert one != other


@given(
    st.datetimes(
        datetime(2000, 1, 1), datetime(2900, 1, 1), timezones=st.just(timezone(timedelta(hours=5, minutes=30)))
    ),
    st.datetimes(datetime(2000, 1, 1), datetime(2900, 1, 1), timezones=st.just(UTC)),
)
def test_times_are_utc_keep_microseconds_and_sort_as_text_a17(one: datetime, other: datetime) -> None:
    assert datetime.fromisoformat(instant(one)) == one
    assert len(instant(one)) == len("2026-03-01T09:00:00.000001Z")
    assert (instant(one) < instant(other)) == (one < other)
