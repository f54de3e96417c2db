"""What happens to an erasure request from its intake to its end, beside the systems it is driven through."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Annotated
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, Field, StringConstraints

from sidecar.config.scalars import Section
from sidecar.erasure.deadlines import ClockPolicy


def _known_zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError("no such time zone: write it like Europe/Berlin, or UTC") from None
    return name


Zone = Annotated[str, AfterValidator(_known_zone)]


Word = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_.-]{0,63}$")]
HttpsUrl = Annotated[str, StringConstraints(pattern=r"^https://[^\s@#]+$")]


class DeadlinesConfig(Section):
    """Whose days count, and how we mean to keep the legal deadlines. See docs/erasure.md."""

    zone: Zone = "UTC"
    lead_days: Annotated[float, Field(ge=0, le=60)] = 7.0
    holidays: tuple[date, ...] = ()
    clock_while_unverified: ClockPolicy = ClockPolicy.RUN


class OpenDsrConfig(Section):
    """Who we are to controllers who speak OpenDSR, and whether they are trusted to have identified the person.

    ``verified_by`` is the word that then stands for it; without it their requests wait until somebody confirms them.
    """

    processor_domain: str
    certificate: Path
    private_key: Path
    certificate_url: HttpsUrl
    verified_by: Word | None = None
