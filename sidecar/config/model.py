"""The typed configuration: frozen, parsed once, read by ``sidecar.app`` alone. See ``config.example.yaml``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import Field, SecretStr, model_validator

from sidecar.config.audit import AuditConfig
from sidecar.config.detection import DetectionConfig, PolicyConfig
from sidecar.config.erasure import ErasureConfig
from sidecar.config.listeners import ListenersConfig
from sidecar.config.scalars import Name, Section
from sidecar.config.traffic import IdentityConfig, RouteConfig, UpstreamConfig


class EarlierKeyConfig(Section):
    """A master secret that was in use before. It opens what it sealed, and signs once more: to introduce the next."""

    version: Annotated[int, Field(ge=1)]
    master_file: Path | None = None
    master_env: str | None = None

    @model_validator(mode="after")
    def _one_source(self) -> EarlierKeyConfig:
        if (self.master_file is None) == (self.master_env is None):
            raise ValueError("give exactly one of master_file and master_env")
        return self


class KeysConfig(Section):
    """The master secret from which every other key is derived: 32 random bytes, as 64 hex digits."""

    master_file: Path | None = None
    master_env: str | None = None
    version: Annotated[int, Field(ge=1)] = 1
    previous: tuple[EarlierKeyConfig, ...] = ()

    @model_validator(mode="after")
    def _one_source(self) -> KeysConfig:
        if (self.master_file is None) == (self.master_env is None):
            raise ValueError("give exactly one of master_file and master_env")
        versions = [one.version for one in self.previous]
        if len(set(versions)) < len(versions) or any(one >= self.version for one in versions):
            raise ValueError("the versions of previous keys must differ, and be lower than version")
        return self


class StateConfig(Section):
    """Where durable state is kept: placeholders' keyed hashes and erasure requests."""

    url: SecretStr = SecretStr("sqlite:////var/lib/sidecar/state.db")


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
