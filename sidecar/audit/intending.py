"""An intent whose caller may be cut off while it waits: that alone never leaves it without an outcome (A1). Edge."""

from __future__ import annotations

import asyncio
from contextlib import suppress

from sidecar.audit.record import AuditWriter, Decision, Intent, Outcome
from sidecar.errors import AuditUnavailable

BROKE_OFF = "broke_off"
"""The reason of what was cut off: by a stop, a time limit or a bug."""


async def intend(audit: AuditWriter, intent: Intent) -> None:
    """Make an intent durable. Raises ``AuditUnavailable``.

    A record that is under way can't be called back. So a caller that is cancelled here, and will conclude nothing,
    waits until it is known whether the intent stands, which is no longer than the log's deadline, and it is concluded.
    """
    intending = asyncio.ensure_future(audit.intend(intent))
    try:
        await asyncio.shield(intending)
    except asyncio.CancelledError:
        await asyncio.wait([intending])
        if not intending.cancelled() and intending.exception() is None:
            with suppress(AuditUnavailable):
                await audit.conclude(
                    Outcome(intent.exchange_id, intent.action, Decision.ABORTED, BROKE_OFF, subject=intent.subject)
                )
        raise
