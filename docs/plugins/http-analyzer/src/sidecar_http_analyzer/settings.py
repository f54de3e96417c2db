"""What the sidecar's configuration says under ``settings``, checked whole."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import ip_address
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final
from urllib.parse import SplitResult, urlsplit

from sidecar.detection.entity_types import ENTITY_TYPES
from sidecar.errors import ConfigError, Problem

PRESIDIO_TYPES: Final = {
    "PERSON": "PERSON",
    "EMAIL_ADDRESS": "EMAIL",
    "PHONE_NUMBER": "PHONE",
    "CREDIT_CARD": "CREDIT_CARD",
    "IBAN_CODE": "IBAN",
    "IP_ADDRESS": "IP",
    "MAC_ADDRESS": "MAC",
    "URL": "URL",
    "CRYPTO": "CRYPTO_WALLET",
    "LOCATION": "LOCATION",
    "DATE_TIME": "DATE",
    "NRP": "OTHER_ID",
    "US_SSN": "NATIONAL_ID",
    "US_ITIN": "NATIONAL_ID",
    "US_PASSPORT": "PASSPORT",
    "US_DRIVER_LICENSE": "NATIONAL_ID",
    "US_BANK_NUMBER": "ACCOUNT_ID",
    "UK_NHS": "NATIONAL_ID",
}
_KEYS: Final = {"url", "language", "timeout_seconds", "token_file", "types"}


@dataclass(frozen=True, slots=True)
class AnalyzerSettings:
    """``types``: the analyzer's types and ours; None leaves a type out. One that isn't named is an ``OTHER_ID``."""

    url: SplitResult
    language: str = "en"
    timeout_seconds: float = 2.0
    token: str | None = field(default=None, repr=False)
    types: Mapping[str, str | None] = field(default_factory=lambda: MappingProxyType(PRESIDIO_TYPES))


def read_settings(raw: Mapping[str, Any]) -> AnalyzerSettings:
    """Return the settings, or raise ``ConfigError`` with every problem."""
    problems = [Problem(key, "is not a known key", f"Use {', '.join(sorted(_KEYS))}.") for key in {*raw} - _KEYS]
    url = _url(raw.get("url"), problems)
    timeout = raw.get("timeout_seconds", 2.0)
    if isinstance(timeout, bool) or not isinstance(timeout, int | float) or not 0 < timeout <= 60:
        problems.append(Problem("timeout_seconds", "is no time", "Give seconds, up to 60."))
    language = raw.get("language", "en")
    if not isinstance(language, str) or not language:
        problems.append(Problem("language", "is no language", "Give a code that the analyzer knows, such as en."))
    types = _types(raw.get("types", {}), problems)
    token = _token(raw.get("token_file"), problems)
    if problems or url is None:
        raise ConfigError(tuple(problems))
    return AnalyzerSettings(url, language, float(timeout), token, types)


def _url(value: object, problems: list[Problem]) -> SplitResult | None:
    try:
        url = urlsplit(value) if isinstance(value, str) else None
        sound = url is not None and url.scheme in ("http", "https") and url.hostname and (url.port or 1)
    except ValueError:
        url, sound = None, False
    if url is None or not sound:
        problems.append(Problem("url", "is no http or https URL", "Give one such as https://analyzer/analyze."))
    elif url.scheme == "http" and not _is_loopback(url.hostname or ""):
        problems.append(Problem("url", "would send messages over the network in clear", "Use https."))
    return url


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


def _types(value: object, problems: list[Problem]) -> Mapping[str, str | None]:
    if not isinstance(value, Mapping):
        problems.append(Problem("types", "is no mapping", "Write THEIR_TYPE: OUR_TYPE, or null to leave one out."))
        return {}
    for theirs, ours in value.items():
        if ours is not None and ours not in ENTITY_TYPES:
            problems.append(Problem(f"types.{theirs}", "is no entity type", f"Use {', '.join(ENTITY_TYPES)}, or null."))
    return MappingProxyType({**PRESIDIO_TYPES, **value})


def _token(value: object, problems: list[Problem]) -> str | None:
    """Read a secret from a file: a configuration is no place for one."""
    if value is None:
        return None
    try:
        token = Path(str(value)).read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError):
        token = ""
    if not token.isprintable() or not token:
        problems.append(Problem("token_file", "holds no token", "Write it into this file, as one line of ASCII."))
    return token
