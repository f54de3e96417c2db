"""Which systems an erasure is driven through."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from sidecar.config.scalars import Name, Section
from sidecar.config.traffic import UpstreamTlsConfig


class SecretConfig(Section):
    """Where a header's secret comes from; ``prefix`` goes before it, e.g. ``"Bearer "``."""

    env: str | None = None
    file: Path | None = None
    prefix: str = ""

    @model_validator(mode="after")
    def _one_source(self) -> SecretConfig:
        if (self.env is None) == (self.file is None):
            raise ValueError("give exactly one of env and file")
        return self


class ErasureTargetConfig(Section):
    """A system that personal data must be deleted from, and how one sees that it is gone. See docs/erasure.md.

    ``delete`` and ``verify`` are read by the target's own parser, which knows their keys.
    """

    name: Name
    type: Literal["http"]
    headers: dict[str, SecretConfig] = Field(default_factory=dict)
    tls: UpstreamTlsConfig = UpstreamTlsConfig()
    delete: dict[str, Any]
    verify: dict[str, Any] | None = None
    concurrency: Annotated[int, Field(ge=1, le=256)] = 4
    per_second: Annotated[float, Field(gt=0)] | None = None
    max_completion_days: Annotated[float, Field(gt=0, le=3650)] = 1.0


class ErasureConfig(Section):
    """Erasure requests and the systems they are driven through. Without targets no request is taken.

    ``horizon_days``: how long after its end a request's identities stay sealed, for deleting again after a restore.
    """

    targets: tuple[ErasureTargetConfig, ...] = ()
    horizon_days: Annotated[float, Field(ge=0, le=3650)] = 35.0
