"""Whether a system can be rid of somebody in time, by what its operator says of it (E36). Pure.

Systems are driven side by side, so it is the slowest that counts, not their sum; the sidecar's own part takes a minute
after it. A month is taken for 28 days, as in a request of 1 February.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from sidecar.erasure.deadlines import PERIODS, Regulation

_SHORTEST_MONTH_DAYS: Final = 28
_OWN_PART: Final = timedelta(minutes=1)


def shortest_period(regulation: Regulation) -> timedelta:
    """Return the least time that a law ever gives, without an extension."""
    period = PERIODS[regulation]
    return timedelta(days=period.months * _SHORTEST_MONTH_DAYS + period.days)


def too_slow_for(max_completion: timedelta) -> tuple[Regulation, ...]:
    """Return the laws whose deadline a system would miss that takes all its time."""
    return tuple(one for one in Regulation if max_completion + _OWN_PART > shortest_period(one))
