"""The sidecar itself as a target: it forgets the hashes and numbers that stand for a person, and links to them (E48).

A value may have been found under any entity type (a customer id taken for an order id), so its key is looked for under
all of them. That can forget a row of somebody who shares a name: their value gets a new number next time, and no harm.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Final, Protocol

from sidecar.erasure.plan import OWN_NAME, Side
from sidecar.erasure.request import SubjectIdentity
from sidecar.errors import AuditUnavailable, StoreUnavailable
from sidecar.keys import Pseudonymizer
from sidecar.redaction.linking import ask_for
from sidecar.redaction.policy import Policy
from sidecar.targets.audit_links import NoLinks, OwnLinks
from sidecar.targets.described import Described, Plain
from sidecar.targets.target import (
    NO_LIMITS,
    DeleteResult,
    DeleteStatus,
    TargetFault,
    VerifyResult,
    VerifyStatus,
)

ALL_TYPES: Final = tuple(Policy().types)
"""Every entity type there is: the default policy names them all."""


class ForgettingStore(Protocol):
    """What of a placeholder store is needed here. Raises ``StoreUnavailable``."""

    async def forget(self, keys: Sequence[bytes]) -> int: ...

    async def scrub(self) -> bool: ...

    async def count(self, keys: Sequence[bytes]) -> int: ...


class PlaceholderTarget(Described[Plain]):
    """Implements ``Target`` on the placeholder store, for every identity of a request at once.

    ``labels`` are the entity types that values are kept under.
    """

    def __init__(
        self,
        store: ForgettingStore,
        placeholder_keys: Pseudonymizer,
        labels: Sequence[str] = ALL_TYPES,
        name: str = OWN_NAME,
        forget_memories: Callable[[], None] = lambda: None,
        links: OwnLinks | None = None,
        former_keys: Sequence[Pseudonymizer] = (),
    ) -> None:
        """``forget_memories`` empties what is kept in memory of texts that were read: it can't be taken apart."""
        super().__init__(Plain(name, timedelta(minutes=1), NO_LIMITS), Side.OWN)
        self._links = links or NoLinks()
        self._forget_memories = forget_memories
        self._store = store
        self._keys = (placeholder_keys, *former_keys)
        self._labels = tuple(labels)

    async def delete(self, identities: Sequence[SubjectIdentity]) -> DeleteResult:
        self._forget_memories()
        try:
            removed = await self._store.forget(self._keys_of(identities))
            removed += await self._links.forget(identities)
        except (StoreUnavailable, AuditUnavailable):
            return DeleteResult(DeleteStatus.FAILED, fault=TargetFault.STORE)
        return DeleteResult(DeleteStatus.DELETED if removed else DeleteStatus.NO_DATA, removed)

    async def verify(self, identities: Sequence[SubjectIdentity]) -> VerifyResult:
        """Look again; nothing counts as gone while copies of deleted rows may stand in the store's log."""
        try:
            left = await self._store.count(self._keys_of(identities))
            if not left and not await self._store.scrub():
                return VerifyResult(VerifyStatus.FAILED, fault=TargetFault.STORE)
            left += await self._links.count(identities)
        except (StoreUnavailable, AuditUnavailable):
            return VerifyResult(VerifyStatus.FAILED, fault=TargetFault.STORE)
        return VerifyResult(VerifyStatus.PRESENT if left else VerifyStatus.GONE, left)

    def _keys_of(self, identities: Sequence[SubjectIdentity]) -> list[bytes]:
        values = [(label, identity.value) for identity in identities for label in self._labels]
        return sorted({ask_for(label, value, keys).key for label, value in values for keys in self._keys})
