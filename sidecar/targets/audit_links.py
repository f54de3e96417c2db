"""What links records of the audit log to a person, as part of the sidecar's own store (A24, E48).

Records of traffic name people by keyed hashes of conversations' ids alone; of other identities nothing stands in them.
The hash of the person in the records of the erasure itself stays until the horizon: see ``erasure.link_forgetting``.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from sidecar.erasure.request import IdentityType, SubjectIdentity
from sidecar.keys import Pseudonymizer


class LinkedLog(Protocol):
    """What of an audit log is needed here. Raises ``AuditUnavailable``."""

    async def forget_subject(self, pseudonyms: Collection[str]) -> int: ...

    async def count_links(self, pseudonyms: Collection[str]) -> int: ...


class OwnLinks(Protocol):
    """Links to a person that the sidecar keeps beside its placeholders."""

    async def forget(self, identities: Sequence[SubjectIdentity]) -> int: ...

    async def count(self, identities: Sequence[SubjectIdentity]) -> int: ...


class NoLinks:
    """There are none."""

    async def forget(self, identities: Sequence[SubjectIdentity]) -> int:  # noqa: ARG002 - the protocol's
        return 0

    async def count(self, identities: Sequence[SubjectIdentity]) -> int:  # noqa: ARG002
        return 0


@dataclass(frozen=True, slots=True)
class AuditLinks:
    """Those in the audit log. ``keys``: of every master key that records may have been written with (A22)."""

    log: LinkedLog
    keys: tuple[Pseudonymizer, ...] = field(repr=False)

    async def forget(self, identities: Sequence[SubjectIdentity]) -> int:
        """Return how many records there were. The log is not read for who names no conversation."""
        pseudonyms = self._pseudonyms(identities)
        return await self.log.forget_subject(pseudonyms) if pseudonyms else 0

    async def count(self, identities: Sequence[SubjectIdentity]) -> int:
        pseudonyms = self._pseudonyms(identities)
        return await self.log.count_links(pseudonyms) if pseudonyms else 0

    def _pseudonyms(self, identities: Sequence[SubjectIdentity]) -> frozenset[str]:
        ids = [one.value for one in identities if one.type is IdentityType.CONVERSATION_ID]
        return frozenset(key.label("conversation", one) for key in self.keys for one in ids)
