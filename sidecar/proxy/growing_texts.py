"""The texts that grow over the events of a stream: read by their tails, or only once they are whole."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass, field
from typing import Protocol

from sidecar.detection.recognizer import Turn
from sidecar.errors import PayloadFault, PayloadRefused
from sidecar.payloads.field_map import FieldMap
from sidecar.payloads.json_body import JsonBody
from sidecar.proxy.rewriter import Rewriter, Rewritten, confidence_of
from sidecar.proxy.scopes import scope_of_none
from sidecar.redaction.growing import GrowingRedaction
from sidecar.redaction.policy import Policy
from sidecar.redaction.redactor import Redacted

_EVERY_STRING = FieldMap()
_JSON = JsonBody()


class GrowingText(Protocol):
    """One text of a stream. Places are characters of all of it; those before ``released`` are decided on."""

    @property
    def released(self) -> int: ...

    @property
    def said(self) -> Turn | None:
        """Its end, where it is what somebody says; None where it is another kind of text."""

    @property
    def is_due(self) -> bool:
        """Whether ``advance`` should be called."""

    def append(self, text: str) -> tuple[int, int]:
        """Return the place of what was added. Raises ``PayloadRefused`` (too large)."""

    def take(self, start: int, end: int) -> str:
        """Return what came of some characters, all released. In order, each once."""

    async def advance(self, scope: str) -> Rewritten | None:
        """Release what can be decided on. Returns the counts of what was redacted in it (without a body).

        Raises ``PayloadRefused``, ``DetectionFailed``, ``StoreUnavailable``.
        """

    async def end_it(self, scope: str) -> Rewritten | None:
        """Release the rest. Returns and raises as ``advance``."""


class TailText:
    """Released as it grows, but for its tail."""

    def __init__(self, growing: GrowingRedaction) -> None:
        self._growing = growing

    @property
    def released(self) -> int:
        return self._growing.released

    @property
    def said(self) -> Turn | None:
        return self._growing.said

    @property
    def is_due(self) -> bool:
        return self._growing.is_due

    def append(self, text: str) -> tuple[int, int]:
        return self._growing.append(text)

    def take(self, start: int, end: int) -> str:
        return self._growing.take(start, end)

    async def advance(self, scope: str) -> Rewritten | None:
        return _counted(await self._growing.advance(scope_of_none(scope)))

    async def end_it(self, scope: str) -> Rewritten | None:
        return _counted(await self._growing.end_it(scope_of_none(scope)))


def _counted(redacted: Redacted | None) -> Rewritten | None:
    if redacted is None:
        return None
    labels = Counter(span.label for span in redacted.spans)
    return Rewritten(b"", labels, redacted.residuals, (), confidence=confidence_of(redacted.spans))


@dataclass(slots=True)
class WholeText:
    """Held until it ends, at most ``longest`` characters, and then read as a string of a payload: JSON is opened.

    Where anything is replaced in it, all of it goes out with its first piece.
    """

    rewriter: Rewriter
    policy: Policy
    longest: int
    released: int = 0
    is_due: bool = False
    said: Turn | None = None
    _pieces: list[str] = field(default_factory=list, repr=False)
    _length: int = 0
    _given: str = field(default="", repr=False)
    _made: str = field(default="", repr=False)

    def append(self, text: str) -> tuple[int, int]:
        start = self._length
        self._length += len(text)
        if self._length > self.longest:
            raise PayloadRefused(PayloadFault.TOO_LARGE, f"a text of more than {self.longest} characters")
        self._pieces.append(text)
        return start, self._length

    def take(self, start: int, end: int) -> str:
        if self._made == self._given:
            return self._given[start:end]
        return self._made if start == 0 < end else ""

    async def advance(self, scope: str) -> Rewritten | None:  # noqa: ARG002 - the interface; nothing goes out early
        return None

    async def end_it(self, scope: str) -> Rewritten | None:
        self._given = "".join(self._pieces)
        payload = json.dumps([self._given], ensure_ascii=False)
        rewritten = await self.rewriter.rewrite(payload, _JSON, _EVERY_STRING, self.policy, scope)
        self._made = str(json.loads(rewritten.body)[0])
        self.released = self._length
        return rewritten
