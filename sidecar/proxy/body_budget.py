"""How many bytes of bodies are held at a time, by all exchanges together.

Each body has its limit, and so has the number of exchanges; their product is more than a small container has. What is
beyond the budget is refused with 503 at once, before more of it is read: whoever waited for room while holding some
could wait for each other for ever.
"""

from __future__ import annotations

from sidecar.errors import RequestFault, RequestRefused
from sidecar.metrics import Metrics


class BodyBudget:
    """Shared by all exchanges. ``total_bytes`` counts bodies as they came, and decoded; not what is made of them."""

    def __init__(self, total_bytes: int, metrics: Metrics) -> None:
        self._total_bytes = total_bytes
        self._held_bytes = 0
        metrics.held_body_bytes.set_function(lambda: self._held_bytes)  # read when asked for, not set at each step

    def share(self) -> BodyShare:
        """Return the share of one exchange: nothing yet."""
        return BodyShare(self)

    def move(self, by: int) -> None:
        """Take bytes, or (negative) give them back. Raises ``RequestRefused`` (overloaded) for more than are left."""
        if by > 0 and self._held_bytes + by > self._total_bytes:
            raise RequestRefused(RequestFault.OVERLOADED, "too many bytes of bodies are held")
        self._held_bytes += by


class BodyShare:
    """What one exchange holds. Give it back in every case."""

    __slots__ = ("_budget", "_held_bytes", "_varying_bytes")

    def __init__(self, budget: BodyBudget) -> None:
        self._budget = budget
        self._held_bytes = 0
        self._varying_bytes = 0

    def another(self) -> BodyShare:
        """Return a share for what has an end of its own: nothing yet."""
        return BodyShare(self._budget)

    def hold(self, more: int) -> None:
        """Take ``more`` bytes until the end of the exchange, or raise ``RequestRefused`` (overloaded)."""
        if more:
            self._budget.move(more)
            self._held_bytes += more

    def let_go(self, size: int) -> None:
        """Give back some of what was taken before."""
        self._budget.move(-size)
        self._held_bytes -= size

    def vary(self, now: int) -> None:
        """Say how many bytes of a stream are held back now. Raises as ``hold``."""
        by = now - self._varying_bytes
        if by:
            self._budget.move(by)
            self._held_bytes += by
            self._varying_bytes = now

    def give_back(self) -> None:
        if self._held_bytes:
            self._budget.move(-self._held_bytes)
            self._held_bytes = self._varying_bytes = 0
