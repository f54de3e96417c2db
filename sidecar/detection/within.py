"""A limit on the time of one caller of detection, which tells a slow detection from a crowded one (D14, P40)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from sidecar.detection.backlog import Patience, patient
from sidecar.errors import DetectionFailed, DetectionFault


@asynccontextmanager
async def within(seconds: float) -> AsyncIterator[None]:
    """Give all that is done inside so much time.

    Raises ``DetectionFailed`` when it is over: ``TIMED_OUT``, or ``OVERLOADED`` where most of it went by behind others.
    """
    patience = Patience(seconds, asyncio.get_running_loop().time)
    try:
        with patient(patience):
            async with asyncio.timeout(seconds):
                yield
    except TimeoutError:
        fault = DetectionFault.OVERLOADED if patience.is_crowded_out else DetectionFault.TIMED_OUT
        raise DetectionFailed(fault) from None
