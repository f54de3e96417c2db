"""What is configured of a backup set: where it is listed, and what its operator declares of it. Pure."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from sidecar.targets.plain_form import Form, SecretSource, TlsFiles, check_server_url
from sidecar.targets.snapshots import Retention

_SetName = Annotated[str, Field(pattern=r"^[a-z0-9]([a-z0-9_-]{0,30}[a-z0-9])?$")]
_Word = Annotated[str, Field(pattern=r"^[^-\x00-\x1f][^\x00-\x1f]{0,500}$")]
"""An argument of a program that can't be read as an option of it."""


def _known_format(value: str) -> str:
    """Return a format that gives back the day written with it. One that can't would make every name a fault."""
    written = datetime(2025, 12, 31, tzinfo=UTC)
    try:
        read = datetime.strptime(written.strftime(value), value)
    except (ValueError, re.error):  # the second for a directive that stands there twice
        read = None
    if read is None or read.date() != written.date():
        raise ValueError("is no format of strptime that gives a whole date; write e.g. crm-%Y%m%dT%H%M.dump")
    return value


class BackupSet(Form):
    """What every backup set has. ``longest_run_hours``: how long it takes at most to make a snapshot.

    ``every_hours``: how often one is begun, so that it is noticed when none is made any more. ``encrypted_by``: all
    that snapshots hold of a person is encrypted with that person's key, whose destruction is as good as their expiry.
    """

    name: _SetName
    kept_days: Annotated[float, Field(gt=0, le=3650)]
    longest_run_hours: Annotated[float, Field(ge=0, le=720)] = 24.0
    every_hours: Annotated[float, Field(gt=0, le=8784)] | None = None
    encrypted_by: Literal["subject_keys"] | None = None

    @property
    def retention(self) -> Retention:
        every = None if self.every_hours is None else timedelta(hours=self.every_hours)
        return Retention(timedelta(days=self.kept_days), timedelta(hours=self.longest_run_hours), every)


class DumpFolder(BackupSet):
    """Dumps in a folder. ``time_format``: how a dump's whole name gives its time, in UTC (as of strptime).

    Without it the time of the last modification counts, which a careless copy makes younger than the data are.
    """

    type: Literal["files"]
    folder: Path
    pattern: Annotated[str, Field(min_length=1, pattern=r"^[^/]+$")] = "*"
    time_format: Annotated[str, AfterValidator(_known_format)] | None = None


class PgBackRestSet(BackupSet):
    """A stanza of pgBackRest, in all its repositories."""

    type: Literal["pgbackrest"]
    stanza: _Word
    program: Path = Path("pgbackrest")
    config_file: Path | None = None
    timeout_seconds: Annotated[float, Field(gt=0, le=200)] = 60.0


class ResticSet(BackupSet):
    """Snapshots in a repository of restic; all of it, or those with all of ``tags``."""

    type: Literal["restic"]
    repository: _Word
    password_file: Path
    program: Path = Path("restic")
    tags: tuple[_Word, ...] = ()
    environment: dict[str, SecretSource] = Field(default_factory=dict)
    timeout_seconds: Annotated[float, Field(gt=0, le=200)] = 60.0


class _AwsSet(BackupSet):
    """What is listed by the API of AWS, or of one like it. Without keys the SDK's own chain of credentials is used."""

    endpoint: str | None = None
    region: str | None = None
    access_key_id: SecretSource | None = None
    secret_access_key: SecretSource | None = None
    tls: TlsFiles = TlsFiles()
    addressing: Literal["auto", "path", "virtual"] = "auto"
    timeout_seconds: Annotated[float, Field(gt=0, le=60)] = 10.0

    @property
    def concurrency(self) -> int:
        return 1

    @model_validator(mode="after")
    def _sound(self) -> _AwsSet:
        if (self.access_key_id is None) != (self.secret_access_key is None):
            raise ValueError("access_key_id and secret_access_key go together")
        check_server_url(self.endpoint or "https://s3", "endpoint")
        return self


class S3BackupSet(_AwsSet):
    """Objects under ``prefix`` in a bucket, in every version: each is a snapshot of the time it was uploaded."""

    type: Literal["s3"]
    bucket: Annotated[str, Field(min_length=1)]
    prefix: str = ""


class RdsSet(_AwsSet):
    """Snapshots of a database of RDS, manual ones included, and what it can be put back to in time."""

    type: Literal["rds"]
    instance: _Word | None = None
    cluster: _Word | None = None

    @model_validator(mode="after")
    def _one_of_both(self) -> RdsSet:
        if (self.instance is None) == (self.cluster is None):
            raise ValueError("give exactly one of instance and cluster")
        return self


class SearchSnapshotSet(BackupSet):
    """Snapshots in a repository of an OpenSearch or Elasticsearch cluster, whose names fit ``pattern``."""

    type: Literal["search"]
    url: str
    headers: dict[str, SecretSource] = Field(default_factory=dict)
    tls: TlsFiles = TlsFiles()
    repository: Annotated[str, Field(pattern=r"^[^\x00-\x20/*,?#]{1,200}$")]
    pattern: Annotated[str, Field(pattern=r"^[a-z0-9_.*-]{1,200}$")] = "*"
    timeout_seconds: Annotated[float, Field(gt=0, le=200)] = 60.0

    @model_validator(mode="after")
    def _encrypted_or_loopback(self) -> SearchSnapshotSet:
        check_server_url(self.url, "url")
        return self


BackupForm = Annotated[
    DumpFolder | PgBackRestSet | ResticSet | S3BackupSet | RdsSet | SearchSnapshotSet, Field(discriminator="type")
]
