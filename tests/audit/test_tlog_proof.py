"""One record with its proof in one file: what holds, and every way in which it must not."""

from __future__ import annotations

import asyncio
import json
import shutil
from base64 import b64decode, b64encode
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from sidecar.audit.index import INDEX_NAME, AuditIndex
from sidecar.audit.keyring import signer_of
from sidecar.audit.lookup import AuditLookup
from sidecar.audit.merkle import ProofInvalid
from sidecar.audit.note import KeyKind, Note, Signer, Verifier, parse_checkpoint
from sidecar.audit.sealing import OpenedPart
from sidecar.audit.tlog_proof import RecordProof, by_the_log, parse_record_proof, verify_record
from sidecar.keys import MasterKey
from tests.audit.samples import MASTER, ORIGIN, PSEUDONYM, entries, keys_of, make_log, write_log

LATER = MasterKey(bytes(range(1, 33)), 2)
KEY = signer_of(MASTER, ORIGIN).verifier
LATER_KEY = signer_of(LATER, ORIGIN).verifier
STRANGER = Signer(ORIGIN, Ed25519PrivateKey.from_private_bytes(bytes(32)))
WITNESS = Signer("witness.example", Ed25519PrivateKey.from_private_bytes(bytes(32)), KeyKind.COSIGNATURE)


def proof_in(folder: Path, index: int) -> RecordProof:
    lookup = AuditLookup(folder, keys_of(ORIGIN, LATER, MASTER).provider, AuditIndex(folder / INDEX_NAME))
    lookup.catch_up()
    note, stored = lookup.checkpoint(), lookup.at(index)
    assert note is not None
    assert stored.facts is not None
    path = lookup.prove(stored, parse_checkpoint(note.text)).proof
    introductions = lookup.introductions(parse_checkpoint(note.text).size)
    return RecordProof(index, stored.record.leaf, stored.facts, path, by_the_log(note), introductions)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_log(tmp_path_factory.mktemp("log"), entries(10))


@pytest.fixture(scope="module")
def proof(folder: Path) -> RecordProof:
    return proof_in(folder, 6)


def test_it_holds_with_the_logs_key_alone_and_opens_no_links(proof: RecordProof) -> None:
    proven = verify_record(bytes(proof), KEY)
    assert (proven.log, proven.index, proven.size) == (ORIGIN, 6, 21)
    assert proven.facts["phase"] == "outcome"
    assert PSEUDONYM.encode() not in bytes(proof)
    assert PSEUDONYM not in b64decode(bytes(proof).split(b"\n")[1].removeprefix(b"extra ")).decode()


def test_every_record_of_trees_of_every_size_has_one(tmp_path: Path) -> None:
    for exchanges in range(4):
        folder = write_log(tmp_path / str(exchanges), entries(exchanges))
        for index in range(1 + 2 * exchanges):
            assert verify_record(bytes(proof_in(folder, index)), KEY).index == index


@pytest.fixture(scope="module")
def rotated(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> RecordProof:
    """A proof of an old record, under a checkpoint by a key that the first one introduced since."""
    later = tmp_path_factory.mktemp("rotated") / "log"
    shutil.copytree(folder, later, ignore=shutil.ignore_patterns(f"{INDEX_NAME}*"))

    async def run() -> None:
        for _ in range(2):
            log = make_log(later, keys=keys_of(ORIGIN, LATER, MASTER))
            await log.start()
            await log.stop()

    asyncio.run(run())
    proof = proof_in(later, 6)
    assert {one.key_id for one in proof.checkpoint.signatures} == {LATER_KEY.id}
    return proof


def test_a28_keys_are_followed_from_the_first_one(rotated: RecordProof) -> None:
    assert verify_record(bytes(rotated), KEY).index == 6
    for other in (LATER_KEY, STRANGER.verifier):
        with pytest.raises(ProofInvalid, match="key"):
            verify_record(bytes(rotated), other)
    with pytest.raises(ProofInvalid, match="no key of the log"):
        verify_record(bytes(replace(rotated, introductions=())), KEY)


@given(data=st.data())
def test_E44_any_changed_byte_fails(rotated: RecordProof, data: st.DataObject) -> None:
    changed = bytearray(bytes(rotated))
    changed[data.draw(st.integers(0, len(changed) - 1))] ^= data.draw(st.integers(1, 255))
    with pytest.raises(ProofInvalid):
        verify_record(bytes(changed), KEY)


@given(data=st.data())
def test_E44_any_changed_byte_of_the_extra_fails(rotated: RecordProof, data: st.DataObject) -> None:
    head, extra, *rest = bytes(rotated).split(b"\n")
    inner = bytearray(b64decode(extra.removeprefix(b"extra ")))
    inner[data.draw(st.integers(0, len(inner) - 1))] ^= data.draw(st.integers(1, 255))
    with pytest.raises(ProofInvalid):
        verify_record(b"\n".join((head, b"extra " + b64encode(inner), *rest)), KEY)


def test_E44_a_key_that_did_not_sign_its_own_introduction_fails(rotated: RecordProof) -> None:
    (note,) = rotated.introductions
    forged = [replace(one, made=one.made[::-1]) if one.key_id == LATER_KEY.id else one for one in note.signatures]
    with pytest.raises(ProofInvalid, match="does not verify"):
        verify_record(bytes(replace(rotated, introductions=(Note(note.text, tuple(forged)),))), KEY)


@given(data=st.data(), added=st.binary(min_size=1, max_size=3))
def test_E44_any_added_or_missing_byte_fails(proof: RecordProof, data: st.DataObject, added: bytes) -> None:
    whole = bytes(proof)
    place = data.draw(st.integers(0, len(whole) - 1))
    for changed in (whole[:place] + added + whole[place:], whole[:place] + whole[place + 1 :]):
        with pytest.raises(ProofInvalid):
            verify_record(changed, KEY)


def _resigned(proof: RecordProof) -> RecordProof:
    return replace(proof, checkpoint=parse_checkpoint(proof.checkpoint.text).signed_by(STRANGER))


def _said(proof: RecordProof, **facts: str) -> RecordProof:
    return replace(proof, facts=OpenedPart({**proof.facts.members, **facts}, proof.facts.salt))


def _signed_besides(proof: RecordProof, signer: Signer) -> RecordProof:
    return replace(proof, checkpoint=proof.checkpoint.signed(signer.sign(proof.checkpoint.text)))


def _rooted(proof: RecordProof) -> RecordProof:
    checkpoint = replace(parse_checkpoint(proof.checkpoint.text), root=bytes(32))
    return replace(proof, checkpoint=Note(checkpoint.text, proof.checkpoint.signatures))


ATTACKS: dict[str, tuple[Callable[[RecordProof], RecordProof], str]] = {
    "other facts": (lambda one: _said(one, decision="denied"), "facts"),
    "more facts": (lambda one: _said(one, receipt_sha256="ab" * 32), "facts"),
    "another salt": (lambda one: replace(one, facts=OpenedPart(one.facts.members, bytes(16))), "facts"),
    "another number": (lambda one: replace(one, index=4), "another record"),
    "a number beyond": (lambda one: replace(one, index=21), "another record"),
    "a leaf of another number": (
        lambda one: replace(one, leaf=one.leaf.replace(b'"seq":6', b'"seq":7'), index=7), "another root"
    ),
    "a leaf of another log": (lambda one: replace(one, leaf=one.leaf.replace(b"pod-0", b"pod-1")), "another record"),
    "a leaf that is none": (lambda one: replace(one, leaf=b"{}"), "leaf"),
    "a short path": (lambda one: replace(one, path=one.path[:-1]), "too short"),
    "a long path": (lambda one: replace(one, path=(*one.path, bytes(32))), "too long"),
    "another path": (lambda one: replace(one, path=(bytes(32), *one.path[1:])), "another root"),
    "another root": (_rooted, "no key of the log"),
    "a checkpoint by a stranger": (_resigned, "no key of the log"),
    "a stranger besides": (lambda one: _signed_besides(one, STRANGER), "not the log's"),
    "a witness besides": (lambda one: _signed_besides(one, WITNESS), "not the log's"),
    "a key that a stranger introduced": (
        lambda one: replace(
            _resigned(one),
            introductions=(
                replace(
                    parse_checkpoint(one.checkpoint.text), extensions=(f"key {STRANGER.verifier}",)
                ).signed_by(STRANGER),
            ),
        ),
        "no key of the log",
    ),
}  # fmt: skip


@pytest.mark.parametrize("attack", ATTACKS)
def test_E44_a_proof_that_was_put_together_anew_fails(proof: RecordProof, attack: str) -> None:
    change, word = ATTACKS[attack]
    with pytest.raises(ProofInvalid, match=word):
        verify_record(bytes(change(proof)), KEY)


@pytest.mark.parametrize("name", ["example.org/audit/pod-1", "other"])
def test_the_key_of_another_log_fails(proof: RecordProof, name: str) -> None:
    with pytest.raises(ProofInvalid, match="no key of the log"):
        verify_record(bytes(proof), Verifier(name, KEY.public))


def test_what_is_no_proof_fails(proof: RecordProof) -> None:
    _, extra, *rest = bytes(proof).split(b"\n")
    members = json.loads(b64decode(extra.removeprefix(b"extra ")))
    deep = b64encode(b"[" * 99_999)
    unspeakable = b64encode(json.dumps(members | {"facts": {"x": float("nan")}}).encode())
    without = b64encode(json.dumps({name: one for name, one in members.items() if name != "leaf"}).encode())
    head = b"c2sp.org/tlog-proof@v1"
    made = [b"\n".join((head, b"extra " + one, *rest)) for one in (deep, unspeakable, without, b"", b"!")]
    for data in (b"", b"\xff", head, b"\n\n", *made, bytes(proof).replace(head, b"c2sp.org/tlog-proof@v2")):
        with pytest.raises(ProofInvalid, match="no tlog-proof"):
            parse_record_proof(data)


def test_only_the_logs_own_signatures_are_taken_along(proof: RecordProof) -> None:
    cosigned = proof.checkpoint.signed(WITNESS.sign(proof.checkpoint.text, 1))
    assert by_the_log(cosigned) == proof.checkpoint
