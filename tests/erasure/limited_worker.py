"""One of several worker processes on one database: ``python -m tests.erasure.limited_worker DATABASE_URL UPSTREAM``.

Says that it is ready, waits for the canary's request, and works until that has ended.
"""

from __future__ import annotations

import asyncio
import os
import sys
from datetime import timedelta
from typing import Any

from sidecar.erasure.worker import WorkerSettings
from tests.erasure.world import ID, Clock, World, http_target, world
from tests.targets.upstream import target_mapping

CONCURRENCY = 3


async def work(database: str, url: str) -> None:
    mapping: dict[str, Any] = target_mapping(url) | {"concurrency": CONCURRENCY}
    clock = Clock()
    settings = WorkerSettings(name=f"worker-{os.getpid()}", poll=timedelta(milliseconds=5))
    async with world(database, [http_target("crm", mapping, clock)], clock, settings) as w:
        await w.worker.start()
        print("ready", flush=True)
        while not await ended(w):  # noqa: ASYNC110 - others work, too
            await asyncio.sleep(0.02)


async def ended(w: World) -> bool:
    return await w.stores.requests.find(ID) is not None and await w.state() == "completed"


if __name__ == "__main__":
    asyncio.run(work(sys.argv[1], sys.argv[2]))
