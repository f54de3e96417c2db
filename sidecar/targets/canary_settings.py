"""What is configured of the mark of a system's epoch: where in the system it stands. Pure.

It must be restored together with the data: in the same database, on the same volume.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, model_validator

from sidecar.targets.plain_form import Form, SecretSource, TlsFiles, check_server_url


class SqlCanaryForm(Form):
    """One row of a table of our own. The URL is that of the primary: a replica that lags looks like a restore."""

    type: Literal["sql"]
    url: SecretSource
    tls: TlsFiles = TlsFiles()
    table: Annotated[str, Field(pattern=r"^[a-z_][a-z0-9_]{0,62}$")] = "privacy_sidecar_epoch"
    statement_timeout_seconds: Annotated[float, Field(ge=0.001, le=60)] = 10.0


class FileCanaryForm(Form):
    """A file beside data that are files. Its folder must be there."""

    type: Literal["file"]
    path: Path


class HttpCanaryForm(Form):
    """``GET`` answers 200 with ``{"mark": "…"}`` or 404, and ``PUT`` of the same takes it (2xx)."""

    type: Literal["http"]
    url: Annotated[str, Field(pattern=r"^https?://[^\s?#@]+$")]
    headers: dict[str, SecretSource] = Field(default_factory=dict)
    tls: TlsFiles = TlsFiles()
    timeout_seconds: Annotated[float, Field(gt=0, le=60)] = 10.0

    @model_validator(mode="after")
    def _encrypted_or_loopback(self) -> HttpCanaryForm:
        check_server_url(self.url, "url")
        return self


class RedisCanaryForm(Form):
    """One key. A Redis that evicts keys must not evict it: keep it from expiring (``volatile-…``, ``noeviction``)."""

    type: Literal["redis"]
    url: SecretSource
    database: Annotated[int, Field(ge=0, le=65535)] = 0
    key: Annotated[str, Field(min_length=1, max_length=512)] = "privacy-sidecar:epoch"
    topology: Literal["single", "cluster"] = "single"
    tls: TlsFiles = TlsFiles()
    timeout_seconds: Annotated[float, Field(gt=0, le=60)] = 5.0


CanaryForm = Annotated[SqlCanaryForm | FileCanaryForm | HttpCanaryForm | RedisCanaryForm, Field(discriminator="type")]
