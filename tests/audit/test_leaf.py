"""One record as one line, sealed and bound (A9, A18, A24, A25)."""

from __future__ import annotations

import base64
import json
import os
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from hashlib import sha256
from typing import Any

import pytest
import rfc8785
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from hypothesis import given
from hypothesis import strategies as st

from sidecar.audit.fields import Parts
from sidecar.audit.keytree import KeyTree
from sidecar.audit.leaf import (
    GENESIS,
    LINE_LIMIT,
    BrokenLine,
    Flaw,
    Place,
    RecordLine,
    follow,
    instant,
    is_origin,
    make_line,
    parse_record,
)
from sidecar.audit.sealing import Opener, Sealer, SegmentKeys
from sidecar.errors import AuditUnavailable
from tests.audit.samples import ORIGIN

KEYS = SegmentKeys(b"f" * 32, {"": b"l" * 32})
TIME = "2026-03-01T09:00:00.000001Z"
PLACE = Place(ORIGIN, 3, 41, TIME, "ab" * 32)
SALTS = b"a" * 16 + b"b" * 16
FIRST = 40


def sealed_line(parts: Parts, place: Place = PLACE, salts: bytes = SALTS) -> tuple[bytes, str]:
    sealed = Sealer(KEYS, FIRST, lambda: 1).seal(parts.halves, place, salts)
    return make_line(place, sealed.commitments, sealed.facts, sealed.links)


def by_hand(facts: dict[str, Any], links: dict[str, Any], head: dict[str, Any] | None = None) -> bytes:
    """Write a line as an independent writer would who knows docs/audit-format.md."""
    columns, commitments = [], []
    link_key = KeyTree(KEYS.links).leaf(1)
    assert link_key is not None
    parts = [(b"facts", b"a" * 16, facts, KEYS.facts), (b"links", b"b" * 16, links, link_key)]
    for number, (name, salt, part, key) in enumerate(parts):
        domain = b"sidecar-audit/2/" + name + b"\x00"
        plain = salt + rfc8785.dumps(part)
        commitments.append(sha256(domain + plain).hexdigest())
        nonce = number.to_bytes(12, "big")
        bound = domain + ORIGIN.encode() + b"\x003\x0041"
        columns.append(base64.b64encode(nonce + AESGCM(key).encrypt(nonce, plain, bound)))
    seals = [sha256(one).hexdigest() for one in columns]
    whole = {
        "log": ORIGIN, "prev": "ab" * 32, "seals": seals, "segment": 3, "seq": 41, "time": TIME, "v": 2, **(head or {}),
    }  # fmt: skip
    leaf = rfc8785.dumps({"commitments": commitments, "head": whole})
    digest = sha256(b"\x00" + leaf).hexdigest().encode()
    return b"\t".join([b"record", digest, leaf, *columns]) + b"\n"


def test_a_line_is_what_the_documented_formula_says() -> None:
    line, digest = sealed_line(Parts({"phase": "event"}, {"subject": "k1:00"}))
    assert line == by_hand({"phase": "event"}, {"subject": "k1:00"})
    assert line.split(b"\t")[1].decode() == digest


TEXT = st.text(st.characters(codec="utf-8"), max_size=8)
MEMBERS = st.dictionaries(TEXT, st.one_of(TEXT, st.integers(-(2**53) + 1, 2**53 - 1), st.lists(TEXT, max_size=3)))


@given(MEMBERS, MEMBERS)
def test_sealing_and_opening_are_inverse_a18_a25(facts: dict[str, Any], links: dict[str, Any]) -> None:
    line, digest = sealed_line(Parts(facts, links))
    record, time = follow(line, PLACE)
    assert (record.hash, time) == (digest, TIME)
    assert parse_record(line) == (record, PLACE)
    opened = Opener(KEYS, FIRST).open(record, PLACE)
    assert opened.links is not None
    assert (opened.facts.members, opened.links.members) == (facts, links)
    assert (opened.facts.salt, opened.links.salt) == (SALTS[:16], SALTS[16:])
    assert line.count(b"\n") == 1


@given(MEMBERS, st.randoms())
def test_the_order_of_members_changes_nothing_a18(facts: dict[str, Any], random: Any) -> None:
    shuffled = list(facts.items())
    random.shuffle(shuffled)
    assert sealed_line(Parts(dict(shuffled), {})) == sealed_line(Parts(facts, {}))


def test_members_of_later_versions_are_kept_and_covered_a18() -> None:
    line = by_hand({"invented_later": "x", "ratio": 0.25}, {"household": "k1:00"}, {"epoch": 3})
    record, _ = follow(line, PLACE)
    opened = Opener(KEYS, FIRST).open(record, PLACE)
    assert opened.facts.members == {"invented_later": "x", "ratio": 0.25}
    with pytest.raises(BrokenLine):
        follow(line.replace(b'"epoch":3', b'"epoch":4'), PLACE)


def _columns(line: bytes) -> list[bytes]:
    return line[:-1].split(b"\t")


def _rehashed(line: bytes, old: bytes, new: bytes) -> bytes:
    """Change a leaf and give it the hash that is right for it."""
    columns = _columns(line)
    columns[2] = columns[2].replace(old, new, 1)
    columns[1] = sha256(b"\x00" + columns[2]).hexdigest().encode()
    return b"\t".join(columns) + b"\n"


GOOD = by_hand({"phase": "event"}, {})


@pytest.mark.parametrize(
    ("line", "flaw"),
    [
        (GOOD[:-1], Flaw.TORN),
        (b"", Flaw.TORN),
        (b"\n", Flaw.MALFORMED),
        (b"record\t1\n", Flaw.MALFORMED),
        (b"\xff\xfe\n", Flaw.MALFORMED),
        (b"\x00" * 10 + b"\n", Flaw.MALFORMED),
        (b" " * (LINE_LIMIT + 1), Flaw.MALFORMED),
        (GOOD.replace(b"record", b"rekord"), Flaw.MALFORMED),
        (b" " + GOOD, Flaw.MALFORMED),
        (GOOD.replace(b'"seq":41', b'"seq":42'), Flaw.EDITED),
        (GOOD[:-3] + b"A=\n", Flaw.EDITED),
        (_rehashed(GOOD, b'"seq":41', b'"seq":true'), Flaw.EDITED),
        (_rehashed(GOOD, b'"seq":41', b'"seq":"41"'), Flaw.EDITED),
        (_rehashed(GOOD, b'"seq":41', b'"seq":1e999'), Flaw.EDITED),
        (_rehashed(GOOD, b'"seq":41', b'"seq": 41'), Flaw.EDITED),
        (_rehashed(GOOD, b'"seq":41', b'"seq":41,"seq":41'), Flaw.EDITED),
        (_rehashed(GOOD, b'"seq":41', b'"seq":40'), Flaw.INSERTED),
        (_rehashed(GOOD, b'"seq":41', b'"seq":43'), Flaw.DELETED),
        (_rehashed(GOOD, b'"segment":3', b'"segment":2'), Flaw.INSERTED),
        (_rehashed(GOOD, b"pod-0", b"pod-1"), Flaw.WRONG_LOG),
        (_rehashed(GOOD, b'"prev":"ab', b'"prev":"cd'), Flaw.EDITED),
        (_rehashed(GOOD, b"T09:", b"T08:"), Flaw.EDITED),
        (_rehashed(GOOD, b"T09:", b"Tx9:"), Flaw.EDITED),
        (_rehashed(GOOD, b'"v":2', b'"v":3'), Flaw.UNKNOWN_VERSION),
        (_rehashed(GOOD, b'{"commitments":["', b'{"commitments":["zz'), Flaw.EDITED),
        (_rehashed(GOOD, b'{"commitments"', b"{" * 100_000), Flaw.MALFORMED),
        (_rehashed(GOOD, b'"head":', b'"head":[],"heat":'), Flaw.EDITED),
    ],
    ids=lambda value: value.value if isinstance(value, Flaw) else None,
)
def test_a_line_that_no_writer_wrote_here_is_named_for_what_it_is(line: bytes, flaw: Flaw) -> None:
    with pytest.raises(BrokenLine) as caught:
        follow(line, PLACE)
    assert caught.value.flaw is flaw


def test_every_single_bit_of_a_line_matters_a9() -> None:
    for index in range(len(GOOD)):
        for bit in range(8):
            flipped = bytes([*GOOD[:index], GOOD[index] ^ (1 << bit), *GOOD[index + 1 :]])
            with pytest.raises(BrokenLine):
                follow(flipped, PLACE)


def test_the_error_holds_nothing_of_the_line() -> None:
    with pytest.raises(BrokenLine) as caught:
        follow(b'{"name": "John Smith"}\n', PLACE)
    assert "John" not in repr(caught.value)
    assert caught.value.__cause__ is None


# -- sealing ---------------------------------------------------------------------------------------------------------


def _record(parts: Parts, place: Place = PLACE) -> RecordLine:
    return follow(sealed_line(parts, place)[0], place)[0]


@pytest.mark.parametrize(
    "elsewhere",
    [PLACE._replace(seq=42), PLACE._replace(segment=4), PLACE._replace(log="example.org/audit/pod-1")],
    ids=["another record", "another segment", "another log"],
)
def test_a_sealed_part_opens_in_its_own_place_only_a25(elsewhere: Place) -> None:
    with pytest.raises(BrokenLine) as caught:
        Opener(KEYS, FIRST).open(_record(Parts({"phase": "event"}, {})), elsewhere)
    assert caught.value.flaw is Flaw.UNREADABLE


@pytest.mark.parametrize("swapped", ["facts and links", "facts of another record", "another key"])
def test_swapped_ciphertexts_and_foreign_keys_are_refused_a25(swapped: str) -> None:
    record, keys = _record(Parts({"phase": "event"}, {})), KEYS
    match swapped:
        case "facts and links":
            record = record._replace(facts=record.links, links=record.facts)
        case "facts of another record":
            record = record._replace(facts=_record(Parts({"phase": "event"}, {}), PLACE._replace(seq=42)).facts)
        case _:
            keys = replace(KEYS, facts=b"g" * 32)
    with pytest.raises(BrokenLine):
        Opener(keys, FIRST).open(record, PLACE)


def test_a_part_must_say_what_the_leaf_commits_to() -> None:
    """A sealed part is bound to its place, but whoever has the key could seal another there."""
    record, other = _record(Parts({"phase": "event"}, {})), _record(Parts({"phase": "intent"}, {}))
    with pytest.raises(BrokenLine, match="something else than its commitment"):
        Opener(KEYS, FIRST).open(record._replace(facts=other.facts), PLACE)


def test_nothing_of_a_record_shows_in_its_line_a25() -> None:
    line, _ = sealed_line(Parts({"actor": "trainer-1"}, {"subject": "k1:0123"}))
    raw = b"".join(base64.b64decode(one) for one in _columns(line)[3:])
    for text in (b"trainer", b"actor", b"k1:", b"subject"):
        assert text not in line
        assert text not in raw


def test_no_nonce_is_used_twice_with_one_key_not_even_for_one_number_a27() -> None:
    """A record that could not be written is sealed anew, or another one in its place."""
    sealer, seen = Sealer(KEYS, FIRST, lambda: 1), set()
    for _ in range(200):
        sealed = sealer.seal(Parts({"phase": "event"}, {}).halves, PLACE, SALTS)
        seen |= {base64.b64decode(one)[:12] for one in (sealed.facts, sealed.links)}
    assert len(seen) == 400


def test_a_real_fork_can_not_seal_and_its_parent_still_can_a27() -> None:
    sealer = Sealer(KEYS, FIRST, os.getpid)
    child = os.fork()
    if child == 0:
        try:
            sealer.seal(Parts({}, {}).halves, PLACE, SALTS)
        except AuditUnavailable:
            os._exit(7)
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
    assert sealer.seal(Parts({}, {}).halves, PLACE, SALTS).facts


def test_a_forked_process_can_not_seal_a27() -> None:
    process = [1]
    sealer = Sealer(KEYS, FIRST, lambda: process[0])
    sealer.seal(Parts({}, {}).halves, PLACE, SALTS)
    process[0] = 2
    with pytest.raises(AuditUnavailable, match="another process"):
        sealer.seal(Parts({}, {}).halves, PLACE, SALTS)


def test_destroying_the_key_of_links_leaves_the_rest_and_the_leaf_a24() -> None:
    record = _record(Parts({"phase": "event"}, {"subject": "k1:00"}))
    left = KeyTree(KEYS.links).without([PLACE.seq - FIRST])
    opened = Opener(replace(KEYS, links=left.nodes), FIRST).open(record, PLACE)
    assert opened.facts.members == {"phase": "event"}
    assert opened.links is None


def test_a_commitment_can_not_be_matched_without_the_salt_a21() -> None:
    parts = Parts({"phase": "intent"}, {"subject": "k1:00"})
    assert sealed_line(parts)[1] != sealed_line(parts, salts=b"c" * 32)[1]


# -- words -----------------------------------------------------------------------------------------------------------


@given(
    st.datetimes(
        datetime(2000, 1, 1), datetime(2900, 1, 1), timezones=st.just(timezone(timedelta(hours=5, minutes=30)))
    ),
    st.datetimes(datetime(2000, 1, 1), datetime(2900, 1, 1), timezones=st.just(UTC)),
)
def test_times_are_utc_keep_microseconds_and_sort_as_text_a17(one: datetime, other: datetime) -> None:
    assert datetime.fromisoformat(instant(one)) == one
    assert len(instant(one)) == len(TIME)
    assert (instant(one) < instant(other)) == (one < other)


@pytest.mark.parametrize(
    ("name", "is_one"),
    [("sidecar-audit/pod-0", True), ("a", True), ("", False), ("a b", False), ('a"', False), ("a+b", False),
     ("ü", False), ("/a", False), ("a" * 129, False)],
)  # fmt: skip
def test_a_log_is_called_by_what_needs_no_escape_anywhere(name: str, is_one: bool) -> None:
    assert is_origin(name) is is_one
    if is_one:
        assert json.dumps(name) == f'"{name}"'


def test_the_first_record_continues_zeros() -> None:
    assert Place(ORIGIN, 0, 0, TIME).prev == GENESIS == "0" * 64
