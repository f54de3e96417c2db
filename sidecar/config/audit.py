"""The audit log's section. There is no key to turn it off."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from sidecar.config.audit_elsewhere import AnchorConfig, SinkConfig
from sidecar.config.scalars import Name, Seconds, Section

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

    @field_validator("file")
    @classmethod
    def _is_no_file(cls, value: Path | None) -> Path | None:
        if value is not None:
            raise ValueError(_OLD_FILE)
        return value

    @property
    def retention(self) -> timedelta | None:
        return None if self.retention_days is None else timedelta(days=self.retention_days)
