"""By when a request must be done, as data with sources. Pure; the clock is passed in. Not legal advice.

The legal deadline is the last second of the last day, as the law counts days. Where a law moves a deadline that falls
on a holiday to the next working day (Regulation (EEC, Euratom) No 1182/71, Art. 3(4)), we do not: earlier is safe.
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


@dataclass(frozen=True, slots=True)
class Period:
    """How long a law gives, counted from the day of receipt, whatever verification takes."""

    months: int
    days: int
    source: str


PERIODS: Final[Mapping[Regulation, Period]] = MappingProxyType({
    Regulation.GDPR: Period(1, 0, "GDPR Art. 12(3); months as in Regulation 1182/71 Art. 3(2)(c)"),
    Regulation.UK_GDPR: Period(1, 0, "UK GDPR Art. 12(3); corresponding date of the next month (ICO guidance)"),
    Regulation.CCPA: Period(0, 45, "Cal. Civ. Code 1798.130(a)(2)(A); 11 CCR 7021(b): verification stops no clock"),
    Regulation.LGPD: Period(0, 15, "LGPD Art. 18 says at once; the 15 days of Art. 19(II) are the outer limit"),
})  # fmt: skip


@dataclass(frozen=True, slots=True)
class DeadlinePolicy:
    """Whose days count, and how long before the legal deadline we mean to be done."""

    zone: tzinfo = UTC
    lead: timedelta = timedelta(days=7)


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
    lead = min(policy.lead, (legal - start) / 2)
    return Deadlines(internal=legal - max(lead, timedelta()), legal=legal)


def _months_later(day: date, months: int) -> date:
    """Return the same day some months on, or the last of that month if it has no such day (Art. 3(2)(c))."""
    year, month0 = divmod(day.year * 12 + day.month - 1 + months, 12)
    return date(year, month0 + 1, min(day.day, monthrange(year, month0 + 1)[1]))
