"""How requests stand, as the journal keeps them, and how a database is made to know of them again. In a transaction."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Connection, RowMapping, Table, delete, insert, select, update

from sidecar.stores.erasure_tables import DERIVED, NOTHING, callbacks, holds, receipts, requests, tasks
from sidecar.stores.erasure_turns import look_at_held

_BYTES: Final = "base64"
_TIME: Final = "time"
Row = dict[str, Any]


def snapshots(connection: Connection, request_ids: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Return how requests stand that can still be opened, without what is derived."""
    query = select(requests).where(requests.c.id.in_(request_ids), requests.c.sealed.is_not(None))
    found: dict[str, dict[str, Any]] = {}
    for row in connection.execute(query.order_by(requests.c.id)):
        kept = {name: value for name, value in row._mapping.items() if name not in DERIVED}
        found[row.id] = {"request": _written(kept), "callbacks": [], "receipts": [], "holds": []}
    for name, table in (("callbacks", callbacks), ("receipts", receipts), ("holds", holds)):
        mine = select(table).where(table.c.request_id.in_(found)).order_by(*table.primary_key.columns)
        for row in connection.execute(mine):
            found[row.request_id][name].append(_written(row._mapping))
    return found


def sealed(connection: Connection, ids: Sequence[str]) -> Sequence[str]:
    """Return which of these requests can still be opened."""
    return connection.scalars(select(requests.c.id).where(requests.c.id.in_(ids), requests.c.sealed.is_not(None))).all()


def destroyed(connection: Connection, ids: Sequence[str]) -> Sequence[str]:
    """Return which of these requests are known, and can't be opened any more."""
    return connection.scalars(select(requests.c.id).where(requests.c.id.in_(ids), requests.c.sealed.is_(None))).all()


def behind(connection: Connection, entries: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Return which requests the database knows less of than the journal does: of many with a few queries."""
    rows = connection.execute(select(requests).where(requests.c.id.in_(entries))).mappings()
    known = {row["id"]: _progress(row) for row in rows}
    lifted = {
        row.id: row.released_at is not None
        for row in connection.execute(select(holds).where(holds.c.request_id.in_(entries)))
    }
    behind = []
    for request_id, entry in entries.items():
        kept = [_read(holds, row) for row in entry.get("holds", ())]
        holds_agree = all(lifted.get(one["id"], -1) >= (one["released_at"] is not None) for one in kept)
        if not holds_agree or known.get(request_id, ()) < _progress(_read(requests, entry["request"])):
            behind.append(request_id)
    return behind


def bring_back(connection: Connection, entry: Mapping[str, Any]) -> int:
    """Make a database know what the journal knows of a request; return 1 if it did not."""
    brought_back = _bring_back_request(connection, entry)
    held = [_bring_back_hold(connection, _read(holds, row)) for row in entry.get("holds", ())]
    return int(brought_back or any(held))


def _bring_back_hold(connection: Connection, kept: Row) -> bool:
    """Put a legal hold back, or lift one again: an old database must not have what is held deleted (E31)."""
    row = connection.execute(select(holds).where(holds.c.id == kept["id"])).one_or_none()
    if row is None:
        connection.execute(insert(holds).values(kept))
        return True
    if row.released_at is None and kept["released_at"] is not None:
        connection.execute(update(holds).where(holds.c.id == row.id).values(released_at=kept["released_at"]))
        look_at_held(connection, row.request_id, kept["released_at"])
        return True
    return False


def _bring_back_request(connection: Connection, entry: Mapping[str, Any]) -> bool:
    """Put a request into a database that lacks it, or has it from before its last end; have it done once more."""
    kept = _read(requests, entry["request"])
    held = connection.execute(select(requests).where(requests.c.id == kept["id"])).one_or_none()
    if held is not None and _progress(held._mapping) >= _progress(kept):
        return False
    if kept["ended_at"] is not None and kept["cancelled_at"] is None:
        kept |= {"round": kept["round"] + 1, "ended_at": None, "second_look_at": None}
    if held is None:
        connection.execute(insert(requests).values(kept))
    else:
        derived = {"planned_for": NOTHING, "late_at": None, "alert_at": None}  # as the others: at the next start
        connection.execute(update(requests).where(requests.c.id == kept["id"]).values(kept | derived))
    if kept["cancelled_at"] is not None:  # before anything was begun, so that no evidence hangs on its tasks
        connection.execute(delete(tasks).where(tasks.c.request_id == kept["id"]))
    for table, rows in ((callbacks, entry["callbacks"]), (receipts, entry["receipts"])):
        for row in (_read(table, one) for one in rows):
            mine = [table.c[column.name] == row[column.name] for column in table.primary_key]
            if connection.execute(select(table).where(*mine)).one_or_none() is None:
                connection.execute(insert(table).values(row))
    return True


def _progress(row: Mapping[str, Any] | RowMapping) -> tuple[int, bool, bool, bool]:
    return row["round"], row["ended_at"] is not None, row["verified_at"] is not None, row["extended_at"] is not None


def destroy(connection: Connection, request_id: str, now: datetime) -> int:
    """Destroy what an old database brought back of somebody who was forgotten."""
    mine = (requests.c.id == request_id, requests.c.sealed.is_not(None))
    values = {"wrapped_key": None, "sealed": None, "ended_at": now, "late_at": None, "alert_at": None}
    done = connection.execute(update(requests).where(*mine).values(values)).rowcount
    connection.execute(update(tasks).where(tasks.c.request_id == request_id).values(reference=None, ready=False))
    return done


def _written(row: Mapping[str, Any] | RowMapping) -> Row:
    return {str(name): _plain(value) for name, value in row.items()}


def _plain(value: Any) -> Any:
    if isinstance(value, bytes):
        return {_BYTES: base64.b64encode(value).decode("ascii")}
    return {_TIME: value.isoformat()} if isinstance(value, datetime) else value


def _read(table: Table, row: Row) -> Row:
    """Return the values of columns that there are: a journal may be older than the schema."""
    return {name: _value(row[name]) for name in row if name in table.c}


def _value(value: Any) -> Any:
    if isinstance(value, dict) and _BYTES in value:
        return base64.b64decode(value[_BYTES])
    return datetime.fromisoformat(value[_TIME]) if isinstance(value, dict) else value
