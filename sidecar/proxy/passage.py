"""What the rewriter is told of the exchange that a payload is part of, beside its format, its map and its policy."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import NamedTuple

from sidecar.errors import Direction
from sidecar.payloads.document import Leaf
from sidecar.payloads.marking import SourceTexts
from sidecar.proxy.absolute_urls import OwnUrls
from sidecar.proxy.earlier_turns import EarlierTurns

Sources = Callable[[Direction, Sequence[Leaf]], Awaitable[SourceTexts]]
"""Fetches the texts that the annotations of a payload speak of, when they are not in it; raises ``PayloadRefused``."""


class Passage(NamedTuple):
    """Which way a payload goes, where texts are that its annotations speak of (X6), whose URLs are ours (X2)."""

    direction: Direction = Direction.RESPONSE
    sources: Sources | None = None
    urls: OwnUrls | None = None
    turns: EarlierTurns | None = None
    """What was said before on the same connection; None where a payload stands alone."""

    def __repr__(self) -> str:
        return f"Passage({self.direction.value})"


PLAIN = Passage()
