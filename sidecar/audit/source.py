"""The log as those read it who carry it elsewhere. Edge; blocking."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

from sidecar.audit.keyring import KeyProvider, KeyProviderUnavailable
from sidecar.audit.leaf import BrokenLine, parse_record
from sidecar.audit.note import NoteInvalid
from sidecar.audit.reader import Position, Stored, read_records
from sidecar.audit.sinks.sink import Forwarded
from sidecar.errors import KeyMaterialError, SidecarError


class SourceUnavailable(SidecarError):
    """The log can't be read now: a disk or a key provider that fails. The same call may succeed later."""


class LogUnreadable(SourceUnavailable):
    """The log is broken where it was read, or its keys are gone. ``sidecar audit verify`` says more."""


class RecordSource(Protocol):
    """The log, as far as forwarding needs it. Raises SourceUnavailable."""

    def size(self) -> int:
        """Return how many records are durable."""

    def read(self, first: int, after: Position | None = None) -> Iterator[Forwarded]:
        """Yield the records from number ``first`` on, to the end of what is durable now.

        ``after`` is where the record before stands, if that is known: then nothing before it is read.
        """


class LogSource:
    """A ``RecordSource`` on a folder. ``size`` comes from whoever writes the log."""

    def __init__(self, folder: Path, keys: KeyProvider, size: Callable[[], int]) -> None:
        self._folder = folder
        self._keys = keys
        self._size = size

    def size(self) -> int:
        return self._size()

    def read(self, first: int, after: Position | None = None) -> Iterator[Forwarded]:
        with translated():
            try:
                size = self._size()  # what stands behind it may be cut off again, and was refused
                for stored in read_records(self._folder, self._keys, first, after):
                    if stored.index >= size:
                        return
                    yield _forwarded(stored)
            except FileNotFoundError:  # the segment was dropped while we looked: what is left comes next time
                return


@contextmanager
def translated() -> Iterator[None]:
    """Put what may go wrong with a log into our words."""
    try:
        yield
    except BrokenLine as broken:
        raise LogUnreadable(f"the audit log is broken where it was read ({broken.flaw.value})") from None
    except NoteInvalid:
        raise LogUnreadable("the newest checkpoint of the audit log is none") from None
    except KeyMaterialError:
        raise LogUnreadable("the audit log can't be opened with the keys that are there") from None
    except (OSError, sqlite3.Error, KeyProviderUnavailable) as error:
        raise SourceUnavailable(f"the audit log can't be read now ({type(error).__name__})") from None


def _forwarded(stored: Stored) -> Forwarded:
    _, place = parse_record(b"record\t%b\t%b\t%b\t%b\n" % (
        stored.record.hash.encode(), stored.record.leaf, stored.record.facts, stored.record.links
    ))  # fmt: skip
    facts = stored.facts.members if stored.facts else {}
    position = Position(stored.segment, stored.offset)
    return Forwarded(place.log, stored.index, place.time, stored.record.hash, facts, position)
