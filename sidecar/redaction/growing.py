"""Redacts a text that grows: detection on what is there, replacement of what can be decided.

The joined output is that of redacting the whole text at once, for everything that fits into what is held back. What is
found in a text is followed in what comes after it; nothing can be done about what went out before.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from sidecar.detection.recognizer import Message, Turn
from sidecar.detection.resolve import not_held, resolve
from sidecar.detection.span import Span
from sidecar.redaction.holdback import GrowingText, HoldBack, Window, pieces_of, place_to_cut, unreleased
from sidecar.redaction.last_look import residuals, values_of
from sidecar.redaction.operators import acted_on
from sidecar.redaction.policy import Policy
from sidecar.redaction.propagate import follow, proven
from sidecar.redaction.redactor import Redacted, Redactor

_MOST_REMEMBERED = 200
_REMEMBERED_CHARACTERS = 600


_Found = tuple[tuple[str, str], Span]
"""A type and a value, and a span over the value as a text of its own. Holds text."""


@dataclass(frozen=True, slots=True)
class _Look:
    """A window, what in it is to be replaced and has not gone out, and what else must not stand in it.

    ``standing``: what was found elsewhere in the stream, or is proven by its shape, and is not in ``found``.
    """

    window: Window
    found: Sequence[Span]
    standing: Sequence[Span]


class Remembered:
    """The values that were found in the texts of one stream. Holds text: bounded, and gone with the stream."""

    def __init__(self) -> None:
        self._values: OrderedDict[tuple[str, str], Span] = OrderedDict()

    def add(self, latest: Iterable[_Found]) -> None:
        for key, span in latest:
            self._values[key] = span
            self._values.move_to_end(key)
        while len(self._values) > _MOST_REMEMBERED:
            self._values.popitem(last=False)

    @property
    def messages(self) -> list[Message]:
        return [Message(value) for _, value in self._values]

    @property
    def found(self) -> list[tuple[Span, ...]]:
        return [(span,) for span in self._values.values()]


class GrowingRedaction:
    """One growing text. ``speaker``: who says it; ``context``: what was said before it.

    Steps that only read are run where the redactor has steps of such length run; what changes, the event loop changes.
    """

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
        self._tail = settings.tail
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
        look = await self._look()
        run = self._redactor.running(len(look.window.text))
        place = await run(lambda: place_to_cut(look.window, [*look.found, *look.standing], self._tail))
        self._text.looked_at(look.window, place)
        return await self._release(scope, look, place)

    async def end_it(self, scope: str) -> Redacted | None:
        """Release the rest. Raises as ``advance``."""
        if self.released == self.end:
            return None
        look = await self._look()
        return await self._release(scope, look, len(look.window.text))

    async def _look(self) -> _Look:
        window = self._text.window()
        [detected] = await self._redactor.detect([Message(window.text, self._speaker, self._context)])
        earlier, earlier_found = self._remembered.messages, self._remembered.found
        run = self._redactor.running(len(window.text) + sum(len(message.text) for message in earlier))
        return await run(lambda: _look(window, detected, earlier, earlier_found, self._policy, self._tail))

    async def _release(self, scope: str, look: _Look, place: int) -> Redacted | None:
        """Replace in what ends at ``place``, with earlier values that stand in it undetected."""
        start = look.window.released
        if place == start:
            return None
        run = self._redactor.running(len(look.window.text))
        part = Message(look.window.text[start:place], self._speaker)
        spans = await run(lambda: tuple(_moved(one, -start) for one in look.found if one.end <= place))
        earlier, earlier_found = (self._remembered.messages, self._remembered.found) if look.standing else ([], [])
        redacted = await self._redactor.replace(scope, [*earlier, part], [*earlier_found, spans], self._policy)
        last, base = redacted[-1], self.released
        pieces = await run(lambda: pieces_of(base, last.text, last.spans, last.places))
        latest = await run(lambda: _latest(part.text, last.spans))
        self._text.release(place, pieces)
        self._remembered.add(latest)
        return last


def _look(
    window: Window,
    detected: Sequence[Span],
    earlier: Sequence[Message],
    earlier_found: Sequence[Sequence[Span]],
    policy: Policy,
    tail: int,
) -> _Look:
    """Say what stands in the window, by what detection found in it and what was found in the stream. Pure."""
    acted = [span for span in detected if acted_on(policy, span)]
    names = proven([*(message.text for message in earlier), window.text], [*earlier_found, acted])
    followed = [span for span in follow(window.text, acted, names) if acted_on(policy, span)]
    found = unreleased(window, resolve(window.text, [*acted, *followed]), tail)
    values = values_of([*earlier, Message(window.text)], [*earlier_found, found])
    hits = residuals(window.text[window.released :], values)
    standing = not_held((_moved(hit, window.released) for hit in hits if acted_on(policy, hit)), found)
    return _Look(window, found, standing)


def _moved(span: Span, by: int) -> Span:
    return Span(span.start + by, span.end + by, span.label, span.score, span.recognizer)


def _latest(text: str, spans: Sequence[Span]) -> list[_Found]:
    """Return the values that were found last, as many as are remembered, in the order in which they were."""
    latest: dict[tuple[str, str], Span] = {}
    for span in reversed(spans):
        value = text[span.start : span.end]
        if (span.label, value) not in latest:
            latest[span.label, value] = Span(0, len(value), span.label, span.score, span.recognizer)
            if len(latest) == _MOST_REMEMBERED:
                break
    return list(reversed(latest.items()))
