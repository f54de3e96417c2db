"""A person keeps key, fence and name when the master key is rotated; who can't know them gives out nothing (E42)."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import select

from sidecar.access import Role
from sidecar.erasure.request import IdentityType, SubjectIdentity
from sidecar.errors import KeyMaterialError, StoreUnavailable
from sidecar.keys import MasterKey, Purpose
from sidecar.metrics import Metrics
from sidecar.stores import subject_keys as stored
from sidecar.stores.database import Database, DatabaseSettings
from sidecar.stores.subject_keys import Subject, SubjectFenced, SubjectKeyTable
from sidecar.subject_keys.api import PATH, subject_key_routes
from sidecar.subject_keys.keeper import SubjectKeys
from sidecar.subject_keys.kms import FileKms
from sidecar.targets.subject_keys import SubjectKeyTarget
from sidecar.targets.target import DeleteStatus, TargetFault, VerifyStatus
from tests.erasure.test_api import listening
from tests.erasure.world import MASTER, Clock, world

NEW = MasterKey(b"n" * 32, version=2)
ANNA = SubjectIdentity(IdentityType.CUSTOMER_ID, "C-1007")
BERT = SubjectIdentity(IdentityType.CUSTOMER_ID, "C-2001")


@asynccontextmanager
async def replica(database_url: str, folder: Path, *masters: MasterKey) -> AsyncIterator[SubjectKeys]:
    """A sidecar's keys of people; ``masters``: those that are configured, the current one first."""
    database, clock = Database(DatabaseSettings(database_url)), Clock()
    await database.start()
    current, *former = (one.pseudonymizer(Purpose.SUBJECT_KEY) for one in masters)
    (folder / "kms").mkdir(mode=0o700, exist_ok=True)
    kms = FileKms(folder / "kms", timedelta(), clock)
    try:
        yield SubjectKeys(SubjectKeyTable(database), kms, current, Metrics(), clock, former)
    finally:
        await database.stop()


def named(keys: SubjectKeys, one: SubjectIdentity = ANNA) -> Subject:
    return keys.subject(one.type.value, one.value)


def target_of(keys: SubjectKeys) -> SubjectKeyTarget:
    return SubjectKeyTarget(keys, IdentityType.CUSTOMER_ID, timedelta(days=1))


async def test_E42_the_same_key_and_name_after_a_rotation_and_after_two(database_url: str, tmp_path: Path) -> None:
    newest = MasterKey(b"m" * 32, version=3)
    async with replica(database_url, tmp_path, MASTER) as old:
        anna = await old.named_key(named(old))
    async with replica(database_url, tmp_path, NEW, MASTER) as keys:
        await keys.start()
        assert await keys.named_key(named(keys)) == anna
        bert = await keys.named_key(named(keys, BERT))
        assert bert[0].startswith("k2:")
    async with replica(database_url, tmp_path, newest, NEW, MASTER) as keys:
        assert await keys.named_key(named(keys)) == anna
        assert await keys.named_key(named(keys, BERT)) == bert


async def test_E42_what_was_made_before_a_rotation_is_destroyed_after_it_and_fenced(
    database_url: str, tmp_path: Path
) -> None:
    async with replica(database_url, tmp_path, MASTER) as old:
        key, bert = await old.key(named(old)), await old.key(named(old, BERT))
    async with replica(database_url, tmp_path, NEW, MASTER) as keys:
        target = target_of(keys)
        assert (await target.verify([ANNA])).status is VerifyStatus.PRESENT
        assert (await target.delete([ANNA])).status is DeleteStatus.DELETED
        assert (await target.verify([ANNA])).status is VerifyStatus.GONE
        assert (await target.keys_gone([ANNA])).status is VerifyStatus.GONE
        with pytest.raises(SubjectFenced):
            await keys.key(named(keys))
        assert await keys.key(named(keys, BERT)) == bert
        assert await keys.authorise(named(keys))
        again = await keys.named_key(named(keys))
        assert again[1] != key
        assert again[0] == named(keys).former[0]  # nobody has two rows
        assert await keys.destroy(named(keys))
        with pytest.raises(SubjectFenced):
            await keys.key(named(keys))


async def test_E42_a_fence_from_before_a_rotation_holds_whether_there_was_a_key_or_not(
    database_url: str, tmp_path: Path
) -> None:
    async with replica(database_url, tmp_path, MASTER) as old:
        await old.key(named(old))
        for one in (ANNA, BERT):
            await old.destroy(named(old, one))
    async with replica(database_url, tmp_path, NEW, MASTER) as keys:
        for one, had in ((ANNA, True), (BERT, False)):
            with pytest.raises(SubjectFenced):
                await keys.key(named(keys, one))
            assert await keys.had_key(named(keys, one)) is had
            assert not await keys.destroy(named(keys, one))
            with pytest.raises(SubjectFenced):
                await keys.key(named(keys, one))


async def test_E42_without_the_key_that_named_people_nothing_starts_and_nobody_is_served(
    database_url: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with replica(database_url, tmp_path, MASTER) as old:
        await old.key(named(old))
    async with replica(database_url, tmp_path, NEW) as keys:
        target = target_of(keys)
        with pytest.raises(KeyMaterialError, match=r"version 1 of the master key.*keys\.previous"):
            await target.start()
        for one in (ANNA, BERT):  # nobody can tell them apart
            for refused in (keys.key, keys.destroy, keys.authorise, keys.state, keys.had_key):
                with pytest.raises(StoreUnavailable, match="version 1 of the master key"):
                    await refused(named(keys, one))
            deleted, looked = await target.delete([one]), await target.verify([one])
            assert (deleted.status, deleted.fault) == (DeleteStatus.FAILED, TargetFault.STORE)
            assert looked.status is VerifyStatus.FAILED
        assert "version 1 of the master key" in caplog.text
    async with replica(database_url, tmp_path, NEW, MASTER) as keys:
        await target_of(keys).start()
        assert await keys.destroy(named(keys))


async def test_E42_a_replica_with_the_old_key_gives_what_there_is_and_decides_nothing(
    database_url: str, tmp_path: Path
) -> None:
    async with replica(database_url, tmp_path, MASTER) as old, replica(database_url, tmp_path, NEW, MASTER) as new:
        key = await old.key(named(old))
        await new.key(named(new, BERT))
        assert await old.key(named(old)) == key
        for refused in (old.key, old.destroy, old.state):  # he may have a key under a name that it can't make
            with pytest.raises(StoreUnavailable, match="version 2 of the master key"):
                await refused(named(old, BERT))
        with pytest.raises(StoreUnavailable):
            await old.destroy(named(old))
        assert await new.destroy(named(new))
        with pytest.raises(SubjectFenced):
            await old.key(named(old))


async def test_E42_replicas_with_old_and_new_keys_never_make_two_for_one_person(
    database_url: str, tmp_path: Path
) -> None:
    async with replica(database_url, tmp_path, MASTER) as old, replica(database_url, tmp_path, NEW, MASTER) as new:
        for number in range(12):
            one = SubjectIdentity(IdentityType.CUSTOMER_ID, f"C-{number}")
            calls = [keys.key(named(keys, one)) for keys in (old, new) for _ in range(3)]
            told = await asyncio.gather(*calls, return_exceptions=True)
            assert len({said for said in told if isinstance(said, bytes)}) == 1
            assert all(isinstance(said, bytes | StoreUnavailable) for said in told)


async def test_E42_of_two_keys_that_an_older_program_gave_one_person_both_are_destroyed(
    database_url: str, tmp_path: Path
) -> None:
    async with replica(database_url, tmp_path, MASTER) as old, replica(database_url, tmp_path, NEW, MASTER) as keys:
        await old.key(named(old))
        row, table = stored.keys.c, old._table
        copied = {"subject": named(keys).current, "wrapped": b"w", "epoch": 1, "key_version": 2}
        created = await table._database.read(lambda c: c.scalar(select(row.created_at)))
        await table._database.run(lambda c: c.execute(stored.keys.insert().values(copied | {"created_at": created})))
        assert await keys.name(named(keys)) == named(keys).current  # what was given out since the rotation
        await keys.destroy(named(keys))
        held = await keys._table.find(named(keys))
        assert [one.wrapped for one in held] == [None, None]
        assert await keys.authorise(named(keys))
        await keys.key(named(keys))
        await keys.destroy(named(keys))
        with pytest.raises(SubjectFenced):
            await keys.key(named(keys))


async def test_E42_applications_are_given_the_name_that_they_know(database_url: str, tmp_path: Path) -> None:
    body = json.dumps({"type": "customer_id", "value": "C-1007"}).encode()
    async with replica(database_url, tmp_path, MASTER) as old:
        name = named(old).current
        await old.key(named(old))
    async with replica(database_url, tmp_path, NEW, MASTER) as keys, world(tmp_path / "e.db", [target_of(keys)]) as w:
        async with listening(w, subject_key_routes(keys)) as caller:
            assert (await caller.call(Role.KEY_USER, "POST", PATH, body)).json["subject"] == name
            await keys.destroy(named(keys))
            said = await caller.call(Role.PRIVACY_OFFICER, "POST", f"{PATH}/authorisations", body)
            assert said.json == {"subject": name, "authorised": True}
        assert name in {getattr(entry, "subject", None) for entry in w.ledger.entries}
    async with replica(database_url, tmp_path, NEW) as keys, world(tmp_path / "f.db", [Unstarted(keys)]) as w:  # noqa: SIM117
        async with listening(w, subject_key_routes(keys)) as caller:
            refused = await caller.call(Role.KEY_USER, "POST", PATH, body)
            assert (refused.status, "Retry-After" in refused.headers) == (503, True)


class Unstarted(SubjectKeyTarget):
    """One whose start was not waited for: the admin listener answers before targets are started."""

    def __init__(self, keys: SubjectKeys) -> None:
        super().__init__(keys, IdentityType.CUSTOMER_ID, timedelta(days=1))

    async def start(self) -> None:
        return
