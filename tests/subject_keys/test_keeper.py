"""A key for each person, the same until it is destroyed; then no copy of the table opens it (E42, E43)."""

from __future__ import annotations

import asyncio
import errno
import os
import resource
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from sidecar.erasure.request import IdentityType, SubjectIdentity
from sidecar.errors import ConfigError, KeyMaterialError, StoreUnavailable
from sidecar.keys import Purpose
from sidecar.metrics import Metrics
from sidecar.stores.database import Database, DatabaseSettings
from sidecar.stores.subject_keys import Subject, SubjectFenced, SubjectKeyTable
from sidecar.subject_keys.keeper import SubjectKeys
from sidecar.subject_keys.kms import FileKms, KeyStatus
from sidecar.targets.subject_keys import SubjectKeyTarget
from sidecar.targets.target import DeleteStatus, VerifyStatus
from tests.erasure.world import MASTER, Clock

ANNA = SubjectIdentity(IdentityType.CUSTOMER_ID, "C-1007")


@dataclass
class Keeping:
    """Keys in a database file, wrapped by keys in a folder."""

    folder: Path
    keys: SubjectKeys
    kms: FileKms
    table: SubjectKeyTable
    metrics: Metrics
    clock: Clock

    @property
    def anna(self) -> Subject:
        return self.keys.subject("customer_id", "C-1007")

    @property
    def bert(self) -> Subject:
        return self.keys.subject("customer_id", "C-2001")

    @property
    def target(self) -> SubjectKeyTarget:
        return SubjectKeyTarget(self.keys, IdentityType.CUSTOMER_ID, timedelta(days=30))

    def cancellations(self) -> float | None:
        return self.metrics.registry.get_sample_value("sidecar_subject_key_cancellations_total")


@asynccontextmanager
async def keeping(folder: Path, pending: timedelta = timedelta(), state: str = "state.db") -> AsyncIterator[Keeping]:
    (folder / "kms").mkdir(exist_ok=True)
    clock, metrics = Clock(), Metrics()
    database = Database(DatabaseSettings(f"sqlite:///{folder / state}"))
    await database.start()
    kms, table = FileKms(folder / "kms", pending, clock), SubjectKeyTable(database)
    keys = SubjectKeys(table, kms, MASTER.pseudonymizer(Purpose.SUBJECT_KEY), metrics, clock)
    yield Keeping(folder, keys, kms, table, metrics, clock)
    await database.stop()


async def test_E42_one_key_for_each_person_the_same_at_every_call_and_restart(tmp_path: Path) -> None:
    async with keeping(tmp_path) as k:
        many = await asyncio.gather(*(k.keys.key(k.anna) for _ in range(8)))
        assert len(set(many)) == 1
        assert len(many[0]) == 32
        assert await k.keys.key(k.bert) != many[0]
    async with keeping(tmp_path) as k:
        assert await k.keys.key(k.anna) == many[0]


async def test_E42_destroyed_it_is_fenced_until_authorised_and_then_another(tmp_path: Path) -> None:
    async with keeping(tmp_path) as k:
        old, bert = await k.keys.key(k.anna), await k.keys.key(k.bert)
        chat = AESGCM(old).encrypt(b"n" * 12, b"what Anna said", None)
        assert await k.keys.destroy(k.anna)
        with pytest.raises(SubjectFenced):
            await k.keys.key(k.anna)
        assert await k.keys.key(k.bert) == bert  # rewrapped
        assert await k.keys.authorise(k.anna)
        new = await k.keys.key(k.anna)
        assert new != old
        with pytest.raises(InvalidTag):
            AESGCM(new).decrypt(b"n" * 12, chat, None)
        assert not await k.keys.authorise(k.bert)  # no fence there


async def test_E42_an_old_copy_of_the_key_table_opens_nothing(tmp_path: Path) -> None:
    async with keeping(tmp_path) as k:
        await k.keys.key(k.anna)
        bert = await k.keys.key(k.bert)
    shutil.copy(tmp_path / "state.db", tmp_path / "old.db")
    async with keeping(tmp_path) as k:
        await k.keys.destroy(k.anna)
        assert await k.keys.key(k.bert) == bert
    async with keeping(tmp_path, state="old.db") as old:
        [held] = await old.table.find(old.anna)
        assert held.wrapped is not None
        [epoch] = await old.table.epochs()
        with pytest.raises(KeyMaterialError):
            await old.kms.unwrap(epoch.wrapping_key, held.wrapped, old.anna.current)
        for subject in (old.anna, old.bert, old.keys.subject("customer_id", "never seen")):
            with pytest.raises(StoreUnavailable, match="older"):
                await old.keys.key(subject)
        with pytest.raises(StoreUnavailable, match="older"):
            await old.keys.destroy(old.anna)


async def test_E42_a_person_without_a_key_is_fenced_too(tmp_path: Path) -> None:
    async with keeping(tmp_path) as k:
        assert not await k.keys.destroy(k.anna)
        with pytest.raises(SubjectFenced):  # a late writer
            await k.keys.key(k.anna)
        assert (await k.target.verify([ANNA])).status is VerifyStatus.GONE


async def test_E42_killed_between_the_steps_the_next_call_carries_on(tmp_path: Path) -> None:
    async with keeping(tmp_path) as k:
        await k.keys.key(k.anna)
        bert = await k.keys.key(k.bert)
        await k.table.destroy(k.anna, k.clock())  # and no further
        assert (await k.target.verify([ANNA])).status is VerifyStatus.PRESENT
    async with keeping(tmp_path) as k:
        assert (await k.target.delete([ANNA])).status is DeleteStatus.NO_DATA
        assert (await k.target.verify([ANNA])).status is VerifyStatus.GONE
        assert await k.keys.key(k.bert) == bert


async def test_E43_a_pending_destruction_is_no_destruction(tmp_path: Path) -> None:
    async with keeping(tmp_path, pending=timedelta(days=7)) as k:
        await k.keys.key(k.anna)
        assert (await k.target.delete([ANNA])).status is DeleteStatus.DELETED
        looked = await k.target.verify([ANNA])
        assert (looked.status, looked.until) == (VerifyStatus.KEY_PENDING, k.clock() + timedelta(days=7))
        k.clock.advance(days=6)
        assert (await k.target.verify([ANNA])).status is VerifyStatus.KEY_PENDING
        k.clock.advance(days=2)
        assert (await k.target.verify([ANNA])).status is VerifyStatus.GONE


async def test_E43_a_cancelled_destruction_is_noticed_and_ordered_again(tmp_path: Path) -> None:
    async with keeping(tmp_path, pending=timedelta(days=7)) as k:
        await k.keys.key(k.anna)
        await k.target.delete([ANNA])
        first = (await k.table.epochs())[0]
        await k.kms.cancel(first.wrapping_key)
        assert (await k.target.verify([ANNA])).status is VerifyStatus.PRESENT
        assert k.cancellations() == 0
        await k.target.delete([ANNA])
        assert k.cancellations() == 1
        assert (await k.target.verify([ANNA])).status is VerifyStatus.KEY_PENDING


async def test_E43_an_order_that_was_cut_off_before_it_was_noted_is_noted_by_the_next_call(tmp_path: Path) -> None:
    async with keeping(tmp_path, pending=timedelta(days=7)) as k:
        await k.keys.key(k.anna)
        first = (await k.table.epochs())[0]
        await k.table.destroy(k.anna, k.clock())
        await k.table.begin_epoch(await k.kms.create(), first.number)
        await k.kms.destroy(first.wrapping_key)  # and no further
        await k.keys.retire()
        assert (await k.table.epochs())[0].ordered_at == k.clock()
        await k.kms.cancel(first.wrapping_key)
        await k.keys.retire()
        assert k.cancellations() == 1


async def test_E43_cut_off_in_a_destruction_it_does_not_look_taken_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with keeping(tmp_path, pending=timedelta(days=7)) as k:
        name = await k.kms.create()
        await k.kms.destroy(name)
        k.clock.advance(days=8)
        with monkeypatch.context() as disk:
            disk.setattr(Path, "unlink", refuse)
            with pytest.raises(StoreUnavailable):
                await k.kms.state(name)
        assert (await k.kms.state(name)).status is KeyStatus.DESTROYED
        assert not (tmp_path / "kms" / f"{name}.key").exists()


async def test_E43_a_shorter_entry_is_never_read_with_the_end_of_a_longer_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with keeping(tmp_path, pending=timedelta(days=7)) as k:
        name = await k.kms.create()
        await k.kms.destroy(name)
        monkeypatch.setattr(os, "ftruncate", refuse)
        await k.kms.cancel(name)
        assert (await k.kms.state(name)).status is KeyStatus.ENABLED


async def test_E43_a_wrapping_key_that_is_not_written_whole_is_none(tmp_path: Path) -> None:
    async with keeping(tmp_path) as k:
        soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (40, hard))  # the beginning fits: the system tells of no error
        try:
            with pytest.raises(StoreUnavailable):
                await k.kms.create()
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.parametrize("damaged", [b"", b'{"key": "ab', b"\xff"])
async def test_E43_a_wrapping_key_that_can_not_be_read_is_a_fault_and_no_destruction(
    tmp_path: Path, damaged: bytes
) -> None:
    async with keeping(tmp_path) as k:
        await k.keys.key(k.anna)
        [path] = (tmp_path / "kms").iterdir()
        path.write_bytes(damaged)
        with pytest.raises(StoreUnavailable):
            await k.keys.key(k.anna)
        assert (await k.target.delete([ANNA])).status is DeleteStatus.FAILED
        assert (await k.target.verify([ANNA])).status is VerifyStatus.FAILED


def refuse(*_given: object, **_more: object) -> None:
    raise OSError(errno.EIO, "told to fail")


async def test_E42_of_several_old_wrappings_the_last_that_can_be_opened_decides(tmp_path: Path) -> None:
    async with keeping(tmp_path, pending=timedelta(days=7)) as k:
        await k.keys.key(k.anna)
        await k.keys.key(k.bert)
        await k.keys.destroy(k.bert)  # rewraps hers
        k.clock.advance(days=3)
        await k.target.delete([ANNA])
        k.clock.advance(days=5)  # the first wrapping key is gone, the second is not
        assert (await k.target.verify([ANNA])).status is VerifyStatus.KEY_PENDING
        k.clock.advance(days=3)
        assert (await k.target.verify([ANNA])).status is VerifyStatus.GONE


async def test_E42_no_byte_of_key_or_identity_is_in_database_or_log(tmp_path: Path) -> None:
    async with keeping(tmp_path) as k:
        key = await k.keys.key(k.anna)
        [held] = await k.table.find(k.anna)
        assert held.wrapped is not None
        assert held.wrapped.hex() not in repr(held)
        await k.keys.destroy(k.anna)
        data = b"".join(path.read_bytes() for path in tmp_path.glob("state.db*"))
        assert key not in data
        assert held.wrapped not in data
        assert b"C-1007" not in data


async def test_a_volume_that_is_not_mounted_has_destroyed_nothing(tmp_path: Path) -> None:
    async with keeping(tmp_path) as k:
        await k.keys.key(k.anna)
        await k.keys.destroy(k.anna)
        shutil.rmtree(tmp_path / "kms")
        assert (await k.target.verify([ANNA])).status is VerifyStatus.FAILED
        with pytest.raises(StoreUnavailable):
            await k.keys.key(k.bert)
    with pytest.raises(ConfigError, match=r"subject_keys\.folder"):
        FileKms(tmp_path / "kms", timedelta(), Clock())


async def test_wrapping_keys_are_ours_alone_and_bound_to_the_person(tmp_path: Path) -> None:
    async with keeping(tmp_path) as k:
        name = await k.kms.create()
        assert (tmp_path / "kms" / f"{name}.key").stat().st_mode & 0o777 == 0o600
        wrapped = await k.kms.wrap(name, b"k" * 32, "anna")
        with pytest.raises(KeyMaterialError):
            await k.kms.unwrap(name, wrapped, "bert")
        assert (await k.kms.state(name)).status is KeyStatus.ENABLED
