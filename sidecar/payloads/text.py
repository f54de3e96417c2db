"""Plain text: leaves of whole lines, each as long as detection likes them."""

from __future__ import annotations

from sidecar.payloads.document import Document, LeafKind
from sidecar.payloads.spliced import DEFAULT_LIMITS, Limits, SplicedBuilder, encoded
from sidecar.payloads.urls import refuse_base64

_LONGEST = 8_000
"""Characters. Longer texts are cut at line ends; an address over the lines at a cut is seen in two parts."""
MEDIA_TYPES = frozenset({"text/plain"})


class TextBody:
    """A text without structure. Paths are the indices of its chunks."""

    def __init__(self, limits: Limits = DEFAULT_LIMITS) -> None:
        self._limits = limits

    @property
    def media_types(self) -> frozenset[str]:
        return MEDIA_TYPES

    def parse(self, text: str) -> Document:
        """Raises ``PayloadRefused``: too large; media type, for ``data:`` URLs in base64."""
        encoded(text)
        refuse_base64(text)
        builder = SplicedBuilder(self._limits)
        start = 0
        for number, end in enumerate(cuts(text)):
            builder.add((number,), LeafKind.STRING, text[start:end], start, end, _written)
            start = end
        return builder.build(text)


def cuts(text: str) -> list[int]:
    """Where the chunks end: the last line end within the longest length, or the first after it."""
    cuts: list[int] = []
    start = 0
    while start < len(text):
        end = len(text)
        if end - start > _LONGEST:
            end = text.rfind("\n", start, start + _LONGEST) + 1 or text.find("\n", start) + 1 or len(text)
        cuts.append(end)
        start = end
    return cuts


def _written(new: str | None) -> str:
    return new or ""
