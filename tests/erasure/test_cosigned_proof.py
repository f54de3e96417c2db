"""Receipts' proofs under checkpoints that witnesses have cosigned (E44, A30)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from sidecar.access import Role
from sidecar.audit.anchors.anchor import Anchor, AnchorUnavailable, Held
from sidecar.audit.anchors.cosigned import cosigned_checkpoint
from sidecar.audit.lookup import AuditLookup
from sidecar.audit.note import KeyKind, Note, Signer
from sidecar.audit.reading import AuditReading
from sidecar.cli import main
from sidecar.erasure.proof_api import Unproven, proof_routes, prove_receipt
from sidecar.erasure.receipt import ReceiptInvalid
from sidecar.erasure.receipt_proof import verify_receipt_proof
from tests.audit.samples import ORIGIN, entries, keys_of, make_log
from tests.erasure.test_api import Caller, listening
from tests.erasure.test_receipt_proof import LOG_KEY, RECEIPT, lookup_in, record, signing
from tests.erasure.world import ID, one_target

WITNESS = Signer("witness.example/w", Ed25519PrivateKey.from_private_bytes(b"w" * 32), KeyKind.COSIGNATURE)
OTHER_WITNESS = Signer("other.example/w", Ed25519PrivateKey.from_private_bytes(b"o" * 32), KeyKind.COSIGNATURE)
SEEN = 1_740_830_400
BOTH = (WITNESS.verifier, OTHER_WITNESS.verifier)


class Kept:
    """What is kept of a witness's cosignatures: its latest; or nothing that can be read."""

    def __init__(self, note: Note | None, readable: bool = True) -> None:
        self._note, self._readable = note, readable
        self.name = "kept"

    async def start(self) -> None: ...

    async def stop(self) -> None: ...

    async def publish(self, offer: object) -> None: ...

    async def latest(self, origin: str) -> Held | None:
        if not self._readable:
            raise AnchorUnavailable("told to fail")
        return Held(self.name, self._note) if self._note else None


def cosigned_by(note: Note, *witnesses: Signer) -> Note:
    return note.signed(*(one.sign(note.text, SEEN) for one in witnesses))


def newest(lookup: AuditLookup) -> Note:
    note = lookup.checkpoint()
    assert note is not None
    return note


@pytest.fixture(scope="module")
def lookup(tmp_path_factory: pytest.TempPathFactory) -> AuditLookup:
    return lookup_in(tmp_path_factory.mktemp("log"), [*entries(5), *signing(RECEIPT), *entries(3)])


@pytest.fixture(scope="module")
def cosigned(lookup: AuditLookup) -> bytes:
    made = prove_receipt(lookup, RECEIPT, cosigned_by(newest(lookup), WITNESS, OTHER_WITNESS))
    assert isinstance(made, bytes)
    return made


def test_E44_each_witness_that_is_asked_for_cosigned_it(cosigned: bytes) -> None:
    proven = verify_receipt_proof(RECEIPT, cosigned, LOG_KEY, BOTH)
    assert proven.seen == {"witness.example/w": SEEN, "other.example/w": SEEN}
    for witnesses in ((), BOTH[:1]):
        with pytest.raises(ReceiptInvalid, match="nor a given witness's"):
            verify_receipt_proof(RECEIPT, cosigned, LOG_KEY, witnesses)


def test_E44_a_witness_that_did_not_cosign_is_missed(lookup: AuditLookup) -> None:
    one = prove_receipt(lookup, RECEIPT, cosigned_by(newest(lookup), WITNESS))
    assert isinstance(one, bytes)
    with pytest.raises(ReceiptInvalid, match=r"not cosigned by other\.example"):
        verify_receipt_proof(RECEIPT, one, LOG_KEY, BOTH)


def test_E44_a_cosignature_alone_makes_no_checkpoint_of_the_log(lookup: AuditLookup) -> None:
    alone = cosigned_by(Note(newest(lookup).text), WITNESS)
    made = prove_receipt(lookup, RECEIPT, alone)
    assert isinstance(made, bytes)
    with pytest.raises(ReceiptInvalid):
        verify_receipt_proof(RECEIPT, made, LOG_KEY, BOTH[:1])


@given(data=st.data())
def test_E44_any_changed_byte_fails(cosigned: bytes, data: st.DataObject) -> None:
    changed = bytearray(cosigned)
    changed[data.draw(st.integers(0, len(cosigned) - 1))] ^= data.draw(st.integers(1, 255))
    with pytest.raises(ReceiptInvalid, match="the proof does not hold"):
        verify_receipt_proof(RECEIPT, bytes(changed), LOG_KEY, BOTH)


async def test_the_checkpoint_of_most_witnesses_is_taken_and_one_that_fails_is_passed_over(
    lookup: AuditLookup, tmp_path: Path
) -> None:
    note = newest(lookup)
    shorter = newest(lookup_in(tmp_path, entries(2)))
    agreeing: Sequence[Anchor] = [Kept(cosigned_by(note, WITNESS)), Kept(cosigned_by(note, OTHER_WITNESS))]
    others: Sequence[Anchor] = [Kept(None), Kept(None, readable=False), Kept(cosigned_by(shorter, WITNESS))]
    assert await cosigned_checkpoint([*others, *agreeing], ORIGIN) == cosigned_by(note, WITNESS, OTHER_WITNESS)
    assert await cosigned_checkpoint([others[2], agreeing[0]], ORIGIN) == cosigned_by(note, WITNESS)
    assert await cosigned_checkpoint(others[:2], ORIGIN) is None
    assert prove_receipt(lookup, RECEIPT, cosigned_by(shorter, WITNESS)) is Unproven.NOT_COSIGNED


@asynccontextmanager
async def witnessed(folder: Path, kept: list[Anchor]) -> AsyncIterator[tuple[Caller, AuditReading]]:
    (folder / "state").mkdir()
    log, reading = make_log(folder / "log"), AuditReading(folder / "log", keys_of().provider)
    async with one_target(folder / "state") as (w, _):
        routes = proof_routes(w.stores.requests, reading, partial(cosigned_checkpoint, kept, ORIGIN))
        async with listening(w, routes) as caller:
            await log.start()
            await w.submit()
            await w.settle()
            for entry in w.ledger.entries:
                await record(log, entry)
            await log.stop()
            yield caller, reading
            await reading.stop()


async def test_E44_cosigned_by_endpoint_and_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    token, keys, receipt = tmp_path / "auditor.token", tmp_path / "keys.pem", tmp_path / "receipt.json"
    proof = tmp_path / "receipt.tlog-proof"
    token.write_text("token-auditor\n")
    kept: list[Anchor] = []

    async def call(*arguments: str) -> int:
        return await asyncio.to_thread(main, ["erasure", *arguments])

    async with witnessed(tmp_path, kept) as (caller, reading):
        path = f"/v1/erasures/{ID}/receipt-proof?cosigned=true"
        early = await caller.call(Role.AUDITOR, "GET", path)
        assert (early.status, early.json["error"]["reason"]) == (409, "not_cosigned")
        kept.append(Kept(cosigned_by(await reading.do(newest), WITNESS)))
        door = ["--url", caller.url, "--token-file", str(token)]
        assert await call("receipt", *door, ID, "--output", str(receipt), "--proof", str(proof), "--cosigned") == 0
        assert await call("keys", *door) == 0
        keys.write_text(capsys.readouterr().out)
    check = ["verify-receipt", str(receipt), "--public-key", str(keys)]
    full = [*check, "--proof", str(proof), "--log-key", str(LOG_KEY)]
    assert await call(*full, "--witness-key", str(WITNESS.verifier)) == 0
    assert "cosigned by witness.example/w (2025-03-01T12:00:00Z)" in capsys.readouterr().out
    assert await call(*full) == 1
    assert await call(*check, "--witness-key", str(WITNESS.verifier)) == 2
    with pytest.raises(SystemExit):
        await call(*full, "--witness-key", str(LOG_KEY))
