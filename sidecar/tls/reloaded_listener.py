"""A listener whose handshakes follow its files (P53, P54).

An asyncio listener keeps the context it was opened with. That one asks for client certificates as configured, since a
handshake takes this setting from it and from nowhere else; a callback then hands each handshake the newest context,
which brings the certificate and the CAs.
"""

from __future__ import annotations

import ssl

from sidecar.metrics import Metrics
from sidecar.tls.certificate_files import Clock, utc_now
from sidecar.tls.contexts import ServerTls, server_context
from sidecar.tls.reload import POLL_SECONDS, Look, OnChange, ReloadedContext, nothing


class ReloadedListener:
    """What a listener is opened with, for as long as it lives, and what each of its handshakes is given."""

    def __init__(self, context: ReloadedContext) -> None:
        self._context = context

    def open(self) -> ssl.SSLContext:
        """Return the context to open the listener with, or raise ``ConfigError``."""
        listening = self._context.open()
        listening.sni_callback = self._choose  # is called with and without SNI
        return listening

    async def start(self) -> None:
        """Begin to follow the files. ``open`` comes first, since it is what hands handshakes over to us."""
        _ = self._context.current
        await self._context.start()

    async def stop(self) -> None:
        await self._context.stop()

    async def look(self) -> Look:
        return await self._context.look()

    def is_current(self, connection: ssl.SSLObject) -> bool:
        """Say whether a connection was made under the newest files; one that was not should end soon."""
        return connection.context is self._context.current

    def _choose(self, connection: ssl.SSLObject, _name: str | None, _listening: ssl.SSLContext) -> int | None:
        """Give the handshake the newest context. An exception in here ends the handshake: it fails closed.

        A resumed session skips verification, and OpenSSL keeps sessions with the listening context: one from before
        the swap would let in a client whose CA is gone, and any one would after a list of revocations expired (P55).
        Refusing it also removes it, so the next try starts afresh.
        """
        if connection.session_reused and not self._still_holds(connection.session):
            return ssl.ALERT_DESCRIPTION_CERTIFICATE_EXPIRED
        connection.context = self._context.current
        return None

    def _still_holds(self, session: ssl.SSLSession | None) -> bool:
        """Whether a client would be admitted as it was when its session began."""
        swapped_at = self._context.swapped_at
        is_of_now = swapped_at is None or (session is not None and session.time > swapped_at)
        return is_of_now and not self._context.lists_have_expired


def reloaded_listener(
    name: str,
    tls: ServerTls,
    metrics: Metrics,
    poll_seconds: float = POLL_SECONDS,
    clock: Clock = utc_now,
    on_change: OnChange = nothing,
) -> ReloadedListener:
    """Follow the files of a listener."""
    context = ReloadedContext(
        name,
        tls.files,
        lambda: server_context(tls, clock),
        metrics,
        pair=tls.pair,
        authorities=tls.client_ca,
        revocations=tls.revocations,
        poll_seconds=poll_seconds,
        clock=clock,
        on_change=on_change,
    )
    return ReloadedListener(context)
