"""P40, P48: more messages come than detection can read. Most are turned away at once, and the others are served."""

from __future__ import annotations

import asyncio
import json
import ssl
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest

from sidecar.audit.record import AuditWriter
from sidecar.detection.executor import DetectionExecutor, ExecutorLimits
from sidecar.detection.recognizer import Message
from sidecar.detection.worker import DetectorRecipe
from sidecar.errors import DetectionFailed, DetectionFault
from sidecar.keys import Purpose
from sidecar.metrics import Metrics
from sidecar.proxy.rewriter import Rewriter
from sidecar.proxy.routes import Limits
from sidecar.redaction.redactor import Redactor
from tests.detection import stand_in_detectors
from tests.proxy.rewriting import MASTER, MemoryPlaceholders
from tests.proxy.rig import Answered, Handler, MemoryAudit, Received, Rig, answer, route, running

pytestmark = pytest.mark.timeout(90)
Contexts = tuple[ssl.SSLContext, ssl.SSLContext]
LIMITS = Limits(rewrite_seconds=6.0)


def telling(seconds: float) -> Handler:
    """An upstream whose every answer takes a detector so long to read."""

    async def handler(received: Received, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        body = json.dumps({"text": f"sleep:{seconds}", "target": received.target.decode()}).encode()
        writer.write(answer(body, length=len(body)))

    return handler


async def until(comes: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not comes():  # noqa: ASYNC110 - nothing tells of it
            await asyncio.sleep(0.01)


class Crowded:
    """A sidecar with real workers, and what it wrote of its exchanges."""

    def __init__(self, rig: Rig, executor: DetectionExecutor, audit: MemoryAudit) -> None:
        self.rig = rig
        self.executor = executor
        self.audit = audit

    async def at_once(self, count: int, method: str = "GET") -> list[Answered]:
        asked = (self.rig.get(f"/api/chats/{number}", method=method) for number in range(count))
        return await asyncio.gather(*asked)

    async def reasons(self, exchanges: int) -> Counter[str | None]:
        await until(lambda: len(self.audit.outcomes) >= exchanges)
        return Counter(outcome.reason for outcome in self.audit.outcomes)


@asynccontextmanager
async def crowded(
    handler: Handler, contexts: Contexts, limits: Limits = LIMITS, **executor_limits: float
) -> AsyncIterator[Crowded]:
    settings = ExecutorLimits(**{"budget_s": 20.0, **executor_limits})  # type: ignore[arg-type]
    made: list[tuple[DetectionExecutor, MemoryAudit]] = []

    def real(metrics: Metrics) -> tuple[AuditWriter, Rewriter]:
        executor = DetectionExecutor(DetectorRecipe(stand_in_detectors.build), metrics, settings)
        keys = MASTER.pseudonymizer
        redactor = Redactor(executor, MemoryPlaceholders(), keys(Purpose.PLACEHOLDER), keys(Purpose.OPERATOR))
        made.append((executor, MemoryAudit()))
        return made[0][1], Rewriter(redactor, keys(Purpose.AUDIT_PSEUDONYM))

    async with running(
        handler,
        contexts,
        [route(limits=limits)],
        real=real,
        detection_is_full=lambda: made[0][0].is_full,
    ) as rig:
        executor, audit = made[0]
        await executor.start()
        try:
            yield Crowded(rig, executor, audit)
        finally:
            await executor.stop()


async def test_P40_overload_is_told_from_a_detection_that_takes_too_long(
    contexts: Contexts, caplog: pytest.LogCaptureFixture
) -> None:
    """Sixty callers, with 0.1 s of work each, and one worker: six seconds of work, of which one may be waited for."""
    async with crowded(telling(0.1), contexts, max_wait_s=1.0) as one:
        await one.at_once(10)  # so that the pace is known
        one.audit.outcomes.clear()
        caplog.clear()
        answers = await one.at_once(60)
        statuses = Counter(answered.status for answered in answers)
        assert statuses.keys() == {200, 503}
        assert statuses[200] >= 5, "what was let in is served"
        assert statuses[503] >= 10
        assert caplog.text.count("too many detections are waiting"), "early, and not when it is too late"
        turned_away = [answered for answered in answers if answered.status == 503]
        assert all(1 <= int(answered.values("Retry-After")[0]) <= 60 for answered in turned_away)
        assert await one.reasons(60) == {None: statuses[200], "detection_overloaded": statuses[503]}
        value = one.rig.metrics.registry.get_sample_value
        assert value("sidecar_refusals_total", {"reason": "detection_overloaded"}) == statuses[503]
        assert value("sidecar_detection_waiting_batches") == 0
        assert (value("sidecar_detection_wait_seconds_count") or 0) >= statuses[200] + 10
        assert (await one.rig.get("/api/chats/1")).status == 200, "and when it is over, everybody"


async def test_P40_a_slow_detection_of_one_exchange_is_no_overload(contexts: Contexts) -> None:
    async with crowded(telling(3), contexts, Limits(rewrite_seconds=0.5)) as one:
        assert (await one.rig.get()).status == 502
        assert await one.reasons(1) == {"detection_timed_out": 1}


async def test_P40_who_ran_out_of_time_behind_another_was_not_slow(contexts: Contexts) -> None:
    """Though the pace, of which nothing is known yet, let both in."""
    async with crowded(telling(2), contexts, Limits(rewrite_seconds=1.0)) as one:
        first = asyncio.create_task(one.rig.get())
        await one.rig.upstream.arrived(1)
        await until(lambda: len(one.executor._backlog) == 1)
        second = await one.rig.get()
        assert ((await first).status, second.status) == (502, 503)
        assert second.values("Retry-After")
        assert await one.reasons(2) == {"detection_timed_out": 1, "detection_overloaded": 1}


async def test_P40_nothing_is_done_upstream_whose_answer_could_not_be_read(contexts: Contexts) -> None:
    """Reading is asked for all the same: what was read before needs no detection."""
    async with crowded(telling(1), contexts, max_pending=1) as one:
        busy = asyncio.create_task(one.executor.detect([Message("sleep:1")]))
        await asyncio.sleep(0.1)
        assert one.executor.is_full
        refused = await one.rig.get(method="DELETE")
        assert (refused.status, bool(refused.values("Retry-After"))) == (503, True)
        assert one.rig.upstream.requests == []
        assert (await one.rig.get()).status == 503
        assert len(one.rig.upstream.requests) == 1
        await busy
        assert (await one.rig.get(method="DELETE")).status == 200


async def test_P48_what_is_turned_away_leaves_no_work_behind(contexts: Contexts) -> None:
    async with crowded(telling(0.1), contexts, max_wait_s=0.5) as one:
        for _ in range(3):
            await one.at_once(30)
        assert len(one.executor._backlog) == 0
        with pytest.raises(DetectionFailed) as failed:
            await one.executor.detect([Message("refuse:")])
        assert failed.value.fault is DetectionFault.INVALID, "the worker is free"
