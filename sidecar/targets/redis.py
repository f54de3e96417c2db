"""A Redis to erase from: SCAN and UNLINK in every database, or on every primary of a cluster. Never KEYS (E23).

Looking again matches names by an expression of our own among all that hold the identity, over a connection of its own:
keys that came during the scan are seen, and so is a pattern that the server reads otherwise than we do.
"""

from __future__ import annotations

import logging
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Final

from redis.asyncio import RedisCluster

from sidecar.erasure.request import IdentityType, SubjectIdentity
from sidecar.errors import ConfigError, Problem
from sidecar.targets.described import Described
from sidecar.targets.glob import Glob
from sidecar.targets.redis_connection import REDIS_ERRORS, check_redis_url, fault_of, open_redis
from sidecar.targets.redis_settings import RedisSettings
from sidecar.targets.target import (
    DeleteResult,
    DeleteStatus,
    TargetFault,
    VerifyResult,
    VerifyStatus,
)
from sidecar.targets.template import Values

_log = logging.getLogger("sidecar.targets")
_NOT_REACHED: Final = frozenset({
    TargetFault.UNREACHABLE, TargetFault.TIMED_OUT, TargetFault.BUSY,
})  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Part:
    """Something in a key that stays: how it is removed, and how it is looked for."""

    key: str = field(repr=False)
    value: str = field(repr=False)
    remove: Callable[[Any, str, str], Awaitable[int]]
    find: Callable[[Any, str, str], Awaitable[object]]


class RedisTarget(Described[RedisSettings]):
    """Implements ``Target``. ``start`` raises ``ConfigError`` for a Redis that refuses what is configured."""

    def __init__(self, settings: RedisSettings, url: str, where: str) -> None:
        super().__init__(settings)
        self._url = check_redis_url(url, where)
        self._where = where
        self._checked = False

    def __repr__(self) -> str:
        return f"RedisTarget({self.name!r})"  # the URL may hold a password

    async def start(self) -> None:
        try:
            await self._rehearse()
        except REDIS_ERRORS as error:
            fault = fault_of(error)
            if fault not in _NOT_REACHED:
                remedy = "Check user, rights (SCAN, UNLINK, EXISTS, and those of fields and members) and databases"
                message = f"this Redis can't be erased from ({fault.value})"
                raise ConfigError((Problem(self._where, message, remedy),)) from None
            _log.warning("target %s is %s: its configuration is checked before its first call", self.name, fault.value)

    async def stop(self) -> None:
        """Nothing stays open between calls."""

    async def delete(self, identities: Sequence[SubjectIdentity]) -> DeleteResult:
        values: Values = {identity.type: identity.value for identity in identities}
        try:
            await self._check_late()
            removed = sum([await self._delete_in(database, values) for database in self._settings.databases])
        except REDIS_ERRORS as error:
            return DeleteResult(DeleteStatus.FAILED, fault=fault_of(error))
        return DeleteResult(DeleteStatus.DELETED if removed else DeleteStatus.NO_DATA, removed)

    async def verify(self, identities: Sequence[SubjectIdentity]) -> VerifyResult:
        values: Values = {identity.type: identity.value for identity in identities}
        try:
            left = sum([await self._count_in(database, values) for database in self._settings.databases])
        except REDIS_ERRORS as error:
            return VerifyResult(VerifyStatus.FAILED, fault=fault_of(error))
        return VerifyResult(VerifyStatus.PRESENT if left else VerifyStatus.GONE, left)

    async def _delete_in(self, database: int, values: Values) -> int:
        removed = 0
        async with self._client(database) as client:
            for glob in self._settings.keys:
                if glob.is_exact:
                    removed += await client.unlink(glob.sample(values).encode())
                    continue
                async for batch in self._scan(client, glob.escaped(values)):
                    removed += await client.unlink(*batch)
            for part in self._parts(values):
                removed += await part.remove(client, part.key, part.value)
        return removed

    async def _count_in(self, database: int, values: Values) -> int:
        async with self._client(database) as client:
            left: set[bytes] = set()
            for glob in self._settings.keys:
                left |= await self._found(client, glob, values)
            parts = [bool(await part.find(client, part.key, part.value)) for part in self._parts(values)]
        return len(left) + sum(parts)

    async def _found(self, client: Any, glob: Glob, values: Values) -> set[bytes]:
        if glob.is_exact:
            name = glob.sample(values).encode()
            return {name} if await client.exists(name) else set()
        expression = glob.expression(values)
        holding = _holding(glob.longest_value(values))
        found: set[bytes] = set()
        async for batch in self._scan(client, holding):
            found.update(key for key in batch if expression.fullmatch(key))
        return found

    async def _scan(self, client: Any, pattern: str) -> AsyncIterator[list[bytes]]:
        """Yield matching keys in batches; on a cluster those of every primary."""
        batch: list[bytes] = []
        primaries = {"target_nodes": RedisCluster.PRIMARIES} if isinstance(client, RedisCluster) else {}
        async for key in client.scan_iter(match=pattern.encode(), count=self._settings.scan_count, **primaries):
            batch.append(key)
            if len(batch) >= self._settings.scan_count:
                yield batch
                batch = []
        if batch:
            yield batch

    def _parts(self, values: Values) -> list[_Part]:
        settings = self._settings
        return [
            *(_Part(one.key.fill(values), one.field.fill(values), _hdel, _hexists) for one in settings.hash_fields),
            *(_Part(one.key.fill(values), one.member.fill(values), _srem, _sismember) for one in settings.set_members),
            *(
                _Part(one.key.fill(values), one.member.fill(values), _zrem, _zscore)
                for one in settings.sorted_set_members
            ),
        ]

    async def _check_late(self) -> None:
        if not self._checked:
            await self._rehearse()

    async def _rehearse(self) -> None:
        """Do to nobody's data what will be done to a person's: without the rights, it fails in the same way."""
        nobody: Values = {kind: f"nobody-{secrets.token_hex(16)}" for kind in IdentityType}
        for database in self._settings.databases:
            async with self._client(database) as client:
                await client.ping()
                for glob in self._settings.keys:
                    await client.scan(0, match=glob.escaped(nobody).encode(), count=1)
                    await client.unlink(glob.sample(nobody).encode())
                    await client.exists(glob.sample(nobody).encode())
                for part in self._parts(nobody):
                    await part.remove(client, part.key, part.value)
                    await part.find(client, part.key, part.value)
        self._checked = True

    @asynccontextmanager
    async def _client(self, database: int) -> AsyncIterator[Any]:
        client = open_redis(self._settings, self._url, database)
        try:
            yield client
        finally:
            await client.aclose()


def _holding(value: str) -> str:
    escaped = "".join("\\" + one if one in "*?[]\\^" else one for one in value)
    return f"*{escaped}*"


async def _hdel(client: Any, key: str, value: str) -> int:
    return int(await client.hdel(key, value))


async def _hexists(client: Any, key: str, value: str) -> object:
    return await client.hexists(key, value)


async def _srem(client: Any, key: str, value: str) -> int:
    return int(await client.srem(key, value))


async def _sismember(client: Any, key: str, value: str) -> object:
    return await client.sismember(key, value)


async def _zrem(client: Any, key: str, value: str) -> int:
    return int(await client.zrem(key, value))


async def _zscore(client: Any, key: str, value: str) -> object:
    return await client.zscore(key, value) is not None
