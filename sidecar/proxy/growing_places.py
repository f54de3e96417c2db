"""Which pieces may be added to a growing text, so that what it joins is what the client joins (P34)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from sidecar.errors import PayloadFault, PayloadRefused
from sidecar.payloads.deltas import Fragment

_MOST_PLACES = 10_000
_Place = tuple[str, ...]


class GrowingPlaces:
    """Where the pieces of one text came from. All that is added in one place lies together in the text.

    Two texts that grow by turns in one would keep the pieces of a value apart, which nobody would find then. So the
    first event may bring several pieces, of which the last grows on; later ones bring one, in the same place. It may
    have moved to another kind of event, once; or, where events say what they add to, on from a place for good.
    """

    def __init__(self) -> None:
        self._grows: _Place | None = None
        self._left: set[_Place] = set()
        self._kinds: set[str] = set()

    def taken(self, pieces: Sequence[Fragment]) -> Iterator[tuple[Fragment, bool]]:
        """Yield the pieces of one event, each with whether it is apart from what came before it.

        Raises ``PayloadRefused`` (not parseable) for what would be joined otherwise than the client does. Empty pieces
        add nothing, wherever they are; but the last of a first event, which doesn't say what it adds to, grows on.
        """
        is_first = self._grows is None
        filled: set[_Place] = set()
        some = any(piece.text for piece in pieces)
        for piece in pieces:
            if not piece.text and not (is_first and some and not piece.is_located and piece.place not in filled):
                yield piece, False
                continue
            if piece.place in filled:
                raise PayloadRefused(PayloadFault.NOT_PARSEABLE, "two pieces of one text in one event")
            is_apart = self._is_apart(piece, is_first=is_first, is_alone=not filled)
            if piece.text:
                filled.add(piece.place)
            yield piece, is_apart

    def _is_apart(self, piece: Fragment, *, is_first: bool, is_alone: bool) -> bool:
        before, is_new_kind = self._grows, piece.kind not in self._kinds
        if before == piece.place:
            return False
        goes_on = is_new_kind and is_alone
        if piece.place in self._left or not (is_first or goes_on or piece.is_located):
            raise PayloadRefused(PayloadFault.NOT_PARSEABLE, "a text that grows in two places")
        if before is not None:
            self._left.add(before)
        if len(self._left) > _MOST_PLACES:
            raise PayloadRefused(PayloadFault.TOO_LARGE, f"a text of more than {_MOST_PLACES} places")
        self._grows = piece.place
        self._kinds.add(piece.kind)
        return before is not None and not goes_on
