"""What every kind of anchor does alike (A10–A13, A30, A31), each with a real counterpart behind a socket or on disk."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import boto3
import pytest
from moto.server import ThreadedMotoServer

from sidecar.audit.anchors import object_store
from sidecar.audit.anchors.anchor import Anchor, AnchorConflict, AnchorUnavailable, place_of
from sidecar.audit.anchors.file import FileAnchor
from sidecar.audit.anchors.http import HttpAnchor
from sidecar.audit.anchors.object_store import BucketSettings, ObjectStoreAnchor
from sidecar.audit.anchors.timestamp import TimestampAnchor
from sidecar.audit.anchors.witness import WitnessAnchor
from sidecar.audit.outbound import Endpoint
from tests.audit.anchors.authority import TimestampAuthority
from tests.audit.anchors.stands import LOG, ORIGIN, WITNESS, Notary, Witness, offer, served

KINDS = ["file", "http", "s3", "witness", "rfc3161"]
NOWHERE = "http://127.0.0.1:9"  # discard: nobody listens


@pytest.fixture(scope="module")
def bucket() -> Iterator[str]:
    """An S3 that somebody else wrote."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture(params=KINDS)
async def anchor(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Anchor]:
    async with AsyncExitStack() as stack:
        made = await made_by(request, str(request.param), tmp_path, stack)
        await made.start()
        yield made
        await made.stop()


async def made_by(request: pytest.FixtureRequest, kind: str, folder: Path, stack: AsyncExitStack) -> Anchor:
    match kind:
        case "http":
            url = await stack.enter_async_context(served(Notary().handle))
            return HttpAnchor("elsewhere", Endpoint(f"{url}/checkpoints"))
        case "s3":
            return ObjectStoreAnchor("elsewhere", settings(request.getfixturevalue("bucket"), folder.name))
        case "witness":
            url = await stack.enter_async_context(served(Witness().handle))
            return WitnessAnchor("elsewhere", Endpoint(url), WITNESS.verifier, folder / "w")
        case "rfc3161":
            authority = TimestampAuthority(folder / "tsa")
            url = await stack.enter_async_context(served(authority.handle))
            return TimestampAnchor("elsewhere", Endpoint(url), authority.roots, folder / "t")
    return FileAnchor("elsewhere", folder)


def client_of(url: str) -> Any:
    return boto3.client(
        "s3", endpoint_url=url, region_name="us-east-1", aws_access_key_id="test", aws_secret_access_key="test"
    )


def settings(url: str, name: str) -> BucketSettings:
    bucket = "b-" + "".join(one if one.isalnum() else "-" for one in name.lower())[:50].strip("-")
    client_of(url).create_bucket(Bucket=bucket)
    return BucketSettings(bucket, "audit/", url, "us-east-1", None, "test", "test")


async def test_it_holds_nothing_before_it_was_given_something(anchor: Anchor) -> None:
    assert await anchor.latest(ORIGIN) is None


async def test_it_gives_back_the_largest_checkpoint_it_was_given(anchor: Anchor) -> None:
    for size in (3, 9, 100):
        await anchor.publish(offer(size))
        held = await anchor.latest(ORIGIN)
        assert held is not None
        assert held.note.text == offer(size).note.text
        assert LOG.name in [one.name for one in held.note.verified([LOG.verifier])]
    assert await anchor.latest("sidecar.example/pod-2") is None


@pytest.mark.parametrize("sizes", [range(1, 60), [1, 2, 3, 4, 5, 5000], [2**k for k in range(12)], range(900, 1000, 7)])
async def test_the_largest_of_many_in_a_bucket_is_found_without_listing_all_a10(
    bucket: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sizes: Sequence[int]
) -> None:
    monkeypatch.setattr(object_store, "PAGE", 4)
    where = settings(bucket, tmp_path.name)
    anchor = ObjectStoreAnchor("elsewhere", where)
    await anchor.start()
    client = client_of(bucket)
    for size in sizes:
        await anchor.publish(offer(size))
    client.put_object(Bucket=where.bucket, Key=f"audit/{place_of(ORIGIN)}/readme", Body=b"not ours")
    held = await anchor.latest(ORIGIN)
    assert held is not None
    assert held.note.text == offer(sizes[-1]).note.text
    await anchor.stop()


async def test_names_that_are_no_checkpoints_hide_none_behind_them_a10(
    bucket: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(object_store, "PAGE", 4)
    where = settings(bucket, tmp_path.name)
    anchor = ObjectStoreAnchor("elsewhere", where)
    await anchor.start()
    client = client_of(bucket)
    for size in (3, 9):
        await anchor.publish(offer(size))
        for number in range(10):
            client.put_object(
                Bucket=where.bucket, Key=f"audit/{place_of(ORIGIN)}/{size - 1:020}.note.{number}", Body=b"not ours"
            )
    held = await anchor.latest(ORIGIN)
    assert held is not None
    assert held.note.text == offer(9).note.text
    await anchor.stop()


async def test_a_store_that_lists_from_the_first_on_whatever_it_is_asked_is_not_believed(
    bucket: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    anchor = ObjectStoreAnchor("elsewhere", settings(bucket, tmp_path.name))
    await anchor.start()
    await anchor.publish(offer(3))
    listed = anchor._client.list_objects_v2
    monkeypatch.setattr(anchor._client, "list_objects_v2", lambda StartAfter, **rest: listed(**rest))  # noqa: N803
    monkeypatch.setattr(object_store, "name_of", lambda size: f"{max(size, 3):020}.note")
    with pytest.raises(AnchorUnavailable, match="does not list from where"):
        await anchor.latest(ORIGIN)
    await anchor.stop()


async def test_the_same_checkpoint_may_come_again(anchor: Anchor) -> None:
    for _ in range(2):
        await anchor.publish(offer(5))


async def test_another_checkpoint_of_the_same_size_is_a_conflict_a11(anchor: Anchor) -> None:
    await anchor.publish(offer(5))
    with pytest.raises(AnchorConflict):
        await anchor.publish(offer(5, b"rewritten"))
    held = await anchor.latest(ORIGIN)
    assert held is not None
    assert held.note.text == offer(5).note.text


async def test_an_odd_origin_stays_within_its_place(anchor: Anchor, tmp_path: Path) -> None:
    for origin in ("../up", ".", "a/b c?d#e%f"):
        if isinstance(anchor, WitnessAnchor):  # knows its logs by name
            with pytest.raises(AnchorUnavailable, match="404"):
                await anchor.publish(offer(2, origin=origin))
            continue
        await anchor.publish(offer(2, origin=origin))
        held = await anchor.latest(origin)
        assert held is not None
        assert held.note.text.startswith(f"{origin}\n")
    assert not (tmp_path.parent / "up").exists()


@pytest.mark.parametrize("kind", KINDS)
async def test_one_that_is_not_there_is_unavailable(request: pytest.FixtureRequest, tmp_path: Path, kind: str) -> None:
    authority = TimestampAuthority(tmp_path / "tsa")
    anchors: dict[str, Anchor] = {
        "file": FileAnchor("gone", tmp_path / "not-mounted"),
        "http": HttpAnchor("gone", Endpoint(NOWHERE)),
        "s3": ObjectStoreAnchor("gone", BucketSettings("b", "", NOWHERE, "us-east-1", None, "k", "s")),
        "witness": WitnessAnchor("gone", Endpoint(NOWHERE), WITNESS.verifier, tmp_path / "w"),
        "rfc3161": TimestampAnchor("gone", Endpoint(NOWHERE), authority.roots, tmp_path / "t"),
    }
    one = anchors[kind]
    await one.start()
    with pytest.raises(AnchorUnavailable, match="gone"):
        await one.publish(offer(3))
    if kind not in ("witness", "rfc3161"):  # these hold evidence of their own
        with pytest.raises(AnchorUnavailable, match="gone"):
            await one.latest(ORIGIN)
    assert not (tmp_path / "not-mounted").exists()
    await one.stop()
