"""Signs receipts and ends requests: interim once live systems are done, final once nothing is left to wait for.

The order is the design: audit intent durable → receipt, state, notices and the debt of a record in one transaction →
audit outcome → debt settled. Killed anywhere, the next start records what is owed. Where the store failed, it is
asked as soon as it answers whether the receipt was kept: if not, the intent is concluded as failed, and the ending
comes again with its turn, under another intent.
"""

from __future__ import annotations

import json
import logging
from asyncio import gather, timeout
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import uuid4

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from sidecar.audit.intending import intend
from sidecar.audit.record import Action, AuditWriter, Decision, Intent, Outcome
from sidecar.erasure.attempt import Checkpoint, Clock
from sidecar.erasure.loops import to_the_end
from sidecar.erasure.outcomes import RequestState, ended_state
from sidecar.erasure.plan import Configured
from sidecar.erasure.receipt import Evidence, ReceiptFacts, ReceiptKind, TaskFacts, key_id, receipt_digest, sign_receipt
from sidecar.errors import AuditUnavailable, StoreUnavailable
from sidecar.metrics import Metrics
from sidecar.stores.erasure_endings import ErasureEndings
from sidecar.stores.erasure_receipt_keys import ReceiptKeys
from sidecar.stores.erasure_signing import Claim, Signed
from sidecar.stores.erasure_unrecorded import Unrecorded, UnrecordedReceipts
from sidecar.stores.erasure_views import RequestView, TaskView

_AT_ONCE: Final = 200
_LAST_LOOK_SECONDS: Final = 5.0
_log = logging.getLogger("sidecar.erasure")


@dataclass(frozen=True, slots=True)
class Signer:
    """Who signs: the worker by its name in the audit log, with its key; how long identities are kept afterwards.

    ``lease``: after how long somebody else may sign what we were about to. ``former``: public keys of former master
    keys.
    """

    name: str
    key: Ed25519PrivateKey
    horizon: timedelta
    lease: timedelta
    former: tuple[Ed25519PublicKey, ...] = ()

    @property
    def key_id(self) -> str:
        return key_id(self.key.public_key())


@dataclass(frozen=True, slots=True)
class _Doubt:
    """An intent of which it is not known whether its receipt was kept."""

    intent: Intent
    request_id: str
    round: int
    final: bool


class Endings:
    """One pass ends what has come to its end."""

    def __init__(
        self,
        store: ErasureEndings,
        keys: ReceiptKeys,
        unrecorded: UnrecordedReceipts,
        audit: AuditWriter,
        signer: Signer,
        metrics: Metrics,
        clock: Clock,
        checkpoint: Checkpoint,
        opened: Callable[[], None],
        wanted: Callable[[], str | None],
        configured: Configured,
    ) -> None:
        """``opened`` is called when other tasks may be run than before.

        ``wanted`` says for which targets a request must have been planned before anything is signed for it.
        ``configured``: the targets that there are.
        """
        self._store = store
        self._keys = keys
        self._unrecorded = unrecorded
        self._begun = self._refused = False
        self._doubts: dict[str, _Doubt] = {}
        self._told: set[tuple[str, int, bool]] = set()  # receipts that are recorded, while the debt still stands
        self._owes_records = True  # a process before us may have been killed between receipt and record
        self._audit = audit
        self._signer = signer
        self._metrics = metrics
        self._clock = clock
        self._checkpoint = checkpoint
        self._opened = opened
        self._wanted = wanted
        self._configured = configured

    async def make(self) -> bool:
        """Look at requests whose turn has come and sign what is due, all at once; tell whether there was anything."""
        if not self._begun:
            await self._keys.begin(self._signer.key.public_key(), self._signer.former, self._clock())
            self._begun = True
        await self._settle_doubts()
        if self._owes_records:
            await self._record_owed()
        now = self._clock()
        until = now + self._signer.lease
        ready = await self._store.take(
            self._signer.name, now, until, _AT_ONCE, self._wanted(), configured=self._configured
        )
        if ready.opened:
            self._opened()
        for late in ready.late:
            self._metrics.erasure_late_writers.inc(late)
            _log.warning("an erased person turned up again in %d systems; everything is looked at once more", late)
        claims = [(claim, ReceiptKind.INTERIM) for claim in ready.interim]
        claims += [(claim, ReceiptKind.FINAL) for claim in ready.final]
        if claims and not await self._may_sign():
            for claim, _ in claims:
                await self._store.give_back(claim, now)
            return ready.opened
        signing = gather(*(self._sign(claim, kind) for claim, kind in claims), return_exceptions=True)
        signed = await to_the_end(signing)  # a stop finds no intent whose receipt may or may not be kept
        for result in signed:
            if isinstance(result, BaseException):  # after all have ended; a claim that is left comes again
                self._owes_records = True  # it may have been kept, and only the answer have been lost
                raise result
        return any(signed) or ready.turns > len(claims)

    async def close(self) -> None:
        """Conclude what can still be concluded, before a stop. Intents stay alone where the store does not answer."""
        try:
            async with timeout(_LAST_LOOK_SECONDS):
                await self._settle_doubts()
        except (StoreUnavailable, TimeoutError):
            _log.warning("the audit log does not tell what became of %d receipts", len(self._doubts))

    async def _may_sign(self) -> bool:
        """Another replica may have begun to sign with a later master key: what is ready waits for it."""
        may = await self._keys.may_sign(self._signer.key_id, self._clock())
        if not may and not self._refused:
            _log.error(
                "no receipt is signed here: another replica signs with another master key. "
                "Restart this one with the newest keys.master_file"
            )
        self._refused = not may
        return may

    async def _sign(self, claim: Claim, kind: ReceiptKind) -> bool:
        view, final = claim.view, kind is ReceiptKind.FINAL
        intent = Intent(
            exchange_id=uuid4().hex,
            action=Action.ERASURE_STEP,
            actor=self._signer.name,
            proof="none",
            route="receipt" if final else "interim_receipt",
            subject=view.subject,
        )
        try:
            await intend(self._audit, intent)
        except AuditUnavailable:
            await self._store.give_back(claim, self._clock())
            return False
        self._checkpoint("ending" if final else "pausing")
        self._doubts[intent.exchange_id] = _Doubt(intent, view.id, view.round, final)
        now = self._clock()
        facts = _facts(view, kind, now, claim.previous, intent.exchange_id)
        receipt = sign_receipt(facts, self._signer.key)
        written = await self._store.sign(Signed(claim, final, now, receipt, self._signer.key_id, self._signer.horizon))
        self._checkpoint("ended" if final else "paused")
        del self._doubts[intent.exchange_id]
        if written:
            await self._record(Unrecorded(view.id, view.round, final, view.subject, receipt))
        else:
            await self._conclude(
                Outcome(intent.exchange_id, intent.action, Decision.ABORTED, "lease_lost", subject=view.subject)
            )
        return written

    async def _settle_doubts(self) -> None:
        """Conclude intents as failed whose receipts were not kept; those that were are owed a record."""
        for exchange, doubt in list(self._doubts.items()):
            kept = await self._unrecorded.kept(doubt.request_id, doubt.round, final=doubt.final)
            del self._doubts[exchange]
            if kept is None or _said(kept)["audit_exchange"] != exchange:
                intent = doubt.intent
                await self._conclude(
                    Outcome(exchange, intent.action, Decision.FAILED, "not_kept", subject=intent.subject)
                )

    async def _record_owed(self) -> None:
        """Have the audit log tell of every receipt of ours that it does not tell of yet."""
        self._owes_records = False
        try:
            for one in await self._unrecorded.of(self._signer.name):
                await to_the_end(self._record(one))
        except StoreUnavailable:
            self._owes_records = True
            raise

    async def _record(self, one: Unrecorded) -> None:
        """Tell of a receipt once, also where it can't be noted that this was done."""
        receipt = (one.request_id, one.round, one.final)
        if receipt not in self._told and not await self._conclude(signed_outcome(one.receipt, one.subject)):
            self._owes_records = True
            return
        self._told.add(receipt)
        await self._unrecorded.settle(one)
        self._told.discard(receipt)

    async def _conclude(self, outcome: Outcome) -> bool:
        try:
            await self._audit.conclude(outcome)
        except AuditUnavailable:
            _log.warning("the audit log does not tell yet how an erasure receipt was signed")
            return False
        return True


def signed_outcome(receipt: bytes, subject: str) -> Outcome:
    """Return the record that a receipt was signed, by what the receipt itself says."""
    said = _said(receipt)
    return Outcome(
        said["audit_exchange"],
        Action.ERASURE_STEP,
        Decision.COMPLETED,
        said["state"],
        subject=subject,
        receipt_sha256=receipt_digest(receipt),
    )


def _said(receipt: bytes) -> dict[str, Any]:
    said: dict[str, Any] = json.loads(receipt)["receipt"]
    return said


def _facts(view: RequestView, kind: ReceiptKind, now: datetime, previous: bytes | None, exchange: str) -> ReceiptFacts:
    state = ended_state(view.outcomes, view.unused_types)
    if kind is ReceiptKind.INTERIM or state is None:
        state = RequestState.LIVE_ERASED if state is None else RequestState.CONFIRMING
    return ReceiptFacts(
        kind=kind,
        request_id=view.id,
        regulation=view.regulation,
        received_at=view.received_at,
        legal_deadline=view.legal_at,
        signed_at=now,
        late=now > view.overdue_at,
        state=state,
        round=view.round,
        subject_commitment=view.commitment,
        unused_identity_types=view.unused_types,
        tasks=tuple(map(_task_facts, view.tasks)),
        second_look_at=view.second_look_at if kind is ReceiptKind.FINAL else None,
        audit_exchange=exchange,
        supersedes=receipt_digest(previous) if previous else None,
    )


def _task_facts(task: TaskView) -> TaskFacts:
    return TaskFacts(
        target=task.target,
        outcome=task.outcome,
        deleted=task.deleted,
        remaining=task.remaining,
        verified_at=task.verified_at,
        until_at=task.until_at,
        ground=task.ground,
        found=task.found,
        parts=task.parts,
        evidence=tuple(Evidence(one.said, one.evidence_sha256, one.at) for one in task.words),
    )
