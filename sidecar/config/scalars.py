"""The forms of single values, and the section that all others are built from."""

from __future__ import annotations

import re
from ipaddress import ip_address
from typing import Annotated, Any, Final, get_args
from urllib.parse import SplitResult, urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from sidecar.detection.entity_types import ENTITY_TYPES


class Section(BaseModel):
    """Frozen; a key that is not known is an error, never ignored."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    @model_validator(mode="before")
    @classmethod
    def _yes_is_no_number(cls, given: Any) -> Any:
        """Make ``on`` and ``no`` a fault where a number belongs: pydantic would take them for 1 and 0."""
        if not isinstance(given, dict):
            return given
        numbers = {name for name, one in cls.model_fields.items() if _is_number(one.annotation)}
        return {key: str(one) if isinstance(one, bool) and key in numbers else one for key, one in given.items()}


def _is_number(annotation: Any) -> bool:
    return annotation in (int, float) or any(_is_number(one) for one in get_args(annotation))


def is_loopback(host: str) -> bool:
    """Whether a host name or address can't leave this machine (or pod)."""
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def _host(value: str) -> str:
    """Raise ``ValueError`` for what can't be looked up: the resolver would say so only when it is asked."""
    if _BLANK.search(value):
        raise ValueError("must hold no blanks and no control characters")
    try:
        is_one = bool(value.encode("idna"))
    except UnicodeError:
        is_one = False
    if not is_one:
        raise ValueError("is no name of a host and no address")
    return value


_BLANK: Final = re.compile(r"[\x00-\x20\x7f\\]")


def _http_url(value: str) -> str:
    if _BLANK.search(value):
        raise ValueError("must hold no blanks and no control characters")
    parts = urlsplit(value)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("must be an absolute http:// or https:// URL")
    if "@" in parts.netloc:
        raise ValueError("must hold no user name or password")
    if "?" in value or "#" in value:
        raise ValueError("must hold no query and no fragment")
    _host(parts.hostname)
    port_of(parts)
    return value


def port_of(parts: SplitResult) -> int:
    """Return the port of a URL, also where it names none. Raises ``ValueError``."""
    try:
        port = parts.port
    except ValueError:
        port = 0
    if port == 0:
        raise ValueError("must have a port from 1 to 65535")
    return port or (443 if parts.scheme == "https" else 80)


def _entity_type(value: str) -> str:
    if value not in ENTITY_TYPES:
        raise ValueError("is no entity type; one of " + ", ".join(ENTITY_TYPES))
    return value


Name = Annotated[str, Field(pattern=r"^[a-z0-9]([a-z0-9_-]{0,61}[a-z0-9])?$")]
Port = Annotated[int, Field(ge=0, le=65535)]
Seconds = Annotated[float, Field(gt=0, le=86400)]
Bytes = Annotated[int, Field(gt=0, le=1024 * 1024 * 1024)]
Host = Annotated[str, AfterValidator(lambda value: value and _host(value))]
"""What is listened on; empty: every address of both families."""
HttpUrl = Annotated[str, AfterValidator(_http_url)]
EntityType = Annotated[str, AfterValidator(_entity_type)]
