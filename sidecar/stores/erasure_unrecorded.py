"""Receipts whose signing the audit log does not tell of yet: noted in the transaction that keeps the receipt.

Whoever signed says so afterwards, and after a crash or a failure of the log as soon as it can: it may be told of twice,
never not at all (E46). It is the signer's to do: the intent stands in its log. Raises ``StoreUnavailable``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field

from sqlalchemy import Boolean, Column, Connection, ForeignKey, Integer, String, Table, delete, insert, select, tuple_

from sidecar.stores.database import Database
from sidecar.stores.erasure_tables import interim_receipts, receipts, requests
from sidecar.stores.schema import ERASURE_UNRECORDED, metadata
from sidecar.stores.together import Together

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
        self._settled: Together[Unrecorded, None] = Together(self._settle)

    async def of(self, signer: str) -> list[Unrecorded]:
        return await self._database.read(lambda connection: _of(connection, signer))

    async def kept(self, request_id: str, round_: int, *, final: bool) -> bytes | None:
        """Return the receipt of a round, once no transaction is under way any more that may keep one.

        A transaction whose answer was lost may be committed later than it failed for us; it has the request locked.
        """
        return await self._database.run(lambda connection: _kept(connection, request_id, round_, final=final))

    async def settle(self, one: Unrecorded) -> None:
        """Note that the audit log tells of it."""
        await self._settled(one)

    async def _settle(self, some: Sequence[Unrecorded]) -> Sequence[None]:
        key = tuple_(unrecorded.c.request_id, unrecorded.c.round, unrecorded.c.final)
        settled = key.in_([(one.request_id, one.round, one.final) for one in some])
        await self._database.run(lambda connection: connection.execute(delete(unrecorded).where(settled)))
        return [None] * len(some)


@dataclass(frozen=True, slots=True)
class OwedRecord:
    """A record that ``signer`` owes the audit log."""

    request_id: str
    round: int
    final: bool
    signer: str


def owe_records(connection: Connection, owed: Sequence[OwedRecord]) -> None:
    """Note that receipts were signed that the audit log does not tell of yet."""
    if owed:
        connection.execute(insert(unrecorded), [asdict(one) for one in owed])


def _kept(connection: Connection, request_id: str, round_: int, *, final: bool) -> bytes | None:
    connection.execute(select(requests.c.id).where(requests.c.id == request_id).with_for_update(key_share=True)).all()
    table = receipts if final else interim_receipts
    found: bytes | None = connection.scalar(
        select(table.c.data).where(table.c.request_id == request_id, table.c.round == round_)
    )
    return found


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
