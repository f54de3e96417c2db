"""Answers messages that were read before (D16). Wraps any detection.

Entries are keyed by a keyed hash of all that decides the answer (text, speaker, label, context, known values and the
version of the detection) and hold spans only, so a dump of this memory shows no text and can't be searched for a
guessed one without the key. Spans do not depend on the policy: it is applied afterwards, so its change empties nothing.
When the version of the detection changes (model, catalogue, settings), everything is dropped.

Bounded by entries and by spans. Measured: 170 bytes for an entry without spans, and about 200 more for each span.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from sidecar.detection.recognizer import Message
from sidecar.detection.span import Span
from sidecar.keys import Pseudonymizer
from sidecar.metrics import Metrics

_PAGE_MESSAGES: Final = 512


class AnyDetection(Protocol):
    """What can be wrapped: the same interface as the cache itself."""

    @property
    def version(self) -> str: ...

    async def detect(self, messages: Sequence[Message]) -> list[tuple[Span, ...]]: ...


@dataclass(frozen=True, slots=True)
class CacheLimits:
    """200,000 messages with two spans each take about 115 MB."""

    entries: int = 200_000
    spans: int = 400_000


class CachedDetection:
    """A detection with a memory. Least recently used entries go first. ``keys``: for ``Purpose.DETECTION_CACHE``."""

    def __init__(
        self, detection: AnyDetection, keys: Pseudonymizer, metrics: Metrics, limits: CacheLimits | None = None
    ) -> None:
        self._detection = detection
        self._keys = keys
        self._limits = limits or CacheLimits()
        self._hits = metrics.detection_cache.labels("hit")
        self._misses = metrics.detection_cache.labels("miss")
        self._entries: OrderedDict[bytes, tuple[Span, ...]] = OrderedDict()
        self._spans = 0
        self._version = ""

    @property
    def version(self) -> str:
        return self._detection.version

    async def detect(self, messages: Sequence[Message]) -> list[tuple[Span, ...]]:
        """As the wrapped detection answers. A failed detection leaves no entry."""
        version = self.version
        if version != self._version:
            self.clear()
            self._version = version
        known_digests: dict[int, bytes] = {}  # messages share few tuples of known values: each is hashed once
        keys = [self._key(message, version, known_digests) for message in messages]
        known = {key: spans for key in keys if (spans := self._entries.get(key)) is not None}
        missing = {key: message for key, message in zip(keys, messages, strict=True) if key not in known}
        for key in known:
            self._entries.move_to_end(key)
        self._hits.inc(len(messages) - len(missing))
        if missing:
            self._misses.inc(len(missing))
            for some in _pages(list(missing.items())):
                answers = dict(zip(dict(some), await self._detection.detect([one for _, one in some]), strict=True))
                known.update(answers)
                if self.version == version == self._version:
                    self._keep(answers.items())
        return [known[key] for key in keys]

    def clear(self) -> None:
        """Forget everything."""
        self._entries.clear()
        self._spans = 0

    def _keep(self, answers: Iterable[tuple[bytes, tuple[Span, ...]]]) -> None:
        for key, spans in answers:
            self._spans += len(spans) - len(self._entries.pop(key, ()))
            self._entries[key] = spans
        while self._entries and (len(self._entries) > self._limits.entries or self._spans > self._limits.spans):
            _, spans = self._entries.popitem(last=False)
            self._spans -= len(spans)

    def _key(self, message: Message, version: str, known_digests: dict[int, bytes]) -> bytes:
        parts = [version, _mark(message.speaker), _mark(message.label), message.text, str(len(message.context))]
        for turn in message.context:
            parts += (_mark(turn.speaker), turn.text)
        known = known_digests.get(id(message.known))
        if known is None:
            known = self._keys.digest(*(word for one in message.known for word in (one.label, one.value)))
            known_digests[id(message.known)] = known
        return self._keys.digest(*parts, known.hex())


def _pages(items: list[tuple[bytes, Message]]) -> Iterator[list[tuple[bytes, Message]]]:
    """Yield parts of a long payload: what was detected of it is kept even if the rest takes too long."""
    for start in range(0, len(items), _PAGE_MESSAGES):
        yield items[start : start + _PAGE_MESSAGES]


def _mark(word: str | None) -> str:
    """Tell a missing word from an empty one."""
    return "-" if word is None else f"={word}"
