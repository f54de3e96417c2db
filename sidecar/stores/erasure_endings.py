"""How rounds of requests end: an interim receipt, a second look at everything, the final receipt, and forgetting.

    all live tasks ended ──▶ interim receipt, second look set ──day later──▶ every verified task looked at again
        ▲                                                                        │            │
        ╰── something was written after the first look, or deleted only then ◀───╯            ▼
                                                                        each looked at twice ──▶ final receipt

All of it is read off the tables, at the turns of a request: a process that was killed anywhere goes on where it was.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from typing import Final

from sqlalchemy import Connection, func, select, update

from sidecar.erasure.outcomes import ENDED, LEFT_TO_DO, WAITING
from sidecar.erasure.plan import Configured
from sidecar.stores.database import Conflict, Database
from sidecar.stores.erasure_journal import Keeper, NoJournal
from sidecar.stores.erasure_notices import NoticeEvent, Teller
from sidecar.stores.erasure_second_looks import begin_second_looks, put_off
from sidecar.stores.erasure_signing import Claim, Signed, Signing, previous_receipts
from sidecar.stores.erasure_tables import ANEW, interim_receipts, requests
from sidecar.stores.erasure_turns import (
    Standing,
    derive,
    drop_turns,
    due_turns,
    keep_turns,
    mark,
    parts,
    release_turns,
    return_turn,
    standings,
)
from sidecar.stores.erasure_views import find_requests
from sidecar.stores.together import Together

_PLANNED_SOON: Final = timedelta(seconds=15)
"""After how long a request that is still to be planned for new targets is looked at again."""


@dataclass(frozen=True, slots=True)
class Ready:
    """What came of the turns that were due, and what is ours to sign until they come again.

    ``looks``: how many tasks were ordered to be looked at once more. ``late``: in how many systems the person of a
    request turned up again after the first end. ``opened``: tasks may be run that could not before.
    """

    turns: int = 0
    looks: int = 0
    late: tuple[int, ...] = ()
    opened: bool = False
    interim: tuple[Claim, ...] = ()
    final: tuple[Claim, ...] = ()


@dataclass(slots=True)
class _Sorted:
    interim: set[str] = field(default_factory=set)
    final: set[str] = field(default_factory=set)


class ErasureEndings:
    """Durable state of endings. ``second_look`` is how long after the first end everything is looked at once more.

    Zero: not at all. Raises ``StoreUnavailable``.
    """

    def __init__(
        self, database: Database, teller: Teller, second_look: timedelta = timedelta(), keeper: Keeper | None = None
    ) -> None:
        self._database = database
        self._keeper: Keeper = keeper or NoJournal()
        self._teller = teller
        self._second_look = second_look
        self._signing = Signing(teller, second_look)
        self._sign: Together[Signed, bool] = Together(self._signed)

    async def release(self, worker: str, now: datetime) -> None:
        """Take back the turns that a worker of this name had when it was killed."""
        await self._database.run(lambda connection: release_turns(connection, worker, now))

    async def take(
        self,
        worker: str,
        now: datetime,
        until: datetime,
        limit: int,
        planned_for: str | None = None,
        configured: Configured | None = None,
    ) -> Ready:
        """Look at the requests whose turn has come; return what ``worker`` is to sign before ``until``.

        ``planned_for``: nothing that was planned for other targets, which may lack one: it has another turn (E12).
        ``configured``: the targets that there are. What is to be done in another one is planned anew: nobody runs it,
        so it would keep its request open for ever. Each way in which a task comes to be done again gives a turn.
        """
        if not await self._database.read(lambda connection: bool(due_turns(connection, now, 1))):
            return Ready()
        try:
            whose = partial(self._take, worker=worker, now=now, until=until, limit=limit)
            take = partial(whose, planned_for=planned_for, configured=configured)
            return await self._database.run(take)
        except Conflict:  # somebody changed the same tasks: the turns are there still
            return Ready()

    async def give_back(self, claim: Claim, now: datetime) -> None:
        """Leave a claim to whoever comes next."""
        await self._database.run(lambda connection: return_turn(connection, claim.turn, claim.worker, now))

    async def sign(self, signed: Signed) -> bool:
        """Write a receipt and what it says of the request, once: False if somebody else did, or it says so no more."""
        return await self._sign(signed)

    async def _signed(self, some: Sequence[Signed]) -> Sequence[bool]:
        written = await self._database.run(lambda connection: self._signing.write(connection, some))
        ended = [one.claim.view.id for one in some if one.final]
        if ended:
            await self._keeper.keep(*ended)
        return written

    def _take(
        self,
        connection: Connection,
        worker: str,
        now: datetime,
        until: datetime,
        limit: int,
        planned_for: str | None,
        configured: Configured | None,
    ) -> Ready:
        due = due_turns(connection, now, limit)
        found = standings(connection, due.values())
        looks = begin_second_looks(connection, found, now) if self._second_look else 0
        if looks:
            found = standings(connection, due.values())
        to_sign = self._sort(connection, found, now)
        others = _plan_anew(connection, found, configured) if configured is not None else set()
        others |= {one.request.id for one in found if one.request.planned_for == ANEW}
        if planned_for is not None:
            others |= {one.request.id for one in found if one.request.planned_for != planned_for}
        mark(connection, others & (to_sign.interim | to_sign.final), now + _PLANNED_SOON)
        to_sign = _Sorted(to_sign.interim - others, to_sign.final - others)
        off = self._put_off(connection, [one for one in found if one.request.id in to_sign.final], now)
        to_sign.final -= off.keys()
        opened = derive(connection, found, to_sign.final)
        claims = self._claims(connection, due, to_sign.interim | to_sign.final, worker, until)
        return Ready(
            turns=len(due),
            looks=looks,
            late=tuple(count for count in off.values() if count),
            opened=opened or bool(looks),
            interim=tuple(one for one in claims if one.view.id in to_sign.interim),
            final=tuple(one for one in claims if one.view.id in to_sign.final),
        )

    def _sort(self, connection: Connection, found: Sequence[Standing], now: datetime) -> _Sorted:
        """Return which requests have come to their interim receipt, and which to their final one."""
        to_sign = _Sorted()
        open_ones = [one for one in found if one.request.ended_at is None and one.tasks]
        signed = {} if self._second_look else _interim_rounds(connection, [one.request.id for one in open_ones])
        for one in open_ones:
            request, outcomes = one.request, {task.outcome for task in one.tasks}
            if not outcomes <= ENDED | WAITING:
                continue
            if self._second_look:
                if request.second_look_at is None:
                    to_sign.interim.add(request.id)
                elif outcomes <= ENDED and request.second_look_at <= now:
                    to_sign.final.add(request.id)
            elif outcomes <= ENDED:
                to_sign.final.add(request.id)
            elif signed.get(request.id) != request.round:
                to_sign.interim.add(request.id)
        return to_sign

    def _put_off(self, connection: Connection, found: Sequence[Standing], now: datetime) -> Mapping[str, int]:
        """Return who is to be looked at once more before the end, and in how many systems they had turned up again."""
        if not self._second_look or not found:
            return {}
        off = put_off(connection, found, self._second_look)
        for request_id, count in off.items():
            if count:
                self._teller.tell(connection, request_id, NoticeEvent.LATE_WRITER, now, {"systems": count})
        return off

    def _claims(
        self, connection: Connection, due: Mapping[int, str], wanted: Collection[str], worker: str, until: datetime
    ) -> list[Claim]:
        kept = {request_id: turn for turn, request_id in due.items() if request_id in wanted}
        keep_turns(connection, kept.values(), worker, until)
        drop_turns(connection, due.keys() - set(kept.values()))
        if not kept:
            return []
        before = previous_receipts(connection, kept)
        return [Claim(kept[one.id], worker, one, before.get(one.id)) for one in find_requests(connection, kept)]


def _plan_anew(connection: Connection, found: Sequence[Standing], configured: Configured) -> set[str]:
    """Order requests to be planned anew that have something to do in a target that is not there; return which.

    Only those that were planned for these targets: what was planned for others, by a replica with another
    configuration, is not ours to give up.
    """
    anew = {
        one.request.id
        for one in found
        if one.request.ended_at is None and one.request.planned_for == configured.digest
        if any(task.outcome in LEFT_TO_DO and task.target not in configured.names for task in one.tasks)
    }
    for some in parts(sorted(anew)):
        connection.execute(update(requests).where(requests.c.id.in_(some)).values(planned_for=ANEW))
    return anew


def _interim_rounds(connection: Connection, ids: Sequence[str]) -> Mapping[str, int]:
    query = select(interim_receipts.c.request_id, func.max(interim_receipts.c.round).label("round"))
    rows = connection.execute(
        query.where(interim_receipts.c.request_id.in_(ids)).group_by(interim_receipts.c.request_id)
    )
    return {row.request_id: row.round for row in rows}
