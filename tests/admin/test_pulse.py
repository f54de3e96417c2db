"""The event loop's delay is seen when something blocks it."""

from __future__ import annotations

import asyncio
import time

from sidecar.admin.pulse import Pulse
from sidecar.metrics import Metrics


async def test_a_blocked_loop_shows() -> None:
    metrics = Metrics()
    pulse = Pulse(metrics, beat_seconds=0.01)
    await pulse.start()
    await asyncio.sleep(0.05)
    time.sleep(0.3)  # noqa: ASYNC251 - what is measured
    await asyncio.sleep(0.1)
    await pulse.stop()
    await pulse.stop()
    value = metrics.registry.get_sample_value
    assert value("sidecar_event_loop_lag_seconds") is not None
    assert (value("sidecar_event_loop_delay_seconds_count") or 0) > 1
    assert (value("sidecar_event_loop_delay_seconds_sum") or 0) > 0.2
