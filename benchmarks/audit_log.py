"""Writes audit logs of any length, in the format of docs/audit-format.md, without an fsync for each record.

For measurements and tests of what reads logs. What the sidecar itself writes is made by ``sidecar.audit.log``.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from sidecar.audit.fields import halves_of
from sidecar.audit.keyfile import lock_keys, new_keys
from sidecar.audit.keyring import LocalKeys, WrapContext
from sidecar.audit.leaf import GENESIS, Place, instant, make_line
from sidecar.audit.merkle import Frontier
from sidecar.audit.note import Checkpoint, Signer
from sidecar.audit.record import Entry
from sidecar.audit.sealing import Sealer
from sidecar.audit.segment import Header, checkpoint_line, header_line
from sidecar.audit.store import CHECKPOINT_NAME, key_path, segment_path
from sidecar.keys import MasterKey

START = datetime(2026, 3, 1, 9, 0, tzinfo=UTC)
MASTER = MasterKey(bytes(range(32)))
ORIGIN = "sidecar.example/pod-1"


@dataclass
class LogFolder:
    """A log that grows by ``write``. ``step`` lies between two records."""

    folder: Path
    origin: str = ORIGIN
    master: MasterKey = MASTER
    segment_records: int = 100_000
    checkpoint_records: int = 1000
    step: timedelta = timedelta(seconds=1)
    signing_key: Ed25519PrivateKey = field(default_factory=lambda: Ed25519PrivateKey.from_private_bytes(bytes(32)))
    segment: int = -1
    prev: str = GENESIS
    tree: Frontier = field(default_factory=Frontier)

    @property
    def signer(self) -> Signer:
        return Signer(self.origin, self.signing_key)

    @property
    def keys(self) -> LocalKeys:
        return LocalKeys(self.master)

    @property
    def time(self) -> str:
        """The time of the last record; empty while there is none."""
        return instant(START + (self.tree.size - 1) * self.step) if self.tree.size else ""

    def write(self, entries: Iterable[Entry]) -> None:
        """Append records in a new segment, or in as many as they fill, and sign the end of each."""
        self.folder.mkdir(exist_ok=True)
        entries = iter(entries)
        while batch := list(islice(entries, self.segment_records)):
            self._write_segment(batch)

    def _write_segment(self, entries: list[Entry]) -> None:
        self.segment += 1
        keys, first = new_keys(), self.tree.size
        context = WrapContext(self.origin, self.segment)
        key_path(self.folder, self.segment).write_bytes(lock_keys(keys, self.keys, context))
        header = Header(
            self.origin, self.segment, first, self.prev, self.time, self.tree.peaks, str(self.signer.verifier)
        )
        with segment_path(self.folder, self.segment).open("wb") as stream:
            stream.write(header_line(header))
            stream.writelines(self._lines(entries, Sealer(keys, first, os.getpid)))

    def _lines(self, entries: list[Entry], sealer: Sealer) -> Iterator[bytes]:
        fresh: list[bytes] = []
        for at, entry in enumerate(entries, 1):
            place = Place(self.origin, self.segment, self.tree.size + len(fresh), "", self.prev)
            place = place._replace(time=instant(START + place.seq * self.step))
            sealed = sealer.seal(halves_of(entry), place, os.urandom(32))
            line, self.prev = make_line(place, sealed.commitments, sealed.facts, sealed.links)
            fresh.append(bytes.fromhex(self.prev))
            yield line
            if at % self.checkpoint_records == 0 or at == len(entries):
                self.tree = self.tree.extended(fresh)
                fresh.clear()
                note = Checkpoint(self.origin, self.tree.size, self.tree.root()).signed_by(self.signer)
                (self.folder / CHECKPOINT_NAME).write_bytes(str(note).encode())
                yield checkpoint_line(note)
