"""By when a request must be done, as data with sources. Pure; the clock is passed in. Not legal advice.

The legal deadline is the last second of the last day, as the law counts days. Where a law moves a deadline that falls
on a holiday to the next working day (Regulation (EEC, Euratom) No 1182/71, Art. 3(4)), we do not: earlier is safe.
Our own target does move, to the working day before: on a Sunday nobody mends a system that can't be reached.
"""

from __future__ import annotations

from calendar import monthrange
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from enum import StrEnum
from types import MappingProxyType
from typing import Final


class Regulation(StrEnum):
    """Under which law the person asks."""

    GDPR = "gdpr"
    UK_GDPR = "uk_gdpr"
    CCPA = "ccpa"
    LGPD = "lgpd"


class ClockPolicy(StrEnum):
    """What the clock does while nobody has said that the person is who they say."""

    RUN = "run"
    PAUSE = "pause"


class ExtensionGround(StrEnum):
    """Why a deadline may be prolonged (GDPR Art. 12(3): complexity and number of the requests)."""

    COMPLEXITY = "complexity"
    NUMBER = "number_of_requests"


_SATURDAY: Final = 5


@dataclass(frozen=True, slots=True)
class Period:
    """How long a law gives, counted from the day of receipt, and by how much that may be prolonged once.

    ``may_pause``: whether the law lets the clock stand still until a person has been identified.
    """

    months: int
    days: int
    more_months: int
    more_days: int
    may_pause: bool
    source: str

    @property
    def extendable(self) -> bool:
        return bool(self.more_months or self.more_days)


PERIODS: Final[Mapping[Regulation, Period]] = MappingProxyType({
    Regulation.GDPR: Period(
        1, 0, 2, 0, True,
        "GDPR Art. 12(3), 12(6); months as in Regulation 1182/71 Art. 3(2)(c); pausing: EDPB Guidelines 01/2022, 157",
    ),
    Regulation.UK_GDPR: Period(
        1, 0, 2, 0, True,
        "UK GDPR Art. 12(3), 12(6); corresponding date of the next month, pausing while identity is checked: ICO",
    ),
    Regulation.CCPA: Period(
        0, 45, 0, 45, False,
        "Cal. Civ. Code 1798.130(a)(2)(A); 11 CCR 7021(b): verification stops no clock, 90 days at most",
    ),
    Regulation.LGPD: Period(
        0, 15, 0, 0, False,
        "LGPD Art. 18 says at once; the 15 days of Art. 19(II) are the outer limit; it knows no extension",
    ),
})  # fmt: skip


@dataclass(frozen=True, slots=True)
class DeadlinePolicy:
    """Whose days count, and how long before the legal deadline we mean to be done.

    ``holidays`` are days on which nobody works, beside Saturdays and Sundays: our own target is put before them.
    """

    zone: tzinfo = UTC
    lead: timedelta = timedelta(days=7)
    holidays: frozenset[date] = frozenset()
    unverified: ClockPolicy = ClockPolicy.RUN

    def clock(self, regulation: Regulation) -> ClockPolicy:
        """Return what the clock does until a person is identified: it stands still only where the law lets it."""
        return self.unverified if PERIODS[regulation].may_pause else ClockPolicy.RUN


@dataclass(frozen=True, slots=True)
class Deadlines:
    """Both in UTC. Invariant: ``internal`` is never after ``legal``."""

    internal: datetime
    legal: datetime


def deadlines(
    regulation: Regulation, received: datetime, submitted: datetime | None, policy: DeadlinePolicy
) -> Deadlines:
    """Return when a request must be done. The clock runs from the earlier of what was said and what we saw."""
    start = min(received, submitted) if submitted else received
    period = PERIODS[regulation]
    last_day = _months_later(start.astimezone(policy.zone).date(), period.months) + timedelta(days=period.days)
    legal = datetime.combine(last_day, time(23, 59, 59), policy.zone).astimezone(UTC)
    return Deadlines(internal=_internal(start, legal, policy), legal=legal)


def extended(regulation: Regulation, legal: datetime, policy: DeadlinePolicy) -> datetime:
    """Return the legal deadline once prolonged by what the regime gives at most (E34).

    Counted from the first deadline, which is never later than counting from receipt: 28 February, not 31 January, plus
    two months.
    """
    period = PERIODS[regulation]
    last_day = _months_later(legal.astimezone(policy.zone).date(), period.more_months)
    moved = last_day + timedelta(days=period.more_days)
    return datetime.combine(moved, time(23, 59, 59), policy.zone).astimezone(UTC)


def _internal(start: datetime, legal: datetime, policy: DeadlinePolicy) -> datetime:
    """Return when we mean to be done: some days before, on a working day, and never before half of the time is over."""
    middle = start + (legal - start) / 2
    internal = legal - max(min(policy.lead, (legal - start) / 2), timedelta())
    while not _is_working_day(internal.astimezone(policy.zone).date(), policy):
        if internal - timedelta(days=1) < middle:
            break
        internal -= timedelta(days=1)
    return internal


def _is_working_day(day: date, policy: DeadlinePolicy) -> bool:
    return day.weekday() < _SATURDAY and day not in policy.holidays


def _months_later(day: date, months: int) -> date:
    """Return the same day some months on, or the last of that month if it has no such day (Art. 3(2)(c))."""
    year, month0 = divmod(day.year * 12 + day.month - 1 + months, 12)
    return date(year, month0 + 1, min(day.day, monthrange(year, month0 + 1)[1]))
