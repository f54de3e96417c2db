"""A bucket with versions in an S3 that somebody else wrote, behind a real socket."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import boto3
from moto.server import ThreadedMotoServer

from sidecar.targets.object_store import ObjectStoreTarget
from sidecar.targets.object_store_settings import ObjectStoreSettings
from tests.targets.rig import Person, Rig

KEYS = ("testing", "testing-secret")


@contextmanager
def object_store() -> Iterator[str]:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    endpoint = f"http://{host}:{port}"
    urlopen(Request(f"{endpoint}/moto-api/reset", method="POST")).close()  # servers of one process share their state
    try:
        yield endpoint
    finally:
        server.stop()


def bucket_settings(at: str, bucket: str = "chats", **changes: Any) -> ObjectStoreSettings:
    mapping: dict[str, Any] = {
        "name": "bucket", "type": "object_store", "bucket": bucket, "endpoint": at, "region": "us-east-1",
        "addressing": "path", "prefixes": ["users/{customer_id}/"], "keys": ["avatars/{email}.png"],
        "timeout_seconds": 3,
    }  # fmt: skip
    return ObjectStoreSettings.model_validate(mapping | changes)


def bucket_target(endpoint: str, bucket: str = "chats", **changes: Any) -> ObjectStoreTarget:
    return ObjectStoreTarget(bucket_settings(endpoint, bucket, **changes), KEYS, "erasure.targets[0]")


class Store:
    """A look at buckets past the target."""

    def __init__(self, endpoint: str) -> None:
        self.s3: Any = boto3.client(
            "s3", endpoint_url=endpoint, region_name="us-east-1", aws_access_key_id="testing",
            aws_secret_access_key="testing-secret",
        )  # fmt: skip

    def create(self, bucket: str = "chats", **options: Any) -> None:
        self.s3.create_bucket(Bucket=bucket, **options)
        if not options:
            self.s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})

    def put(self, person: Person, bucket: str = "chats") -> None:
        for number in range(2):
            self.s3.put_object(Bucket=bucket, Key=f"users/{person.customer_id}/chat", Body=f"v{number}".encode())
        self.s3.put_object(Bucket=bucket, Key=f"users/{person.customer_id}/old", Body=b"x", StorageClass="GLACIER")
        self.s3.put_object(Bucket=bucket, Key=f"users/{person.customer_id}/hidden", Body=b"x")
        self.s3.delete_object(Bucket=bucket, Key=f"users/{person.customer_id}/hidden")
        self.s3.put_object(Bucket=bucket, Key=f"avatars/{person.email}.png", Body=b"png")
        self.s3.create_multipart_upload(Bucket=bucket, Key=f"users/{person.customer_id}/video")

    def left(self, person: Person, bucket: str = "chats") -> int:
        versions = self.s3.list_object_versions(Bucket=bucket)
        found = [*versions.get("Versions", ()), *versions.get("DeleteMarkers", ())]
        found += self.s3.list_multipart_uploads(Bucket=bucket).get("Uploads", ())
        theirs = f"users/{person.customer_id}/"
        return sum(one["Key"].startswith(theirs) or one["Key"] == f"avatars/{person.email}.png" for one in found)


@asynccontextmanager
async def bucket_rig(_folder: Path) -> AsyncIterator[Rig]:
    with object_store() as endpoint:
        store = Store(endpoint)
        store.create()
        yield Rig(
            target=bucket_target(endpoint),
            absent=bucket_target("http://127.0.0.1:1"),
            put=lambda person: asyncio.to_thread(store.put, person),
            left=lambda person: asyncio.to_thread(store.left, person),
        )
        store.s3.close()
