"""Follows the product catalogue's file while running (D5): a good change is swapped in, a bad one changes nothing.

The file is polled and hashed. Watching it would miss changes on some mounts, and on a Kubernetes volume, where a swap
of the ``..data`` link replaces it, see one and then go blind.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import replace
from enum import StrEnum
from hashlib import file_digest, sha256

from sidecar.detection.assembly import CatalogueFile, read_catalogue, snapshot
from sidecar.errors import ConfigError
from sidecar.metrics import Metrics

POLL_SECONDS = 10.0
_SETTLE_SECONDS = 1.0
_LONGEST_WAIT = 32  # times the poll, when what failed was not the file
_log = logging.getLogger("sidecar.catalogue")

Swap = Callable[[CatalogueFile], Awaitable[None]]


class CatalogueLook(StrEnum):
    """What one look at the file led to. A closed set: it is a metric label."""

    UNCHANGED = "unchanged"
    SWAPPED = "swapped"
    KEPT = "kept"  # the new content can't be used, so the old goes on


class CatalogueReload:
    """One catalogue and whoever must be told that it changed. ``file`` holds the content in force."""

    def __init__(self, file: CatalogueFile, swap: Swap, metrics: Metrics, poll_seconds: float = POLL_SECONDS) -> None:
        """``swap`` makes every detection use a catalogue, or raises ``ConfigError`` and leaves the old in force."""
        self._file = replace(file, data=None)
        self._in_force = sha256(file.data or b"").digest()
        self._refused = b""  # the digest of content that can't be used; it is not tried again
        self._swap = swap
        self._reloads = metrics.catalogue_reloads
        self._poll_seconds = poll_seconds
        self._complaint = ""
        self._failures = 0
        self._polling: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begin to follow the file."""
        self._polling = asyncio.create_task(self._poll(), name="catalogue-reload")

    async def stop(self) -> None:
        polling, self._polling = self._polling, None
        if polling is not None:
            polling.cancel()
            with suppress(asyncio.CancelledError):
                await polling

    async def look(self) -> CatalogueLook:
        """Look at the file once. Never raises for what is in it: what is in force stays so."""
        try:
            digest, fresh = await asyncio.to_thread(self._read_if_changed)
        except ConfigError as error:
            return self._kept(str(error))
        if digest == self._in_force:
            self._complaint = ""
        if fresh is None or not await self._settled(digest):
            return CatalogueLook.UNCHANGED
        try:
            await asyncio.to_thread(read_catalogue, fresh)
        except ConfigError as error:
            self._refused = digest
            return self._kept(str(error))
        try:
            await self._swap(fresh)
        except ConfigError as error:  # the content is good, the workers are in trouble: tried again, ever more slowly
            self._failures += 1
            return self._kept(str(error))
        self._in_force, self._refused, self._failures, self._complaint = digest, b"", 0, ""
        self._reloads.labels(CatalogueLook.SWAPPED.value).inc()
        _log.info("the catalogue %s changed and is in force", self._file.path)
        return CatalogueLook.SWAPPED

    async def _poll(self) -> None:
        while True:
            await asyncio.sleep(self._poll_seconds * min(2**self._failures, _LONGEST_WAIT))
            await self.look()

    async def _settled(self, digest: bytes) -> bool:
        """Whether nobody is writing the file just now: half a list may be well-formed. Else the next look tells."""
        await asyncio.sleep(min(_SETTLE_SECONDS, self._poll_seconds))
        return await asyncio.to_thread(self._digest) == digest

    def _read_if_changed(self) -> tuple[bytes, CatalogueFile | None]:
        if (digest := self._digest()) in (self._in_force, self._refused):
            return digest, None
        fresh = snapshot(self._file)
        return sha256(fresh.data or b"").digest(), fresh

    def _digest(self) -> bytes:
        """Return the digest of the file, without holding its content; of one that can't be read: one in no use."""
        try:
            with self._file.path.open("rb") as opened:
                return file_digest(opened, "sha256").digest()
        except OSError:
            return b"unreadable"

    def _kept(self, complaint: str) -> CatalogueLook:
        if complaint != self._complaint:
            _log.error("the catalogue changed and can't be used, the old one stays in force: %s", complaint)
            self._reloads.labels(CatalogueLook.KEPT.value).inc()
        self._complaint = complaint
        return CatalogueLook.KEPT
