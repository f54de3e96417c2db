"""What was said before on one connection, so that an answer is read with the question that stands in another message.

Bounded: the last turns of the conversations that were spoken of last, and of each turn its end, which is where
questions stand. Held as long as the connection or the stream lasts, and nowhere else.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Sequence
from dataclasses import replace

from sidecar.detection.recognizer import Turn
from sidecar.payloads.selection import CONTEXT_TURNS, Piece

LONGEST_TURN = 600  # characters, from the end
_CONVERSATIONS = 16


class EarlierTurns:
    """By the scope of the conversation. Oldest first."""

    def __init__(self) -> None:
        self._by_scope: OrderedDict[str, tuple[Turn, ...]] = OrderedDict()

    def of(self, scope: str) -> tuple[Turn, ...]:
        return self._by_scope.get(scope, ())

    def add(self, scope: str, turns: Iterable[Turn]) -> None:
        """Remember what was said now."""
        added = tuple(Turn(turn.speaker, turn.text[-LONGEST_TURN:]) for turn in turns)
        if not added:
            return
        self._by_scope[scope] = (*self.of(scope), *added)[-CONTEXT_TURNS:]
        self._by_scope.move_to_end(scope)
        while len(self._by_scope) > _CONVERSATIONS:
            self._by_scope.popitem(last=False)


def told(pieces: Sequence[Piece], earlier: tuple[Turn, ...]) -> list[Piece]:
    """Return the pieces, with what was said before them in other payloads where their own leaves room for it."""
    return [
        replace(piece, message=replace(piece.message, context=(*earlier, *piece.message.context)[-CONTEXT_TURNS:]))
        if piece.is_said
        else piece
        for piece in pieces
    ]
