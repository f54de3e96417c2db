"""An index beside the log: where the records with a given link, actor or exchange stand. Edge; blocking; SQLite.

It is made from the log and can be thrown away at any time. It is never believed: whatever it points to is read from
the log again and proven there. It holds keyed hashes, positions, times and leaf hashes; no word of any record.

Records fall into *tiles* of 256 (as in c2sp.org/tlog-tiles): a tile keeps the leaf hashes and positions, and the node
over it, so that a proof reads a few rows and not the log. Terms fall into *runs* of 2^20 records, so that growing
touches the end of the table only, and a span of time the runs that it lies in.
"""

from __future__ import annotations

import sqlite3
import struct
from collections.abc import Iterable
from contextlib import closing
from dataclasses import dataclass
from hashlib import sha256
from itertools import islice
from pathlib import Path
from typing import Any, Final

from sidecar.audit.merkle import HASH_BYTES, Frontier, hash_children
from sidecar.audit.query import links_of
from sidecar.audit.ranges import Node
from sidecar.audit.reader import Position, Stored
from sidecar.audit.record import Phase

INDEX_NAME: Final = "index.db"
TILE_LEVEL: Final = 8
TILE: Final = 1 << TILE_LEVEL
_RUN_BITS: Final = 20
_VERSION: Final = 1
_BATCH: Final = 50_000
_POSITION = struct.Struct(">IQ")
_UNKNOWN: Final = bytes(HASH_BYTES)  # stands for the hash of a record that was dropped

_SCHEMA = """
CREATE TABLE state (
    version INTEGER, origin TEXT, size INTEGER, segment INTEGER, offset INTEGER, hash TEXT
);
CREATE TABLE terms (run INTEGER, term BLOB, seq INTEGER, first INTEGER, PRIMARY KEY (run, term, seq)) WITHOUT ROWID;
CREATE TABLE tiles (tile INTEGER PRIMARY KEY, time TEXT, hashes BLOB, positions BLOB);
CREATE INDEX tiles_by_time ON tiles (time);
CREATE TABLE nodes (level INTEGER, at INTEGER, hash BLOB, PRIMARY KEY (level, at)) WITHOUT ROWID;
CREATE TABLE under_way (exchange TEXT PRIMARY KEY, seq INTEGER) WITHOUT ROWID;
"""


@dataclass(frozen=True, slots=True)
class State:
    """How far the index has come: ``size`` records, the last of which stands at ``position`` with this hash."""

    origin: str
    size: int
    position: Position
    hash: str


class AuditIndex:
    """One connection; for one thread at a time. Raises ``sqlite3.Error`` where the file can't be used."""

    def __init__(self, path: Path | None) -> None:
        """Open the file, or make one in memory where there is no path."""
        if path is not None:
            path.touch(0o600, exist_ok=True)  # sqlite would give it, and its side files, the umask's rights
        name = path if path is not None else ":memory:"
        self._file = (path.stat().st_dev, path.stat().st_ino) if path is not None else (0, 0)
        self._database = sqlite3.connect(name, timeout=30, isolation_level=None, check_same_thread=False)
        for pragma in ("journal_mode=WAL", "synchronous=OFF", "secure_delete=ON", "cache_size=-65536"):
            self._database.execute(f"PRAGMA {pragma}")
        if self._row("PRAGMA user_version") != (_VERSION,):
            self.clear()

    def close(self) -> None:
        self._database.close()

    def is_gone(self, path: Path) -> bool:
        """Whether the file under the path is no longer ours: it was removed, because links were erased."""
        try:
            there = path.stat()
        except FileNotFoundError:
            return True
        return (there.st_dev, there.st_ino) != self._file

    def clear(self) -> None:
        """Forget everything; the next ``add`` must begin at record 0 or where the log now begins."""
        with closing(self._database.cursor()) as cursor:
            for table in ("state", "terms", "tiles", "nodes", "under_way"):
                cursor.execute(f"DROP TABLE IF EXISTS {table}")  # names are ours
            cursor.executescript(_SCHEMA)
            cursor.execute(f"PRAGMA user_version={_VERSION}")

    @property
    def state(self) -> State | None:
        """How far it has come; None while empty."""
        row = self._row("SELECT origin, size, segment, offset, hash FROM state")
        return State(row[0], row[1], Position(row[2], row[3]), row[4]) if row else None

    def add(self, origin: str, records: Iterable[Stored]) -> None:
        """Take in the records that follow the last one known; those before one that is broken, too."""
        records = iter(records)
        while True:
            batch: list[Stored] = []
            try:
                batch.extend(islice(records, _BATCH))
            finally:
                if batch:
                    self._commit(origin, batch)
            if not batch:
                return

    def _commit(self, origin: str, batch: list[Stored]) -> None:
        self._database.execute("BEGIN IMMEDIATE")
        try:
            _Batch(self._database, origin).take(batch)
        except BaseException:
            self._database.execute("ROLLBACK")
            raise
        self._database.execute("COMMIT")

    def find(self, terms: Iterable[bytes], first: int, end: int) -> list[int]:
        """Return where the rows begin that have a record in [first, end) with any of the terms, in order."""
        found: set[int] = set()
        for term in terms:
            for run in _runs(first, end):
                rows = self._database.execute(
                    "SELECT first FROM terms WHERE run=? AND term=? AND seq>=? AND seq<?", (run, term, first, end)
                )
                found.update(row[0] for row in rows)
        return sorted(found)

    def beginning_of(self, term: bytes, seq: int) -> int:
        """Return where the row begins that a record with this term is part of."""
        row = self._row("SELECT first FROM terms WHERE run=? AND term=? AND seq=?", (seq >> _RUN_BITS, term, seq))
        return int(row[0]) if row else seq

    def end_of(self, term: bytes, first: int, end: int) -> int | None:
        """Return the record with this term that ends the row beginning at ``first``; None if there is none yet."""
        for run in _runs(first, end):
            row = self._row(
                "SELECT seq FROM terms WHERE run=? AND term=? AND first=? AND seq>?", (run, term, first, first)
            )
            if row is not None:
                return int(row[0])
        return None

    def position(self, seq: int) -> Position:
        """Return where a record stands. KeyError if it is not known."""
        row = self._row("SELECT positions FROM tiles WHERE tile=?", (seq >> TILE_LEVEL,))
        at = seq % TILE * _POSITION.size
        found = Position(*_POSITION.unpack_from(row[0], at)) if row and len(row[0]) > at else Position(0, 0)
        if not found.offset:  # each segment begins with a line that is no record
            raise KeyError(seq)
        return found

    def node(self, level: int, index: int) -> bytes:
        """Return the hash of a complete subtree (a ``NodeAt``). KeyError if it is not known."""
        row = self._row("SELECT hash FROM nodes WHERE level=? AND at=?", (level, index))
        if row is not None:
            return bytes(row[0])
        hashes = self._hashes(index << level, 1 << level) if level <= TILE_LEVEL else None
        if hashes is not None:
            return Frontier().extended(hashes).root()
        if level == 0:
            raise KeyError(index)
        return hash_children(self.node(level - 1, 2 * index), self.node(level - 1, 2 * index + 1))

    def add_nodes(self, first: int, nodes: Iterable[Node]) -> None:
        """Take in the subtrees over records from ``first`` on that were dropped: proofs of later ones need them."""
        for one in nodes:
            row = (one.level, first >> one.level, one.hash)
            self._database.execute("INSERT OR REPLACE INTO nodes VALUES (?, ?, ?)", row)
            first += 1 << one.level

    def span(self, since: str | None, until: str | None) -> tuple[int, int]:
        """Return numbers [first, end) between which every record of a time lies; a tile's worth too many at most."""
        state = self.state
        size = state.size if state else 0
        first, end = 0, size
        if since is not None:
            row = self._row("SELECT max(tile) FROM tiles WHERE time<?", (since,))
            first = (row[0] if row and row[0] is not None else 0) << TILE_LEVEL
        if until is not None:
            row = self._row("SELECT min(tile) FROM tiles WHERE time>=?", (until,))
            end = min(size, row[0] << TILE_LEVEL) if row and row[0] is not None else size
        return first, max(first, end)

    def _hashes(self, start: int, count: int) -> list[bytes] | None:
        """Return leaf hashes within one tile; None unless all of them are known."""
        row = self._row("SELECT hashes FROM tiles WHERE tile=?", (start >> TILE_LEVEL,))
        at = start % TILE * HASH_BYTES
        held = row[0][at : at + count * HASH_BYTES] if row else b""
        hashes = [held[one : one + HASH_BYTES] for one in range(0, len(held), HASH_BYTES)]
        return hashes if len(hashes) == count and _UNKNOWN not in hashes else None

    def _row(self, statement: str, values: tuple[object, ...] = ()) -> tuple[Any, ...] | None:
        row: tuple[Any, ...] | None = self._database.execute(statement, values).fetchone()
        return row


def term_of(kind: str, value: str) -> bytes:
    """Return what a link, an actor or an exchange is called in the index."""
    return sha256(f"{kind}\0{value}".encode()).digest()[:16]


def _runs(first: int, end: int) -> range:
    return range(first >> _RUN_BITS, (max(end - 1, first) >> _RUN_BITS) + 1)


class _Batch:
    """Takes records in within one transaction."""

    def __init__(self, database: sqlite3.Connection, origin: str) -> None:
        self._database = database
        self._origin = origin
        self._terms: list[tuple[int, bytes, int, int]] = []
        self._started: dict[str, int] = {}
        self._ended: list[tuple[str]] = []

    def take(self, batch: list[Stored]) -> None:
        for stored in batch:
            self._note_terms(stored)
        self._terms.sort()
        many = self._database.executemany
        many("INSERT OR REPLACE INTO terms VALUES (?, ?, ?, ?)", self._terms)
        many("DELETE FROM under_way WHERE exchange=?", self._ended)
        many("INSERT OR REPLACE INTO under_way VALUES (?, ?)", self._started.items())
        self._fill_tiles(batch)
        last = batch[-1]
        row = (_VERSION, self._origin, last.index + 1, last.segment, last.offset, last.record.hash)
        self._database.execute("DELETE FROM state")
        self._database.execute("INSERT INTO state VALUES (?, ?, ?, ?, ?, ?)", row)

    def _note_terms(self, stored: Stored) -> None:
        members, seq = stored.members, stored.index
        exchange = str(members.get("exchange_id", ""))
        first = seq
        if members.get("phase") == Phase.INTENT:
            self._started[exchange] = seq
        elif members.get("phase") == Phase.OUTCOME:
            first = self._intent(exchange, seq)
        terms = {term_of("link", one) for one in links_of(stored)}
        if exchange:
            terms.add(term_of("exchange", exchange))
        if "actor" in members:
            terms.add(term_of("actor", str(members["actor"])))
        if members.get("phase") == Phase.EVENT:
            terms.add(term_of("event", str(members.get("action"))))
        self._terms.extend((seq >> _RUN_BITS, term, seq, first) for term in terms)

    def _intent(self, exchange: str, seq: int) -> int:
        if exchange in self._started:
            return self._started.pop(exchange)
        row = self._database.execute("SELECT seq FROM under_way WHERE exchange=?", (exchange,)).fetchone()
        self._ended.append((exchange,))
        return int(row[0]) if row else seq

    def _fill_tiles(self, batch: list[Stored]) -> None:
        """By records that follow each other within a tile: between two may lie some that were dropped."""
        start = 0
        for end in range(1, len(batch) + 1):
            last = batch[end - 1].index
            if end == len(batch) or batch[end].index != last + 1 or batch[end].index % TILE == 0:
                self._fill_tile(last >> TILE_LEVEL, batch[start:end])
                start = end

    def _fill_tile(self, tile: int, records: list[Stored]) -> None:
        row = self._database.execute("SELECT time, hashes, positions FROM tiles WHERE tile=?", (tile,)).fetchone()
        time, hashes, positions = row or (records[0].time, b"", b"")
        at = records[0].index % TILE  # beyond what is there only where a segment before was dropped
        hashes = hashes.ljust(at * HASH_BYTES, b"\0") + b"".join(one.hash for one in records)
        positions = positions.ljust(at * _POSITION.size, b"\0")
        positions += b"".join(_POSITION.pack(one.segment, one.offset) for one in records)
        self._database.execute("INSERT OR REPLACE INTO tiles VALUES (?, ?, ?, ?)", (tile, time, hashes, positions))
        leaves = [hashes[one : one + HASH_BYTES] for one in range(0, len(hashes), HASH_BYTES)]
        if len(leaves) == TILE and _UNKNOWN not in leaves:
            self._join(TILE_LEVEL, tile, Frontier().extended(leaves).root())

    def _join(self, level: int, at: int, digest: bytes) -> None:
        """Keep a node, and the one above it once both its children are there."""
        self._database.execute("INSERT OR REPLACE INTO nodes VALUES (?, ?, ?)", (level, at, digest))
        if at & 1:
            row = self._database.execute("SELECT hash FROM nodes WHERE level=? AND at=?", (level, at - 1)).fetchone()
            if row is not None:
                self._join(level + 1, at >> 1, hash_children(row[0], digest))
