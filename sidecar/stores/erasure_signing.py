"""Writes receipts with what they say: many at once, each only if it is still true. Runs inside a transaction."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Row, bindparam, insert, select, update

from sidecar.stores.erasure_changes import TOLD_WITHIN
from sidecar.stores.erasure_notices import NoticeEvent, Teller
from sidecar.stores.erasure_receipt_keys import may_sign
from sidecar.stores.erasure_tables import callbacks, interim_receipts, receipts, requests, tasks
from sidecar.stores.erasure_turns import drop_turns, mark
from sidecar.stores.erasure_unrecorded import OwedRecord, owe_records
from sidecar.stores.erasure_views import RequestView


@dataclass(frozen=True, slots=True)
class Claim:
    """A request that ``worker`` is to sign for, by its turn. ``previous``: the receipt that the next one supersedes."""

    turn: int
    worker: str
    view: RequestView
    previous: bytes | None = field(repr=False)


@dataclass(frozen=True, slots=True)
class Signed:
    """A receipt that was made for a claim, with the id of its key.

    ``horizon``: how long after the end identities are kept.
    """

    claim: Claim
    final: bool
    now: datetime
    receipt: bytes = field(repr=False)
    key_id: str
    horizon: timedelta


class Signing:
    """Knows who is to be told, and when everything is looked at once more (zero: never)."""

    def __init__(self, teller: Teller, second_look: timedelta) -> None:
        self._teller = teller
        self._second_look = second_look

    def write(self, connection: Connection, some: Sequence[Signed]) -> Sequence[bool]:
        """Write receipts; say of each whether it was.

        Not where the round has ended, a task has work again, or the key is not in use any more.
        """
        in_use = {key: may_sign(connection, key, max(one.now for one in some)) for key in {one.key_id for one in some}}
        ids = sorted({one.claim.view.id for one in some})
        query = select(requests).where(requests.c.id.in_(ids)).order_by(requests.c.id)
        held = {row.id: row for row in connection.execute(query.with_for_update(key_share=True))}
        outcomes = _outcomes(connection, ids)
        true = [one for one in some if in_use[one.key_id] and _still_true(one, held.get(one.claim.view.id), outcomes)]
        interim = self._interim(connection, [one for one in true if not one.final], held)
        final = self._end(connection, [one for one in true if one.final])
        kept = {one.claim.view.id for one in true}
        left = [one for one in some if one.claim.view.id not in kept and _is_open(one, held.get(one.claim.view.id))]
        mark(connection, [one.claim.view.id for one in left], max(one.now for one in some))  # its end is still to come
        for worker in {one.claim.worker for one in some}:
            drop_turns(connection, [one.claim.turn for one in some if one.claim.worker == worker], worker)
        return [one.claim.view.id in (final if one.final else interim) for one in some]

    def _interim(self, connection: Connection, some: Sequence[Signed], held: Mapping[str, Row[Any]]) -> Collection[str]:
        """Note that live systems are done, with the receipt that says so, and when everything is looked at again."""
        if not some:
            return ()
        if self._second_look:
            for one in some:
                if held[one.claim.view.id].second_look_at is None:
                    again = one.now + self._second_look
                    mine = requests.c.id == one.claim.view.id
                    connection.execute(update(requests).where(mine).values(second_look_at=again))
                    mark(connection, [one.claim.view.id], again)
        known = select(interim_receipts.c.request_id, interim_receipts.c.round).where(
            interim_receipts.c.request_id.in_([one.claim.view.id for one in some])
        )
        signed = {(row.request_id, row.round) for row in connection.execute(known)}
        new = [one for one in some if (one.claim.view.id, one.claim.view.round) not in signed]
        if new:
            connection.execute(insert(interim_receipts), [_receipt_row(one) for one in new])
            owe_records(connection, [_owed(one) for one in new])
        return self._told(connection, new, NoticeEvent.INTERIM)

    def _end(self, connection: Connection, some: Sequence[Signed]) -> Collection[str]:
        """Note the ends of rounds."""
        if not some:
            return ()
        ids = [one.claim.view.id for one in some]
        told = set(connection.scalars(select(callbacks.c.request_id).where(callbacks.c.request_id.in_(ids))))
        rows = []
        for one in some:
            view = one.claim.view
            # A replay must not keep a person's identifiers beyond the horizon of the first end; but a controller's URL
            # is sealed with them, and whoever asked must be told how every round came out.
            until = view.forget_at or one.now + one.horizon
            until = max(until, one.now + TOLD_WITHIN) if view.id in told else until
            ends = {"ended_at": one.now, "forget_at": until}
            rows.append({"mine": view.id, **ends, "late_at": None, "alert_at": None})
        connection.execute(update(requests).where(requests.c.id == bindparam("mine")), rows)
        connection.execute(insert(receipts), [_receipt_row(one) for one in some])
        owe_records(connection, [_owed(one) for one in some])
        return self._told(connection, some, NoticeEvent.ENDED)

    def _told(self, connection: Connection, some: Sequence[Signed], event: NoticeEvent) -> Collection[str]:
        when = {one.claim.view.id: one.now for one in some}
        for request_id in self._teller.heard_of(connection, sorted(when), event):
            self._teller.tell(connection, request_id, event, when[request_id])
        return when.keys()


def _outcomes(connection: Connection, ids: Sequence[str]) -> Mapping[str, list[tuple[int, str]]]:
    found: dict[str, list[tuple[int, str]]] = {}
    query = select(tasks.c.request_id, tasks.c.id, tasks.c.outcome).where(tasks.c.request_id.in_(ids))
    for row in connection.execute(query.order_by(tasks.c.id)):
        found.setdefault(row.request_id, []).append((row.id, row.outcome))
    return found


def _still_true(one: Signed, held: Row[Any] | None, outcomes: Mapping[str, list[tuple[int, str]]]) -> bool:
    """Tell whether a request stands as it did when a receipt was made of it; it does until we commit.

    A restore, a hold or somebody who turns up in traffic may have begun a task again since: then the receipt is untrue.
    Whoever does that waits for our lock of the request before they look whether it has ended.
    """
    view = one.claim.view
    if not _is_open(one, held):
        return False
    return outcomes.get(view.id) == [(task.id, task.outcome.value) for task in view.tasks]


def _is_open(one: Signed, held: Row[Any] | None) -> bool:
    return held is not None and held.ended_at is None and held.round == one.claim.view.round


def _receipt_row(one: Signed) -> dict[str, Any]:
    return {"request_id": one.claim.view.id, "round": one.claim.view.round, "data": one.receipt}


def _owed(one: Signed) -> OwedRecord:
    return OwedRecord(one.claim.view.id, one.claim.view.round, one.final, one.claim.worker)


def previous_receipts(connection: Connection, request_ids: Iterable[str]) -> Mapping[str, bytes]:
    """Return what the next receipt supersedes: this round's interim one, or the last of the round before.

    A round that a replay broke off has an interim one only, or none.
    """
    mine = requests.c.id.in_(sorted(request_ids))
    found: dict[str, bytes] = {}
    before = requests.c.round - 1
    for table, current in ((interim_receipts, before), (receipts, before), (interim_receipts, requests.c.round)):
        query = select(table.c.request_id, table.c.data).join(requests, requests.c.id == table.c.request_id)
        for row in connection.execute(query.where(mine, table.c.round == current)):
            found[row.request_id] = row.data
    return found
