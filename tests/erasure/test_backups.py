"""A person is gone from a backup set once every snapshot that is listed was begun after they were (E37, E38)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from pathlib import Path

import pytest

from sidecar.erasure.backup_watch import BackupWatch
from sidecar.erasure.hold import Hold, HoldGround
from sidecar.erasure.plan import backup_name
from sidecar.keys import Purpose
from sidecar.metrics import Metrics
from sidecar.redaction.linking import ask_for, scope_key
from sidecar.stores.erasure_holds import UnknownItem
from sidecar.stores.placeholders import StoredPlaceholders
from sidecar.targets.backup import BackupTarget
from sidecar.targets.placeholders import PlaceholderTarget
from sidecar.targets.snapshot_files import DumpFiles, FileObserver
from sidecar.targets.snapshots import Retention
from sidecar.targets.target import Target
from tests.erasure.world import CANARY, ID, MASTER, START, Clock, World, http_target, receipt_body, world
from tests.targets.upstream import Mode, Upstream, running_upstream, target_mapping

SET = backup_name("crm", "nightly")
RETENTION = Retention(kept=timedelta(days=14), longest_run=timedelta(hours=6), every=timedelta(hours=24))
FORMAT = "crm-%Y%m%d%H.dump"


@dataclass
class Backups:
    """Nightly dumps of a system, made and expired by hand."""

    folder: Path
    clock: Clock
    upstream: Upstream
    target: BackupTarget
    metrics: Metrics

    def dump(self, at: datetime | None = None) -> None:
        (self.folder / (at or self.clock()).strftime(FORMAT)).touch()

    def expire(self, before: datetime) -> None:
        for path in self.folder.iterdir():
            if datetime.strptime(path.name, FORMAT).astimezone() < before:
                path.unlink()

    def nights(self, count: int) -> None:
        """Pass that many days, each with a dump, and expire what is older than two weeks."""
        for _ in range(count):
            self.clock.advance(days=1)
            self.dump()
            self.expire(self.clock() - RETENTION.kept)

    def gauge(self, name: str) -> float | None:
        return self.metrics.registry.get_sample_value(f"sidecar_erasure_backup_{name}", {"target": SET})


@asynccontextmanager
async def backed_up(path: Path, look: timedelta = timedelta()) -> AsyncIterator[tuple[World, Backups]]:
    """A CRM with a person in it, and a dump of it from the night before."""
    clock, metrics = Clock(), Metrics()
    (path / "dumps").mkdir()
    observer = FileObserver(DumpFiles(path / "dumps", "*.dump", FORMAT))
    nightly = BackupTarget(SET, observer, RETENTION, metrics, clock)
    async with running_upstream() as upstream:
        upstream.customers[CANARY] = 1
        backups = Backups(path / "dumps", clock, upstream, nightly, metrics)
        backups.dump(START - timedelta(hours=10))
        targets: list[Target] = [nightly, http_target("crm", target_mapping(upstream.url), clock)]
        async with world(path / "state.db", targets, clock, second_look=look) as w:
            yield w, backups


@pytest.mark.parametrize("name", ["CRM", "c_m", "crm%", "%"])
async def test_E31_a_hold_that_names_no_system_does_not_hold_the_backups_of_one(tmp_path: Path, name: str) -> None:
    async with backed_up(tmp_path) as (w, _):
        await w.submit()
        with pytest.raises(UnknownItem):
            await w.stores.holds.place(ID, Hold(HoldGround.LEGAL_CLAIMS, name), w.clock())


async def test_E38_live_erased_with_a_date_until_the_last_snapshot_is_gone(tmp_path: Path) -> None:
    async with backed_up(tmp_path) as (w, backups):
        await w.submit()
        await w.settle()
        assert await w.outcomes() == {SET: "awaiting_expiry", "crm": "verified_erased"}
        assert await w.state() == "live_erased"
        (task,) = [task for task in (await w.view()).tasks if task.target == SET]
        assert (task.remaining, task.until_at) == (1, START - timedelta(hours=10) + RETENTION.kept)
        interim = await w.stores.requests.receipt(ID)
        assert interim is not None
        assert (receipt_body(interim)["kind"], receipt_body(interim)["state"]) == ("interim", "live_erased")
        backups.nights(13)  # the dump of that night is still there
        await w.settle()
        assert await w.state() == "live_erased"
        backups.nights(3)
        await w.settle()
        assert await w.outcomes() == {SET: "verified_erased", "crm": "verified_erased"}
        assert await w.state() == "completed"
        receipt = await w.stores.requests.receipt(ID)
        assert receipt is not None
        assert receipt_body(receipt)["supersedes"] == sha256(interim).hexdigest()
        assert {one["target"]: one["outcome"] for one in receipt_body(receipt)["targets"]}[SET] == "verified_erased"


async def test_E38_time_alone_is_no_success(tmp_path: Path) -> None:
    async with backed_up(tmp_path) as (w, backups):
        await w.submit()
        await w.settle()
        for _ in range(60):  # nobody expires anything
            w.clock.advance(days=1)
            backups.dump()
            await w.settle()
        assert await w.outcomes() == {SET: "awaiting_expiry", "crm": "verified_erased"}
        assert await w.state() == "live_erased"


async def test_E38_snapshots_of_what_a_late_writer_brought_back_are_waited_for(tmp_path: Path) -> None:
    """A backup set that held nobody any more holds the person again once the live system did for some hours."""
    async with backed_up(tmp_path, timedelta(days=1)) as (w, backups):
        await w.submit()
        await w.settle()
        w.clock.advance(hours=7)
        backups.upstream.customers[CANARY] = 1  # a job that had the record in memory wrote it back
        backups.dump()
        backups.expire(w.clock() - timedelta(minutes=1))
        w.clock.advance(hours=17)
        await w.settle()
        w.clock.advance(hours=1)
        await w.settle()
        assert backups.upstream.customers == {}  # the second look found it
        for _ in range(3):
            w.clock.advance(days=1)
            await w.settle()
        assert await w.outcomes() == {SET: "awaiting_expiry", "crm": "verified_erased"}
        assert await w.state() == "live_erased"
        backups.nights(20)
        await w.settle()
        backups.nights(1)  # and the look that follows a late writer
        await w.settle()
        assert await w.state() == "completed"


async def test_E38_a_backup_waits_for_its_live_system(tmp_path: Path) -> None:
    async with backed_up(tmp_path) as (w, backups):
        backups.upstream.mode = Mode.FAIL
        await w.submit()
        await w.settle()
        assert await w.outcomes() == {SET: "pending", "crm": "retryable_failure"}
        backups.nights(20)  # every dump of these nights has the person
        backups.upstream.mode = Mode.GOOD
        await w.settle()
        assert await w.outcomes() == {SET: "awaiting_expiry", "crm": "verified_erased"}
        backups.nights(13)
        await w.settle()
        assert await w.state() == "live_erased"


async def test_E38_a_snapshot_that_was_being_made_at_the_time_counts_as_holding(tmp_path: Path) -> None:
    async with backed_up(tmp_path) as (w, backups):
        backups.expire(START)
        backups.dump(START + timedelta(hours=3))  # its name says when it was finished
        w.clock.advance(hours=4)
        await w.submit(None)
        await w.settle()
        assert (await w.outcomes())[SET] == "awaiting_expiry"


async def test_E37_an_empty_list_proves_nothing(tmp_path: Path) -> None:
    async with backed_up(tmp_path) as (w, backups):
        await w.submit()
        await w.settle()
        w.clock.advance(days=30)
        backups.expire(w.clock())
        await w.settle()
        assert (await w.outcomes())[SET] == "awaiting_expiry"
        assert backups.gauge("list_failures_total")
        backups.folder.rmdir()
        w.clock.advance(hours=2)
        await w.settle()
        assert (await w.outcomes())[SET] == "awaiting_expiry"


async def test_E37_snapshots_kept_longer_than_declared_are_an_alarm(tmp_path: Path) -> None:
    async with backed_up(tmp_path) as (_, backups):
        assert backups.gauge("snapshots_too_old") == 0
        assert backups.gauge("oldest_timestamp_seconds") == (START - timedelta(hours=10)).timestamp()
        backups.clock.advance(days=16)
        backups.dump()
        await backups.target.observe()
        assert backups.gauge("snapshots_too_old") == 1


async def test_E37_a_newest_snapshot_that_is_too_old_is_an_alarm(tmp_path: Path) -> None:
    async with backed_up(tmp_path) as (_, backups):
        assert backups.gauge("stopped") == 0
        assert backups.gauge("newest_timestamp_seconds") == (START - timedelta(hours=10)).timestamp()
        backups.clock.advance(hours=20)  # a day, and six hours for making it, are just over
        await backups.target.observe()
        assert backups.gauge("stopped") == 0
        backups.clock.advance(minutes=1)
        await backups.target.observe()
        assert backups.gauge("stopped") == 1
        backups.dump()
        backups.clock.advance(minutes=1)
        await backups.target.observe()
        assert backups.gauge("stopped") == 0


async def test_E37_snapshots_gone_before_the_declared_day_are_an_alarm(tmp_path: Path) -> None:
    async with backed_up(tmp_path) as (_, backups):
        backups.nights(3)
        await backups.target.observe()
        (backups.folder / (START + timedelta(days=2)).strftime(FORMAT)).unlink()  # thinned out: the reach is the same
        backups.clock.advance(minutes=1)
        await backups.target.observe()
        assert backups.gauge("snapshots_gone_early_total") == 0
        backups.expire(START + timedelta(days=2))
        backups.clock.advance(minutes=1)
        await backups.target.observe()
        assert backups.gauge("snapshots_gone_early_total") == 2
        backups.nights(11)
        await backups.target.observe()
        backups.nights(1)  # the next goes on its day
        await backups.target.observe()
        assert backups.gauge("snapshots_gone_early_total") == 2


async def test_E37_a_snapshot_of_the_future_is_not_believed(tmp_path: Path) -> None:
    async with backed_up(tmp_path) as (w, backups):
        backups.expire(START)
        backups.dump(START + timedelta(days=400))
        w.clock.advance(hours=1)
        await w.submit(None)
        await w.settle()
        assert (await w.outcomes())[SET] == "pending"
        assert backups.gauge("list_failures_total")


async def test_E37_sets_are_looked_at_while_nobody_waits_for_them(tmp_path: Path) -> None:
    async with backed_up(tmp_path) as (_, backups):
        watch = BackupWatch([backups.target], every=timedelta(milliseconds=5))
        assert not watch.healthy
        await watch.start()
        backups.clock.advance(days=3)
        async with asyncio.timeout(20):
            while backups.gauge("stopped") != 1:  # noqa: ASYNC110 - a gauge tells nobody
                await asyncio.sleep(0.005)
        assert watch.healthy
        await watch.stop()


async def test_E48_the_sidecar_forgets_without_waiting_for_backups(tmp_path: Path) -> None:
    keys = MASTER.pseudonymizer(Purpose.PLACEHOLDER)
    ask = ask_for("EMAIL", CANARY, keys)
    async with backed_up(tmp_path) as (first, _):
        store = StoredPlaceholders(first.database)
        await store.assign(scope_key("chat", keys), [ask], [])
        targets = [PlaceholderTarget(store, keys), *first.targets]
        async with world(tmp_path / "state.db", targets, first.clock) as w:
            await w.submit()
            await w.settle()
            outcomes = {SET: "awaiting_expiry", "crm": "verified_erased", "sidecar": "verified_erased"}
            assert await w.outcomes() == outcomes
            assert await w.state() == "live_erased"
            assert await store.count([ask.key]) == 0


async def test_E27_a_restart_while_backups_are_waited_for_is_no_late_writer(tmp_path: Path) -> None:
    keys = MASTER.pseudonymizer(Purpose.PLACEHOLDER)
    day = timedelta(days=1)
    async with backed_up(tmp_path) as (first, backups):
        targets = [PlaceholderTarget(StoredPlaceholders(first.database), keys), *first.targets]
        for _ in range(3):  # a start, the second look, a week later
            async with world(tmp_path / "state.db", targets, first.clock, second_look=day) as w:
                await w.worker.recover()
                await w.submit()
                await w.settle()
                looked_at = (await w.view()).second_look_at
            backups.nights(3)
        assert looked_at == START + day
        assert set(w.ledger.routes()) == {f"{SET}:verify"}  # at the last start there was nothing else to do


async def test_E38_waiting_for_backups_is_not_overdue(tmp_path: Path) -> None:
    async with backed_up(tmp_path) as (w, _):
        await w.submit()
        await w.settle()
        w.clock.advance(days=40)
        assert await w.state() == "live_erased"
        counts = await w.stores.requests.counts(w.clock())
        assert (counts.open, counts.overdue) == (1, 0)


async def test_E39_a_replay_erases_who_waits_for_backups_too(tmp_path: Path) -> None:
    """Who is gone from live systems comes back with a restore like everybody else, and so waits for weeks."""
    async with backed_up(tmp_path) as (w, backups):
        await w.submit()
        await w.settle()
        first = await w.stores.requests.receipt(ID)
        backups.nights(3)
        w.clock.advance(days=40)  # past the legal deadline, which it kept
        assert await w.state() == "live_erased"
        backups.upstream.customers[CANARY] = 1  # restored
        assert await w.stores.tasks.replay(w.clock()) == 1
        assert await w.state() == "pending"
        await w.settle()
        assert CANARY not in backups.upstream.customers
        assert await w.outcomes() == {SET: "awaiting_expiry", "crm": "verified_erased"}
        second = await w.stores.requests.receipt(ID)
        assert first is not None
        assert second is not None
        assert (await w.view()).round == 2
        assert receipt_body(second)["kind"] == "interim"
        assert receipt_body(second)["supersedes"] == sha256(first).hexdigest()
        backups.dump()
        backups.nights(16)
        await w.settle()
        assert await w.state() == "completed"


async def test_E39_after_a_replay_backups_are_waited_for_anew(tmp_path: Path) -> None:
    async with backed_up(tmp_path) as (w, backups):
        await w.submit()
        await w.settle()
        backups.nights(16)
        await w.settle()
        assert await w.state() == "completed"
        backups.upstream.customers[CANARY] = 1  # restored, and backed up since
        backups.dump()
        await w.stores.tasks.replay(w.clock())
        await w.settle()
        assert await w.outcomes() == {SET: "awaiting_expiry", "crm": "verified_erased"}
        assert await w.state() == "live_erased"
