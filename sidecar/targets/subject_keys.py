"""The keys of people as a system to erase from: destroyed keys make every old copy of what they encrypt unreadable."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Final

from sidecar.erasure.request import IdentityType, SubjectIdentity
from sidecar.errors import KeyMaterialError, StoreUnavailable
from sidecar.stores.subject_keys import Subject
from sidecar.subject_keys.keeper import SubjectKeys
from sidecar.subject_keys.kms import KeyStatus
from sidecar.targets.described import Described, Plain
from sidecar.targets.target import (
    DeleteResult,
    DeleteStatus,
    TargetFault,
    TargetLimits,
    VerifyResult,
    VerifyStatus,
)

NAME: Final = "subject-keys"


class SubjectKeyTarget(Described[Plain]):
    """Implements ``Target``, and ``KeyWitness`` of backup sets. ``identity``: by which people have their keys."""

    def __init__(self, keys: SubjectKeys, identity: IdentityType, max_completion: timedelta) -> None:
        super().__init__(Plain(NAME, max_completion, TargetLimits(concurrency=1), frozenset({identity})))
        self._keys = keys
        self._identity = identity

    async def start(self) -> None:
        """Raises ``KeyMaterialError`` where people can't be told from one another, ``StoreUnavailable``."""
        await self._keys.start()

    async def delete(self, identities: Sequence[SubjectIdentity]) -> DeleteResult:
        try:
            there = [await self._keys.destroy(self._subject(one)) for one in identities]
        except (StoreUnavailable, KeyMaterialError):
            return DeleteResult(DeleteStatus.FAILED, fault=TargetFault.STORE)
        return DeleteResult(DeleteStatus.DELETED if any(there) else DeleteStatus.NO_DATA, sum(there))

    async def verify(self, identities: Sequence[SubjectIdentity]) -> VerifyResult:
        """Look whether anything could open the keys, by the state of what wraps them and not by what was ordered."""
        try:
            states = [await self._keys.state(self._subject(one)) for one in identities]
        except StoreUnavailable:
            return VerifyResult(VerifyStatus.FAILED, fault=TargetFault.STORE)
        left = [one for one in states if one is None or one.status is KeyStatus.ENABLED]
        if left:
            return VerifyResult(VerifyStatus.PRESENT, len(left))
        pending = [one.until for one in states if one is not None and one.status is KeyStatus.PENDING]
        if pending:
            until = max((moment for moment in pending if moment is not None), default=None)
            return VerifyResult(VerifyStatus.KEY_PENDING, len(pending), until=until)
        return VerifyResult(VerifyStatus.GONE, 0)

    async def keys_gone(self, identities: Sequence[SubjectIdentity]) -> VerifyResult:
        """Tell whether all keys of a person are destroyed, of whom each identity by which there are keys had one.

        Who never had a key may have been written in clear, or under another spelling of the identity: that proves
        nothing about them.
        """
        mine = [one for one in identities if one.type is self._identity]
        try:
            had = [await self._keys.had_key(self._subject(one)) for one in mine]
        except StoreUnavailable:
            return VerifyResult(VerifyStatus.FAILED, fault=TargetFault.STORE)
        if not mine or not all(had):
            return VerifyResult(VerifyStatus.IMPOSSIBLE)
        return await self.verify(mine)

    def _subject(self, one: SubjectIdentity) -> Subject:
        return self._keys.subject(one.type.value, one.value)
