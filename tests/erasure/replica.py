"""One replica of several on one database, as a process: ``python -m tests.erasure.replica URL PART UPSTREAM …``.

    submit TIMES      submits one id many times at once, with two bodies in turn
    cancel COUNT      takes back that many requests, one after the other
    work SECONDS      works with leases that are really that long; stops itself when it has called the upstream first

Starts when a line comes in, so that all begin at the same moment. Prints what came of it, as JSON.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from datetime import UTC, datetime, timedelta
from typing import Any

from sidecar.erasure.worker import WorkerSettings
from sidecar.stores.erasure_changes import NotPending
from sidecar.stores.erasures import IdTaken
from tests.erasure.world import CANARY, Clock, Ledger, World, body, http_target, world
from tests.targets.upstream import target_mapping

BERT = "bert@example.org"


class RealClock(Clock):
    """In whole milliseconds, as databases keep it."""

    def __call__(self) -> datetime:
        now = datetime.now(UTC)
        return now.replace(microsecond=now.microsecond // 1000 * 1000)


def request_id(number: int) -> str:
    return f"00000000-0000-4000-8000-{number:012}"


async def submitted(w: World, times: int) -> Any:
    async def one(email: str) -> tuple[str, str]:
        try:
            accepted = await w.submit(body(email=email))
        except IdTaken:
            return email, "taken"
        return email, "new" if accepted.new else "known"

    return await asyncio.gather(*(one(CANARY if number % 2 else BERT) for number in range(times)))


async def cancelled(w: World, count: int) -> Any:
    found = []
    for number in range(count):
        try:
            await w.stores.requests.cancel(request_id(number), w.clock())
        except NotPending:
            continue
        found.append(request_id(number))
    return found


async def worked(w: World, ledger: Ledger) -> Any:
    await w.settle(200)
    return [str(reason) for entry in ledger.entries if (reason := getattr(entry, "reason", None))]


def stopping_at(place: str) -> Any:
    """Stop the process, as a machine that hangs would, the first time it comes to a place."""
    left = [place]

    def check(here: str) -> None:
        if here in left:
            left.clear()
            os.kill(os.getpid(), signal.SIGSTOP)

    return check


async def main(url: str, part: str, upstream: str, number: int, stop_at: str = "") -> None:
    clock = RealClock()
    lease = timedelta(seconds=number) if part == "work" else timedelta(minutes=5)
    settings = WorkerSettings(name=f"replica-{os.getpid()}", lease=lease, call_limit=lease / 2)
    targets = [http_target("crm", target_mapping(upstream), clock)]
    async with world(url, targets, clock, settings, stopping_at(stop_at)) as w:
        print("ready", flush=True)
        await asyncio.to_thread(sys.stdin.readline)
        if part == "work":
            found = await worked(w, w.ledger)
        else:
            found = await (submitted if part == "submit" else cancelled)(w, number)
        print(json.dumps(found), flush=True)


if __name__ == "__main__":
    given = sys.argv[1:]
    asyncio.run(main(given[0], given[1], given[2], int(given[3]), *given[4:]))
