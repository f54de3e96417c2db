"""An HTTP API to erase from: two calls, or three where it works on deletions by itself and is asked how they stand.

Success is only what the operator described. Everything else is a closed fault, and tried again.
"""

from __future__ import annotations

import ssl
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Literal

from sidecar.erasure.request import SubjectIdentity
from sidecar.targets.criteria import Answer, count_at, is_absent
from sidecar.targets.described import Described
from sidecar.targets.http_client import Authorization, Call, HttpClient, Reply, fault_of, utc_now
from sidecar.targets.http_jobs import reference_in
from sidecar.targets.http_settings import HttpCall, HttpTargetSettings, VerifyCall
from sidecar.targets.target import (
    DeleteResult,
    DeleteStatus,
    JobStatus,
    Order,
    PollResult,
    TargetFault,
    VerifyResult,
    VerifyStatus,
)
from sidecar.targets.template import Values, ValueUnusable


class HttpTarget(Described[HttpTargetSettings]):
    """Implements ``Target`` and ``OrderTarget``. ``tls``: a verifying context; True takes the system's authorities."""

    def __init__(
        self,
        settings: HttpTargetSettings,
        tls: ssl.SSLContext | Literal[True] = True,
        clock: Callable[[], datetime] = utc_now,
        authorization: Authorization | None = None,
    ) -> None:
        super().__init__(settings)
        self._client = HttpClient(settings.headers, tls, settings.limits.concurrency, authorization, clock)

    async def start(self) -> None:
        await self._client.start()

    async def stop(self) -> None:
        await self._client.stop()

    async def order(self, order: Order) -> DeleteResult:
        return await self.delete(order.identities)

    async def delete(self, identities: Sequence[SubjectIdentity]) -> DeleteResult:
        rules = self._settings.delete
        values = _values(identities)
        reply = await _send(self._client, rules.call, values)
        if reply.answer is None:
            return DeleteResult(DeleteStatus.FAILED, fault=reply.fault, retry_after=reply.retry_after)
        answer = reply.answer
        count = count_at(answer.body, rules.call.count) if rules.call.count else None
        if rules.done.met_by(answer) and not (rules.call.count and not count):
            return DeleteResult(DeleteStatus.DELETED, count, answer.status)
        if rules.no_data is not None and rules.no_data.met_by(answer):
            return DeleteResult(DeleteStatus.NO_DATA, 0, answer.status)
        if rules.accepted is not None and rules.accepted.met_by(answer):
            return self._submitted(answer, reply, values)
        fault = fault_of(answer, rules.done.statuses)
        return DeleteResult(DeleteStatus.FAILED, count, answer.status, fault, reply.retry_after)

    async def poll(self, order: Order) -> PollResult:
        """Ask how a job stands. What is not understood is unknown, never done (E26)."""
        job = self._settings.delete.job
        if job is None or order.reference is None:
            return PollResult(JobStatus.VANISHED)
        reply = await self._client.send(Call(job.method, job.url_of(order.reference), None, job.timeout_s))
        if reply.answer is None:
            return PollResult(JobStatus.UNKNOWN, fault=reply.fault, retry_after=reply.retry_after)
        answer = reply.answer
        status = job.judge(answer)
        count = count_at(answer.body, job.count) if job.count and status is JobStatus.DONE else None
        fault = fault_of(answer, job.done.statuses) if status is JobStatus.UNKNOWN else None
        return PollResult(status, count, answer.status, fault, reply.retry_after)

    async def verify(self, identities: Sequence[SubjectIdentity]) -> VerifyResult:
        return await look(self._client, self._settings.verify, _values(identities))

    def _submitted(self, answer: Answer, reply: Reply, values: Values) -> DeleteResult:
        job = self._settings.delete.job
        reference = reference_in(answer, job.reference, values) if job is not None else None
        if job is not None and reference is None:
            fault = TargetFault.UNEXPECTED_BODY  # an order whose job nobody can ask for
            return DeleteResult(DeleteStatus.FAILED, None, answer.status, fault, reply.retry_after)
        return DeleteResult(
            DeleteStatus.SUBMITTED, None, answer.status, retry_after=reply.retry_after, reference=reference
        )


async def look(client: HttpClient, rules: VerifyCall | None, values: Values) -> VerifyResult:
    """Make a call that looks, and judge its answer. Without one nobody can look."""
    if rules is None:
        return VerifyResult(VerifyStatus.IMPOSSIBLE)
    reply = await _send(client, rules.call, values)
    if reply.fault is TargetFault.IDENTITY_UNUSABLE:
        return VerifyResult(VerifyStatus.IMPOSSIBLE, fault=reply.fault)
    if reply.answer is None:
        return VerifyResult(VerifyStatus.FAILED, fault=reply.fault, retry_after=reply.retry_after)
    answer = reply.answer
    count = count_at(answer.body, rules.call.count) if rules.call.count else None
    # A number that stands there and can't be read ("5", or more than anybody has) is not none.
    says_some = count or (count is None and rules.call.count and not is_absent(answer.body, rules.call.count))
    if rules.gone.met_by(answer) and not says_some:
        return VerifyResult(VerifyStatus.GONE, 0, answer.status)
    if count or (rules.present is not None and rules.present.met_by(answer)):
        return VerifyResult(VerifyStatus.PRESENT, count, answer.status, retry_after=reply.retry_after)
    fault = fault_of(answer, rules.gone.statuses)
    return VerifyResult(VerifyStatus.FAILED, count, answer.status, fault, reply.retry_after)


async def _send(client: HttpClient, call: HttpCall, values: Values) -> Reply:
    try:
        url = call.url.fill(values)
    except ValueUnusable:
        return Reply(fault=TargetFault.IDENTITY_UNUSABLE)
    body = call.body.fill(values) if call.body else None
    return await client.send(Call(call.method, url, body, call.timeout_s))


def _values(identities: Sequence[SubjectIdentity]) -> Values:
    return {identity.type: identity.value for identity in identities}
