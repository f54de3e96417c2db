"""The log as many askers read it while it grows: one at a time, in a thread, with an index that keeps up. Edge."""

from __future__ import annotations

import asyncio
import logging
import sqlite3
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from time import monotonic
from typing import Final, TypeVar

from sidecar.audit.index import INDEX_NAME, AuditIndex
from sidecar.audit.keyring import KeyProvider
from sidecar.audit.lookup import AuditLookup, newest_checkpoint
from sidecar.audit.note import Note
from sidecar.audit.query import Question, Row
from sidecar.audit.source import SourceUnavailable, translated
from sidecar.audit.store import INDEX_PATTERN
from sidecar.errors import SidecarError

T = TypeVar("T")
KEEP_UP_RECORDS: Final = 200  # in one go, some 10 ms of a thread that holds the interpreter
KEEP_UP_SHARE: Final = 50  # of the time is left to others; who asks has the rest made up
SCAN_LIMIT: Final = 200_000  # records; a question that no index answers reads them all

_log = logging.getLogger(__name__)


class QuestionTooWide(SidecarError):
    """Nothing but reading too many records would answer."""


@dataclass(frozen=True, slots=True)
class Page:
    """Some of the rows of an answer. ``size``: how many records were looked at, also for the next page."""

    rows: tuple[Mapping[str, object], ...]
    size: int
    more: int | None  # how many rows to leave out next; None at the end


class AuditReading:
    """Runs between ``start`` and ``stop``. Every method raises SourceUnavailable."""

    def __init__(self, folder: Path, keys: KeyProvider, catch_up_seconds: float = 2.0) -> None:
        self._folder = folder
        self._keys = keys
        self._catch_up_seconds = catch_up_seconds
        self._lock = asyncio.Lock()
        self._using = threading.Lock()  # a thread goes on when the task that waits for it is cancelled
        self._index: AuditIndex | None = None
        self._keeping: asyncio.Task[None] | None = None

    async def start(self) -> None:
        self._keeping = asyncio.create_task(self._keep_up(), name="audit-index")

    async def stop(self) -> None:
        keeping, self._keeping = self._keeping, None
        if keeping is not None:
            keeping.cancel()
            with suppress(asyncio.CancelledError):
                await keeping
        async with self._lock:
            await asyncio.to_thread(self._close)

    async def do(self, act: Callable[[AuditLookup], T]) -> T:
        """Do something with a lookup that knows all that is written by now."""
        async with self._lock:
            return await asyncio.to_thread(self._do, act, None)

    async def page(self, question: Question, limit: int, skip: int = 0, size: int | None = None) -> Page:
        """Return some rows, of the first ``size`` records where that is given. Raises QuestionTooWide."""

        def read(lookup: AuditLookup) -> Page:
            end = lookup.size if size is None else min(size, lookup.size)
            if lookup.scan_length(question, end) > SCAN_LIMIT:
                raise QuestionTooWide("ask for a shorter time, or by conversation, subject, actor or exchange")
            found: list[Row] = list(islice(lookup.find(question, end), skip, skip + limit + 1))
            more = skip + limit if len(found) > limit else None
            return Page(tuple(row.members for row in found[:limit]), end, more)

        return await self.do(read)

    async def checkpoint(self) -> Note | None:
        """Return the newest signed checkpoint; None of a log that has none yet.

        It takes neither the index nor a key: anchors must not wait for the one to be made, or for who gives the other.
        """
        return await asyncio.to_thread(self._checkpoint)

    def _checkpoint(self) -> Note | None:
        with translated():
            return newest_checkpoint(self._folder)

    async def consistency(self, old_size: int, new_size: int) -> tuple[bytes, ...]:
        """Return the proof that the first ``old_size`` records are the beginning of the first ``new_size``.

        SourceUnavailable, too, where records were dropped that the proof takes.
        """
        try:
            return await self.do(lambda lookup: lookup.consistency(old_size, new_size))
        except KeyError:
            message = f"that the first {old_size} records are the log's can't be proven: of some only a stub is left"
            raise SourceUnavailable(message) from None

    def _do(self, act: Callable[[AuditLookup], T], limit: int | None) -> T:
        with self._using, translated():
            try:
                return act(self._lookup(limit))
            except sqlite3.DatabaseError as error:
                if type(error) is not sqlite3.DatabaseError:  # its subclasses are of a disk, or of a lock
                    raise
                self._spoiled()
            return act(self._lookup(limit))

    def _lookup(self, limit: int | None) -> AuditLookup:
        if self._index is None or self._index.is_gone(self._folder / INDEX_NAME):
            self._index = AuditIndex(self._folder / INDEX_NAME)
        lookup = AuditLookup(self._folder, self._keys, self._index)
        lookup.catch_up(limit)
        return lookup

    def _spoiled(self) -> None:
        """Have the index made anew: a power cut may leave one that no longer is one."""
        _log.error("audit: the index is spoiled; it is made anew from the log")
        self._let_go()
        for path in self._folder.glob(INDEX_PATTERN):
            path.unlink(missing_ok=True)

    def _let_go(self) -> None:
        index, self._index = self._index, None
        if index is not None:
            index.close()

    def _close(self) -> None:
        with self._using:
            self._let_go()

    async def _keep_up(self) -> None:
        """Keep the index near to the end, so that who asks need not wait; little by little, as exchanges come first."""
        while True:
            began = monotonic()
            try:
                async with self._lock:
                    await asyncio.to_thread(self._do, lambda _: None, KEEP_UP_RECORDS)
            except SourceUnavailable as trouble:
                _log.warning("audit: the index does not keep up: %s", trouble)
            await asyncio.sleep(max(self._catch_up_seconds, KEEP_UP_SHARE * (monotonic() - began)))
