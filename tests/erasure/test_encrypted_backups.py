"""A backup set that holds people encrypted by their own keys is done when the key is destroyed, too (E38, E42, E43)."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from sqlite3 import connect

import pytest

from sidecar.erasure.plan import LiveErasure, backup_name
from sidecar.erasure.request import IdentityType, SubjectIdentity
from sidecar.keys import Purpose
from sidecar.metrics import Metrics
from sidecar.stores.database import Database, DatabaseSettings
from sidecar.stores.subject_keys import Subject, SubjectKeyTable
from sidecar.subject_keys.keeper import SubjectKeys
from sidecar.subject_keys.kms import FileKms
from sidecar.targets.backup import BackupTarget
from sidecar.targets.snapshot_files import DumpFiles, FileObserver
from sidecar.targets.snapshots import Retention
from sidecar.targets.subject_keys import SubjectKeyTarget
from sidecar.targets.target import GoneBy, Target, VerifyStatus
from tests.erasure.world import CANARY, ID, MASTER, START, Clock, World, body, http_target, receipt_body, world
from tests.targets.upstream import running_upstream, target_mapping

SET = backup_name("crm", "nightly")
PERSON = [{"type": "email", "value": CANARY}, {"type": "customer_id", "value": "C-1007"}]
ANNA = SubjectIdentity(IdentityType.CUSTOMER_ID, "C-1007")
LIVE = LiveErasure(START)
WEEK = timedelta(days=7)


@dataclass
class Vault:
    """A CRM, dumps of it, and people's keys that the dumps are encrypted by."""

    w: World
    keys: SubjectKeys
    kms: FileKms
    table: SubjectKeyTable
    backup: BackupTarget

    @property
    def anna(self) -> Subject:
        return self.keys.subject("customer_id", "C-1007")

    async def wrapping_key(self) -> str:
        return (await self.table.epochs())[0].wrapping_key

    async def erase(self) -> dict[str, str]:
        """Submit the person's erasure, and look at the backups a day later, when the key was dealt with."""
        await self.w.submit(body(subject={"identities": PERSON}))
        await self.w.settle()
        return await self.a_day_later()

    async def a_day_later(self) -> dict[str, str]:
        self.w.clock.advance(days=1, minutes=1)
        await self.w.settle()
        return await self.w.outcomes()

    async def ground(self) -> object:
        data = await self.w.stores.requests.receipt(ID)
        assert data is not None
        return {one["target"]: one["ground"] for one in receipt_body(data)["targets"]}[SET]


@asynccontextmanager
async def vault(folder: Path, pending: timedelta = timedelta(), kept_days: float = 90) -> AsyncIterator[Vault]:
    for name in ("kms", "dumps"):
        (folder / name).mkdir()
    (folder / "dumps" / START.strftime("crm-%Y%m%d.dump")).touch()
    clock, metrics = Clock(), Metrics()
    database = Database(DatabaseSettings(f"sqlite:///{folder / 'keys.db'}"))
    await database.start()
    kms, table = FileKms(folder / "kms", pending, clock), SubjectKeyTable(database)
    keys = SubjectKeys(table, kms, MASTER.pseudonymizer(Purpose.SUBJECT_KEY), metrics, clock)
    by_key = SubjectKeyTarget(keys, IdentityType.CUSTOMER_ID, pending + timedelta(days=1))
    observer = FileObserver(DumpFiles(folder / "dumps", "*.dump", "crm-%Y%m%d.dump"))
    backup = BackupTarget(SET, observer, Retention(timedelta(days=kept_days)), metrics, clock, keys=by_key)
    async with running_upstream() as upstream:
        upstream.customers[CANARY] = 1
        targets: list[Target] = [http_target("crm", target_mapping(upstream.url), clock), by_key, backup]
        async with world(folder / "state.db", targets, clock) as w:
            yield Vault(w, keys, kms, table, backup)
    await database.stop()


async def test_E38_a_destroyed_key_is_as_good_as_an_expired_snapshot_and_the_receipt_says_which(tmp_path: Path) -> None:
    async with vault(tmp_path) as v:
        await v.keys.key(v.anna)
        assert (await v.erase())[SET] == "verified_erased"
        assert await v.w.state() == "completed"
        assert await v.ground() == "key_destroyed"


async def test_E38_without_a_key_the_snapshots_are_waited_for_and_the_receipt_says_so(tmp_path: Path) -> None:
    async with vault(tmp_path, kept_days=14) as v:
        assert (await v.erase())[SET] == "awaiting_expiry"  # nothing was ever encrypted for the person
        (tmp_path / "dumps" / START.strftime("crm-%Y%m%d.dump")).unlink()
        (tmp_path / "dumps" / (START + timedelta(days=15)).strftime("crm-%Y%m%d.dump")).touch()
        v.w.clock.advance(days=15)
        assert (await v.a_day_later())[SET] == "verified_erased"
        assert await v.ground() == "snapshots_expired"


async def test_E38_the_key_of_one_identity_says_nothing_of_another(tmp_path: Path) -> None:
    async with vault(tmp_path) as v:
        await v.keys.key(v.anna)
        await v.keys.destroy(v.anna)
        second = SubjectIdentity(IdentityType.CUSTOMER_ID, "C-2001")
        assert (await v.backup.look(LIVE, [ANNA])).by is GoneBy.KEY_DESTROYED
        for others in ([ANNA, second], [SubjectIdentity(IdentityType.EMAIL, CANARY)], []):
            assert (await v.backup.look(LIVE, others)).status is VerifyStatus.EXPIRING
        await v.keys.key(v.keys.subject("customer_id", "C-2001"))  # alive
        assert (await v.backup.look(LIVE, [ANNA, second])).status is VerifyStatus.EXPIRING


async def test_E43_with_a_pending_destruction_the_set_is_key_pending_until_it_is_done(tmp_path: Path) -> None:
    async with vault(tmp_path, pending=WEEK) as v:
        await v.keys.key(v.anna)
        assert (await v.erase())[SET] == "key_pending"
        (task,) = [one for one in (await v.w.view()).tasks if one.target == SET]
        assert task.until_at == START + WEEK
        assert await v.w.state() == "live_erased"
        v.w.clock.advance(days=7)
        assert (await v.a_day_later())[SET] == "verified_erased"
        assert await v.ground() == "key_destroyed"


async def test_E43_a_destruction_that_is_taken_back_ends_the_waiting_for_it(tmp_path: Path) -> None:
    async with vault(tmp_path, pending=WEEK) as v:
        await v.keys.key(v.anna)
        await v.erase()
        await v.kms.cancel(await v.wrapping_key())
        assert (await v.backup.look(LIVE, [ANNA])).status is VerifyStatus.EXPIRING
        await v.a_day_later()  # noticed, and ordered again
        assert (await v.a_day_later())[SET] == "key_pending"
        v.w.clock.advance(days=5)
        assert (await v.w.outcomes())[SET] == "key_pending"  # the first order would be through by now
        v.w.clock.advance(days=4)
        assert (await v.a_day_later())[SET] == "verified_erased"


async def test_E42_an_old_copy_of_the_key_table_brings_no_backup_back_to_life(tmp_path: Path) -> None:
    async with vault(tmp_path) as v:
        await v.keys.key(v.anna)
        await v.w.submit(body(subject={"identities": PERSON}))
        with closing(connect(tmp_path / "keys.db")) as now, closing(connect(tmp_path / "old.db")) as then:
            now.backup(then)
        await v.w.settle()
        old = Database(DatabaseSettings(f"sqlite:///{tmp_path / 'old.db'}"))
        await old.start()
        keys = SubjectKeys(SubjectKeyTable(old), v.kms, MASTER.pseudonymizer(Purpose.SUBJECT_KEY), Metrics(), v.w.clock)
        by_old_table = SubjectKeyTarget(keys, IdentityType.CUSTOMER_ID, WEEK)
        said = await by_old_table.keys_gone([ANNA])
        assert said.status is VerifyStatus.PRESENT  # by that table the key lives: nothing is concluded from it
        await old.stop()
        assert (await v.a_day_later())[SET] == "verified_erased"


async def test_E38_what_the_live_system_keeps_is_no_matter_of_keys(tmp_path: Path) -> None:
    async with vault(tmp_path) as v:
        await v.keys.key(v.anna)
        await v.keys.destroy(v.anna)
        kept = LiveErasure(START, retained=True)
        assert (await v.backup.look(kept, [ANNA])).status is VerifyStatus.EXPIRING


@pytest.mark.parametrize("destroyed", [False, True])
async def test_E38_a_list_nobody_can_read_matters_only_while_the_key_lives(tmp_path: Path, destroyed: bool) -> None:
    async with vault(tmp_path) as v:
        await v.keys.key(v.anna)
        if destroyed:
            await v.keys.destroy(v.anna)
        shutil.rmtree(tmp_path / "dumps")
        v.w.clock.advance(minutes=1)
        status = (await v.backup.look(LIVE, [ANNA])).status
        assert status is (VerifyStatus.GONE if destroyed else VerifyStatus.FAILED)
