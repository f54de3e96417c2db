"""Contexts that follow their files: new certificates serve new handshakes, a bad file changes nothing (P53, P54).

Files are polled and hashed. Watching them fails on some mounts, and on a Kubernetes volume, where a swap of the
``..data`` link changes every file at once, it sees one change and then goes blind. A ``subPath`` mount never changes.
"""

from __future__ import annotations

import asyncio
import logging
import ssl
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from sidecar.errors import ConfigError
from sidecar.metrics import Metrics
from sidecar.tls.certificate_files import (
    Clock,
    Fingerprints,
    KeyPair,
    Trust,
    check_key_pair,
    digest_of,
    fingerprints_of,
    trust_of,
    utc_now,
)
from sidecar.tls.connection import Succession
from sidecar.tls.contexts import ClientTls, client_context

POLL_SECONDS = 10.0
_ATTEMPTS = 3  # a swap of the files under our hands is over by the next read
_log = logging.getLogger("sidecar.tls")


class Look(StrEnum):
    """What one look at the files led to. A closed set: it is a metric label."""

    UNCHANGED = "unchanged"
    SWAPPED = "swapped"
    KEPT = "kept"  # the files are new and unusable, so the old context goes on


@dataclass(frozen=True, slots=True)
class Change:
    """New files: whether they are in force (``SWAPPED``) or unusable (``KEPT``), and what was in force before."""

    look: Look
    found: Fingerprints
    before: Fingerprints


OnChange = Callable[[Change], None]


def nothing(_: Change) -> None:
    pass


@dataclass(frozen=True, slots=True)
class _State:
    """What the files held at one time, and the context that was built of it."""

    digest: bytes
    fingerprints: Fingerprints
    context: ssl.SSLContext
    trust: Trust


class _Unusable(Exception):
    """The files are new, and no context can be built of them."""

    def __init__(self, complaint: str, digest: bytes, fingerprints: Fingerprints) -> None:
        super().__init__(complaint)
        self.digest = digest
        self.fingerprints = fingerprints


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
        authorities: Path | None = None,
        revocations: Path | None = None,
        poll_seconds: float = POLL_SECONDS,
        clock: Clock = utc_now,
        on_change: OnChange = nothing,
    ) -> None:
        """``on_change`` is called in the loop when files have changed: once for each state of them."""
        self._on_change = on_change
        self._name = name
        self._files = files
        self._build = build
        self._metrics = metrics
        self._pair = pair
        self._authorities = authorities
        self._revocations = revocations
        self._poll_seconds = poll_seconds
        self._clock = clock
        self._state: _State | None = None
        self._succession = Succession()
        self._refused = b""  # the digest of files that can't be used, once that was told
        self._polling: asyncio.Task[None] | None = None
        self.swapped_at: float | None = None  # seconds since the epoch; None: never

    @property
    def current(self) -> ssl.SSLContext:
        """The context for the next handshake. ``open`` comes first."""
        return self._opened.context

    @property
    def _opened(self) -> _State:
        if self._state is None:
            raise RuntimeError(f"the TLS context {self._name} was used before it was opened")
        return self._state

    @property
    def lists_have_expired(self) -> bool:
        """Whether nobody can tell any more who was revoked."""
        ends = self._opened.trust.lists_end
        return ends is not None and self._clock() >= ends

    def open(self) -> ssl.SSLContext:
        """Build the first context, or raise ``ConfigError``: at start-up a bad file is the operator's to mend."""
        self._state = self._build_from_one_state()
        self._succession.begin(self._state.context, self._state.trust)
        self._publish_expiry()
        return self._state.context

    async def start(self) -> None:
        """Begin to follow the files; opens first where that was not done."""
        if self._state is None:
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
        before = self._opened.fingerprints
        try:
            built = await asyncio.to_thread(self._build_if_changed)
        except _Unusable as error:
            self._metrics.certificate_reloads.labels(self._name, Look.KEPT.value).inc()
            if error.digest != self._refused:
                self._refused = error.digest
                _log.error("TLS files of %s changed and can't be used, the old ones go on: %s", self._name, error)
                self._on_change(Change(Look.KEPT, error.fingerprints, before))
            return Look.KEPT
        self._refused = b""
        if built is None:
            return Look.UNCHANGED
        self._succession.follow(self._opened.context, self._opened.trust, built.trust)
        self._succession.begin(built.context, built.trust)
        self._state = built
        self.swapped_at = time.time()
        self._publish_expiry()
        self._metrics.certificate_reloads.labels(self._name, Look.SWAPPED.value).inc()
        _log.info("TLS files of %s changed: new handshakes use them", self._name)
        self._on_change(Change(Look.SWAPPED, built.fingerprints, before))
        return Look.SWAPPED

    async def _poll(self) -> None:
        while True:
            await asyncio.sleep(self._poll_seconds)
            await self.look()

    def _build_if_changed(self) -> _State | None:
        if digest_of(self._files) == self._opened.digest:
            return None
        try:
            return self._build_from_one_state()
        except ConfigError as error:
            raise _Unusable(str(error), digest_of(self._files), self._fingerprints()) from None

    def _build_from_one_state(self) -> _State:
        """Build from files that did not change meanwhile: a certificate and a key of two states must not meet."""
        for _ in range(_ATTEMPTS - 1):
            before = digest_of(self._files)
            with suppress(ConfigError):
                built = self._built(before)
                if digest_of(self._files) == before:
                    return built
        return self._built(digest_of(self._files))

    def _built(self, digest: bytes) -> _State:
        return _State(digest, self._fingerprints(), self._build(), trust_of(self._authorities, self._revocations))

    def _fingerprints(self) -> Fingerprints:
        return fingerprints_of(self._pair.certificate if self._pair else None, self._authorities)

    def _publish_expiry(self) -> None:
        if (lists_end := self._opened.trust.lists_end) is not None:
            self._metrics.revocations_next_update.labels(self._name).set(lists_end.timestamp())
        else:  # an alert on what the lists before said would be false
            with suppress(KeyError):
                self._metrics.revocations_next_update.remove(self._name)
        if self._pair is None:
            return
        with suppress(ConfigError):  # changed since it was loaded: the next look brings it
            not_after = check_key_pair(self._pair, self._clock())
            self._metrics.certificate_not_after.labels(self._name).set(not_after.timestamp())


def reloaded_client(
    name: str,
    tls: ClientTls,
    metrics: Metrics,
    poll_seconds: float = POLL_SECONDS,
    clock: Clock = utc_now,
    on_change: OnChange = nothing,
) -> ReloadedContext:
    """Follow the files of calls to one upstream. Take ``current`` anew for each call."""
    pair = KeyPair(tls.certificate, tls.key) if tls.certificate and tls.key else None
    return ReloadedContext(
        name,
        tls.files,
        lambda: client_context(tls, clock),
        metrics,
        pair=pair,
        authorities=tls.ca,
        poll_seconds=poll_seconds,
        clock=clock,
        on_change=on_change,
    )
