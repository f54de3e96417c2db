"""What only object stores do: versions, locks, uploads. The rest is in the contract suite."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from moto.core.models import DEFAULT_ACCOUNT_ID
from moto.s3.models import s3_backends
from pydantic import ValidationError

from sidecar.errors import ConfigError
from sidecar.targets.object_store import ObjectStoreTarget
from sidecar.targets.target import DeleteStatus, TargetFault, VerifyStatus
from tests.targets.bucket_rig import Store, bucket_settings, bucket_target, object_store
from tests.targets.rig import ANNA, BERT, Person

UNTIL = datetime.now(UTC).replace(microsecond=0) + timedelta(days=400)


@pytest.fixture
def endpoint() -> Iterator[str]:
    with object_store() as url:
        yield url


@asynccontextmanager
async def started(endpoint: str, bucket: str = "chats", **changes: Any) -> AsyncIterator[ObjectStoreTarget]:
    target = bucket_target(endpoint, bucket, **changes)
    await target.start()
    try:
        yield target
    finally:
        await target.stop()


def locked_object(store: Store, mode: str = "COMPLIANCE", key: str = f"users/{ANNA.customer_id}/chat") -> None:
    store.s3.put_object(
        Bucket="locked", Key=key, Body=b"x", ObjectLockMode=mode, ObjectLockRetainUntilDate=UNTIL,
        ChecksumAlgorithm="SHA256",
    )  # fmt: skip


async def test_E24_versions_markers_uploads_and_cold_storage_all_go(endpoint: str) -> None:
    store = Store(endpoint)
    store.create()
    store.put(ANNA)
    store.put(BERT)
    async with started(endpoint) as target:
        assert (await target.verify(ANNA.identities)).count == 6
        assert (await target.delete(ANNA.identities)).count == 6
        assert (await target.verify(ANNA.identities)).status is VerifyStatus.GONE
    assert store.left(ANNA) == 0
    assert store.left(BERT) == 7


async def test_E24_a_bucket_without_versions(endpoint: str) -> None:
    store = Store(endpoint)
    store.s3.create_bucket(Bucket="plain")
    store.put(ANNA, "plain")
    async with started(endpoint, "plain") as target:
        assert (await target.delete(ANNA.identities)).status is DeleteStatus.DELETED
        assert (await target.verify(ANNA.identities)).status is VerifyStatus.GONE
    assert store.left(ANNA, "plain") == 0


async def test_E24_more_than_one_page_of_versions(endpoint: str) -> None:
    store = Store(endpoint)
    store.create()
    stored = s3_backends[DEFAULT_ACCOUNT_ID]["aws"]  # put in behind the server: each by a call takes its time
    for number in range(1005):
        stored.put_object("chats", f"users/{ANNA.customer_id}/{number}", b"")
    async with started(endpoint, timeout_seconds=20) as target:
        assert (await target.delete(ANNA.identities)).count == 1005
        assert (await target.verify(ANNA.identities)).status is VerifyStatus.GONE


async def test_E24_what_a_lock_keeps_is_retained_until_its_end(endpoint: str) -> None:
    store = Store(endpoint)
    store.create("locked", ObjectLockEnabledForBucket=True)
    locked_object(store)
    store.put(ANNA, "locked")
    async with started(endpoint, "locked") as target:
        assert (await target.delete(ANNA.identities)).status is DeleteStatus.DELETED
        looked = await target.verify(ANNA.identities)
        assert (looked.status, looked.count, looked.until) == (VerifyStatus.RETAINED, 1, UNTIL)
        assert store.s3.list_objects_v2(Bucket="locked").get("KeyCount") == 0  # and nobody finds it by its name
        assert (await target.delete(ANNA.identities)).status is DeleteStatus.NO_DATA
        assert (await target.verify(ANNA.identities)).status is VerifyStatus.RETAINED


async def test_E24_a_legal_hold_is_retained_without_a_day(endpoint: str) -> None:
    store = Store(endpoint)
    store.create("locked", ObjectLockEnabledForBucket=True)
    key = f"users/{ANNA.customer_id}/held"
    store.s3.put_object(Bucket="locked", Key=key, Body=b"x", ObjectLockLegalHoldStatus="ON", ChecksumAlgorithm="SHA256")
    locked_object(store)
    async with started(endpoint, "locked") as target:
        await target.delete(ANNA.identities)
        looked = await target.verify(ANNA.identities)
        assert (looked.status, looked.count, looked.until) == (VerifyStatus.RETAINED, 2, None)
        store.s3.put_object(Bucket="locked", Key=f"users/{ANNA.customer_id}/new", Body=b"x")
        assert (await target.verify(ANNA.identities)).status is VerifyStatus.PRESENT


async def test_E22_a_bucket_that_is_not_there_is_a_configuration_error(endpoint: str) -> None:
    with pytest.raises(ConfigError, match=r"erasure\.targets\[0\]: the bucket can't be erased from \(misconfigured\)"):
        await bucket_target(endpoint, "nowhere").start()


VERSIONING = "<VersioningConfiguration><Status>Enabled</Status><MfaDelete>Enabled</MfaDelete></VersioningConfiguration>"


async def answer_versioning(_request: web.Request) -> web.Response:
    return web.Response(text=VERSIONING, content_type="application/xml")


async def test_E22_deletions_that_need_a_device_are_a_configuration_error() -> None:
    app = web.Application()
    app.router.add_get("/chats", answer_versioning)
    async with TestServer(app) as server:
        with pytest.raises(ConfigError, match=r"targets\[0\]\.bucket: .*MFA delete"):
            await bucket_target(f"http://127.0.0.1:{server.port}").start()


async def test_an_identity_never_reaches_into_the_folder_of_others(endpoint: str) -> None:
    store = Store(endpoint)
    store.create()
    async with started(endpoint) as target:
        result = await target.delete(Person("x@example.org", "C-1/secret").identities)
        assert result.fault is TargetFault.IDENTITY_UNUSABLE


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"prefixes": ["users/{customer_id}"]}, "separator"),
        ({"prefixes": ["users/{customer_id}x/"]}, "separator"),
        ({"prefixes": ["users/"]}, "names no identity"),
        ({"prefixes": [], "keys": []}, "name prefixes or keys"),
        ({"endpoint": "http://s3.example.org"}, "plain HTTP"),
        ({"endpoint": "ftp://x"}, "https:// URL"),
        ({"access_key_id": {"env": "A"}}, "go together"),
    ],
)
def test_a_form_that_can_not_be_meant_is_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        bucket_settings("https://s3.example.org", **changes)
