"""How many calls a target may be given now (token bucket). The clock is passed in; it may jump, which costs at most one
second's worth of calls."""

from __future__ import annotations

from datetime import datetime

from sidecar.targets.target import TargetLimits


class Allowance:
    """Calls left for one target under its limits."""

    def __init__(self, limits: TargetLimits) -> None:
        self._limits = limits
        self._tokens = self._burst = max(1.0, limits.per_second or 0.0)
        self._filled: datetime | None = None

    def take(self, now: datetime) -> int:
        """Return how many calls may be started together now. Those not used are given back by ``give_back``."""
        if self._limits.per_second is None:
            return self._limits.concurrency
        elapsed = (now - self._filled).total_seconds() if self._filled else 0.0
        self._filled = now
        self._tokens = min(self._burst, self._tokens + max(elapsed, 0.0) * self._limits.per_second)
        taken = max(0, min(self._limits.concurrency, int(self._tokens)))
        self._tokens -= taken
        return taken

    def spend(self, more: int) -> None:
        """Count calls beyond those that were taken: they are waited for before the next."""
        if self._limits.per_second is not None:
            self._tokens -= more

    def give_back(self, unused: int) -> None:
        if self._limits.per_second is not None:
            self._tokens = min(self._burst, self._tokens + unused)
