"""A receipt's proof of inclusion in the audit log: made from a real log, checked offline (E44, E45)."""

from __future__ import annotations

import asyncio
from base64 import b64decode
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.access import Role
from sidecar.audit.index import INDEX_NAME, AuditIndex
from sidecar.audit.keyring import signer_of
from sidecar.audit.log import AuditLog
from sidecar.audit.lookup import AuditLookup
from sidecar.audit.reading import AuditReading
from sidecar.audit.record import Action, Decision, Entry, Event, Intent, Outcome
from sidecar.cli import main
from sidecar.erasure.proof_api import Unproven, proof_routes, prove_receipt
from sidecar.erasure.receipt import ReceiptFacts, ReceiptInvalid, receipt_digest, sign_receipt
from sidecar.erasure.receipt_proof import verify_receipt_proof
from tests.audit.samples import MASTER, ORIGIN, entries, keys_of, make_log, write_log
from tests.erasure.test_api import Caller, listening
from tests.erasure.test_receipt import FACTS, KEY
from tests.erasure.world import CANARY, ID, OTHER_ID, World, one_target

LOG_KEY = signer_of(MASTER, ORIGIN).verifier
PATH = f"/v1/erasures/{ID}/receipt-proof"
EXCHANGE = "0123456789abcdef" * 2
SUBJECT = "k1:" + "ab" * 16
NAMED = replace(FACTS, audit_exchange=EXCHANGE)
RECEIPT = sign_receipt(NAMED, KEY)


def signing(receipt: bytes, exchange: str = EXCHANGE) -> tuple[Entry, Entry]:
    """The two records of a receipt."""
    intent = Intent(exchange, Action.ERASURE_STEP, "worker", "none", route="receipt", subject=SUBJECT)
    digest = receipt_digest(receipt)
    outcome = Outcome(exchange, intent.action, Decision.COMPLETED, "completed", subject=SUBJECT, receipt_sha256=digest)
    return intent, outcome


def lookup_in(folder: Path, made: Sequence[Entry]) -> AuditLookup:
    write_log(folder, made)
    lookup = AuditLookup(folder, keys_of().provider, AuditIndex(folder / INDEX_NAME))
    lookup.catch_up()
    return lookup


def proven(lookup: AuditLookup, receipt: bytes) -> bytes:
    made = prove_receipt(lookup, receipt)
    assert isinstance(made, bytes)
    return made


OTHERS = {
    "of another round": replace(NAMED, round=2),
    "of another exchange": replace(NAMED, audit_exchange="f" * 32),
    "that names none": FACTS,
}


@pytest.fixture(scope="module")
def lookup(tmp_path_factory: pytest.TempPathFactory) -> AuditLookup:
    return lookup_in(tmp_path_factory.mktemp("log"), [*entries(5), *signing(RECEIPT), *entries(3)])


@pytest.fixture(scope="module")
def proof(lookup: AuditLookup) -> bytes:
    return proven(lookup, RECEIPT)


def test_E44_E45_the_log_holds_the_receipt_and_the_proof_points_to_nobody(proof: bytes) -> None:
    at = verify_receipt_proof(RECEIPT, proof, LOG_KEY)
    assert (at.log, at.index, at.size) == (ORIGIN, 12, 20)
    opened = b64decode(proof.split(b"\n")[1].removeprefix(b"extra "))
    assert receipt_digest(RECEIPT).encode() in opened
    assert SUBJECT.encode() not in opened + proof


@given(data=st.data())
def test_E44_any_changed_byte_of_the_proof_fails(proof: bytes, data: st.DataObject) -> None:
    changed = bytearray(proof)
    changed[data.draw(st.integers(0, len(proof) - 1))] ^= data.draw(st.integers(1, 255))
    with pytest.raises(ReceiptInvalid, match="the proof does not hold"):
        verify_receipt_proof(RECEIPT, bytes(changed), LOG_KEY)


@pytest.mark.parametrize("other", OTHERS)
def test_E44_a_receipt_that_was_signed_beside_the_log_has_no_proof(
    lookup: AuditLookup, proof: bytes, other: str
) -> None:
    beside = sign_receipt(OTHERS[other], KEY)
    assert prove_receipt(lookup, beside) is Unproven.NO_RECORD
    with pytest.raises(ReceiptInvalid, match="another record"):
        verify_receipt_proof(beside, proof, LOG_KEY)


def test_E44_the_proof_of_another_record_is_no_proof(tmp_path: Path, lookup: AuditLookup) -> None:
    later: ReceiptFacts = replace(NAMED, audit_exchange="e" * 32, round=2)
    other = sign_receipt(later, KEY)
    both = lookup_in(tmp_path, [*signing(RECEIPT), *signing(other, "e" * 32)])
    assert verify_receipt_proof(other, proven(both, other), LOG_KEY).index == 3
    with pytest.raises(ReceiptInvalid, match="another record"):
        verify_receipt_proof(RECEIPT, proven(both, other), LOG_KEY)


def test_an_intent_alone_proves_nothing(tmp_path: Path) -> None:
    assert prove_receipt(lookup_in(tmp_path, signing(RECEIPT)[:1]), RECEIPT) is Unproven.NOT_YET


@asynccontextmanager
async def ended(folder: Path) -> AsyncIterator[tuple[World, AuditLog, Caller]]:
    """A request that has ended, and a real log of what was done, which has signed none of it yet."""
    (folder / "state").mkdir()
    log = make_log(folder / "log")
    reading = AuditReading(folder / "log", keys_of().provider)
    async with one_target(folder / "state") as (w, _), listening(w, proof_routes(w.stores.requests, reading)) as caller:
        await log.start()
        try:
            await w.submit()
            assert (await caller.call(Role.AUDITOR, "GET", PATH)).json["error"]["reason"] == "not_ended"
            await w.settle()
            for entry in w.ledger.entries:
                await record(log, entry)
            yield w, log, caller
        finally:
            await log.stop()
            await reading.stop()


async def record(log: AuditLog, entry: Intent | Outcome | Event) -> None:
    match entry:
        case Intent():
            await log.intend(entry)
        case Outcome():
            await log.conclude(entry)
        case Event():
            await log.note(entry)


async def test_E44_E50_the_endpoint_proves_what_is_signed_and_is_audited(tmp_path: Path) -> None:
    async with ended(tmp_path) as (w, log, caller):
        early = await caller.call(Role.AUDITOR, "GET", PATH)
        assert (early.status, early.json["error"]["reason"]) == (409, "not_yet")
        await log.stop()
        for role in (Role.INTAKE, Role.PRIVACY_OFFICER, Role.AUDITOR):
            answer = await caller.call(role, "GET", PATH)
            assert answer.status == 200
            receipt = await caller.call(role, "GET", f"/v1/erasures/{ID}/receipt")
            assert verify_receipt_proof(receipt.data, answer.data, LOG_KEY).log == ORIGIN
            assert CANARY.encode() not in b64decode(answer.data.split(b"\n")[1].removeprefix(b"extra "))
        read = w.ledger.entries[-1]
        assert isinstance(read, Outcome)
        assert (read.action, read.subject) == (Action.ERASURE_READ, (await w.view()).subject)
        assert (await caller.call(Role.TRAINER, "GET", PATH)).status == 403
        assert (await caller.call(Role.AUDITOR, "GET", PATH.replace(ID, OTHER_ID))).status == 404


async def test_a_log_without_the_record_and_one_that_can_not_be_read(tmp_path: Path) -> None:
    write_log(tmp_path / "other", entries(3))
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / INDEX_NAME).mkdir()
    async with one_target(tmp_path) as (w, _):
        await w.submit()
        await w.settle()
        for name, status in (("other", 410), ("broken", 503)):
            reading = AuditReading(tmp_path / name, keys_of().provider)
            async with listening(w, proof_routes(w.stores.requests, reading)) as caller:
                assert (await caller.call(Role.AUDITOR, "GET", PATH)).status == status
            await reading.stop()


async def test_E44_from_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    token, keys = tmp_path / "auditor.token", tmp_path / "keys.pem"
    receipt, proof = tmp_path / "receipt.json", tmp_path / "receipt.tlog-proof"
    token.write_text("token-auditor\n")

    async def call(*arguments: str) -> int:
        return await asyncio.to_thread(main, ["erasure", *arguments])

    async with ended(tmp_path) as (_, log, caller):
        door = ["--url", caller.url, "--token-file", str(token)]
        fetch = ["receipt", *door, ID, "--output", str(receipt), "--proof", str(proof)]
        assert await call(*fetch) == 1
        assert "not_yet" in capsys.readouterr().err
        assert not proof.exists()
        await log.stop()
        assert await call(*fetch) == 0
        assert await call("keys", *door) == 0
        keys.write_text(capsys.readouterr().out)
    check = ["verify-receipt", str(receipt), "--public-key", str(keys)]
    with_proof = [*check, "--proof", str(proof)]
    assert await call(*with_proof, "--log-key", str(LOG_KEY)) == 0
    assert f"of {ORIGIN}, signed over" in capsys.readouterr().out
    assert await call(*with_proof) == 2
    assert await call(*check, "--log-key", str(LOG_KEY)) == 2
    assert await call(*with_proof, "--log-key", str(signer_of(MASTER, "other").verifier)) == 1
    assert "no key of the log" in capsys.readouterr().out
    proof.write_bytes(proof.read_bytes().replace(b"index ", b"index 1"))
    assert await call(*with_proof, "--log-key", str(LOG_KEY)) == 1
    assert "the proof does not hold" in capsys.readouterr().out
