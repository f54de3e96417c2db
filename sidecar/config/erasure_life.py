"""What happens to an erasure request from its intake to its end, beside the systems it is driven through."""

from __future__ import annotations

import re
from datetime import date
from pathlib import Path
from typing import Annotated, Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, Field, IPvAnyNetwork, StringConstraints, model_validator

from sidecar.config.scalars import Name, Section
from sidecar.config.traffic import UpstreamTlsConfig
from sidecar.erasure.deadlines import ClockPolicy
from sidecar.targets.form import SecretSource


def _known_zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError("no such time zone: write it like Europe/Berlin, or UTC") from None
    return name


Zone = Annotated[str, AfterValidator(_known_zone)]


Word = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_.-]{0,63}$")]


def _https_url(value: str) -> str:
    if not _HTTPS_URL.fullmatch(value):
        raise ValueError("must be an https:// URL, without user and fragment, on loopback, too")
    return value


_HTTPS_URL: Final = re.compile(r"https://[^\s@#]+")
HttpsUrl = Annotated[str, AfterValidator(_https_url)]


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


class WebhookConfig(Section):
    """Somebody who is told of everything that happens to requests, signed as Standard Webhooks has it."""

    name: Name
    url: HttpsUrl
    secret: SecretSource
    tls: UpstreamTlsConfig = UpstreamTlsConfig()


class TriggerWebhookConfig(Section):
    """Somebody who signs messages to look at, as Standard Webhooks has it. ``name`` is recorded as the caller's."""

    name: Name
    secret: SecretSource


class CallbacksConfig(Section):
    """Which hosts controllers may have us call. Addresses that are not public are refused unless named here."""

    hosts: frozenset[str] = frozenset()
    private_networks: tuple[IPvAnyNetwork, ...] = ()
    tls: UpstreamTlsConfig = UpstreamTlsConfig()


class HoldsConfig(Section):
    """Who lists legal holds beside privacy officers: a file, or a system that is asked before anything is deleted."""

    file: Path | None = None
    url: HttpsUrl | None = None
    headers: dict[str, SecretSource] = Field(default_factory=dict)
    tls: UpstreamTlsConfig = UpstreamTlsConfig()

    @model_validator(mode="after")
    def _one_source(self) -> HoldsConfig:
        if (self.file is None) == (self.url is None):
            raise ValueError("give exactly one of file and url")
        return self
