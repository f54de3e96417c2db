"""Where the same value keeps the same placeholder, and how values become keys. Pure.

State holds keyed hashes and numbers, never values (D19). Keys are not bound to the conversation, so that one person's
rows can be found for erasure from the identifier alone (E48).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Ask:
    """A request for the number of one value.

    ``key`` is the keyed hash of the canonical value; ``aliases`` those of its parts by which it may be called again
    ("john" of "John Smith"), empty for types without aliases. ``contradicts`` are keys that the same entity can't have
    ("Mrs Smith" is not "Mr Smith").
    """

    label: str
    key: bytes
    aliases: tuple[bytes, ...] = ()
    contradicts: tuple[bytes, ...] = ()


class PlaceholderStore(Protocol):
    """Durable numbering of values within a conversation scope. Raises ``StoreUnavailable``."""

    async def assign(self, scope: bytes, asks: Sequence[Ask], reserved: Sequence[tuple[str, int]]) -> list[int]:
        """Return a number from 1 up for each ask, in order, durable before it returns.

        The same key has the same number for ever; two unlinked values never share one; ``reserved`` numbers, which
        the input held already as literal placeholders, are never given to a value (D20). Safe when called at the same
        time by several tasks, processes and replicas.
        """
