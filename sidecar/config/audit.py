"""The audit log's section. There is no key to turn it off."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import Field, field_validator, model_validator

from sidecar.config.audit_elsewhere import AnchorConfig, SinkConfig
from sidecar.config.scalars import HttpUrl, Name, Seconds, Section, is_loopback

_OLD_FILE = (
    "is how releases before the format 2 were told of the log, which was one file; now it is a folder. Remove this key,"
    " give audit.folder, verify the old file with the release that wrote it, and keep it"
)


class CheckpointConfig(Section):
    """When the state of the log is signed anew: after so many records, and after so long if there were any."""

    records: Annotated[int, Field(ge=1, le=1_000_000)] = 1000
    seconds: Seconds = 60.0


class SegmentConfig(Section):
    """When a segment is full. Retention drops whole segments."""

    records: Annotated[int, Field(ge=1, le=500_000)] = 65_536
    mebibytes: Annotated[int, Field(ge=1, le=4096)] = 64
    hours: Annotated[float, Field(gt=0, le=24 * 366)] = 24.0


class HoldConfig(Section):
    """A legal hold: nothing recorded from ``since`` up to ``until`` is dropped. Times without an offset are UTC."""

    name: Name
    since: datetime
    until: datetime | None = None

    @field_validator("since", "until")
    @classmethod
    def _in_utc(cls, value: datetime | None) -> datetime | None:
        return value if value is None or value.tzinfo else value.replace(tzinfo=UTC)

    @model_validator(mode="after")
    def _lasts(self) -> HoldConfig:
        if self.until is not None and self.until <= self.since:
            raise ValueError("until must be after since")
        return self


class MasterKeyProviderConfig(Section):
    """The keys of segments are wrapped by one derived from the master key."""

    kind: Literal["master"] = "master"


class VaultKeyProviderConfig(Section):
    """They are wrapped by a key of HashiCorp Vault's Transit engine."""

    kind: Literal["vault"]
    url: HttpUrl
    key: Annotated[str, Field(pattern=r"^[A-Za-z0-9_.-]{1,64}$")]
    token_file: Path
    mount: Annotated[str, Field(pattern=r"^[A-Za-z0-9_./-]{1,64}$")] = "transit"
    namespace: str | None = None
    ca: Path | None = None
    timeout_seconds: Seconds = 3.0

    @model_validator(mode="after")
    def _is_encrypted(self) -> VaultKeyProviderConfig:
        parts = urlsplit(self.url)
        if parts.scheme != "https" and not is_loopback(parts.hostname or ""):
            raise ValueError("url must be https: keys and a token would cross the network in clear")
        return self


class AwsKeyProviderConfig(Section):
    """They are wrapped by a key of AWS KMS."""

    kind: Literal["aws"]
    key_arn: Annotated[str, Field(pattern=r"^arn:[a-z-]+:kms:[a-z0-9-]+:[0-9]{12}:key/[A-Za-z0-9-]{1,64}$")]
    region: str | None = None
    endpoint: HttpUrl | None = None
    timeout_seconds: Seconds = 3.0


KeyProviderConfig = Annotated[
    MasterKeyProviderConfig | VaultKeyProviderConfig | AwsKeyProviderConfig, Field(discriminator="kind")
]


class AuditConfig(Section):
    """Where the log lies, what it is called, and how it is kept."""

    folder: Path = Path("/var/lib/sidecar/audit")
    file: Path | None = None
    origin: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._/:-]{0,127}$")] | None = None
    append_timeout_seconds: Seconds = 5.0
    start_check: Literal["whole", "recent"] = "whole"
    heartbeat_seconds: Seconds = 60.0
    checkpoint: CheckpointConfig = CheckpointConfig()
    segment: SegmentConfig = SegmentConfig()
    retention_days: Annotated[float, Field(gt=0, le=36_525)] | None = None
    holds: tuple[HoldConfig, ...] = ()
    anchors: tuple[AnchorConfig, ...] = ()
    anchor_interval_seconds: Seconds = 300.0
    anchor_patience_seconds: Seconds = 5.0
    sinks: tuple[SinkConfig, ...] = ()
    key_provider: KeyProviderConfig = MasterKeyProviderConfig()

    @field_validator("file")
    @classmethod
    def _is_no_file(cls, value: Path | None) -> Path | None:
        if value is not None:
            raise ValueError(_OLD_FILE)
        return value

    @property
    def retention(self) -> timedelta | None:
        return None if self.retention_days is None else timedelta(days=self.retention_days)
