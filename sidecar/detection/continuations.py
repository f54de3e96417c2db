"""Numbers given in groups over several short turns: "4111 1111", then "1111 1111" (D2, D7). Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

from sidecar.detection.cards import is_card
from sidecar.detection.normalise import fold
from sidecar.detection.recognizer import Message
from sidecar.detection.scores import STRONG_GRAMMAR
from sidecar.detection.span import Span
from sidecar.detection.view import View

_DIGITS_ONLY: Final = re.compile(r"[\s0-9.,/-]{1,40}")
_LONGEST_TURN: Final = 40
_MOST_TURNS: Final = 6


def find_continued(view: View) -> Iterable[Span]:
    """A message of digits that ends a card number which the same speaker began in the turns before."""
    if not view.has_digit or len(view.lower) > _LONGEST_TURN or not _DIGITS_ONLY.fullmatch(view.lower):
        return
    digits = "".join(view.words)
    for earlier in _earlier(view.message):
        digits = earlier + digits
        if is_card(digits):
            yield view.span(0, len(view.words), "CREDIT_CARD", STRONG_GRAMMAR, "card")
            return


def _earlier(message: Message) -> Iterable[str]:
    """Yield the digits of the turns before, newest first, as long as the same speaker says nothing else."""
    for turn in reversed(message.context[-_MOST_TURNS:]):
        if turn.speaker != message.speaker:
            continue
        lower = fold(turn.text[: _LONGEST_TURN + 1])
        if not _DIGITS_ONLY.fullmatch(lower):
            return
        yield "".join(c for c in lower if c.isdigit())
