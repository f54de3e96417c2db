"""Whether all that should stand in a log does. Pure. A verdict of its own beside integrity (A15).

What happened without a record leaves nothing behind; what can be seen is an intent without outcome, an outcome without
intent, a link that is gone without a marker, and silence where there should have been a heartbeat (A14).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import Any

from sidecar.audit.record import Action, Phase
from sidecar.audit.sealing import Opened

EXAMPLES = 20
SILENCE_SECONDS = 180.0  # three heartbeats


@dataclass(frozen=True, slots=True)
class Silence:
    """A stretch in which not even a heartbeat was recorded: behind which record, and between which times."""

    seq: int
    since: str
    until: str

    def __str__(self) -> str:
        return f"nothing between {self.since} and {self.until}, behind record {self.seq}"


@dataclass(frozen=True, slots=True)
class Completeness:
    """What was found by reading the records. ``examples`` are exchanges without outcome; ``unmarked`` records without
    links of which no marker says that they were erased."""

    without_outcome: int = 0
    without_intent: int = 0
    repeated: int = 0
    erased: int = 0
    unmarked: tuple[int, ...] = ()
    examples: tuple[str, ...] = ()

    @property
    def complete(self) -> bool:
        return not (self.without_outcome or self.without_intent or self.repeated or self.unmarked)


class Census:
    """Counts while records go by. Holds the ids of exchanges under way, and the numbers of records without links."""

    def __init__(self) -> None:
        self._open: dict[str, None] = {}
        self._without_intent = 0
        self._repeated = 0
        self._erased: set[int] = set()
        self._marked: set[int] = set()
        self.last_action: object = None

    def see(self, seq: int, opened: Opened) -> None:
        facts = opened.facts.members
        self.last_action = facts.get("action")
        if opened.links is None:
            self._erased.add(seq)
        named = facts.get("record")
        if self.last_action == Action.LINKS_ERASED and isinstance(named, int):
            self._marked.add(named)
        self._pair(facts)

    def _pair(self, facts: Mapping[str, Any]) -> None:
        exchange_id = str(facts.get("exchange_id", ""))
        match facts.get("phase"):
            case Phase.INTENT:
                self._repeated += exchange_id in self._open
                self._open[exchange_id] = None
            case Phase.OUTCOME if exchange_id in self._open:
                del self._open[exchange_id]
            case Phase.OUTCOME:
                self._without_intent += 1

    def result(self) -> Completeness:
        return Completeness(
            len(self._open),
            self._without_intent,
            self._repeated,
            len(self._erased),
            tuple(sorted(self._erased - self._marked)),
            tuple(islice(self._open, EXAMPLES)),
        )


class Hush:
    """Looks for silence between one record and the next."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._last = ""
        self.found: list[Silence] = []

    def forget(self) -> None:
        """What comes next does not follow what came last: records between them were dropped."""
        self._last = ""

    def hear(self, seq: int, time: str) -> bool:
        """Take the time of a record; return whether there was silence before it."""
        last, self._last = self._last, time
        if not last or last[:19] == time[:19]:  # the same second
            return False
        if (datetime.fromisoformat(time) - datetime.fromisoformat(last)).total_seconds() <= self._seconds:
            return False
        self.found.append(Silence(seq - 1, last, time))
        return True

    def excuse(self) -> None:
        """Take the last silence back: the sidecar had said that it would stop."""
        self.found.pop()
