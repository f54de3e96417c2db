"""How all requests stand together: counts and days, of nobody in particular (E50). Raises ``StoreUnavailable``.

The database counts requests that are alike in everything that makes their state; what state that is, is said by the one
function that says it of a single request.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import Connection, Row, Select, and_, case, exists, func, or_, select

from sidecar.erasure.deadlines import ClockPolicy
from sidecar.erasure.outcomes import Outcome, RequestState, request_state, signed_state
from sidecar.stores.database import Database
from sidecar.stores.erasure_tables import requests, tasks, unused_types

ENDED_WITHIN: Final = timedelta(days=30)


@dataclass(frozen=True, slots=True)
class Overview:
    """Counts of requests that are open or ended within ``ENDED_WITHIN``, and of tasks of open requests.

    ``states``: by regulation and state. ``targets``: by target and outcome. ``oldest_received`` is of those open,
    ``next_deadline`` of those of them whose clock runs.
    """

    open: int
    overdue: int
    states: Mapping[str, Mapping[str, int]]
    targets: Mapping[str, Mapping[str, int]]
    oldest_received: datetime | None
    next_deadline: datetime | None


class ErasureOverview:
    """Counts what there is."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def at(self, now: datetime) -> Overview:
        return await self._database.read(lambda connection: _overview(connection, now))


def _overview(connection: Connection, now: datetime) -> Overview:
    alike = connection.execute(_alike(now)).all()
    open_ones = [row for row in alike if not row.ended]
    states = [(row, _state(row, now).value) for row in alike]
    at_targets = (
        select(tasks.c.target, tasks.c.outcome, func.count().label("number"))
        .join(requests, requests.c.id == tasks.c.request_id)
        .where(requests.c.ended_at.is_(None))
        .group_by(tasks.c.target, tasks.c.outcome)
    )
    return Overview(
        open=sum(row.number for row in open_ones),
        overdue=sum(row.number for row, state in states if state == RequestState.OVERDUE and not row.ended),
        states=_table((row.regulation, state, row.number) for row, state in states),
        targets=_table((row.target, row.outcome, row.number) for row in connection.execute(at_targets)),
        oldest_received=min((row.oldest for row in open_ones), default=None),
        next_deadline=min((row.next for row in open_ones if not row.paused), default=None),
    )


def _alike(now: datetime) -> Select[Any]:
    """Ask for requests by everything that makes their state: which outcomes their tasks have, and how late it is."""
    has = [func.max(case((tasks.c.outcome == one.value, 1), else_=0)).label(one.value) for one in Outcome]
    unidentified = requests.c.verified_at.is_(None)
    each = (
        select(
            requests.c.regulation,
            requests.c.received_at,
            requests.c.legal_at,
            requests.c.ended_at.is_not(None).label("ended"),
            requests.c.cancelled_at.is_not(None).label("cancelled"),
            unidentified.label("unidentified"),
            and_(requests.c.clock == ClockPolicy.PAUSE.value, unidentified).label("paused"),
            (requests.c.overdue_at < now).label("late"),
            requests.c.second_look_at.is_not(None).label("looked"),
            exists().where(unused_types.c.request_id == requests.c.id).label("unused"),
            *has,
        )
        .select_from(requests.outerjoin(tasks, tasks.c.request_id == requests.c.id))
        .where(or_(requests.c.ended_at.is_(None), requests.c.ended_at > now - ENDED_WITHIN))
        .group_by(requests.c.id)
        .subquery()
    )
    alike = [column for column in each.c if column.name not in ("received_at", "legal_at")]
    newest = (func.min(each.c.received_at).label("oldest"), func.min(each.c.legal_at).label("next"))
    return select(*alike, func.count().label("number"), *newest).group_by(*alike)


def _state(row: Row[Any], now: datetime) -> RequestState:
    legal = now + timedelta(seconds=-1 if row.late else 1)
    state = request_state(
        [one for one in Outcome if row._mapping[one.value]],
        ["some"] if row.unused else (),
        subject_verified=None if row.unidentified else now,
        legal=None if row.paused else legal,
        now=now,
        cancelled=now if row.cancelled else None,
        second_look=now if row.looked and not row.ended else None,
    )
    return signed_state(state, signed=bool(row.ended))


def _table(cells: Iterable[tuple[str, str, int]]) -> dict[str, dict[str, int]]:
    table: dict[str, Counter[str]] = {}
    for line, column, number in cells:
        table.setdefault(line, Counter())[column] += number
    return {line: dict(sorted(table[line].items())) for line in sorted(table)}
