"""One endpoint of the admin listener, with who may call it. Parts offer these; the listener guards and serves them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from aiohttp import web

from sidecar.access import Identity, Role
from sidecar.audit.record import Action

Handler = Callable[[web.Request, Identity], Awaitable[web.StreamResponse]]


@dataclass(frozen=True, slots=True)
class AdminRoute:
    """``roles`` names who is admitted; None admits everybody, for probes that tell nothing.

    ``action`` is what the guard records as intent and outcome around the handler; None records nothing.
    """

    method: str
    path: str
    roles: frozenset[Role] | None
    action: Action | None
    handler: Handler
