"""By what each version of the master key is known again. Raises ``StoreUnavailable``.

A check value is derived from the key for nothing else, so it tells nothing about what was made with the key.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from sqlalchemy import Column, Connection, Integer, LargeBinary, Table, insert, select

from sidecar.stores.database import Conflict, Database
from sidecar.stores.schema import MASTER_KEYS, metadata

_TRIES: Final = 3

keys = Table(
    MASTER_KEYS,
    metadata,
    Column("version", Integer, primary_key=True, autoincrement=False),
    Column("check_value", LargeBinary, nullable=False),
)


class MasterKeyTable:
    """Each method is one transaction."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def mistaken(self, checks: Mapping[int, bytes]) -> Sequence[int]:
        """Return the versions that stand for other keys here, by the check value of each that is given.

        If there are none, all that are given stand for these keys from now on.
        """
        for _ in range(_TRIES - 1):
            try:
                return await self._database.run(lambda connection: _mistaken(connection, checks))
            except Conflict:  # another replica has noted some meanwhile: these may be others
                continue
        return await self._database.run(lambda connection: _mistaken(connection, checks))


def _mistaken(connection: Connection, checks: Mapping[int, bytes]) -> Sequence[int]:
    rows = connection.execute(select(keys).where(keys.c.version.in_(checks)))
    known = {row.version: row.check_value for row in rows}
    mistaken = sorted(version for version, check in known.items() if check != checks[version])
    fresh = [{"version": one, "check_value": checks[one]} for one in checks if one not in known]
    if fresh and not mistaken:
        connection.execute(insert(keys), fresh)
    return mistaken
