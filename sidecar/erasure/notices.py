"""Sends notices: to configured webhooks in Standard Webhooks' form, to controllers in OpenDSR's. Nothing waits for it.

A notice is tried for two weeks with growing waits, then given up, loudly. Each says by itself how the request stands,
so the order of arrival does not matter; its id stays the same on every try (E47).
"""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from random import random
from typing import Final

import aiohttp

from sidecar.erasure.attempt import Checkpoint, Clock, nowhere
from sidecar.erasure.backoff import Backoff
from sidecar.erasure.loops import Loop
from sidecar.erasure.opendsr import dialect_of
from sidecar.erasure.processor import Processor
from sidecar.erasure.public_hosts import HostRules, PublicResolver
from sidecar.erasure.receiver_names import ReceiverNames
from sidecar.erasure.webhook import WebhookKey, webhook_headers
from sidecar.errors import StoreUnavailable
from sidecar.metrics import Metrics
from sidecar.stores.erasure_notices import KEPT_TRYING, ErasureNotices, LeasedNotice, NoticeKind

_AT_ONCE: Final = 8
_GONE: Final = 410
_LEASE: Final = timedelta(minutes=2)
_TRY_SECONDS: Final = 20.0
_log = logging.getLogger("sidecar.erasure")


@dataclass(frozen=True, slots=True)
class Webhook:
    """Somebody who is told of everything: where, trusted how, signed with what."""

    name: str
    url: str
    key: WebhookKey = field(repr=False)
    tls: ssl.SSLContext | None = None


@dataclass(frozen=True, slots=True)
class SenderSettings:
    """``controllers_tls``: whom we trust when we call controllers; None: the system's authorities."""

    webhooks: Mapping[str, Webhook]
    processor: Processor | None = None
    hosts: HostRules = field(default_factory=HostRules)
    controllers_tls: ssl.SSLContext | None = None
    backoff: Backoff = field(default_factory=lambda: Backoff(first=timedelta(seconds=5)))
    poll: timedelta = timedelta(seconds=2)


class NoticeSender:
    """``start`` before use, ``stop`` when done. ``pass_once`` tries what is due."""

    def __init__(
        self,
        store: ErasureNotices,
        settings: SenderSettings,
        metrics: Metrics,
        clock: Clock,
        chance: Callable[[], float] = random,
        checkpoint: Checkpoint = nowhere,
    ) -> None:
        self._store = store
        self._settings = settings
        self._metrics = metrics
        self._clock = clock
        self._chance = chance
        self._checkpoint = checkpoint
        self._loop = Loop("erasure-notices", self._repeat)

    @property
    def healthy(self) -> bool:
        return self._loop.running

    async def start(self) -> None:
        """Begin to send what is due, now and then."""
        self._loop.start()

    async def stop(self) -> None:
        """Cut off what is being tried: it is tried again after the next start."""
        await self._loop.stop()

    async def pass_once(self) -> bool:
        """Try every notice that is due, once; tell whether there was one."""
        now = self._clock()
        leased = await self._store.lease(now, now + _LEASE, _AT_ONCE)
        await asyncio.gather(*(self._send(notice) for notice in leased))
        return bool(leased)

    async def _repeat(self) -> None:
        while True:
            try:
                busy = await self.pass_once()
            except StoreUnavailable:
                _log.warning("notices wait: the store is unavailable")
                busy = False
            if not busy:
                await asyncio.sleep(self._settings.poll.total_seconds())

    async def _send(self, notice: LeasedNotice) -> None:
        status = await self._post(notice)
        self._checkpoint("notified")
        now = self._clock()
        if status is not None and 200 <= status < 300:
            outcome = "delivered"
            await self._store.delivered(notice, now)
        elif status == _GONE or now - notice.written_at > KEPT_TRYING or not self._is_known(notice):
            outcome = "abandoned"
            await self._store.abandoned(notice, now)
            _log.error("a notice of an erasure (%s) was given up after %d tries", notice.kind.value, notice.attempts)
        else:
            outcome = "postponed"
            await self._store.postponed(
                notice, now + self._settings.backoff.delay(notice.attempts, None, self._chance())
            )
        self._metrics.erasure_notices.labels(notice.kind.value, outcome).inc()

    def _is_known(self, notice: LeasedNotice) -> bool:
        """A webhook that was taken out of the configuration can't be told any more."""
        return notice.kind is NoticeKind.OPENDSR or notice.receiver in self._settings.webhooks

    async def _post(self, notice: LeasedNotice) -> int | None:
        """Return the status of one try, or None if there was no answer. Bodies of answers are not read."""
        if not self._is_known(notice):
            return None
        headers = {"Content-Type": "application/json"}
        webhook = self._settings.webhooks.get(notice.receiver) if notice.kind is NoticeKind.WEBHOOK else None
        if webhook is not None:
            headers |= webhook_headers(webhook.key, notice.id, self._clock(), notice.payload)
            return await _post(webhook.url, notice.payload, headers, webhook.tls, None)
        settings = self._settings
        if settings.processor is None or not settings.hosts.admits_url(notice.receiver):
            return _GONE  # nobody to sign as, or a place that must not be called: trying again changes nothing
        dialect = dialect_of(notice.payload)
        headers[dialect.domain_header] = settings.processor.domain
        headers[dialect.signature_header] = settings.processor.sign(notice.payload)
        return await _post(notice.receiver, notice.payload, headers, settings.controllers_tls, settings.hosts)


async def _post(
    url: str, body: bytes, headers: Mapping[str, str], tls: ssl.SSLContext | None, rules: HostRules | None
) -> int | None:
    """Redirects are not followed, proxies of the environment not used; with rules, only judged addresses are called."""
    resolver = PublicResolver(rules) if rules is not None else ReceiverNames()
    connector = aiohttp.TCPConnector(resolver=resolver, force_close=True, ssl=tls if tls is not None else True)
    timeout = aiohttp.ClientTimeout(total=_TRY_SECONDS)
    try:
        async with (
            aiohttp.ClientSession(connector=connector, timeout=timeout, trust_env=False) as session,
            session.post(url, data=body, headers=headers, allow_redirects=False) as response,
        ):
            return response.status
    except (aiohttp.ClientError, TimeoutError, OSError, ValueError):
        return None  # their texts name the URL, which may name a person
    finally:
        await resolver.close()
