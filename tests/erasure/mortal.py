"""A sidecar process that kills itself, kill -9, at the nth time it comes to a place.

``python -m tests.erasure.mortal DATABASE UPSTREAM_URL PLACE NTH``: accepts the canary's request if it is not there yet,
then works until nothing is due. Place ``accepted`` is between commit and answer. Exit code 0: it was never killed.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from datetime import datetime, timedelta
from pathlib import Path

from sidecar.erasure.attempt import CHECKPOINTS, Checkpoint
from tests.erasure.world import START, Clock, http_target, world
from tests.targets.upstream import target_mapping

KILLED_AT = (*CHECKPOINTS, "accepted")
SECOND_LOOK = timedelta(seconds=1)


def killer(place: str, nth: int) -> Checkpoint:
    """Return a checkpoint that does not return the nth time it is at the place."""
    seen = 0

    def check(here: str) -> None:
        nonlocal seen
        seen += here == place
        if here == place and seen == nth:
            os.kill(os.getpid(), signal.SIGKILL)

    return check


async def live(database: Path, url: str, checkpoint: Checkpoint, start: datetime = START, name: str = "one") -> None:
    clock = Clock(start)
    targets = [http_target("crm", target_mapping(url), clock)]
    journal = database.with_suffix(f".{name}.journal")
    async with world(database, targets, clock, checkpoint=checkpoint, second_look=SECOND_LOOK, journal=journal) as w:
        await w.worker.recover()
        await w.submit()
        checkpoint("accepted")
        await w.settle()
        clock.advance(seconds=SECOND_LOOK.total_seconds())
        await w.settle()


if __name__ == "__main__":
    name = "one" if sys.argv[3] in KILLED_AT else str(os.getpid())  # those that run side by side have their own
    asyncio.run(live(Path(sys.argv[1]), sys.argv[2], killer(sys.argv[3], int(sys.argv[4])), name=name))
