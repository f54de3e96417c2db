"""Receipt keys have a time: published with it, kept over rotations, and a receipt dated outside of it fails (E44)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from sidecar.access import Role
from sidecar.cli import main
from sidecar.erasure.receipt import ReceiptInvalid, sign_receipt, verify_receipt
from sidecar.erasure.receipt_keys import (
    KeyFileInvalid,
    ReceiptKey,
    by_id,
    key_file,
    published,
    read_key_file,
    read_published,
    require_in_use,
)
from sidecar.erasure.worker import ErasureWorker, WorkerSettings
from sidecar.stores.erasure_signing import Claim, Signed
from tests.erasure.test_api import listening
from tests.erasure.test_receipt import FACTS, KEY, LATER_KEY, WHEN
from tests.erasure.world import ID, OTHER_ID, SIGNING_KEY, START, Clock, World, body, http_target, one_target, world
from tests.targets.upstream import Upstream, running_upstream, target_mapping

HOUR = timedelta(hours=1)
FIRST, LATER = KEY.public_key(), LATER_KEY.public_key()
RECEIPT = sign_receipt(FACTS, KEY)  # dated WHEN


def holds(keys: tuple[ReceiptKey, ...], receipt: bytes = RECEIPT) -> bool:
    try:
        require_in_use(verify_receipt(receipt, by_id(keys)), keys)
    except ReceiptInvalid:
        return False
    return True


@pytest.mark.parametrize(
    ("begun", "ended", "in_time"),
    [
        (None, None, True),
        (WHEN, None, True),
        (WHEN, WHEN, True),
        (WHEN + timedelta(milliseconds=400), None, True),  # receipts say whole seconds
        (WHEN - HOUR, WHEN - timedelta(seconds=1), False),
        (WHEN + timedelta(seconds=1), None, False),
    ],
)
def test_E44_a_receipt_is_dated_inside_the_time_of_its_key(
    begun: datetime | None, ended: datetime | None, in_time: bool
) -> None:
    key = replace(ReceiptKey(FIRST), not_before=begun, not_after=ended)
    assert holds((ReceiptKey(LATER, WHEN), key)) == in_time
    assert holds(read_key_file(key_file([key]).encode())) == in_time
    assert holds((read_published(published(key)),)) == in_time


def test_E44_a_key_that_was_in_use_twice_has_two_times() -> None:
    keys = (ReceiptKey(FIRST, WHEN + HOUR), ReceiptKey(FIRST, WHEN - HOUR, WHEN))
    assert holds(read_key_file(key_file(keys).encode()))
    assert not holds((keys[0], ReceiptKey(FIRST, WHEN - HOUR, WHEN - timedelta(seconds=1))))


def test_E44_another_keys_time_does_not_count() -> None:
    assert not holds((ReceiptKey(FIRST, WHEN + HOUR), ReceiptKey(LATER, WHEN - HOUR)))


def test_files_of_pem_alone_hold_as_before() -> None:
    assert holds(read_key_file((ReceiptKey(LATER).pem + "\n\n" + ReceiptKey(FIRST).pem).encode()))
    assert holds(read_key_file(("Where it is from: a colleague\n" + ReceiptKey(FIRST).pem).encode()))
    assert holds((read_published({"key_id": "whatever", "public_key": ReceiptKey(FIRST).pem}),))


def changed(old: str, new: str) -> bytes:
    text = key_file([ReceiptKey(FIRST, WHEN, WHEN + HOUR)])
    assert old in text
    return text.replace(old, new).encode()


@pytest.mark.parametrize(
    "data",
    [
        b"",
        changed("PUBLIC KEY", "CERTIFICATE"),
        changed("Not-Before: 2025", "Not-Before: once in 2025"),
        changed("T13:00:00Z", ""),
        changed("Key-Id: ", "Key-Id: 0"),
        changed("MCowBQYDK2VwAyEA", "MCowBQYDK2VwAyEB"),
    ],
)
def test_what_can_not_be_read_is_no_key_rather_than_one_without_a_time(data: bytes) -> None:
    if b"VwAyEB" in data:  # another key, under the id of the first
        data = data.replace(b"VwAyEB", b"VwAyEA").replace(b"Key-Id: ", b"Key-Id: f")
    with pytest.raises(KeyFileInvalid):
        read_key_file(data)


@asynccontextmanager
async def on(database_url: str) -> AsyncIterator[tuple[World, Upstream]]:
    clock = Clock()
    async with running_upstream() as upstream:
        targets = [http_target("crm", target_mapping(upstream.url), clock)]
        async with world(database_url, targets, clock) as w:
            yield w, upstream


def after_rotation(w: World, key: Ed25519PrivateKey = KEY, former: bool = True) -> ErasureWorker:
    """A replica that was started with another master key, and was told the former one."""
    settings = WorkerSettings("two", former_keys=(SIGNING_KEY.public_key(),) if former else ())
    return ErasureWorker(w.stores, w.targets, w.ledger, key, w.metrics, settings, w.clock, lambda: 0.5)


async def settle(worker: ErasureWorker) -> None:
    while await worker.pass_once():
        pass


async def receipt_of(w: World, request_id: str) -> bytes:
    data = await w.stores.requests.receipt(request_id)
    assert data is not None
    return data


async def test_E44_old_receipts_verify_after_a_rotation_by_what_is_published(database_url: str) -> None:
    async with on(database_url) as (w, _):
        await w.submit()
        await w.settle()
        w.clock.advance(days=1)
        later = after_rotation(w)
        await settle(later)
        await w.submit(body(OTHER_ID))
        w.clock.advance(hours=1)
        await settle(later)
        keys = await w.stores.receipt_keys.listed()
        new, old = keys
        assert (new.id, new.not_before, new.not_after) == (ReceiptKey(FIRST).id, START + timedelta(days=1), None)
        assert (old.not_before, old.not_after) == (START, START + timedelta(days=1))
        assert holds(keys, await receipt_of(w, ID))
        assert holds(keys, await receipt_of(w, OTHER_ID))
        forged = sign_receipt(replace(FACTS, signed_at=START + timedelta(days=2)), SIGNING_KEY)
        assert verify_receipt(forged, by_id(keys))
        assert not holds(keys, forged)
        early = sign_receipt(replace(FACTS, signed_at=START), KEY)
        assert not holds(keys, early)


async def test_E44_a_replica_with_the_former_key_signs_nothing_more_and_says_so_once(
    database_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with on(database_url) as (w, _):
        await w.settle()  # it has begun to sign
        w.clock.advance(hours=1)
        later = after_rotation(w)
        await settle(later)
        await w.submit()
        for _ in range(3):
            await w.settle()
        assert await w.stores.requests.receipt(ID) is None
        assert await w.state() == "in_progress"
        assert "receipt" not in w.ledger.routes()
        assert caplog.text.count("no receipt is signed here") == 1
        claim = Claim(0, "late", await w.view(), None)
        late = Signed(claim, True, w.clock(), b"late", ReceiptKey(SIGNING_KEY.public_key()).id, HOUR)
        assert await w.stores.endings.sign(late) is False
        await settle(later)
        assert holds(await w.stores.receipt_keys.listed(), await receipt_of(w, ID))


async def test_E44_a_rotation_that_is_taken_back_gives_the_key_a_second_time(database_url: str) -> None:
    async with on(database_url) as (w, _):
        keys = w.stores.receipt_keys
        for _ in range(2):
            for key in (FIRST, LATER, LATER):
                await keys.begin(key, (), w.clock())
                w.clock.advance(hours=1)
        listed = [(one.id, one.not_before, one.not_after) for one in await keys.listed()]
        first, later = ReceiptKey(FIRST).id, ReceiptKey(LATER).id
        assert listed == [
            (later, START + 4 * HOUR, None),
            (first, START + 3 * HOUR, START + 4 * HOUR),
            (later, START + HOUR, START + 3 * HOUR),
            (first, START, START + HOUR),
        ]


async def test_E44_replicas_that_start_together_have_one_key_once(database_url: str) -> None:
    async with on(database_url) as (w, _):
        keys = w.stores.receipt_keys
        moments = [START + timedelta(milliseconds=one) for one in range(8)]
        await asyncio.gather(*(keys.begin(FIRST, (), moment) for moment in moments))
        assert len(await keys.listed()) == 1


async def test_E44_keys_from_before_times_were_kept_count_from_the_first_request_on(database_url: str) -> None:
    async with on(database_url) as (w, _):
        await w.submit()  # as by an earlier release, which kept no keys
        w.clock.advance(days=3)
        await w.stores.receipt_keys.begin(FIRST, (LATER,), w.clock())
        listed = {one.id: (one.not_before, one.not_after) for one in await w.stores.receipt_keys.listed()}
        now = START + timedelta(days=3)
        assert listed == {ReceiptKey(FIRST).id: (START, None), ReceiptKey(LATER).id: (START, now)}


async def test_E44_published_by_endpoint_and_command_and_checked_offline(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "state").mkdir()
    token, keys = tmp_path / "token", tmp_path / "keys.pem"
    token.write_text("token-auditor\n")
    good, bad = tmp_path / "good.json", tmp_path / "bad.json"
    async with one_target(tmp_path / "state") as (w, _), listening(w) as caller:
        await w.submit()
        await w.settle()
        w.clock.advance(days=1)
        await settle(after_rotation(w))
        said = (await caller.call(Role.AUDITOR, "GET", "/v1/erasure-receipt-keys")).json["keys"]
        assert [(one["not_before"], one["not_after"]) for one in said] == [
            ("2025-03-02T12:00:00Z", None),
            ("2025-03-01T12:00:00Z", "2025-03-02T12:00:00Z"),
        ]
        door = ["--url", caller.url, "--token-file", str(token)]
        assert await asyncio.to_thread(main, ["erasure", "keys", *door]) == 0
        keys.write_text(capsys.readouterr().out)
        good.write_bytes(await receipt_of(w, ID))
    bad.write_bytes(sign_receipt(replace(FACTS, signed_at=START + timedelta(days=2)), SIGNING_KEY))
    assert main(["erasure", "verify-receipt", str(good), "--public-key", str(keys)]) == 0
    assert main(["erasure", "verify-receipt", str(bad), "--public-key", str(keys)]) == 1
    assert "outside the time in which its key was in use" in capsys.readouterr().out
