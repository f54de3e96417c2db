"""Readings of the log by hand, told to the log (A36). Edge; blocking, but for the collector.

Whoever reads a log's files with the command leaves a note beside it before anything is shown. The sidecar that writes
the log makes a record of each note, at once if it runs, else when it is started next. It does not hold up whoever has
the files, the keys and another program: against that stand the rights of the files and where the keys are kept.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import secrets
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from sidecar.audit.canonical import canonical
from sidecar.audit.fields import RecordRejected, parts_of
from sidecar.audit.record import Action, AuditWriter, Decision, Intent, Outcome
from sidecar.errors import AuditUnavailable

FOLDER_NAME: Final = "reads"
PROOF: Final = "local_files"
READING_ACTIONS: Final = frozenset({Action.AUDIT_SEARCH, Action.AUDIT_EXPORT, Action.AUDIT_VERIFY})

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Reading:
    """Who read what for which reason. ``reader`` is the machine's number for its user: names stay where they are."""

    id: str
    action: Action
    reader: int
    purpose: str | None = None

    @property
    def intent(self) -> Intent:
        return Intent(self.id, self.action, f"uid-{self.reader}", PROOF, purpose=self.purpose)

    @property
    def outcome(self) -> Outcome:
        return Outcome(self.id, self.action, Decision.COMPLETED)


def leave(folder: Path, action: Action, purpose: str | None) -> Reading:
    """Leave a durable note of a reading that is about to happen. Raises OSError, RecordRejected."""
    reading = Reading(secrets.token_hex(16), action, os.getuid(), purpose)
    parts_of(reading.intent)
    place = folder / FOLDER_NAME
    place.mkdir(0o700, exist_ok=True)
    members = {"action": action.value, "id": reading.id, "reader": reading.reader}
    half = place / f"{reading.id}.half"
    with half.open("xb") as stream:
        stream.write(canonical(members | ({"purpose": purpose} if purpose else {})))
        stream.flush()
        os.fsync(stream.fileno())
    half.rename(half.with_suffix(".json"))
    return reading


def left(folder: Path) -> Iterator[tuple[Path, Reading | None]]:
    """Yield what was left, the oldest first; None for what is no such note."""
    paths = (folder / FOLDER_NAME).glob("*.json")
    for path in sorted(paths, key=lambda one: one.stat().st_mtime_ns):
        yield path, _parsed(path)


def _parsed(path: Path) -> Reading | None:
    try:
        match json.loads(path.read_bytes()):
            case {"action": str(action), "id": str(name), "reader": int(reader), **rest} if name == path.stem:
                purpose = rest.get("purpose")
                reading = Reading(name, Action(action), reader, purpose if isinstance(purpose, str) else None)
                parts_of(reading.intent)
                return reading if reading.action in READING_ACTIONS else None
    except (ValueError, RecursionError, RecordRejected):
        pass
    return None


class ReadsCollecting:
    """Makes records of what readers left, between ``start`` and ``stop``."""

    def __init__(self, folder: Path, audit: AuditWriter, poll_seconds: float = 5.0) -> None:
        self._folder = folder
        self._audit = audit
        self._poll_seconds = poll_seconds
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        self._task = asyncio.create_task(self._run(), name="audit-reads")

    async def stop(self) -> None:
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

    async def _run(self) -> None:
        while True:
            try:
                for path, reading in await asyncio.to_thread(lambda: list(left(self._folder))):
                    await self._collect(path, reading)
            except (AuditUnavailable, OSError) as error:  # the notes stay; so does the alarm of the log itself
                _log.warning("audit: what readers left is not on record yet (%s)", type(error).__name__)
            await asyncio.sleep(self._poll_seconds)

    async def _collect(self, path: Path, reading: Reading | None) -> None:
        """The record first, then the note goes: a crash in between makes a second record, never none."""
        if reading is None:
            _log.warning("audit: %s is no note of a reading, and was set aside", path.name)
            await asyncio.to_thread(path.rename, path.with_suffix(".bad"))
            return
        await self._audit.intend(reading.intent)
        await self._audit.conclude(reading.outcome)
        await asyncio.to_thread(path.unlink)
