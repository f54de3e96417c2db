"""What a field map says about texts that come in pieces, over the events of a stream. Frozen."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from sidecar.payloads.paths import PathPattern


class Hold(StrEnum):
    """What becomes of a growing text before it ends."""

    TAIL = "tail"  # what may still belong to an identifier
    WHOLE = "whole"  # all, until it ends: for JSON in pieces, in which escapes and quotes are cut, too
    REFUSE = "refuse"  # the stream: for what is no piece, but all of a text again, cut at another place


@dataclass(frozen=True, slots=True)
class Condition:
    """That an event has something at ``path``: one of ``values``, or anything but null, false and nothing, if empty."""

    path: PathPattern
    values: frozenset[str] = frozenset()

    def is_met_by(self, value: str) -> bool:
        return value in self.values if self.values else value not in ("", "null", "false")


@dataclass(frozen=True, slots=True)
class Onto:
    """What a piece is added to, in events that say it. All three patterns have a fixed length.

    The text is in the element ``within`` that the piece is in, and there at the place whose names and positions are the
    values at ``steps``. ``value``: where the event has what is added: pieces below it are as far below that place.
    """

    within: PathPattern
    steps: PathPattern
    value: PathPattern


@dataclass(frozen=True, slots=True)
class DeltaRule:
    """Strings at ``texts`` are pieces of growing texts.

    Pieces with the same values at ``channel`` are of one text. Where an event has several such values, that of the same
    element counts: the index of the choice that the piece is in. ``name``: rules of one name share their texts; else
    each place has its own. ``when``: what an event must have besides. ``ends``: what ends the texts of an event's
    channel (all of them, where the event names none). ``onto``: what says where in the whole the pieces belong.
    """

    texts: tuple[PathPattern, ...]
    channel: tuple[PathPattern, ...] = ()
    name: str = ""
    when: tuple[Condition, ...] = ()
    ends: tuple[Condition, ...] = ()
    speaker: str | None = None
    hold: Hold = Hold.TAIL
    onto: Onto | None = None
