"""What a sink is: a system elsewhere that is told of every record, in order, after the record is durable here.

Sinks are for watching, the log on disk is the proof. What is forwarded are the *facts* of a record with its place and
hash. The links, keyed hashes of people and conversations, stay here, where an erasure can reach them (A24).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from sidecar.audit.canonical import canonical
from sidecar.audit.reader import Position
from sidecar.errors import SidecarError


class SinkUnavailable(SidecarError):
    """The sink did not take all of the batch: the whole batch is sent again, and nothing is skipped."""


class SinkOverfull(SinkUnavailable):
    """The batch is too large for the sink: it is sent again in smaller ones."""


@dataclass(frozen=True, slots=True)
class Forwarded:
    """One record as sinks see it. ``log`` and ``seq`` together tell a repetition from a new one.

    ``position`` is for us: where in the log it stands, as segment and offset.
    """

    log: str
    seq: int
    time: str
    hash: str
    facts: Mapping[str, object] = field(repr=False)
    position: Position | None = None

    @property
    def members(self) -> Mapping[str, object]:
        return {**self.facts, "log": self.log, "seq": self.seq, "time": self.time, "hash": self.hash}

    @property
    def json(self) -> bytes:
        """One line of canonical JSON, without a newline."""
        return canonical(self.members)


class Sink(Protocol):
    """One system. A batch is taken whole or sent again whole, so each record arrives once or more, and in order."""

    @property
    def name(self) -> str:
        """The operator's word for it; it stands in metrics."""

    async def start(self) -> None:
        """Open what is needed for calls; reaches out to nobody."""

    async def stop(self) -> None: ...

    async def send(self, batch: Sequence[Forwarded]) -> None:
        """Return when the sink has taken all of it. Raises SinkUnavailable."""
