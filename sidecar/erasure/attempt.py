"""One attempt at one task. The order is the design:

audit intent durable → call the target → new state and evidence durable, if the lease is still ours → audit outcome.

Killed anywhere, the task is leased again and the same step done again: deleting twice is harmless, and a verification
not recorded did not happen.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from random import random
from time import monotonic_ns
from typing import Final, Protocol
from uuid import uuid4

from sidecar.audit.intending import BROKE_OFF, intend
from sidecar.audit.record import Action, AuditWriter, Decision, Intent
from sidecar.audit.record import Outcome as AuditOutcome
from sidecar.erasure.hold import HoldsUnknown
from sidecar.erasure.holds import Holds
from sidecar.erasure.outcomes import Outcome
from sidecar.erasure.plan import Side
from sidecar.erasure.steps import Advance, Pace, Step, after_delete, after_poll, after_verify, next_step, when_held
from sidecar.errors import AuditUnavailable, StoreUnavailable
from sidecar.metrics import Metrics
from sidecar.stores.erasure_evidence import Evidence, Leased, LeaseLost
from sidecar.stores.erasure_tasks import ErasureTasks
from sidecar.targets.backup import BackupTarget
from sidecar.targets.target import (
    DeleteResult,
    DeleteStatus,
    JobStatus,
    OrderTarget,
    PollResult,
    Target,
    TargetFault,
    VerifyResult,
    VerifyStatus,
)

Clock = Callable[[], datetime]
Checkpoint = Callable[[str], None]
"""Called between every two steps with the name of the place. For tests that kill the process there."""

_COUNT_SECONDS: Final = 30.0
CHECKPOINTS: Final = ("leased", "intended", "called", "recorded", "concluded", "pausing", "paused", "ending", "ended")


def utc_now() -> datetime:
    return datetime.now(UTC)


def nowhere(_place: str) -> None:
    """The checkpoint of production: nothing happens."""


class EpochWriter(Protocol):
    """Raises the epoch of a system after deletions in it, so that an older copy of it shows (E39)."""

    async def advance(self, target: str) -> TargetFault | None:
        """Return why it could not be raised; None: it was, or the system has none. Raises ``StoreUnavailable``."""


class NoEpochs:
    """For a sidecar whose systems have no marks."""

    async def advance(self, target: str) -> TargetFault | None:  # noqa: ARG002
        return None


@dataclass(frozen=True, slots=True)
class AttemptSettings:
    """``actor`` is how the audit log calls the worker; ``call_limit`` must be well below the lease.

    ``count_before``: whether verification counts what there is before anything is deleted (E28).
    """

    actor: str
    call_limit: timedelta
    pace: Pace = field(default_factory=Pace)
    count_before: bool = False


class Attempts:
    """Makes attempts. Raises ``StoreUnavailable`` only when nothing was done."""

    def __init__(
        self,
        tasks: ErasureTasks,
        audit: AuditWriter,
        metrics: Metrics,
        settings: AttemptSettings,
        epochs: EpochWriter,
        holds: Holds,
        clock: Clock = utc_now,
        chance: Callable[[], float] = random,
        checkpoint: Checkpoint = nowhere,
    ) -> None:
        self._tasks = tasks
        self._audit = audit
        self._metrics = metrics
        self._settings = settings
        self._epochs = epochs
        self._holds = holds
        self._clock = clock
        self._chance = chance
        self._checkpoint = checkpoint

    async def make(self, target: Target, leased: Leased) -> None:
        """Do the next step of a leased task."""
        self._checkpoint("leased")
        step = next_step(leased.state.outcome, target.side, leased.state.reference)
        intent = Intent(
            exchange_id=uuid4().hex,
            action=Action.ERASURE_STEP,
            actor=self._settings.actor,
            proof="none",
            route=f"{target.name}:{step.value}",
            subject=leased.subject,
        )
        try:
            await intend(self._audit, intent)
        except AuditUnavailable:
            # What can't be recorded must not happen. It is not the target's failure, so no failure is counted.
            await self._tasks.postpone(leased, self._clock() + self._settings.pace.backoff.first)
            return
        self._checkpoint("intended")
        began = monotonic_ns()
        decision, reason, status = Decision.ABORTED, BROKE_OFF, None
        try:
            advance, evidence = (
                self._lacking(target, leased, step)
                or await self._held(leased, step)
                or await self._call(target, leased, step)
            )
            self._checkpoint("called")
            status = evidence.http_status
            decision, reason = await self._record(leased, advance, evidence)
            self._checkpoint("recorded")
        finally:
            # Also where a target has a bug, the store is gone or we are stopping: an auditor sees that it broke off.
            await self._conclude(
                AuditOutcome(
                    exchange_id=intent.exchange_id,
                    action=intent.action,
                    decision=decision,
                    reason=reason,
                    status=status,
                    subject=leased.subject,
                    duration_us=(monotonic_ns() - began) // 1000,
                )
            )
        self._checkpoint("concluded")

    def _lacking(self, target: Target, leased: Leased, step: Step) -> tuple[Advance, Evidence] | None:
        """Call nobody with less than what the call needs: the task is of a former configuration of the target (E12).

        Plans follow beside the work, and make the same of it.
        """
        if target.required <= {identity.type for identity in leased.identities}:
            return None
        failed = DeleteResult(DeleteStatus.FAILED, fault=TargetFault.IDENTITY_UNUSABLE)
        now, pace = self._clock(), self._settings.pace
        return after_delete(leased.state, failed, now, pace, self._chance()), _evidence(step, failed, now)

    async def _held(self, leased: Leased, step: Step) -> tuple[Advance, Evidence] | None:
        """Return where a hold leads; a hold that nobody can tell of is a failure like any other: nothing is deleted."""
        if step is not Step.DELETE:
            return None
        now, pace = self._clock(), self._settings.pace
        try:
            hold = await self._holds.look(leased.task_id, leased.target, leased.identities, now)
        except HoldsUnknown:
            failed = DeleteResult(DeleteStatus.FAILED, fault=TargetFault.HOLDS_UNKNOWN)
            return after_delete(leased.state, failed, now, pace, self._chance()), _evidence(step, failed, now)
        if hold is None:
            return None
        advance = when_held(leased.state, hold.ground.value, hold.until, now)
        return advance, Evidence(step, "held", None, None, None, now)

    async def _call(self, target: Target, leased: Leased, step: Step) -> tuple[Advance, Evidence]:
        if step is Step.DELETE:
            if self.counts_first(target, leased):
                await self._count_first(target, leased)
            deleted = await self._delete(target, leased)
            failed = deleted.status is DeleteStatus.FAILED
            fault = None if failed else await self._epochs.advance(target.name)
            now, chance = self._clock(), self._chance()
            advance = after_delete(leased.state, deleted, now, self._settings.pace, chance)
            if fault is not None:  # deleted, and an older copy put back would not show: so it is done once more
                deleted = replace(deleted, status=DeleteStatus.FAILED, fault=fault)
                state = replace(advance.state, failures=leased.state.failures)
                advance = after_delete(state, deleted, now, self._settings.pace, chance)
            return advance, _evidence(step, deleted, now)
        if step is Step.POLL:
            polled = await self._poll(target, leased)
            now, patience = self._clock(), target.max_completion
            advance = after_poll(leased.state, polled, now, self._settings.pace, self._chance(), patience)
            return advance, _evidence(step, polled, now)
        verified = await self._verify(target, leased)
        if verified.status is VerifyStatus.GONE and leased.state.submitted_at is not None:
            verified = await self._look_again(target, leased)
        now = self._clock()
        advance = after_verify(leased.state, verified, now, self._settings.pace, self._chance())
        return advance, _evidence(step, verified, now)

    async def _look_again(self, target: Target, leased: Leased) -> VerifyResult:
        """A system that works by itself deleted at a time unknown, so the epoch is raised now; then look once more."""
        fault = await self._epochs.advance(target.name)
        return VerifyResult(VerifyStatus.FAILED, fault=fault) if fault else await self._verify(target, leased)

    def counts_first(self, target: Target, leased: Leased) -> bool:
        """Tell whether an attempt makes a second call, which counts before the first deletion of a round."""
        untouched = leased.state.outcome is Outcome.PENDING and target.side is Side.UPSTREAM
        return self._settings.count_before and untouched

    async def _count_first(self, target: Target, leased: Leased) -> None:
        """Have durable what verification sees before the deletion. It holds nothing up: who can't count, does not."""
        waited = asyncio.wait_for(target.verify(leased.identities), _COUNT_SECONDS)
        (seen,) = await asyncio.gather(waited, return_exceptions=True)
        if not isinstance(seen, VerifyResult):  # too slow, or a bug in the target, which verification shows afterwards
            return
        count = 0 if seen.status is VerifyStatus.GONE else seen.count
        if count is not None and seen.status in (VerifyStatus.GONE, VerifyStatus.PRESENT):
            await self._tasks.note_seen(leased, count, self._clock())

    async def _delete(self, target: Target, leased: Leased) -> DeleteResult:
        try:
            async with asyncio.timeout(self._settings.call_limit.total_seconds()):
                if isinstance(target, OrderTarget):
                    return await target.order(leased.order)
                return await target.delete(leased.identities)
        except TimeoutError:
            return DeleteResult(DeleteStatus.FAILED, fault=TargetFault.TIMED_OUT)

    async def _poll(self, target: Target, leased: Leased) -> PollResult:
        if not isinstance(target, OrderTarget):  # it took orders once, and is configured otherwise now
            return PollResult(JobStatus.VANISHED)
        try:
            async with asyncio.timeout(self._settings.call_limit.total_seconds()):
                return await target.poll(leased.order)
        except TimeoutError:
            return PollResult(JobStatus.UNKNOWN, fault=TargetFault.TIMED_OUT)

    async def _verify(self, target: Target, leased: Leased) -> VerifyResult:
        try:
            async with asyncio.timeout(self._settings.call_limit.total_seconds()):
                if isinstance(target, BackupTarget) and leased.live is not None:
                    return await target.look(leased.live, leased.identities)
                return await target.verify(leased.identities)
        except TimeoutError:
            return VerifyResult(VerifyStatus.FAILED, fault=TargetFault.TIMED_OUT)

    async def _record(self, leased: Leased, advance: Advance, evidence: Evidence) -> tuple[Decision, str]:
        try:
            await self._tasks.record(leased, advance, evidence)
        except LeaseLost:
            return Decision.ABORTED, "lease_lost"
        except StoreUnavailable:  # the lease runs out, and the step is done again
            return Decision.FAILED, "store_unavailable"
        outcome = advance.state.outcome
        self._metrics.erasure_steps.labels(leased.target, outcome.value).inc()
        failed = evidence.fault is not None or outcome is Outcome.RETRYABLE_FAILURE
        return (Decision.FAILED, evidence.fault or evidence.status) if failed else (Decision.COMPLETED, outcome.value)

    async def _conclude(self, outcome: AuditOutcome) -> None:
        try:
            await self._audit.conclude(outcome)
        except AuditUnavailable:
            # The intent stands without an outcome, which an auditor sees; the audit log counts its own failures.
            return


def _evidence(step: Step, result: DeleteResult | PollResult | VerifyResult, now: datetime) -> Evidence:
    return Evidence(
        step=step,
        status=result.status.value,
        fault=result.fault.value if result.fault else None,
        http_status=result.http_status,
        count=result.count,
        at=now,
        detail=result.detail if isinstance(result, DeleteResult) else None,
        parts=result.parts if isinstance(result, DeleteResult) else None,
    )
