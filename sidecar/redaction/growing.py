"""Redacts a text that grows: detection on what is there, replacement of what can be decided.

The joined output is that of redacting the whole text at once, for everything that fits into what is held back. What is
found in a text is followed in what comes after it; nothing can be done about what went out before.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence

from sidecar.detection.recognizer import Message, Turn
from sidecar.detection.resolve import not_held, resolve
from sidecar.detection.span import Span
from sidecar.redaction.holdback import GrowingText, HoldBack, Window
from sidecar.redaction.last_look import residuals, values_of
from sidecar.redaction.operators import acted_on
from sidecar.redaction.policy import Policy
from sidecar.redaction.propagate import propagate
from sidecar.redaction.redactor import Redacted, Redactor

_MOST_REMEMBERED = 200
_REMEMBERED_CHARACTERS = 600


class Remembered:
    """The values that were found in the texts of one stream. Holds text: bounded, and gone with the stream."""

    def __init__(self) -> None:
        self._values: OrderedDict[tuple[str, str], Span] = OrderedDict()

    def add(self, text: str, spans: Sequence[Span]) -> None:
        for span in spans:
            value = text[span.start : span.end]
            self._values[span.label, value] = Span(0, len(value), span.label, span.score, span.recognizer)
            self._values.move_to_end((span.label, value))
        while len(self._values) > _MOST_REMEMBERED:
            self._values.popitem(last=False)

    @property
    def messages(self) -> list[Message]:
        return [Message(value) for _, value in self._values]

    @property
    def found(self) -> list[tuple[Span, ...]]:
        return [(span,) for span in self._values.values()]


class GrowingRedaction:
    """One growing text. ``speaker``: who says it; ``context``: what was said before it."""

    def __init__(
        self,
        redactor: Redactor,
        policy: Policy,
        remembered: Remembered,
        settings: HoldBack,
        speaker: str | None,
        context: tuple[Turn, ...] = (),
    ) -> None:
        self._redactor = redactor
        self._policy = policy
        self._remembered = remembered
        self._speaker = speaker
        self._context = context
        self._recent = ""
        self._text = GrowingText(settings)

    @property
    def released(self) -> int:
        return self._text.released

    @property
    def end(self) -> int:
        return self._text.end

    @property
    def said(self) -> Turn:
        """The end of the text as it came, for what is said after it."""
        return Turn(self._speaker, self._recent)

    @property
    def is_due(self) -> bool:
        return self._text.is_due

    def append(self, text: str) -> tuple[int, int]:
        """Return the place of what was added."""
        self._recent = (self._recent + text)[-_REMEMBERED_CHARACTERS:]
        return self._text.append(text)

    def take(self, start: int, end: int) -> str:
        """Return what came of some characters that were released."""
        return self._text.take(start, end)

    async def advance(self, scope: str) -> Redacted | None:
        """Release what can be decided on. Returns it, with places in it; None where there is nothing.

        Raises ``PayloadRefused``, ``DetectionFailed``, ``StoreUnavailable``.
        """
        window, found = await self._look()
        standing = self._standing(window, found)
        return await self._release(scope, window, self._text.cut([*found, *standing]), found, bool(standing))

    async def end_it(self, scope: str) -> Redacted | None:
        """Release the rest. Raises as ``advance``."""
        if self.released == self.end:
            return None
        window, found = await self._look()
        return await self._release(scope, window, len(window.text), found, bool(self._standing(window, found)))

    async def _look(self) -> tuple[Window, list[Span]]:
        """Return the end of the text, and what in it is to be replaced and has not gone out."""
        window = self._text.window()
        [detected] = await self._redactor.detect([Message(window.text, self._speaker, self._context)])
        acted = [span for span in detected if acted_on(self._policy, span)]
        texts = [*(message.text for message in self._remembered.messages), window.text]
        followed = propagate(texts, [*self._remembered.found, acted])[-1]
        followed = [span for span in followed if acted_on(self._policy, span)]
        return window, self._text.unreleased(resolve(window.text, [*acted, *followed]))

    def _standing(self, window: Window, found: Sequence[Span]) -> list[Span]:
        """Return what was found elsewhere in the stream, or is proven by its shape, and is not in ``found``."""
        tail = window.text[window.released :]
        messages = [*self._remembered.messages, Message(window.text)]
        values = values_of(messages, [*self._remembered.found, found])
        hits = [
            Span(hit.start + window.released, hit.end + window.released, hit.label, hit.score, hit.recognizer)
            for hit in residuals(tail, values)
            if acted_on(self._policy, hit)
        ]
        return not_held(hits, found)

    async def _release(
        self, scope: str, window: Window, place: int, found: Sequence[Span], looks_back: bool
    ) -> Redacted | None:
        """Replace in what ends at ``place``. ``looks_back``: whether earlier values stand in it undetected."""
        if place == window.released:
            return None
        start = window.released
        part = Message(window.text[start:place], self._speaker)
        spans = tuple(
            Span(one.start - start, one.end - start, one.label, one.score, one.recognizer)
            for one in found
            if one.end <= place
        )
        earlier, earlier_found = (self._remembered.messages, self._remembered.found) if looks_back else ([], [])
        redacted = await self._redactor.replace(scope, [*earlier, part], [*earlier_found, spans], self._policy)
        last = redacted[-1]
        self._text.release(place, last.text, last.spans, last.places)
        self._remembered.add(part.text, last.spans)
        return last
