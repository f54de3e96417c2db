"""From messages to redacted messages: detect, then replace."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from sidecar.detection.recognizer import Message
from sidecar.detection.span import Span
from sidecar.keys import Pseudonymizer
from sidecar.redaction.own_texts import OwnTexts
from sidecar.redaction.policy import Policy
from sidecar.redaction.replacer import Offload, Redacted, Replacer, inline
from sidecar.redaction.scope import PlaceholderStore
from sidecar.redaction.suppression import Suppression

__all__ = ["Detection", "Redacted", "Redactor"]


class Detection(Protocol):
    """Finds spans: a pool of worker processes, the cache before it, or a fake."""

    @property
    def version(self) -> str: ...

    async def detect(self, messages: Sequence[Message]) -> list[tuple[Span, ...]]: ...


class Redactor:
    """Redacts messages, a conversation at a time. Keys: of ``Purpose.PLACEHOLDER`` and ``Purpose.OPERATOR``."""

    def __init__(
        self,
        detection: Detection,
        store: PlaceholderStore,
        placeholder_keys: Pseudonymizer,
        operator_keys: Pseudonymizer,
        offload: Offload = inline,
        suppression: Suppression | None = None,
    ) -> None:
        """``offload`` keeps steps of long payloads from holding up an event loop; ``suppression``: who is erased."""
        self._detection = detection
        self._suppression = suppression
        self._own_texts = OwnTexts(placeholder_keys)
        self._replacer = Replacer(store, placeholder_keys, operator_keys, offload)

    @property
    def detector_version(self) -> str:
        """For audit records."""
        return self._detection.version

    def running(self, characters: int) -> Offload:
        """Return what runs the pure steps of a text of this length: not on the event loop where it is long."""
        return self._replacer.running(characters)

    async def redact(self, scope: str, messages: Sequence[Message], policy: Policy) -> list[Redacted]:
        """Return each message redacted, in order. ``scope`` names the conversation.

        Raises ``DetectionFailed`` or ``StoreUnavailable``; there is no partial answer.
        """
        return await self.replace(scope, messages, await self.detect(messages), policy)

    async def detect(self, messages: Sequence[Message]) -> list[tuple[Span, ...]]:
        """Return what is found in each message. Raises ``DetectionFailed``."""
        found = await self._detection.detect(messages)
        return found if self._suppression is None else self._suppression.marked(messages, found)

    async def replace(
        self, scope: str, messages: Sequence[Message], found: Sequence[Sequence[Span]], policy: Policy
    ) -> list[Redacted]:
        """Return each message redacted, in order, by what was found in it. Raises as ``redact``."""
        circumstances = (scope, policy.version, self.detector_version)
        if len(found) == len(messages):  # the replacer refuses anything else
            found = [
                self._own_texts.still_to_redact(message.text, spans, *circumstances)
                for message, spans in zip(messages, found, strict=True)
            ]
        redacted = await self._replacer.replace(scope, messages, found, policy)
        for one in redacted:
            self._own_texts.remember(one.text, *circumstances)
        return redacted
