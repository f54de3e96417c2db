"""That a receipt stands in the audit log: checkable offline with the log's public key. Pure.

A receipt names the exchange by which it was signed, and the record of that exchange's outcome holds the receipt's
digest. So a receipt that somebody signs with a stolen key, and keeps from the log, has no proof (E44). Nothing is in a
proof that points to a person: the record's links stay sealed (E45).
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from sidecar.audit.merkle import ProofInvalid
from sidecar.audit.note import Verifier
from sidecar.audit.record import Decision, Phase
from sidecar.audit.tlog_proof import ProvenRecord, verify_record
from sidecar.erasure.receipt import ReceiptInvalid, receipt_digest


def exchange_of(receipt: bytes) -> str | None:
    """Return the exchange that one of our own receipts names; None of the oldest, which named none."""
    exchange = json.loads(receipt)["receipt"].get("audit_exchange")
    return exchange if isinstance(exchange, str) else None


def records_signing(facts: Mapping[str, object], receipt: bytes) -> bool:
    """Tell whether a record says that this very receipt was signed."""
    said = facts.get("phase"), facts.get("decision"), facts.get("exchange_id"), facts.get("receipt_sha256")
    return said == (Phase.OUTCOME.value, Decision.COMPLETED.value, exchange_of(receipt), receipt_digest(receipt))


def verify_receipt_proof(
    receipt: bytes, proof: bytes, log_key: Verifier, witnesses: Sequence[Verifier] = ()
) -> ProvenRecord:
    """Return where a receipt stands in the log, or raise ``ReceiptInvalid``. The receipt is one that was verified."""
    try:
        proven = verify_record(proof, log_key, witnesses)
    except ProofInvalid as invalid:
        raise ReceiptInvalid(f"the proof does not hold: {invalid}") from None
    if not records_signing(proven.facts, receipt):
        raise ReceiptInvalid("the proof holds, but is of another record than this receipt's")
    return proven
