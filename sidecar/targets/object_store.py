"""An S3-compatible bucket to erase from: all versions, delete markers and unfinished uploads (E24).

Looking again lists over a client of its own: names, versions and uploads. What only a lock keeps is ``retained``, until
the last of the locks ends.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import datetime
from typing import Final

from sidecar.erasure.request import SubjectIdentity
from sidecar.errors import ConfigError, Problem
from sidecar.targets.bucket import BUCKET_ERRORS, Bucket, DeletionRefused, Keys, Lock, fault_of
from sidecar.targets.call_threads import CallThreads
from sidecar.targets.described import Described
from sidecar.targets.object_store_settings import ObjectStoreSettings
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
    TargetFault.UNREACHABLE, TargetFault.TIMED_OUT, TargetFault.CLOSED_EARLY, TargetFault.BUSY,
    TargetFault.UNEXPECTED_STATUS,
})  # fmt: skip


class ObjectStoreTarget(Described[ObjectStoreSettings]):
    """Implements ``Target``. ``keys``: access key and secret; None takes the SDK's own chain."""

    def __init__(self, settings: ObjectStoreSettings, keys: tuple[str, str] | None, where: str) -> None:
        super().__init__(settings)
        self._where = where
        self._deleting = Bucket(settings, keys)
        self._looking = Bucket(settings, keys)
        self._threads = CallThreads(settings.name, settings.concurrency)
        self._checked = False

    async def start(self) -> None:
        self._threads.start()
        try:
            await self._threads.run(self._rehearse)
        except BUCKET_ERRORS as error:
            fault = fault_of(error)
            if fault not in _NOT_REACHED:
                self._threads.stop()
                remedy = "Check bucket, region, keys, and rights to list and delete objects, versions and uploads"
                message = f"the bucket can't be erased from ({fault.value})"
                raise ConfigError((Problem(self._where, message, remedy),)) from None
            _log.warning("target %s is %s: its configuration is checked before its first call", self.name, fault.value)
        except ConfigError:
            self._threads.stop()
            raise

    async def stop(self) -> None:
        self._threads.stop()
        self._deleting.close()
        self._looking.close()

    async def delete(self, identities: Sequence[SubjectIdentity]) -> DeleteResult:
        keys = self._keys_of(identities)
        if keys is None:
            return DeleteResult(DeleteStatus.FAILED, fault=TargetFault.IDENTITY_UNUSABLE)
        try:
            deleted = await self._threads.run(lambda: self._delete(keys))
        except ConfigError:
            return DeleteResult(DeleteStatus.FAILED, fault=TargetFault.MISCONFIGURED)
        except DeletionRefused as refused:
            return DeleteResult(DeleteStatus.FAILED, fault=refused.fault)
        except BUCKET_ERRORS as error:
            return DeleteResult(DeleteStatus.FAILED, fault=fault_of(error))
        return DeleteResult(DeleteStatus.DELETED if deleted else DeleteStatus.NO_DATA, deleted)

    async def verify(self, identities: Sequence[SubjectIdentity]) -> VerifyResult:
        keys = self._keys_of(identities)
        if keys is None:
            return VerifyResult(VerifyStatus.IMPOSSIBLE, fault=TargetFault.IDENTITY_UNUSABLE)
        try:
            return await self._threads.run(lambda: self._verify(keys))
        except BUCKET_ERRORS as error:
            return VerifyResult(VerifyStatus.FAILED, fault=fault_of(error))

    def _delete(self, keys: Keys) -> int:
        if not self._checked:
            self._rehearse()
        return self._deleting.delete(keys)

    def _verify(self, keys: Keys) -> VerifyResult:
        bucket = self._looking
        left = list(bucket.versions(keys))
        objects = [one for one in left if not one.is_marker]
        locks = [bucket.lock_of(one) for one in objects]
        covered = {one.key for one in objects}
        loose = bucket.count_uploads(keys) + sum(lock is None for lock in locks)
        loose += sum(one.is_marker and one.key not in covered for one in left)
        seen = bucket.current_names(keys)
        if loose or (seen and not objects):
            return VerifyResult(VerifyStatus.PRESENT, loose or len(seen))
        if objects:
            until = _last([lock for lock in locks if lock is not None])
            return VerifyResult(VerifyStatus.RETAINED, len(objects), until=until)
        return VerifyResult(VerifyStatus.GONE, 0)

    def _rehearse(self) -> None:
        message = self._deleting.rehearse()
        if message is not None:
            raise ConfigError((Problem(f"{self._where}.bucket", message, "Turn it off, or take the target out"),))
        self._checked = True

    def _keys_of(self, identities: Sequence[SubjectIdentity]) -> Keys | None:
        """Return whose objects are meant; None for an identity that would reach into the folders of others."""
        values: Values = {identity.type: identity.value for identity in identities if identity.type in self.required}
        if any("/" in value for value in values.values()):
            return None
        return Keys(
            prefixes=tuple(one.fill(values) for one in self._settings.prefixes),
            names=tuple(one.fill(values) for one in self._settings.keys),
        )


def _last(locks: Sequence[Lock]) -> datetime | None:
    """Return when the last lock ends; None with a legal hold, whose end nobody knows."""
    days = [lock.until for lock in locks if lock.until is not None]
    return max(days) if len(days) == len(locks) else None
