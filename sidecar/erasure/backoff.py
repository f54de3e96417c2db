"""When to try again. Pure; chance and clock are passed in.

Exponential with jitter (Amazon Builders' Library, "Timeouts, retries, and backoff with jitter"), capped at an hour: an
upstream that comes back after six days is erased from within the hour (E14).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta


@dataclass(frozen=True, slots=True)
class Backoff:
    """``ceiling`` bounds our own patience; ``longest_wished`` what a target may wish for by ``Retry-After``."""

    first: timedelta = timedelta(seconds=2)
    ceiling: timedelta = timedelta(hours=1)
    longest_wished: timedelta = timedelta(hours=24)

    def delay(self, failures: int, wished: timedelta | None, chance: float) -> timedelta:
        """Return the wait after the nth failure in a row (n ≥ 1); ``chance`` is in [0, 1)."""
        grown = min(self.ceiling, self.first * (1 << min(max(failures, 1) - 1, 32)))
        jittered = grown / 2 + grown / 2 * chance
        if wished is None:
            return jittered
        return max(jittered, min(wished, self.longest_wished))
