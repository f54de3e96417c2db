"""Contexts that follow their files: new certificates serve new handshakes, a bad file changes nothing (P53, P54).

Files are polled and hashed. Watching them fails on some mounts, and on a Kubernetes volume, where a swap of the
``..data`` link changes every file at once, it sees one change and then goes blind. A ``subPath`` mount never changes.

An asyncio listener keeps the context it was opened with. That one asks for client certificates as configured, since a
handshake takes this setting from it and from nowhere else; a callback then hands each handshake the newest context,
which brings the certificate and the CAs.
"""

from __future__ import annotations

import asyncio
import logging
import ssl
import time
from collections.abc import Callable
from contextlib import suppress
from enum import StrEnum
from hashlib import sha256
from pathlib import Path

from sidecar.errors import ConfigError
from sidecar.metrics import Metrics
from sidecar.tls.certificate_files import Clock, KeyPair, check_key_pair, utc_now
from sidecar.tls.contexts import ClientTls, ServerTls, client_context, server_context

POLL_SECONDS = 10.0
_ATTEMPTS = 3  # a swap of the files under our hands is over by the next read
_log = logging.getLogger("sidecar.tls")


class Look(StrEnum):
    """What one look at the files led to. A closed set: it is a metric label."""

    UNCHANGED = "unchanged"
    SWAPPED = "swapped"
    KEPT = "kept"  # the files are new and unusable, so the old context goes on


def _nothing() -> None:
    pass


class ReloadedContext:
    """One context built from files, and built anew when they change. ``name`` is the operator's word for it."""

    def __init__(
        self,
        name: str,
        files: tuple[Path, ...],
        build: Callable[[], ssl.SSLContext],
        metrics: Metrics,
        *,
        pair: KeyPair | None = None,
        poll_seconds: float = POLL_SECONDS,
        clock: Clock = utc_now,
        on_swap: Callable[[], None] = _nothing,
    ) -> None:
        self._on_swap = on_swap
        self._name = name
        self._files = files
        self._build = build
        self._metrics = metrics
        self._pair = pair
        self._poll_seconds = poll_seconds
        self._clock = clock
        self._current: ssl.SSLContext | None = None
        self._fingerprint = b""
        self._complaint = ""
        self._polling: asyncio.Task[None] | None = None
        self.swapped_at: float | None = None  # seconds since the epoch; None: never

    @property
    def current(self) -> ssl.SSLContext:
        """The context for the next handshake. ``open`` comes first."""
        if self._current is None:
            raise RuntimeError(f"the TLS context {self._name} was used before it was opened")
        return self._current

    def open(self) -> ssl.SSLContext:
        """Build the first context, or raise ``ConfigError``: at start-up a bad file is the operator's to mend."""
        self._fingerprint, self._current = self._build_from_one_state()
        self._publish_expiry()
        return self._current

    async def start(self) -> None:
        """Begin to follow the files; opens first where that was not done."""
        if self._current is None:
            await asyncio.to_thread(self.open)
        self._polling = asyncio.create_task(self._poll(), name=f"tls-reload-{self._name}")

    async def stop(self) -> None:
        if self._polling is not None:
            self._polling.cancel()
            with suppress(asyncio.CancelledError):
                await self._polling
            self._polling = None

    async def look(self) -> Look:
        """Look at the files once. Never raises for what is in them: what serves goes on serving."""
        try:
            built = await asyncio.to_thread(self._build_if_changed)
        except ConfigError as error:
            self._complain(str(error))
            self._metrics.certificate_reloads.labels(self._name, Look.KEPT.value).inc()
            return Look.KEPT
        self._complaint = ""
        if built is None:
            return Look.UNCHANGED
        self._fingerprint, self._current = built
        self.swapped_at = time.time()
        self._publish_expiry()
        self._metrics.certificate_reloads.labels(self._name, Look.SWAPPED.value).inc()
        _log.info("TLS files of %s changed: new handshakes use them", self._name)
        self._on_swap()
        return Look.SWAPPED

    async def _poll(self) -> None:
        while True:
            await asyncio.sleep(self._poll_seconds)
            await self.look()

    def _build_if_changed(self) -> tuple[bytes, ssl.SSLContext] | None:
        if fingerprint(self._files) == self._fingerprint:
            return None
        return self._build_from_one_state()

    def _build_from_one_state(self) -> tuple[bytes, ssl.SSLContext]:
        """Build from files that did not change meanwhile: a certificate and a key of two states must not meet."""
        for _ in range(_ATTEMPTS - 1):
            before = fingerprint(self._files)
            with suppress(ConfigError):
                built = self._build()
                if fingerprint(self._files) == before:
                    return before, built
        return fingerprint(self._files), self._build()

    def _publish_expiry(self) -> None:
        if self._pair is None:
            return
        with suppress(ConfigError):  # changed since it was loaded: the next look brings it
            not_after = check_key_pair(self._pair, self._clock())
            self._metrics.certificate_not_after.labels(self._name).set(not_after.timestamp())

    def _complain(self, complaint: str) -> None:
        if complaint != self._complaint:
            _log.error("TLS files of %s changed and can't be used, the old ones go on: %s", self._name, complaint)
        self._complaint = complaint


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
        the swap would let in a client whose CA is gone. Refusing it also removes it, so the next try starts afresh.
        """
        swapped_at = self._context.swapped_at
        if swapped_at is not None and connection.session_reused:
            session = connection.session
            if session is None or session.time <= swapped_at:
                return ssl.ALERT_DESCRIPTION_CERTIFICATE_EXPIRED
        connection.context = self._context.current
        return None


def reloaded_listener(
    name: str,
    tls: ServerTls,
    metrics: Metrics,
    poll_seconds: float = POLL_SECONDS,
    clock: Clock = utc_now,
    on_swap: Callable[[], None] = _nothing,
) -> ReloadedListener:
    """Follow the files of a listener. ``on_swap`` is called when new ones are in force."""
    context = ReloadedContext(
        name,
        tls.files,
        lambda: server_context(tls, clock),
        metrics,
        pair=tls.pair,
        poll_seconds=poll_seconds,
        clock=clock,
        on_swap=on_swap,
    )
    return ReloadedListener(context)


def reloaded_client(
    name: str, tls: ClientTls, metrics: Metrics, poll_seconds: float = POLL_SECONDS, clock: Clock = utc_now
) -> ReloadedContext:
    """Follow the files of calls to one upstream. Take ``current`` anew for each call."""
    pair = KeyPair(tls.certificate, tls.key) if tls.certificate and tls.key else None
    return ReloadedContext(
        name, tls.files, lambda: client_context(tls, clock), metrics, pair=pair, poll_seconds=poll_seconds, clock=clock
    )


def fingerprint(files: tuple[Path, ...]) -> bytes:
    """Return a digest of what the files hold now; one that can't be read is a state of its own."""
    digest = sha256()
    for path in files:
        try:
            data = path.read_bytes()
        except OSError as error:
            data = f"unreadable {error.errno}".encode()
        digest.update(sha256(data).digest())
    return digest.digest()
