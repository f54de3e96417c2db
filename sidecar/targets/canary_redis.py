"""The mark of an epoch in a Redis: one key, which goes back in time when an old RDB or AOF is loaded."""

from __future__ import annotations

from urllib.parse import SplitResult

from sidecar.targets.canary import CanaryUnreachable
from sidecar.targets.canary_settings import RedisCanaryForm
from sidecar.targets.redis_connection import REDIS_ERRORS, fault_of, open_redis


class RedisCanary:
    """Implements ``Canary``. A Redis that evicts keys must not evict this one: it would look like a restore."""

    def __init__(self, settings: RedisCanaryForm, url: SplitResult) -> None:
        self._settings = settings
        self._url = url

    async def start(self) -> None:
        """Nothing to open: each call connects."""

    async def stop(self) -> None:
        """Nothing to close."""

    async def read(self) -> bytes | None:
        redis = open_redis(self._settings, self._url, self._settings.database)
        try:
            value = await redis.get(self._settings.key)
        except REDIS_ERRORS as error:
            raise CanaryUnreachable(fault_of(error)) from None
        finally:
            await redis.aclose()
        return None if value is None else bytes(value)

    async def write(self, value: bytes) -> None:
        redis = open_redis(self._settings, self._url, self._settings.database)
        try:
            await redis.set(self._settings.key, value)
        except REDIS_ERRORS as error:
            raise CanaryUnreachable(fault_of(error)) from None
        finally:
            await redis.aclose()
