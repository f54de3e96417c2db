"""What there is of a person in a bucket of an S3-compatible store, and how it is deleted. Needs boto3. Blocks.

Every version, every delete marker, every unfinished upload, whatever its storage class. A version that is locked is
told apart from one that is merely refused.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache
from typing import Any, Final, Protocol
from uuid import uuid4

import boto3
from botocore.config import Config
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectionClosedError,
    ConnectTimeoutError,
    EndpointConnectionError,
    NoCredentialsError,
    ReadTimeoutError,
    SSLError,
)

from sidecar.targets.form import TlsFiles
from sidecar.targets.object_store_settings import ObjectStoreSettings
from sidecar.targets.target import TargetFault

BUCKET_ERRORS: Final = (BotoCoreError, ClientError)
_AT_ONCE: Final = 1000  # what DeleteObjects takes
_NOT_PERMITTED: Final = frozenset({
    "AccessDenied", "AllAccessDisabled", "InvalidAccessKeyId", "SignatureDoesNotMatch", "ExpiredToken", "403",
    "AccessDeniedException", "InvalidClientTokenId",
})  # fmt: skip
_MISCONFIGURED: Final = frozenset({
    "NoSuchBucket", "PermanentRedirect", "AuthorizationHeaderMalformed", "NotImplemented", "404", "301",
    "DBInstanceNotFound", "DBClusterNotFoundFault", "InvalidParameterValue",
})  # fmt: skip
_BUSY: Final = frozenset({"SlowDown", "Throttling", "ServiceUnavailable", "RequestTimeout", "503"})


@dataclass(frozen=True, slots=True)
class Keys:
    """Who is meant: all names that begin with one of ``prefixes``, and those in ``names``."""

    prefixes: tuple[str, ...] = field(repr=False)
    names: tuple[str, ...] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Version:
    """One version of an object, or a marker that says it was deleted."""

    key: str = field(repr=False)
    version_id: str
    is_marker: bool


@dataclass(frozen=True, slots=True)
class Lock:
    """Why a version stays: until a day, or until a legal hold ends (None)."""

    until: datetime | None


class DeletionRefused(Exception):
    """The store refuses, and not because of a lock."""

    def __init__(self, fault: TargetFault) -> None:
        super().__init__(fault.value)
        self.fault = fault


class Bucket:
    """A bucket through a client of its own."""

    def __init__(self, settings: ObjectStoreSettings, keys: tuple[str, str] | None) -> None:
        self._name = settings.bucket
        self._bypass = {"BypassGovernanceRetention": True} if settings.governance == "bypass" else {}
        self._client: Any = open_client(settings, keys)

    def close(self) -> None:
        self._client.close()

    def rehearse(self) -> str | None:
        """Do to an object that is not there what will be done. Returns what makes deletions impossible, if anything."""
        nobody = f"nobody-{uuid4().hex}"
        versioning = self._client.get_bucket_versioning(Bucket=self._name)
        if versioning.get("MFADelete") == "Enabled":
            return "deletes versions only with a code of a person's device (MFA delete)"
        self._client.list_object_versions(Bucket=self._name, Prefix=nobody, MaxKeys=1)
        self._client.list_objects_v2(Bucket=self._name, Prefix=nobody, MaxKeys=1)
        self._client.list_multipart_uploads(Bucket=self._name, Prefix=nobody, MaxUploads=1)
        self._client.delete_object(Bucket=self._name, Key=nobody, VersionId="null")  # no marker: it names a version
        return None

    def delete(self, keys: Keys) -> int:
        """Delete all versions, markers and uploads that are not locked; return how many objects and uploads went.

        Counted by listing again: there are stores that say of a locked version that it was deleted.
        """
        before = list(self.versions(keys))  # whole first: not every store goes on listing after what was just deleted
        refused: dict[Version, str] = {}
        for start in range(0, len(before), _AT_ONCE):
            refused |= self._delete_batch(before[start : start + _AT_ONCE])
        after = set(self.versions(keys))
        for key in {one.key for one in after & set(before) if self._is_locked(one, refused)}:
            # Nobody finds it by its name any more, and rules for old versions can take it after the lock.
            self._client.delete_object(Bucket=self._name, Key=key)
        aborted = 0
        for upload in self._uploads(keys):
            self._client.abort_multipart_upload(Bucket=self._name, Key=upload["Key"], UploadId=upload["UploadId"])
            aborted += 1
        return sum(not one.is_marker and one not in after for one in before) + aborted

    def versions(self, keys: Keys) -> Iterator[Version]:
        for prefix in (*keys.prefixes, *keys.names):
            for page in self._pages("list_object_versions", prefix):
                for part, is_marker in (("Versions", False), ("DeleteMarkers", True)):
                    for one in page.get(part, ()):
                        if _meant(one["Key"], keys):
                            yield Version(one["Key"], one["VersionId"], is_marker)

    def current_names(self, keys: Keys) -> set[str]:
        """Return the names of objects by the other listing, which knows no versions."""
        return {
            one["Key"]
            for prefix in (*keys.prefixes, *keys.names)
            for page in self._pages("list_objects_v2", prefix)
            for one in page.get("Contents", ())
            if _meant(one["Key"], keys)
        }

    def count_uploads(self, keys: Keys) -> int:
        return sum(1 for _ in self._uploads(keys))

    def lock_of(self, version: Version) -> Lock | None:
        """Return why a version can't be deleted now; None if nothing forbids it, or it is gone."""
        try:
            found = self._client.head_object(Bucket=self._name, Key=version.key, VersionId=version.version_id)
        except ClientError as error:
            if _code(error) in {"404", "NoSuchKey", "NoSuchVersion"}:
                return None
            raise
        if found.get("ObjectLockLegalHoldStatus") == "ON":
            return Lock(None)
        mode, until = found.get("ObjectLockMode"), found.get("ObjectLockRetainUntilDate")
        bypassed = mode == "GOVERNANCE" and self._bypass
        return Lock(until) if mode and until and not bypassed else None

    def _delete_batch(self, batch: Sequence[Version]) -> dict[Version, str]:
        """Delete by one call; return those that the store refused, each with its word for why."""
        wanted = [{"Key": one.key, "VersionId": one.version_id} for one in batch]
        answer = self._client.delete_objects(
            Bucket=self._name, Delete={"Objects": wanted, "Quiet": False}, **self._bypass
        )
        refused = {(one["Key"], one.get("VersionId", "null")): one.get("Code", "") for one in answer.get("Errors", ())}
        return {one: refused[one.key, one.version_id] for one in batch if (one.key, one.version_id) in refused}

    def _is_locked(self, version: Version, refused: Mapping[Version, str]) -> bool:
        if not version.is_marker and self.lock_of(version) is not None:
            return True
        if version in refused:
            raise DeletionRefused(_fault_of_code(refused[version]))
        return False

    def _uploads(self, keys: Keys) -> Iterator[dict[str, Any]]:
        for prefix in (*keys.prefixes, *keys.names):
            for page in self._pages("list_multipart_uploads", prefix):
                yield from (one for one in page.get("Uploads", ()) if _meant(one["Key"], keys))

    def _pages(self, operation: str, prefix: str) -> Iterator[dict[str, Any]]:
        yield from self._client.get_paginator(operation).paginate(Bucket=self._name, Prefix=prefix)


def fault_of(error: Exception) -> TargetFault:
    """Return why a call failed."""
    if isinstance(error, ClientError):
        return _fault_of_code(_code(error))
    by_kind = (
        (SSLError, TargetFault.TLS),
        ((ConnectTimeoutError, ReadTimeoutError), TargetFault.TIMED_OUT),
        (EndpointConnectionError, TargetFault.UNREACHABLE),
        (ConnectionClosedError, TargetFault.CLOSED_EARLY),
        (NoCredentialsError, TargetFault.NOT_PERMITTED),
    )
    return next((fault for kind, fault in by_kind if isinstance(error, kind)), TargetFault.TARGET_ERROR)


def _meant(key: str, keys: Keys) -> bool:
    return key in keys.names or key.startswith(keys.prefixes)


def _code(error: ClientError) -> str:
    return str(error.response.get("Error", {}).get("Code", ""))


def _fault_of_code(code: str) -> TargetFault:
    if code in _NOT_PERMITTED:
        return TargetFault.NOT_PERMITTED
    if code in _MISCONFIGURED:
        return TargetFault.MISCONFIGURED
    return TargetFault.BUSY if code in _BUSY else TargetFault.UNEXPECTED_STATUS


class AwsAccess(Protocol):
    """What a client needs to know beside its credentials."""

    @property
    def endpoint(self) -> str | None: ...

    @property
    def region(self) -> str | None: ...

    @property
    def tls(self) -> TlsFiles: ...

    @property
    def addressing(self) -> str: ...

    @property
    def timeout_seconds(self) -> float: ...

    @property
    def concurrency(self) -> int: ...


def open_client(settings: AwsAccess, keys: tuple[str, str] | None, service: str = "s3") -> Any:
    """Return a client of a service. Connects to nothing."""
    tls = settings.tls
    pair = (str(tls.certificate), str(tls.private_key)) if tls.certificate else None
    config = Config(
        connect_timeout=settings.timeout_seconds,
        read_timeout=settings.timeout_seconds,
        retries={"total_max_attempts": 2, "mode": "standard"},
        s3={"addressing_style": settings.addressing},
        proxies={},
        client_cert=pair,
        max_pool_connections=settings.concurrency,
    )
    return _session().client(
        service,
        endpoint_url=settings.endpoint,
        region_name=settings.region,
        verify=str(tls.ca) if tls.ca else None,
        aws_access_key_id=keys[0] if keys else None,
        aws_secret_access_key=keys[1] if keys else None,
        config=config,
    )


@cache
def _session() -> Any:
    """Return the one session: the SDK's descriptions of services, which take a second to read, are kept by it."""
    return boto3.session.Session()
