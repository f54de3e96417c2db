"""Which accesses a log tells of. Pure: records in, rows out, in one pass.

A row is one exchange, its intent and its outcome joined, because the one says who and the other whom and how it
ended; or one event. Rows come in the order in which they ended; exchanges without outcome come last.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from sidecar.audit.reader import Stored
from sidecar.audit.record import Decision, Phase


@dataclass(frozen=True, slots=True)
class Row:
    """One exchange or event. ``first`` is the intent or event; ``last`` the outcome, where there is one."""

    first: Stored
    last: Stored | None = None

    @property
    def records(self) -> tuple[Stored, ...]:
        return (self.first, self.last) if self.last else (self.first,)

    @property
    def members(self) -> Mapping[str, object]:
        """Everything that is known, under the names of the records; an outcome's word outranks its intent's."""
        first, last = self.first, self.last or self.first
        joined: dict[str, object] = {"decision": Decision.PENDING.value} if _phase(first) == Phase.INTENT else {}
        for stored in (first, last):
            joined |= stored.members
        joined.pop("phase", None)
        if any(one.links is None for one in self.records):
            joined["links"] = "erased"
        return {"seq": first.index, "time": first.time, "end_seq": last.index, "end_time": last.time, **joined}


@dataclass(frozen=True, slots=True)
class Question:
    """What to look for; None asks nothing. Times are those of ``leaf.instant``, from ``since`` up to ``until``."""

    since: str | None = None
    until: str | None = None
    actor: str | None = None
    route: str | None = None
    decision: str | None = None
    action: str | None = None
    exchange_id: str | None = None
    pseudonyms: frozenset[str] | None = None  # of a conversation, subject or path; any of them

    def admits(self, row: Row) -> bool:
        """Whether the row is asked for. An exchange belongs to a time if any of it does."""
        members = row.members
        if self.since is not None and str(members["end_time"]) < self.since:
            return False
        if self.until is not None and str(members["time"]) >= self.until:
            return False
        wanted = {name: getattr(self, name) for name in ("actor", "route", "decision", "action", "exchange_id")}
        if any(value is not None and members.get(name) != value for name, value in wanted.items()):
            return False
        return self.pseudonyms is None or any(not self.pseudonyms.isdisjoint(links_of(one)) for one in row.records)

    @property
    def members(self) -> Mapping[str, object]:
        """What is asked, without what is not."""
        asked = {name: getattr(self, name) for name in ("since", "until", "actor", "route", "decision", "action")}
        asked |= {"exchange_id": self.exchange_id, "pseudonyms": sorted(self.pseudonyms or ()) or None}
        return {name: value for name, value in asked.items() if value is not None}


def rows(records: Iterable[Stored]) -> Iterator[Row]:
    """Yield every row of records that follow each other."""
    under_way: dict[str, Stored] = {}
    for stored in records:
        exchange_id = str(stored.members.get("exchange_id", ""))
        match _phase(stored):
            case Phase.INTENT:
                if exchange_id in under_way:
                    yield Row(under_way[exchange_id])
                under_way[exchange_id] = stored
            case Phase.OUTCOME if exchange_id in under_way:
                yield Row(under_way.pop(exchange_id), stored)
            case _:
                yield Row(stored)
    for stored in under_way.values():
        yield Row(stored)


def links_of(stored: Stored) -> Iterator[str]:
    """Yield the pseudonyms that a record links to; none of one whose links were erased."""
    for value in stored.links.members.values() if stored.links else ():
        yield from value if isinstance(value, list) else (str(value),)


def _phase(stored: Stored) -> object:
    return stored.facts.members.get("phase") if stored.facts else None
