"""The forms that all configuration of targets is made of: frozen, strict, and silent about values. Pure."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ConfigDict, model_validator


class Form(BaseModel):
    """Frozen; a key that is not known is an error; no value shows in an error."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


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
