"""The endpoint for operators: how requests stand together, and nothing of any one of them (E50)."""

from __future__ import annotations

from datetime import datetime
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

_READERS: Final = frozenset({Role.OPERATOR, Role.PRIVACY_OFFICER, Role.AUDITOR})


def overview_routes(overview: ErasureOverview, clock: Clock) -> tuple[AdminRoute, ...]:
    """Return the endpoint."""

    async def show(_request: web.Request, _identity: Identity) -> web.StreamResponse:
        now = clock()
        return web.json_response(overview_body(await overview.at(now), now))

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
