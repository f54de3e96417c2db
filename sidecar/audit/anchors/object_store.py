"""An anchor in a bucket of an S3-compatible object store. Needs the extra ``s3`` (boto3).

The same names as in a folder, ``<prefix><origin>/<size in 20 digits>.note``; written only where there is none yet. A
retention in days asks for an object lock in compliance mode, which not even the account's owner can shorten.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from sidecar.audit.anchors.anchor import AnchorConflict, AnchorUnavailable, Held, Offer, name_of, place_of
from sidecar.audit.note import NoteInvalid, parse_note
from sidecar.errors import ConfigError, Problem

_TAKEN = frozenset({"PreconditionFailed", "ConditionalRequestConflict"})
_NOTE_TYPE = "text/plain; charset=utf-8"
_NAME = re.compile(r"/[0-9]{20}\.note$")
PAGE = 1000  # the most that a store lists at once


@dataclass(frozen=True, slots=True)
class BucketSettings:
    """Where the bucket is. ``endpoint_url`` None is AWS; without keys the SDK's own chain of credentials is used."""

    bucket: str
    prefix: str = ""
    endpoint_url: str | None = None
    region: str | None = None
    ca_file: Path | None = None
    access_key_id: str | None = None
    secret_access_key: str | None = field(default=None, repr=False)
    retain: timedelta | None = None
    timeout_seconds: float = 10.0


class ObjectStoreAnchor:
    """Implements ``Anchor``. Raises ConfigError where boto3 is not installed."""

    def __init__(self, name: str, settings: BucketSettings, clock: Callable[[], datetime] | None = None) -> None:
        self._name = name
        self._settings = settings
        self._clock = clock or (lambda: datetime.now(UTC))
        self._connect = _connector(name)
        self._client: Any = None

    @property
    def name(self) -> str:
        return self._name

    async def start(self) -> None:
        self._client = await asyncio.to_thread(self._connect, self._settings)

    async def stop(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            client.close()

    async def publish(self, offer: Offer) -> None:
        await self._called(self._publish, offer)

    async def latest(self, origin: str) -> Held | None:
        held: Held | None = await self._called(self._latest, origin)
        return held

    def _publish(self, offer: Offer) -> None:
        checkpoint = offer.checkpoint
        key = f"{self._folder(checkpoint.origin)}{name_of(checkpoint.size)}"
        lock: dict[str, object] = {}
        if self._settings.retain is not None:
            lock = {"ObjectLockMode": "COMPLIANCE", "ObjectLockRetainUntilDate": self._clock() + self._settings.retain}
        try:
            self._client.put_object(
                Bucket=self._settings.bucket, Key=key, Body=str(offer.note).encode(),
                ContentType=_NOTE_TYPE, IfNoneMatch="*", **lock,
            )  # fmt: skip
        except self._client.exceptions.ClientError as error:
            if error.response["Error"]["Code"] not in _TAKEN:
                raise
            if parse_note(self._get(key)).text != offer.note.text:
                raise AnchorConflict(f"anchor {self._name} holds another checkpoint of this size") from None

    def _latest(self, origin: str) -> Held | None:
        newest = self._newest(self._folder(origin))
        return Held(self._name, parse_note(self._get(newest))) if newest is not None else None

    def _newest(self, folder: str) -> str | None:
        """Return the last name. A store lists from the first on, a thousand at a time; after a year that would take
        longer than a start waits. So go ahead by doubling the size, and back by halves."""
        found: str | None = None
        high: int | None = None
        low = probe = 0
        while True:
            names, is_end = self._names_after(folder, probe)
            if names:
                found, low = names[-1], _size_in(names[-1])
            elif probe <= low:
                return found
            else:
                high = probe
            if names and is_end:
                return found
            probe = 2 * low if high is None else (low + high) // 2

    def _names_after(self, folder: str, size: int) -> tuple[list[str], bool]:
        """Return the names of some checkpoints larger than so many records, and whether those are all.

        Threat: whoever may write there fills whole pages with other names, so that checkpoints seem to end before.
        """
        after = f"{folder}{name_of(size)}"
        while True:
            answer = self._client.list_objects_v2(
                Bucket=self._settings.bucket, Prefix=folder, StartAfter=after, MaxKeys=PAGE
            )
            there = [one["Key"] for one in answer.get("Contents", ())]
            if there and min(there) <= after:
                raise AnchorUnavailable(f"anchor {self._name} does not list from where it was asked to")
            names = [one for one in there if _NAME.search(one)]
            is_end = not answer.get("IsTruncated", False) or not there
            if names or is_end:
                return names, is_end
            after = there[-1]

    def _get(self, key: str) -> bytes:
        return bytes(self._client.get_object(Bucket=self._settings.bucket, Key=key)["Body"].read())

    def _folder(self, origin: str) -> str:
        return f"{self._settings.prefix}{place_of(origin)}/"

    async def _called(self, act: Callable[..., Any], argument: object) -> Any:
        """Run a blocking call in a thread, and put whatever the SDK says into our words."""
        from botocore.exceptions import BotoCoreError, ClientError

        if self._client is None:
            raise AnchorUnavailable(f"anchor {self._name}: not started")
        try:
            return await asyncio.to_thread(act, argument)
        except ClientError as error:
            status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode")
            raise AnchorUnavailable(f"anchor {self._name} answered {status}") from None
        except BotoCoreError as error:
            raise AnchorUnavailable(f"anchor {self._name}: {type(error).__name__}") from None
        except NoteInvalid:
            raise AnchorUnavailable(f"anchor {self._name} gave no signed note") from None


def _size_in(key: str) -> int:
    return int(key.rpartition("/")[2].removesuffix(".note"))


def _connector(name: str) -> Callable[[BucketSettings], Any]:
    """Return what makes a client. The SDK is imported only where such an anchor is configured."""
    try:
        import boto3
        from botocore.config import Config
    except ImportError:
        problem = Problem(f"audit anchor {name}", "needs boto3", "Install it: pip install 'privacy-sidecar[s3]'")
        raise ConfigError((problem,)) from None

    def connect(settings: BucketSettings) -> Any:
        limits = Config(
            connect_timeout=settings.timeout_seconds, read_timeout=settings.timeout_seconds,
            retries={"total_max_attempts": 1}, s3={"addressing_style": "path" if settings.endpoint_url else "auto"},
        )  # fmt: skip
        return boto3.client(
            "s3", endpoint_url=settings.endpoint_url, region_name=settings.region, config=limits,
            verify=str(settings.ca_file) if settings.ca_file else True,
            aws_access_key_id=settings.access_key_id, aws_secret_access_key=settings.secret_access_key,
        )  # fmt: skip

    return connect
