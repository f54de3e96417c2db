"""Wires the servers behind the sidecar: each with what it is verified by, which follows its files."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from sidecar.app.auditing import certificates_note
from sidecar.app.settings import Settings
from sidecar.app.tls import client_tls_of
from sidecar.audit.record import AuditWriter
from sidecar.metrics import Metrics
from sidecar.proxy.upstream import Upstream, UpstreamSettings
from sidecar.tls.reload import ReloadedContext, reloaded_client

Start = Callable[[ReloadedContext | Upstream], Awaitable[object]]
"""Starts a part, which is stopped after those that were started behind it."""


async def start_upstreams(
    settings: Settings, metrics: Metrics, audit: AuditWriter, start: Start
) -> dict[str, Upstream]:
    """Return every upstream by its name, started. What its files bring while running is recorded in ``audit``."""
    return {one.name: await _started(one, settings, metrics, audit, start) for one in settings.upstreams}


async def _started(
    one: UpstreamSettings, settings: Settings, metrics: Metrics, audit: AuditWriter, start: Start
) -> Upstream:
    config = settings.config.upstreams[one.name].tls
    tls = client_tls_of(config)
    if one.tls is None or not tls.files:  # plain http, or the system's authorities alone, which are not followed
        upstream = Upstream(one)
    else:
        note = certificates_note(audit, "upstream_certificate", one.name)
        reloaded = reloaded_client(f"upstream {one.name}", tls, metrics, config.reload_seconds, on_change=note)
        await start(reloaded)
        upstream = Upstream(one, lambda: reloaded.current)
    await start(upstream)
    return upstream
