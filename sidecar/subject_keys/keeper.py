"""Gives each person a key, and takes it away for good, from old copies of the key table too (E42).

Keys are random and wrapped by the key of an epoch. Destroying one is: the row loses it → a new epoch begins → every key
that lives on is wrapped by the new epoch's → the destruction of the old epoch's key is ordered. An old copy of the
table then holds wrapped keys that nothing opens. Killed anywhere, the next call carries on.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Final

from sidecar.errors import KeyMaterialError, StoreUnavailable
from sidecar.keys import Pseudonymizer
from sidecar.metrics import Metrics
from sidecar.stores.subject_keys import Epoch, Subject, SubjectFenced, SubjectKey, SubjectKeyTable
from sidecar.subject_keys.kms import KeyState, KeyStatus, Kms

KEY_BYTES: Final = 32
_AT_ONCE: Final = 200
_TRIES: Final = 5
_log = logging.getLogger("sidecar.subject_keys")


def _older() -> StoreUnavailable:
    return StoreUnavailable("the table of people's keys is older than the last destruction: put the newest copy back")


class SubjectKeys:
    """The library. ``pseudonyms`` name people by one identity each: ``Purpose.SUBJECT_KEY``.

    ``former``: of master keys from before a rotation, the newest first. Whom they named keeps that name, key and fence.
    """

    def __init__(
        self,
        table: SubjectKeyTable,
        kms: Kms,
        pseudonyms: Pseudonymizer,
        metrics: Metrics,
        clock: Callable[[], datetime],
        former: Sequence[Pseudonymizer] = (),
    ) -> None:
        self._table = table
        self._kms = kms
        self._pseudonyms = (pseudonyms, *former)
        self._cancelled = metrics.subject_key_cancellations
        self._clock = clock
        self._retiring = asyncio.Lock()

    async def start(self) -> None:
        """Raises ``KeyMaterialError`` if people have names here by a master key that is not configured."""
        unknown = set(await self._table.versions()) - {one.version for one in self._pseudonyms}
        if unknown:
            which = ", ".join(map(str, sorted(unknown)))
            raise KeyMaterialError(
                f"keys of people, or their fences, are kept by version {which} of the master key, which is not"
                " configured: nobody can be told from a person whose key was destroyed. Give it under keys (an older"
                " one under keys.previous)"
            )

    def subject(self, kind: str, value: str) -> Subject:
        """Return what a person is called here."""
        current, *former = (one.label("subject-key", kind, value) for one in self._pseudonyms)
        return Subject(current, tuple(former))

    async def key(self, subject: Subject) -> bytes:
        """Return a person's 32 bytes: always the same until they are destroyed, made where there are none.

        Raises as ``named_key`` does.
        """
        return (await self.named_key(subject))[1]

    async def named_key(self, subject: Subject) -> tuple[str, bytes]:
        """Return the name that a person keeps here, and their key.

        Raises ``SubjectFenced`` after a destruction; ``StoreUnavailable`` if table or wrapping keys can't be reached,
        and for everybody if an old copy of the table was put back: it may lack fences, so nobody gets a key from it.
        """
        for _ in range(_TRIES):
            held = await self._table.find(subject)
            if any(one.fenced for one in held):
                raise SubjectFenced("the key of this person was destroyed; another one must be authorised")
            for one in held:
                if one.wrapped is not None:
                    return one.subject, await self._open(one, one.wrapped)
            await self._make(subject, held[0].subject if held else subject.current)
        raise StoreUnavailable("a key for a person could not be agreed on")

    async def destroy(self, subject: Subject) -> bool:
        """Destroy a person's key and order the destruction of what could open it; tell whether there was one."""
        destroyed = await self._table.destroy(subject, self._clock())
        await self.retire()
        return destroyed

    async def authorise(self, subject: Subject) -> bool:
        """Allow an independent key for a person whose key was destroyed; tell whether there was a fence."""
        return await self._table.authorise(subject, self._clock())

    async def name(self, subject: Subject) -> str:
        """Return the name that a person keeps here, or will have."""
        held = await self._table.find(subject)
        return held[0].subject if held else subject.current

    async def had_key(self, subject: Subject) -> bool:
        """Tell whether a person ever had a key, which may be destroyed by now."""
        return any(one.epoch > 0 for one in await self._table.find(subject))

    async def state(self, subject: Subject) -> KeyState | None:
        """Return whether a person's key can still be opened from an old copy of the table; None: they have one now."""
        held = await self._table.find(subject)
        if any(one.wrapped is not None for one in held):
            return None
        last = max((one.epoch for one in held), default=0)
        if not last:  # there never was one
            return KeyState(KeyStatus.DESTROYED)
        # Older wrappings of the same key are in older copies: the last of all these epochs decides.
        states = [await self._kms.state(one.wrapping_key) for one in await self._table.epochs() if one.number <= last]
        for status in (KeyStatus.ENABLED, KeyStatus.PENDING):
            found = [state for state in states if state.status is status]
            if found:
                return max(found, key=lambda state: state.until or datetime.min.replace(tzinfo=UTC))
        return KeyState(KeyStatus.DESTROYED)

    async def retire(self) -> None:
        """Move living keys to a new epoch if one was destroyed in this, and order the end of all that came before."""
        async with self._retiring:
            if await self._table.needs_epoch():
                await self._begin_epoch()
            current = (await self._table.epochs())[-1:]
            for epoch in current:
                await self._rewrap_into(epoch)
                await self._order_before(epoch)

    async def _open(self, held: SubjectKey, wrapped: bytes) -> bytes:
        names = {one.number: one.wrapping_key for one in await self._table.epochs()}
        name = names.get(held.epoch)
        if name is None:
            raise _older()
        try:
            return await self._kms.unwrap(name, wrapped, held.subject)
        except KeyMaterialError:
            raise _older() from None

    async def _make(self, subject: Subject, name: str) -> None:
        epochs = await self._table.epochs()
        if not epochs:
            await self._begin_epoch()
            epochs = await self._table.epochs()
        current = epochs[-1]
        try:
            wrapped = await self._kms.wrap(current.wrapping_key, secrets.token_bytes(KEY_BYTES), name)
        except KeyMaterialError:
            raise _older() from None
        await self._table.add(subject, SubjectKey(name, current.number, wrapped, authorised=False), self._clock())

    async def _begin_epoch(self) -> None:
        epochs = await self._table.epochs()
        if epochs and (await self._kms.state(epochs[-1].wrapping_key)).status is not KeyStatus.ENABLED:
            raise _older()
        name = await self._kms.create()
        if not await self._table.begin_epoch(name, epochs[-1].number if epochs else 0):
            await self._kms.destroy(name)  # another replica began it

    async def _rewrap_into(self, epoch: Epoch) -> None:
        names = {one.number: one.wrapping_key for one in await self._table.epochs()}
        unopened: set[str] = set()
        while living := await self._table.living_before(epoch.number, _AT_ONCE + len(unopened)):
            moving = [one for one in living if one.subject not in unopened]
            if not moving:
                _log.error("%d keys of people do not open, and stay as they are", len(unopened))
                return
            for one in moving:
                try:
                    key = await self._kms.unwrap(names.get(one.epoch, ""), one.wrapped or b"", one.subject)
                except KeyMaterialError:
                    unopened.add(one.subject)
                    continue
                await self._table.rewrap(one, await self._kms.wrap(epoch.wrapping_key, key, one.subject), epoch.number)

    async def _order_before(self, current: Epoch) -> None:
        for epoch in await self._table.epochs():
            if epoch.number >= current.number:
                continue
            if (await self._kms.state(epoch.wrapping_key)).status is not KeyStatus.ENABLED:
                if epoch.ordered_at is None:  # killed before it was noted: taken back, it could not be told from new
                    await self._table.note_order(epoch.number, self._clock())
                continue
            if epoch.ordered_at is not None:
                self._cancelled.inc()
                _log.error(
                    "the destruction of the wrapping key of epoch %d was taken back; it is ordered again", epoch.number
                )
            await self._kms.destroy(epoch.wrapping_key)
            await self._table.note_order(epoch.number, self._clock())
