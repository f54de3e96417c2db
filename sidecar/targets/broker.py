"""Systems that are told to erase by a message. Nobody can look there: the best that can come of it is ``unverified``.

Where acknowledgements are configured, the task is ``submitted`` until the system has said that it is done; without, the
broker's own word that it keeps the message is all there is.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Sequence
from typing import Final, Protocol
from uuid import uuid4

from sidecar.erasure.request import SubjectIdentity
from sidecar.errors import ConfigError, Problem
from sidecar.targets.broker_settings import BrokerSettings
from sidecar.targets.criteria import count_at, resolve_pointer
from sidecar.targets.described import Described
from sidecar.targets.target import (
    DeleteResult,
    DeleteStatus,
    JobStatus,
    Order,
    PollResult,
    TargetFault,
    VerifyResult,
    VerifyStatus,
)

_log = logging.getLogger("sidecar.targets")
_NOT_REACHED: Final = frozenset({TargetFault.UNREACHABLE, TargetFault.TIMED_OUT, TargetFault.CLOSED_EARLY})
_STATES: Final = {"done": JobStatus.DONE, "failed": JobStatus.FAILED, "running": JobStatus.RUNNING}


class MessengerFailed(Exception):
    """The broker did not take a message, or can't be asked."""

    def __init__(self, fault: TargetFault) -> None:
        super().__init__(fault.value)
        self.fault = fault


class Messenger(Protocol):
    """A broker, one connection for each call. Raises ``MessengerFailed``."""

    async def check(self) -> None:
        """See that messages would be kept, and acknowledgements found."""

    async def send(self, message_id: str, body: bytes) -> None:
        """Return once the broker has said that it keeps the message."""

    async def acknowledgement(self, message_id: str) -> bytes | None:
        """Return what a system answered to a message, without taking it away."""


class BrokerTarget(Described[BrokerSettings]):
    """Implements ``Target`` and ``OrderTarget``."""

    def __init__(self, settings: BrokerSettings, messenger: Messenger, where: str) -> None:
        super().__init__(settings)
        self._messenger = messenger
        self._where = where

    def __repr__(self) -> str:
        return f"BrokerTarget({self.name!r})"  # the messenger's URL may hold a password

    async def start(self) -> None:
        try:
            await self._messenger.check()
        except MessengerFailed as failed:
            if failed.fault not in _NOT_REACHED:
                remedy = "Check url, rights, and that a stream or queue is there for destination and acknowledgements"
                message = f"the broker can't be used ({failed.fault.value})"
                raise ConfigError((Problem(self._where, message, remedy),)) from None
            _log.warning("target %s is %s: messages wait for it", self.name, failed.fault.value)

    async def stop(self) -> None:
        """Nothing stays open between calls."""

    async def delete(self, identities: Sequence[SubjectIdentity]) -> DeleteResult:
        return await self.order(Order(str(uuid4()), identities))

    async def order(self, order: Order) -> DeleteResult:
        """Send the message. Sent again, it has the same id, by which brokers and systems know it."""
        try:
            await self._messenger.send(order.id, self._body(order))
        except MessengerFailed as failed:
            return DeleteResult(DeleteStatus.FAILED, fault=failed.fault)
        return DeleteResult(DeleteStatus.SUBMITTED, reference=order.id if self._settings.acknowledgements else None)

    async def poll(self, order: Order) -> PollResult:
        try:
            data = await self._messenger.acknowledgement(order.reference or order.id)
        except MessengerFailed as failed:
            return PollResult(JobStatus.UNKNOWN, fault=failed.fault)
        if data is None:
            return PollResult(JobStatus.RUNNING)
        try:
            body = json.loads(data)
        except (ValueError, RecursionError):
            return PollResult(JobStatus.UNKNOWN, fault=TargetFault.UNEXPECTED_BODY)
        status = _STATES.get(str(resolve_pointer(body, "/status")), JobStatus.UNKNOWN)
        fault = TargetFault.UNEXPECTED_BODY if status is JobStatus.UNKNOWN else None
        return PollResult(status, count_at(body, "/deleted") if status is JobStatus.DONE else None, fault=fault)

    async def verify(self, identities: Sequence[SubjectIdentity]) -> VerifyResult:  # noqa: ARG002
        return VerifyResult(VerifyStatus.IMPOSSIBLE)

    def _body(self, order: Order) -> bytes:
        message: dict[str, object] = {
            "type": "erasure",
            "id": order.id,
            "identities": [{"type": one.type.value, "value": one.value} for one in order.identities],
        }
        if self._settings.acknowledgements is not None:
            message["reply_to"] = f"{self._settings.acknowledgements}.{order.id}"
        return json.dumps(message).encode("ascii")
