"""Programs that tests start as processes of their own, to kill them or to limit what they may do.

``python -m tests.audit.program first-byte PATH``: records an intent, then "sends a byte" (prints it), then hangs.
``python -m tests.audit.program flood PATH``: records exchanges as fast as it can, printing each id once durable.
``python -m tests.audit.program flood-process PATH``: the same, with a writing process.
``python -m tests.audit.program file-limit PATH``: runs into a limit on the size of files, has it lifted, goes on.
``python -m tests.audit.program replica PATH THREADS RECORDS``: records so many from each of so many threads.
"""

from __future__ import annotations

import asyncio
import resource
import sys
import threading
from pathlib import Path

from sidecar.audit.log import AuditLog
from sidecar.errors import AuditUnavailable
from tests.audit.samples import intent, keys_of, make_log, outcome


async def first_byte(log: AuditLog) -> None:
    await log.intend(intent("x1"))
    print("byte", flush=True)
    await asyncio.sleep(60)


async def flood(log: AuditLog) -> None:
    async def exchange(number: int) -> None:
        await log.intend(intent(f"x{number}"))
        print(f"x{number}", flush=True)

    for number in range(0, 1_000_000, 16):
        await asyncio.gather(*(exchange(number + step) for step in range(16)))


async def file_limit(log: AuditLog) -> None:
    resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, resource.RLIM_INFINITY))
    written, refused = 0, 0
    for number in range(40):
        try:
            await log.intend(intent(f"x{number}"))
            written += 1
        except AuditUnavailable:
            refused += 1
    print("limited", written, refused, log.healthy, flush=True)
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    for number in range(3):
        await log.conclude(outcome(f"x{number}"))
    print("lifted", log.healthy, flush=True)


async def replica(log: AuditLog, threads: int, records: int) -> None:
    """Each thread has an event loop of its own, and 20 exchanges under way in it."""

    async def exchanges(name: str, count: int) -> None:
        for number in range(count):
            await log.intend(intent(f"{name}-{number}"))
            await log.conclude(outcome(f"{name}-{number}"))

    async def in_one_thread(thread: int) -> None:
        await asyncio.gather(*(exchanges(f"t{thread}-{task}", records // 40) for task in range(20)))

    workers = [threading.Thread(target=asyncio.run, args=(in_one_thread(number),)) for number in range(threads)]
    for worker in workers:
        worker.start()
    for worker in workers:
        await asyncio.to_thread(worker.join)


async def main(name: str, path: str, *numbers: str) -> None:
    keys = keys_of(f"replica/{Path(path).name}") if name == "replica" else None
    log = make_log(Path(path), keys=keys, in_process=name == "flood-process")
    await log.start()
    if name == "replica":
        await replica(log, *map(int, numbers))
    else:
        programs = {"first-byte": first_byte, "flood": flood, "flood-process": flood, "file-limit": file_limit}
        await programs[name](log)
    await log.stop()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
