"""Turns records into durable lines: their places, their sealing, the tree, checkpoints, and one segment after another.

Edge; blocking; used by one thread. What it knows of the log moves on only when a write is durable, so a failed one
may be tried again, with other records.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from time import monotonic

from sidecar.audit.fields import Halves
from sidecar.audit.file import SegmentFile
from sidecar.audit.folder import LogFolder
from sidecar.audit.keyfile import lock_keys, new_keys
from sidecar.audit.keyring import KeyProvider, KeyProviderUnavailable, WrapContext
from sidecar.audit.leaf import GENESIS, SALT_BYTES, Place, make_line
from sidecar.audit.merkle import Frontier
from sidecar.audit.note import Checkpoint, Note, Signer, parse_checkpoint
from sidecar.audit.sealing import Sealer
from sidecar.audit.segment import KEY_LINE, Header, checkpoint_line, header_line

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class LogKeys:
    """What a log is written with. Each signer bears the log's name; of ``earlier`` ones at most one still signs: to
    introduce its successor (A28)."""

    provider: KeyProvider = field(repr=False)
    signer: Signer
    earlier: tuple[Signer, ...] = ()

    @property
    def log(self) -> str:
        return self.signer.name


@dataclass(frozen=True, slots=True)
class Pace:
    """When a checkpoint is due, and when another segment. A segment that can't be followed by another yet, because the
    key provider is away, may grow to twice its size."""

    checkpoint_records: int = 1000
    checkpoint_seconds: float = 60.0
    least_seconds: float = 1.0  # between two checkpoints, however many records come
    segment_records: int = 65_536
    segment_bytes: int = 64 << 20
    segment_seconds: float = 86_400.0


@dataclass(frozen=True, slots=True)
class Head:
    """What the next record continues."""

    size: int = 0
    hash: str = GENESIS
    time: str = ""
    segment: int = -1
    tree: Frontier = field(default_factory=Frontier, repr=False)


class Appender:
    """Appends to one log. ``head`` says what is durable. ``introducer`` is the signer whose place ours takes."""

    def __init__(
        self, folder: LogFolder, head: Head, signed: Note | None, keys: LogKeys, pace: Pace, introducer: Signer | None
    ) -> None:
        self.head = head
        self.signed_size = parse_checkpoint(signed.text).size if signed else 0
        self._folder = folder
        self._keys = keys
        self._pace = pace
        self._introducer = introducer
        self._signed = signed
        self._signed_at = float("-inf")
        self._unpublished: Note | None = signed
        self._file: SegmentFile | None = None
        self._sealer: Sealer | None = None
        self._first = 0
        self._begun_at = 0.0

    def append(self, batch: Sequence[Halves], now: str) -> None:
        """Make records durable. Raises OSError, LogTampered, KeyProviderUnavailable, AuditUnavailable."""
        file, sealer = self._ready()
        head, salts = self.head, os.urandom(2 * SALT_BYTES * len(batch))
        time = max(now, head.time)  # never backwards (A17)
        seq, prev, lines, hashes = head.size, head.hash, [], []
        for at, halves in enumerate(batch):
            place = Place(self._keys.log, head.segment, seq, time, prev)
            sealed = sealer.seal(halves, place, salts[32 * at : 32 * at + 32])
            line, prev = make_line(place, sealed.commitments, sealed.facts, sealed.links)
            lines.append(line)
            hashes.append(bytes.fromhex(prev))
            seq += 1
        file.append(b"".join(lines))
        self.head = Head(seq, prev, time, head.segment, head.tree.extended(hashes))

    def tend(self) -> None:
        """Do what is due without a record: look after the files, publish, make a checkpoint. Raises like ``append``."""
        self._folder.check()
        if self._file is not None:
            self._file.check()
            self._ready()

    def roll(self) -> None:
        """Close the segment, if it holds anything, and begin another."""
        if self._file is None or self.head.size > self._first:
            self._begin()

    def unwatch(self, number: int) -> None:
        """A segment is about to be dropped, by us."""
        self._folder.unwatch(number)

    def close(self) -> None:
        """Sign what is there and let go."""
        try:
            if self._file is not None and self.head.size > self.signed_size:
                self._checkpoint()
            self._publish()
        finally:
            self.abandon()

    def abandon(self) -> None:
        """Let go of the file and the lock, and touch nothing: it is evidence."""
        if self._file is not None:
            self._file.close()
        self._folder.release()

    def _ready(self) -> tuple[SegmentFile, Sealer]:
        """Return what to write with, another segment if need be, and sign if it is time."""
        self._publish()
        if self._file is None or self._is_full():
            self._begin_if_possible()
        elif self._is_checkpoint_due():
            self._checkpoint()
        if self._file is None or self._sealer is None:
            raise KeyProviderUnavailable("there is no segment to write to")
        return self._file, self._sealer

    def _is_full(self) -> bool:
        held = self.head.size - self._first
        return held > 0 and (
            held >= self._pace.segment_records
            or (self._file is not None and self._file.size >= self._pace.segment_bytes)
            or monotonic() - self._begun_at >= self._pace.segment_seconds
        )

    def _is_checkpoint_due(self) -> bool:
        fresh, waited = self.head.size - self.signed_size, monotonic() - self._signed_at
        pace = self._pace
        return fresh > 0 and (
            waited >= pace.checkpoint_seconds or (fresh >= pace.checkpoint_records and waited >= pace.least_seconds)
        )

    def _begin_if_possible(self) -> None:
        try:
            self._begin()
        except KeyProviderUnavailable:
            if self._file is None or self.head.size - self._first >= 2 * self._pace.segment_records:
                raise
            logger.warning("audit log: the key provider is away; the segment grows beyond its size")

    def _begin(self) -> None:
        head, number, keys = self.head, self.head.segment + 1, new_keys()
        if self._file is not None and head.size > self.signed_size:
            self._checkpoint()
        sealed = lock_keys(keys, self._keys.provider, WrapContext(self._keys.log, number))
        vkey = str(self._keys.signer.verifier)
        header = Header(self._keys.log, number, head.size, head.hash, head.time, head.tree.peaks, vkey)
        file = self._folder.begin(number, header_line(header), sealed)
        if self._file is not None:
            self._file.close()
            self._folder.watch(head.segment)
        self._file, self._first, self._begun_at = file, head.size, monotonic()
        self._sealer = Sealer(keys, head.size, os.getpid)
        self.head = Head(head.size, head.hash, head.time, number, head.tree)

    def _checkpoint(self) -> None:
        """Sign what is durable, where it stands; then let others see it. Never the other way round."""
        head = self.head
        signer, introducer = self._keys.signer, self._introducer
        extensions = (f"{KEY_LINE}{signer.verifier}",) if introducer else ()
        checkpoint = Checkpoint(self._keys.log, head.size, head.tree.root(), extensions)
        note = checkpoint.signed_by(signer, introducer) if introducer else checkpoint.signed_by(signer)
        if self._file is not None:
            self._file.append(checkpoint_line(note))
        self._introducer = None
        self._signed, self.signed_size, self._signed_at = note, head.size, monotonic()
        self._unpublished = note
        self._publish()

    def _publish(self) -> None:
        if self._unpublished is not None:
            self._folder.publish(self._unpublished)
            self._unpublished = None
