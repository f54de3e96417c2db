"""The typed configuration: frozen, parsed once, read by ``sidecar.app`` alone. See ``config.example.yaml``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import Field, SecretStr, model_validator

from sidecar.config.detection import DetectionConfig, PolicyConfig
from sidecar.config.erasure import ErasureConfig
from sidecar.config.listeners import ListenersConfig
from sidecar.config.scalars import Name, Seconds, Section
from sidecar.config.traffic import IdentityConfig, RouteConfig, UpstreamConfig


class KeysConfig(Section):
    """The master secret from which every other key is derived: 32 random bytes, as 64 hex digits."""

    master_file: Path | None = None
    master_env: str | None = None
    version: Annotated[int, Field(ge=1)] = 1

    @model_validator(mode="after")
    def _one_source(self) -> KeysConfig:
        if (self.master_file is None) == (self.master_env is None):
            raise ValueError("give exactly one of master_file and master_env")
        return self


class StateConfig(Section):
    """Where durable state is kept: placeholders' keyed hashes and erasure requests."""

    url: SecretStr = SecretStr("sqlite:////var/lib/sidecar/state.db")


class AuditConfig(Section):
    """The audit log. It can't be turned off."""

    file: Path = Path("/var/lib/sidecar/audit.jsonl")
    append_timeout_seconds: Seconds = 5.0


class Config(Section):
    """Everything the sidecar is told."""

    listeners: ListenersConfig
    keys: KeysConfig
    state: StateConfig = StateConfig()
    audit: AuditConfig = AuditConfig()
    identities: tuple[IdentityConfig, ...]
    upstreams: dict[Name, UpstreamConfig]
    policies: dict[Name, PolicyConfig] = Field(default_factory=dict)
    detection: DetectionConfig = DetectionConfig()
    routes: tuple[RouteConfig, ...]
    erasure: ErasureConfig = ErasureConfig()
