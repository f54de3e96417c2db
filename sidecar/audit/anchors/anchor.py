"""What an anchor is: a place in a second trust domain that remembers checkpoints.

Whoever holds the log's files and its signing key can rewrite it whole. What he can't do is take back a checkpoint that
somebody else has seen (A10, A11, A13). So an anchor must lie where the sidecar's host may add and not change.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol
from urllib.parse import quote

from sidecar.audit.note import Checkpoint, Note, parse_checkpoint
from sidecar.errors import SidecarError

Prove = Callable[[int], Awaitable[tuple[bytes, ...]]]
"""Gives the consistency proof from a tree of so many leaves to the one that is offered."""


class AnchorUnavailable(SidecarError):
    """The anchor can't be reached, or did not do as asked. It is tried again; nothing waits for it."""


class AnchorConflict(SidecarError):
    """The anchor holds a checkpoint that the log does not continue: one of the two was changed (A10–A13)."""


@dataclass(frozen=True, slots=True)
class Offer:
    """A checkpoint to be remembered, and how to show that it continues older ones."""

    note: Note
    prove: Prove = field(repr=False)

    @property
    def checkpoint(self) -> Checkpoint:
        return parse_checkpoint(self.note.text)


@dataclass(frozen=True, slots=True)
class Held:
    """The largest checkpoint of a log that an anchor holds. ``seen`` is the anchor's own time, where it gives one."""

    anchor: str
    note: Note
    seen: datetime | None = None


class Anchor(Protocol):
    """One place. All its methods may be called again after they failed."""

    @property
    def name(self) -> str:
        """The operator's word for it; it stands in metrics."""

    async def start(self) -> None:
        """Open what is needed for calls; reaches out to nobody."""

    async def stop(self) -> None: ...

    async def publish(self, offer: Offer) -> None:
        """Have the checkpoint remembered. Raises AnchorUnavailable, or AnchorConflict."""

    async def latest(self, origin: str) -> Held | None:
        """Return the largest checkpoint of a log that is held; None if there is none. Raises AnchorUnavailable."""


def place_of(origin: str) -> str:
    """Return an origin as one step of a path or key, readable and free of separators."""
    return quote(origin, safe="").replace(".", "%2E") if origin.startswith(".") else quote(origin, safe="")


def name_of(size: int) -> str:
    """Return the name that a checkpoint of this size is kept under: the order of names is the order of sizes."""
    return f"{size:020d}.note"
