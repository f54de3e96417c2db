"""The forms of single values, and the section that all others are built from."""

from __future__ import annotations

from ipaddress import ip_address
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from sidecar.detection.entity_types import ENTITY_TYPES


class Section(BaseModel):
    """Frozen; a key that is not known is an error, never ignored."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


def is_loopback(host: str) -> bool:
    """Whether a host name or address can't leave this machine (or pod)."""
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def _http_url(value: str) -> str:
    parts = urlsplit(value)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("must be an absolute http:// or https:// URL")
    if parts.username or parts.password:
        raise ValueError("must hold no user name or password")
    if parts.query or parts.fragment:
        raise ValueError("must hold no query and no fragment")
    return value


def _entity_type(value: str) -> str:
    if value not in ENTITY_TYPES:
        raise ValueError("is no entity type; one of " + ", ".join(ENTITY_TYPES))
    return value


Name = Annotated[str, Field(pattern=r"^[a-z0-9]([a-z0-9_-]{0,61}[a-z0-9])?$")]
Port = Annotated[int, Field(ge=0, le=65535)]
Seconds = Annotated[float, Field(gt=0, le=86400)]
Bytes = Annotated[int, Field(gt=0, le=1024 * 1024 * 1024)]
HttpUrl = Annotated[str, AfterValidator(_http_url)]
EntityType = Annotated[str, AfterValidator(_entity_type)]
