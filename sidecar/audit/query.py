"""Which accesses a log tells of. Pure: lines in, rows out, in one pass.

A row is one exchange, its intent and its outcome joined, because the one says who and the other whom and how it
ended; or one event. Rows come in the order in which they ended; exchanges without outcome come last.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from sidecar.audit.chain import Sealed
from sidecar.audit.record import Decision, Phase
from sidecar.audit.verify import Tail, follow


@dataclass(frozen=True, slots=True)
class Entered:
    """A record with the line it stood on."""

    sealed: Sealed
    line: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Row:
    """One exchange or event. ``first`` is the intent or event; ``last`` the outcome, where there is one."""

    first: Entered
    last: Entered | None = None

    @property
    def members(self) -> Mapping[str, object]:
        """Everything that is known, under the names of the records; an outcome's word outranks its intent's."""
        first, last = self.first.sealed, (self.last or self.first).sealed
        joined: dict[str, object] = {"decision": Decision.PENDING.value} if _phase(first) == Phase.INTENT else {}
        for sealed in (first, last):
            joined |= {**sealed.parts.facts, **sealed.parts.links}
        del joined["phase"]
        return {
            "seq": first.place.seq, "time": first.place.time,
            "end_seq": last.place.seq, "end_time": last.place.time, **joined,
        }  # fmt: skip

    @property
    def lines(self) -> tuple[bytes, ...]:
        """The records as they stand in the log."""
        return (self.first.line, self.last.line) if self.last else (self.first.line,)


@dataclass(frozen=True, slots=True)
class Question:
    """What to look for; None asks nothing. Times are those of ``chain.instant``, from ``since`` up to ``until``."""

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
        return self.pseudonyms is None or not self.pseudonyms.isdisjoint(_links(row))


def rows(lines: Iterable[bytes]) -> Iterator[Row]:
    """Yield every row. Raises BrokenLine at the first line that does not continue the one before."""
    tail = Tail()
    under_way: dict[str, Entered] = {}
    for line in lines:
        sealed = follow(tail, line)
        tail = tail.after(sealed, len(line))
        entered = Entered(sealed, line)
        exchange_id = str(sealed.parts.facts.get("exchange_id", ""))
        match _phase(sealed):
            case Phase.INTENT:
                if exchange_id in under_way:
                    yield Row(under_way[exchange_id])
                under_way[exchange_id] = entered
            case Phase.OUTCOME if exchange_id in under_way:
                yield Row(under_way.pop(exchange_id), entered)
            case _:
                yield Row(entered)
    for entered in under_way.values():
        yield Row(entered)


def _phase(sealed: Sealed) -> object:
    return sealed.parts.facts.get("phase")


def _links(row: Row) -> Iterator[str]:
    for entered in (row.first, row.last):
        for value in entered.sealed.parts.links.values() if entered else ():
            yield from value if isinstance(value, list) else (str(value),)
