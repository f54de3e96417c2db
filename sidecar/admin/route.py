"""One endpoint of the admin listener, with who may call it. Parts offer these; the listener guards and serves them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

from aiohttp import web

from sidecar.access import Identity, Role
from sidecar.audit.fields import is_purpose
from sidecar.audit.record import Action

SUBJECT: Final = web.RequestKey("subject", str)
"""A handler puts the keyed pseudonym of the person concerned here, for the guard's record of the outcome."""

RESULTS: Final = web.RequestKey("results", int)
"""A handler puts here how many records a search or an export gave."""

BODY: Final = web.RequestKey("body", bytes)
"""What was read of the body to check its signature, for the handler."""

Handler = Callable[[web.Request, Identity], Awaitable[web.StreamResponse]]

Signer = Callable[[web.Request], Awaitable[Identity | None]]
"""Reads a bounded body and says who signed it; None: nobody known."""


@dataclass(frozen=True, slots=True)
class AdminRoute:
    """``roles`` names who is admitted; None admits everybody, for probes that tell nothing.

    ``signer`` identifies callers who prove themselves by a signature instead of a certificate or token.
    ``action`` is what the guard records as intent and outcome around the handler; None records nothing.
    """

    method: str
    path: str
    roles: frozenset[Role] | None
    action: Action | None
    handler: Handler
    signer: Signer | None = None


def purpose_of(request: web.Request) -> str | None:
    """Return why an auditor looks: the reference of a ticket in the query, if it is one (A36)."""
    purpose = request.query.get("reason", "")
    return purpose if is_purpose(purpose) else None
