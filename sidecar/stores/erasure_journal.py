"""The journal of erasures outside the database: each request as it stood when it was accepted, changed or ended.

Written after the database and before anybody is told. At start the union of both wins (E40): what an old database put
back does not know is taken from here and done once more, and what was destroyed since is destroyed there again.
"""

from __future__ import annotations

import asyncio
import json
import math
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from hashlib import sha256
from threading import Lock
from typing import Any, Final, Protocol

from sqlalchemy import select

from sidecar.errors import StoreUnavailable
from sidecar.stores.database import Database
from sidecar.stores.erasure_tables import requests
from sidecar.stores.erasure_turns import parts
from sidecar.stores.journal_file import JournalFile
from sidecar.stores.journal_states import behind, bring_back, destroy, destroyed, sealed, snapshots

_STATE: Final = "state"
_FORGOTTEN: Final = "forgotten"
_COMPARED_AT_ONCE: Final = 5000
_COMPARED_EVERY_SECONDS: Final = 60.0


class Keeper(Protocol):
    """Keeps requests outside the database as well. Raises ``StoreUnavailable``: then nobody may be told of a change."""

    async def keep(self, *request_ids: str) -> None: ...

    async def forget(self, request_ids: Sequence[str]) -> None: ...

    async def forget_destroyed(self) -> None:
        """Forget some of what others have destroyed, or we did and were cut off; in turn, all of it."""


class NoJournal:
    """For tests of one store alone."""

    async def keep(self, *request_ids: str) -> None:  # noqa: ARG002
        return

    async def forget(self, request_ids: Sequence[str]) -> None:  # noqa: ARG002
        return

    async def forget_destroyed(self) -> None:
        return


@dataclass(frozen=True, slots=True)
class Recovered:
    """What the journal knew that the database did not: requests brought back, and keys destroyed anew."""

    brought_back: int
    destroyed: int


@dataclass(frozen=True, slots=True)
class _Kept:
    """What is held of a request in memory: which lines are about it, and the digest of the last."""

    digest: bytes
    lines: tuple[int, ...]


class ErasureJournal:
    """Implements ``Keeper`` on a file. ``start`` before use; ``recover`` before the worker begins.

    What was kept of a request before its last line stays in the file until it is forgotten, or most of the file is of
    no more use: then it is written anew.
    """

    def __init__(self, database: Database, file: JournalFile) -> None:
        self._database = database
        self._file = file
        self._kept: dict[str, _Kept] = {}
        self._forgotten: dict[str, int] = {}  # with the line that says so
        self._to_compare: list[str] = []  # with the database, in this round
        self._compared_at = -math.inf  # on the event loop's clock
        self._useful = 0  # bytes of lines that would be written anew
        self._turn = asyncio.Lock()
        self._writing = Lock()  # for a thread that goes on though nobody waits for it any more

    async def start(self) -> None:
        """Read the file. Raises ``ConfigError``, ``KeyMaterialError`` or ``StoreUnavailable``.

        What former master keys open is written anew under the new one, so that nothing here needs them any more.
        """
        await asyncio.to_thread(self._read)

    async def stop(self) -> None:
        await asyncio.to_thread(self._file.close)

    async def keep(self, *request_ids: str) -> None:
        """Write down how requests stand, unless that is what was written last of them."""
        async with self._turn:
            states = await self._database.read(lambda connection: snapshots(connection, request_ids))
            entries = {
                one: json.dumps({"kind": _STATE, "id": one, **state}, sort_keys=True).encode()
                for one, state in states.items()
            }
            new = {one: entry for one, entry in entries.items() if self._last(one) != _digest(entry)}
            if new:
                await asyncio.to_thread(self._append, new)

    async def forget(self, request_ids: Sequence[str]) -> None:
        """Leave nothing of these requests but that they are forgotten."""
        async with self._turn:
            new = sorted(one for one in set(request_ids) if one in self._kept or one not in self._forgotten)
            if new:
                await asyncio.to_thread(self._forget, new)

    async def forget_destroyed(self) -> None:
        """Forget some whose keys the database says are destroyed: another replica may have done that.

        Whom it does not know at all stays: it may be an old one that was put back. Once a minute, however often it is
        called.
        """
        now = asyncio.get_running_loop().time()
        if now < self._compared_at + _COMPARED_EVERY_SECONDS:
            return
        self._compared_at = now
        if not self._to_compare:
            self._to_compare = list(self._kept)
        some, self._to_compare = self._to_compare[-_COMPARED_AT_ONCE:], self._to_compare[:-_COMPARED_AT_ONCE]
        for ids in parts(some):
            gone = await self._database.read(partial(destroyed, ids=ids))
            if gone:
                await self.forget(gone)

    def _read(self) -> None:
        self._file.open()
        for number, entry in self._file.read():
            said = json.loads(entry)
            if said["kind"] == _FORGOTTEN:
                self._note_forgotten(said["id"], number)
            else:
                self._note_state(said["id"], entry, number)
        if self._file.former:
            with suppress(StoreUnavailable):  # no room for both: at the next start
                self._rewrite()

    def _append(self, entries: Mapping[str, bytes]) -> None:
        with self._writing:
            first = self._file.append(*entries.values())
            for number, (one, entry) in enumerate(entries.items(), first):
                self._note_state(one, entry, number)

    def _forget(self, request_ids: Sequence[str]) -> None:
        with self._writing:
            lines = [number for one in request_ids if one in self._kept for number in self._kept[one].lines]
            entries = [json.dumps({"kind": _FORGOTTEN, "id": one}).encode() for one in request_ids]
            first = self._file.blank(lines, *entries)
            for number, one in enumerate(request_ids, first):
                self._note_forgotten(one, number)
            if self._file.size > 2 * self._useful:  # so that it costs no more than what was written in between
                self._rewrite()

    def _last(self, request_id: str) -> bytes | None:
        kept = self._kept.get(request_id)
        return kept.digest if kept is not None else None

    def _note_state(self, request_id: str, entry: bytes, number: int) -> None:
        before = self._kept.get(request_id)
        lines = before.lines if before is not None else ()
        self._useful += self._file.length(number) - (self._file.length(lines[-1]) if lines else 0)
        self._kept[request_id] = _Kept(_digest(entry), (*lines, number))

    def _note_forgotten(self, request_id: str, number: int) -> None:
        kept = self._kept.pop(request_id, None)
        if kept is not None:
            self._useful -= self._file.length(kept.lines[-1])
        if request_id not in self._forgotten:
            self._useful += self._file.length(number)
            self._forgotten[request_id] = number

    def _rewrite(self) -> None:
        """Write the file anew with the last line about each request: one after the other, none held in memory."""
        kept, forgotten = list(self._kept), list(self._forgotten)
        numbers = [*(self._kept[one].lines[-1] for one in kept), *self._forgotten.values()]
        self._file.rewrite(map(self._file.entry, numbers))
        self._kept = {one: _Kept(self._kept[one].digest, (number,)) for number, one in enumerate(kept)}
        self._forgotten = {one: number for number, one in enumerate(forgotten, len(kept))}
        self._useful = self._file.size

    def _states(self, request_ids: Sequence[str]) -> dict[str, Any]:
        return {one: json.loads(self._file.entry(self._kept[one].lines[-1])) for one in request_ids}

    async def recover(self, now: datetime) -> Recovered:
        """Make database and journal say the same: the union wins, and what is destroyed stays destroyed."""
        back = destroyed_anew = 0
        for some in parts(sorted(self._forgotten)):
            for request_id in await self._database.read(partial(sealed, ids=some)):
                destroyed_anew += await self._database.run(partial(destroy, request_id=request_id, now=now))
        for some in parts(sorted(self._kept)):
            entries = await asyncio.to_thread(self._states, some)
            for request_id in await self._database.read(partial(behind, entries=entries)):
                back += await self._database.run(partial(bring_back, entry=entries[request_id]))
        before = set(self._kept)  # what is accepted meanwhile is in the database first, and stands in neither
        known = await self._database.read(
            lambda connection: list(connection.scalars(select(requests.c.id).where(requests.c.sealed.is_not(None))))
        )
        for some in parts(known):
            await self.keep(*some)
        gone = sorted(before - set(known))
        if gone:  # killed between database and journal, the last time
            await self.forget(gone)
        if destroyed_anew:
            await self._database.scrub()
        return Recovered(back, destroyed_anew)


def _digest(entry: bytes) -> bytes:
    return sha256(entry).digest()[:16]
