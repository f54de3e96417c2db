"""Receipts whose signing the audit log does not tell of yet: noted in the transaction that keeps the receipt.

Whoever signed says so afterwards, and after a crash or a failure of the log as soon as it can: it may be told of twice,
never not at all (E46). It is the signer's to do: the intent stands in its log. Raises ``StoreUnavailable``.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from sqlalchemy import Boolean, Column, Connection, ForeignKey, Integer, String, Table, delete, insert, select

from sidecar.stores.database import Database
from sidecar.stores.erasure_tables import interim_receipts, receipts, requests
from sidecar.stores.schema import ERASURE_UNRECORDED, metadata

unrecorded = Table(
    ERASURE_UNRECORDED,
    metadata,
    Column("request_id", String(36), ForeignKey(requests.c.id), primary_key=True),
    Column("round", Integer, primary_key=True, autoincrement=False),
    Column("final", Boolean, primary_key=True),
    Column("signer", String(64), nullable=False, index=True),
)


@dataclass(frozen=True, slots=True)
class Unrecorded:
    """A receipt, with the pseudonym of whom it is about."""

    request_id: str
    round: int
    final: bool
    subject: str
    receipt: bytes = field(repr=False)


class UnrecordedReceipts:
    """The signer's side. ``signer`` is its name in the audit log, the same after a restart."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def of(self, signer: str) -> list[Unrecorded]:
        return await self._database.read(lambda connection: _of(connection, signer))

    async def settle(self, request_id: str, round_number: int, final: bool) -> None:
        """Note that the audit log tells of it."""
        mine = (
            unrecorded.c.request_id == request_id,
            unrecorded.c.round == round_number,
            unrecorded.c.final == final,
        )
        await self._database.run(lambda connection: connection.execute(delete(unrecorded).where(*mine)))


def owe_record(connection: Connection, request_id: str, round_number: int, signer: str, *, final: bool) -> None:
    """Note that a receipt was signed that the audit log does not tell of yet."""
    values = {"request_id": request_id, "round": round_number, "final": final, "signer": signer}
    connection.execute(insert(unrecorded).values(values))


def _of(connection: Connection, signer: str) -> list[Unrecorded]:
    found = []
    for table, final in ((interim_receipts, False), (receipts, True)):
        same = (table.c.request_id == unrecorded.c.request_id) & (table.c.round == unrecorded.c.round)
        query = (
            select(unrecorded, table.c.data, requests.c.subject)
            .join(table, same)
            .join(requests, requests.c.id == unrecorded.c.request_id)
            .where(unrecorded.c.signer == signer, unrecorded.c.final == final)
            .order_by(unrecorded.c.request_id, unrecorded.c.round)
        )
        rows = connection.execute(query).all()
        found += [Unrecorded(row.request_id, row.round, final, row.subject, row.data) for row in rows]
    return found
