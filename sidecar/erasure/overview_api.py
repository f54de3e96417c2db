"""The endpoint for operators: how requests stand together, and nothing of any one of them (E50)."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta
from typing import Final

from aiohttp import web

from sidecar.access import Identity, Role
from sidecar.admin.route import AdminRoute
from sidecar.audit.record import Action
from sidecar.erasure.answers import guarded
from sidecar.erasure.api import PATH
from sidecar.erasure.attempt import Clock
from sidecar.erasure.receipt import timestamp
from sidecar.stores.erasure_overview import ENDED_WITHIN, ErasureOverview, Overview

COUNTED_FOR: Final = timedelta(seconds=10)
_READERS: Final = frozenset({Role.OPERATOR, Role.PRIVACY_OFFICER, Role.AUDITOR})


def overview_routes(overview: ErasureOverview, clock: Clock) -> tuple[AdminRoute, ...]:
    """Return the endpoint. Counting reads every open task, so those who ask within seconds are told the same."""
    counting, told = asyncio.Lock(), dict[str, object]()
    counted_at = clock() - COUNTED_FOR

    async def show(_request: web.Request, _identity: Identity) -> web.StreamResponse:
        nonlocal told, counted_at
        async with counting:
            now = clock()
            if not timedelta() <= now - counted_at < COUNTED_FOR:
                told = overview_body(await overview.at(now), now)
                counted_at = now
            return web.json_response(told)

    return (AdminRoute("GET", PATH, _READERS, Action.ERASURE_READ, guarded(show)),)


def overview_body(found: Overview, now: datetime) -> dict[str, object]:
    """Say how requests stand. Days, not times: a time of receipt would be that of one person's request."""
    return {
        "time": timestamp(now),
        "open": found.open,
        "overdue": found.overdue,
        "oldest_open_days": (now - found.oldest_received).days if found.oldest_received else None,
        "next_deadline_days": (found.next_deadline - now).days if found.next_deadline else None,
        "ended_within_days": ENDED_WITHIN.days,
        "states": found.states,
        "targets": found.targets,
    }
