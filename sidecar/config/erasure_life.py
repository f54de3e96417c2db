"""What happens to an erasure request from its intake to its end, beside the systems it is driven through."""

from __future__ import annotations

from datetime import date
from typing import Annotated
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, Field

from sidecar.config.scalars import Section
from sidecar.erasure.deadlines import ClockPolicy


def _known_zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError("no such time zone: write it like Europe/Berlin, or UTC") from None
    return name


Zone = Annotated[str, AfterValidator(_known_zone)]


class DeadlinesConfig(Section):
    """Whose days count, and how we mean to keep the legal deadlines. See docs/erasure.md."""

    zone: Zone = "UTC"
    lead_days: Annotated[float, Field(ge=0, le=60)] = 7.0
    holidays: tuple[date, ...] = ()
    clock_while_unverified: ClockPolicy = ClockPolicy.RUN
