"""Which keys signed receipts, and when: public keys only, kept for as long as the database is. Raises
``StoreUnavailable``.

One key is in use at a time. A replica that still holds a former master key signs nothing any more, so that no receipt
is dated outside the time of its key (E44).
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from sqlalchemy import Column, Connection, LargeBinary, String, Table, func, insert, select, text, update

from sidecar.erasure.receipt import key_id
from sidecar.erasure.receipt_keys import ReceiptKey
from sidecar.stores.database import Database
from sidecar.stores.erasure_tables import Moment, requests
from sidecar.stores.schema import ERASURE_RECEIPT_KEYS, metadata

receipt_keys = Table(
    ERASURE_RECEIPT_KEYS,
    metadata,
    Column("key_id", String(16), primary_key=True),
    Column("begun_at", Moment, primary_key=True, autoincrement=False),
    Column("public_key", LargeBinary(32), nullable=False),
    Column("ended_at", Moment),  # null: in use
)


class ReceiptKeys:
    """The keys of one database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def begin(self, current: Ed25519PublicKey, former: Sequence[Ed25519PublicKey], now: datetime) -> None:
        """Note that ``current`` signs from now on, and no other does.

        Keys that signed before anybody kept book, ``former`` ones among them, count from the first request on, because
        no receipt can be older.
        """
        if not await self._database.read(lambda connection: _is_in_use_alone(connection, current, former)):
            await self._database.run(lambda connection: _begin(connection, current, former, now))

    async def listed(self) -> tuple[ReceiptKey, ...]:
        """Return every key that ever signed, the latest first."""
        query = select(receipt_keys).order_by(receipt_keys.c.begun_at.desc(), receipt_keys.c.key_id)
        rows = await self._database.read(lambda connection: connection.execute(query).all())
        return tuple(
            ReceiptKey(Ed25519PublicKey.from_public_bytes(row.public_key), row.begun_at, row.ended_at) for row in rows
        )

    async def may_sign(self, signer: str, now: datetime) -> bool:
        """Tell whether the key with this id is the one in use."""
        return await self._database.read(lambda connection: may_sign(connection, signer, now))


def may_sign(connection: Connection, signer: str, now: datetime) -> bool:
    """As ``ReceiptKeys.may_sign``, inside a transaction: whoever ends the key's time meanwhile waits for it."""
    mine = (receipt_keys.c.key_id == signer, receipt_keys.c.ended_at.is_(None), receipt_keys.c.begun_at <= now)
    return connection.execute(select(receipt_keys.c.key_id).where(*mine).with_for_update(read=True)).first() is not None


def _is_in_use_alone(connection: Connection, current: Ed25519PublicKey, former: Sequence[Ed25519PublicKey]) -> bool:
    rows = connection.execute(select(receipt_keys.c.key_id, receipt_keys.c.ended_at)).all()
    in_use = {row.key_id for row in rows if row.ended_at is None}
    return in_use == {key_id(current)} and {key_id(one) for one in former} <= {row.key_id for row in rows}


def _begin(
    connection: Connection, current: Ed25519PublicKey, former: Sequence[Ed25519PublicKey], now: datetime
) -> None:
    if connection.dialect.name == "postgresql":  # replicas that start together; SQLite has one writer anyway
        connection.execute(text(f"LOCK TABLE {ERASURE_RECEIPT_KEYS} IN SHARE ROW EXCLUSIVE MODE"))
    rows = connection.execute(select(receipt_keys.c.key_id, receipt_keys.c.ended_at)).all()
    oldest = min(connection.scalar(select(func.min(requests.c.received_at))) or now, now)
    known = {row.key_id for row in rows}
    for key in former:
        if key_id(key) not in known:
            _insert(connection, key, oldest, now)
    others = (receipt_keys.c.ended_at.is_(None), receipt_keys.c.key_id != key_id(current))
    connection.execute(update(receipt_keys).where(*others).values(ended_at=now))
    if key_id(current) not in {row.key_id for row in rows if row.ended_at is None}:
        _insert(connection, current, now if rows else oldest, None)


def _insert(connection: Connection, key: Ed25519PublicKey, begun: datetime, ended: datetime | None) -> None:
    raw = key.public_bytes(Encoding.Raw, PublicFormat.Raw)
    values = {"key_id": key_id(key), "begun_at": begun, "public_key": raw, "ended_at": ended}
    connection.execute(insert(receipt_keys).values(values))
