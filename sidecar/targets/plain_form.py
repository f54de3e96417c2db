"""The forms that all configuration of targets is made of: frozen, strict, and silent about values. Pure."""

from __future__ import annotations

from ipaddress import ip_address
from pathlib import Path

from pydantic import BaseModel, ConfigDict, model_validator

from sidecar.targets.template import split_url


class Form(BaseModel):
    """Frozen; a key that is not known is an error; no value shows in an error."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


def is_loopback(host: str) -> bool:
    """Tell whether a host can only be this machine."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def check_server_url(url: str, key: str) -> None:
    """Raise ``ValueError`` for a URL that names no server, or would carry secrets over the network in clear."""
    parts = split_url(url)
    if parts is None:
        raise ValueError(f"{key} names no host and port that can be called")
    if parts.scheme not in {"http", "https"} or not parts.hostname or parts.username or parts.query:
        raise ValueError(f"{key} must be an https:// URL of a server, without user and query")
    if parts.scheme == "http" and not is_loopback(parts.hostname):
        raise ValueError(f"{key} is plain HTTP to another machine; use https://")


class SecretSource(Form):
    """Where a secret comes from; ``prefix`` goes before it, e.g. ``"Bearer "``."""

    env: str | None = None
    file: Path | None = None
    prefix: str = ""

    @model_validator(mode="after")
    def _one_source(self) -> SecretSource:
        if (self.env is None) == (self.file is None):
            raise ValueError("give exactly one of env and file")
        return self


class TlsFiles(Form):
    """Whom we trust as a server (default: the system's authorities), and who we are to it, if it asks."""

    ca: Path | None = None
    certificate: Path | None = None
    private_key: Path | None = None

    @model_validator(mode="after")
    def _whole_pair(self) -> TlsFiles:
        if (self.certificate is None) != (self.private_key is None):
            raise ValueError("certificate and private_key go together")
        return self
