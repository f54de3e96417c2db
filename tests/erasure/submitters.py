"""One replica that is sent the same request many times at once: ``python -m tests.erasure.submitters URL TIMES``.

Prints how many of the answers said that the request is new, and every different answer's salt.
"""

from __future__ import annotations

import asyncio
import sys

from tests.erasure.world import Clock, http_target, world
from tests.targets.upstream import target_mapping


async def submit(url: str, times: int) -> None:
    clock = Clock()
    targets = [http_target(f"system{n}", target_mapping("https://crm.example"), clock) for n in range(3)]
    async with world(url, targets, clock) as w:
        answers = await asyncio.gather(*(w.submit() for _ in range(times)))
        print(sum(answer.new for answer in answers), *{answer.salt for answer in answers})


if __name__ == "__main__":
    asyncio.run(submit(sys.argv[1], int(sys.argv[2])))
