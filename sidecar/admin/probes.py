"""The endpoints that every sidecar has: is it alive, is it ready, what does it count."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from aiohttp import web
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder

from sidecar.access import Identity, Role
from sidecar.admin.route import AdminRoute


@dataclass(frozen=True, slots=True)
class ReadinessCheck:
    """One part that must be ready. ``ready`` answers from memory: a probe waits for nobody and costs nothing."""

    part: str
    ready: Callable[[], bool]


def probe_routes(
    checks: Sequence[ReadinessCheck], registry: CollectorRegistry, quarantined: Callable[[], Sequence[str]] = tuple
) -> tuple[AdminRoute, ...]:
    """Return ``/healthz`` and ``/readyz``, open to all, and ``/metrics``.

    ``quarantined``: systems that are closed off. Their routes refuse; the sidecar is ready all the same, or a pod would
    take the chatbot away from customers because trainers must not read it.
    """

    async def ready(_request: web.Request, _identity: Identity) -> web.StreamResponse:
        waiting_for = [check.part for check in checks if not check.ready()]
        if waiting_for:
            return web.json_response({"ready": False, "waiting_for": waiting_for}, status=503)
        closed = list(quarantined())
        return web.json_response({"ready": True, **({"quarantined": closed} if closed else {})})

    async def metrics(request: web.Request, _identity: Identity) -> web.StreamResponse:
        encode, content_type = choose_encoder(request.headers.get("Accept", ""))
        return web.Response(body=encode(registry), headers={"Content-Type": content_type})

    return (
        AdminRoute("GET", "/healthz", None, None, _alive),
        AdminRoute("GET", "/readyz", None, None, ready),
        AdminRoute("GET", "/metrics", frozenset({Role.METRICS}), None, metrics),
    )


async def _alive(_request: web.Request, _identity: Identity) -> web.StreamResponse:
    """The loop turns, that is all: a dead upstream or a full disk is not mended by a restart."""
    return web.json_response({"alive": True})
