"""What is left to do when an exchange has ended: the outcome that its intent is owed, and a word to the operator."""

from __future__ import annotations

import asyncio
import logging
import traceback
from collections.abc import Callable

from sidecar.audit.record import AuditWriter
from sidecar.errors import AuditUnavailable, SidecarError
from sidecar.proxy.account import Account

_LOG = logging.getLogger(__name__)


class Conclusions:
    """Writes outcomes. Nobody waits for them, so that neither the client nor its going away holds one up."""

    def __init__(self, audit: AuditWriter, detector_version: Callable[[], str]) -> None:
        self._audit = audit
        self._detector_version = detector_version
        self._owed: set[asyncio.Future[None]] = set()  # intents and outcomes that are being written

    async def settle(self) -> None:
        """Return when every outcome has been written or has failed to be."""
        while self._owed:
            await asyncio.wait(self._owed)

    def conclude(self, account: Account) -> None:
        """Write the outcome that a durable intent is owed; without an intent there is none."""
        intending = account.intending
        if intending is None:
            return
        if intending.done():
            self._conclude(intending, account)
        else:  # the client went away before its intent was durable
            self._owed.add(intending)
            intending.add_done_callback(lambda done: self._conclude(done, account))

    def _conclude(self, intending: asyncio.Future[None], account: Account) -> None:
        self._owed.discard(intending)
        if intending.cancelled() or intending.exception() is not None:
            return
        concluding = asyncio.ensure_future(self._audit.conclude(account.outcome(self._detector_version())))
        self._owed.add(concluding)
        concluding.add_done_callback(lambda done: self._concluded(done, account.exchange_id))

    def _concluded(self, concluding: asyncio.Future[None], exchange_id: str) -> None:
        self._owed.discard(concluding)
        error = None if concluding.cancelled() else concluding.exception()
        if isinstance(error, AuditUnavailable):
            # The intent stands without an outcome, which `audit verify` reports; the next intent is refused.
            _LOG.error("exchange %s: its outcome could not be recorded: %s", exchange_id, error)
        elif error is not None:
            _LOG.error("exchange %s: its outcome could not be recorded (%s)", exchange_id, type(error).__name__)


def report(account: Account, reason: str, error: Exception) -> None:
    """Tell the operator. An expected error's text is free of personal data; of any other only its place is told."""
    if isinstance(error, SidecarError):
        _LOG.warning("exchange %s on route %s: %s", account.exchange_id, account.route_name, error)
        return
    frames = traceback.extract_tb(error.__traceback__)
    place = f"{frames[-1].filename}:{frames[-1].lineno}" if frames else "unknown place"
    _LOG.error("exchange %s ended on a bug (%s): %s at %s", account.exchange_id, reason, type(error).__name__, place)
