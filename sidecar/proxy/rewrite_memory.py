"""Answers payloads that were rewritten before, whole (D16). Sits before the rewriter.

An entry is found by a keyed hash of all that decides the answer, and sealed under another key that is made of the same
things and not kept: only who brings the payload again can open it. So a dump of this memory shows no text, and no guess
can be tried on it without the key of this deployment. What is sealed is the redacted payload; the one that came is
nowhere.

Everything is forgotten when the detector changes and when placeholders are forgotten for an erasure: afterwards a value
is numbered as if it had never been seen (D19, E48). What an entry says was true when it was made, and nothing but those
two can make it wrong: the numbers in it are durable and only grow (``stores.placeholders``).
"""

from __future__ import annotations

import pickle
import secrets
from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from functools import partial
from hashlib import sha512
from typing import NamedTuple

from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from prometheus_client import Counter

from sidecar.keys import Pseudonymizer
from sidecar.metrics import Metrics
from sidecar.proxy.rewriter import Rewritten

_NONCE_BYTES = 12
_MOST_NAMES = 512
_ENTRY_BYTES = 300  # more than an entry was measured to take beside what is sealed


@dataclass(frozen=True, slots=True)
class MemoryLimits:
    """``total_bytes`` counts all that entries take; a longer payload than ``longest`` is not kept."""

    total_bytes: int = 64 * 1024 * 1024
    longest: int = 8 * 1024 * 1024


class Place(NamedTuple):
    """Where the answer to one payload is, or belongs. ``secret`` opens it. ``epoch``: when the place was made."""

    key: bytes
    secret: bytes
    epoch: Hashable

    def __repr__(self) -> str:
        return "Place(...)"


class RewriteMemory:
    """Least recently used entries go first. ``keys``: for ``Purpose.REWRITE_CACHE``.

    ``epoch`` returns what must not have changed for any entry to hold: the detector's version, and how often
    placeholders were forgotten.
    """

    def __init__(
        self, keys: Pseudonymizer, epoch: Callable[[], Hashable], metrics: Metrics, limits: MemoryLimits | None = None
    ) -> None:
        self._keys = keys
        self._now = epoch
        self._limits = limits or MemoryLimits()
        self._hits = 0  # not yet counted in the metrics
        metrics.before_reading(partial(self._count_hits, metrics.rewrite_cache.labels("hit")))
        self._misses = metrics.rewrite_cache.labels("miss")
        self._names = _Names()
        self._epoch: Hashable = None
        self._entries: OrderedDict[bytes, bytes] = OrderedDict()
        self._bytes = 0

    def place(self, text: str, *decisive: object) -> Place:
        """Return the place of a payload. ``decisive``: all else that decides the answer.

        Strings count by what they say. Other objects count by which they are, so they have to be frozen.
        """
        parts = [one if isinstance(one, str) else self._names.of(one) for one in decisive]
        both = sha512(self._keys.digest(text, repr(parts))).digest()  # neither half says anything of the other
        return Place(both[:32], both[32:], self._now())

    def recall(self, place: Place) -> Rewritten | None:
        """Return what was kept there, if it still holds. Counts what was found; ``miss`` counts what was not."""
        if place.epoch != self._epoch:
            self._clear()
            self._epoch = place.epoch
        found = self._entries.get(place.key)
        if found is None:
            return None
        self._hits += 1
        self._entries.move_to_end(place.key)
        opened = AESGCM(place.secret).decrypt(found[:_NONCE_BYTES], found[_NONCE_BYTES:], None)
        return Rewritten(*pickle.loads(opened))  # noqa: S301 - sealed by us, or it would not have opened

    def _count_hits(self, counter: Counter) -> None:
        hits, self._hits = self._hits, 0
        counter.inc(hits)

    def miss(self) -> None:
        """Count a payload that nothing is known of."""
        self._misses.inc()

    def keep(self, place: Place, rewritten: Rewritten) -> None:
        """Keep an answer, unless something changed while it was worked out."""
        if not place.epoch == self._epoch == self._now() or len(rewritten.body) > self._limits.longest:
            return
        nonce = secrets.token_bytes(_NONCE_BYTES)
        sealed = nonce + AESGCM(place.secret).encrypt(nonce, pickle.dumps(_members(rewritten)), None)
        self._drop(self._entries.pop(place.key, None))
        self._entries[place.key] = sealed
        self._bytes += len(sealed) + _ENTRY_BYTES
        while self._bytes > self._limits.total_bytes:
            self._drop(self._entries.popitem(last=False)[1])

    def _drop(self, sealed: bytes | None) -> None:
        if sealed is not None:
            self._bytes -= len(sealed) + _ENTRY_BYTES

    def _clear(self) -> None:
        self._entries.clear()
        self._bytes = 0


def _members(rewritten: Rewritten) -> tuple[object, ...]:
    """What an answer is made of, in plain types: these are read back several times as fast."""
    counts, confidence = dict(rewritten.entities), dict(rewritten.confidence)
    return rewritten.body, counts, rewritten.residuals, rewritten.conversations, rewritten.scope, confidence


class _Names:
    """Numbers for objects: the same for the same one, and never given to another. Holds the ones used last."""

    def __init__(self) -> None:
        self._last = 0
        self._known: OrderedDict[int, tuple[object, str]] = OrderedDict()

    def of(self, one: object) -> str:
        known = self._known.get(id(one))
        if known is None:
            self._last += 1
            known = self._known[id(one)] = one, str(self._last)  # held, so that its id is not given to another
            if len(self._known) > _MOST_NAMES:
                self._known.popitem(last=False)
        else:
            self._known.move_to_end(id(one))
        return known[1]
