"""Who is erased is known to traffic while the request can be repeated, and is looked for again who turns up (E27)."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import update

from sidecar.detection.recognizer import Message
from sidecar.detection.span import Span
from sidecar.erasure.deadlines import DeadlinePolicy
from sidecar.erasure.intake import Intake
from sidecar.erasure.suppressing import Suppressing, SuppressingSettings
from sidecar.errors import KeyMaterialError, StoreUnavailable
from sidecar.keys import MasterKey, Purpose
from sidecar.redaction.suppression import Suppression, suppression_keys
from sidecar.stores.erasure_attestations import Attestation, Attestations, Found
from sidecar.stores.erasure_suppressions import ErasureSuppressions, suppressed
from sidecar.stores.erasures import ErasureRequests
from sidecar.stores.seal import Seal
from sidecar.targets.manual import ManualSettings, ManualTarget
from tests.erasure.world import (
    CANARY,
    ID,
    MASTER,
    OTHER_ID,
    Clock,
    World,
    body,
    bytes_on_disk,
    http_target,
    one_target,
    world,
)
from tests.targets.upstream import Upstream, running_upstream, target_mapping

NEW = MasterKey(b"n" * 32, version=2)


def suppressing(w: World, *masters: MasterKey, **changes: object) -> tuple[Suppressing, Suppression]:
    """``masters``: those that are configured, the current one first."""
    current, *former = masters or (MASTER,)
    keys = current.pseudonymizer(Purpose.SUPPRESSION)
    suppression = Suppression(keys, [one.pseudonymizer(Purpose.SUPPRESSION) for one in former])
    seal = Seal(current.derive(Purpose.ERASURE_SEAL), tuple(one.derive(Purpose.ERASURE_SEAL) for one in former))
    versions = [one.version for one in (current, *former)]
    store = ErasureSuppressions(
        w.database, seal, lambda one: suppression_keys(one.type.value, one.value, keys), versions
    )
    settings = SuppressingSettings(**changes)  # type: ignore[arg-type]
    return Suppressing(store, suppression, w.metrics, settings, w.clock), suppression


@asynccontextmanager
async def keeping(path: Path) -> AsyncIterator[tuple[World, Upstream, Suppressing, Suppression]]:
    async with one_target(path) as (w, upstream):
        keeper, suppression = suppressing(w)
        yield w, upstream, keeper, suppression


def read(suppression: Suppression, email: str = CANARY) -> str:
    """Read a chat in which an address was found; return what it counts as."""
    [[span]] = suppression.marked([Message(email)], [(Span(0, len(email), "EMAIL", 1.0, "test"),)])
    return span.label


async def test_E27_from_acceptance_to_the_horizon_and_by_hash_alone(tmp_path: Path) -> None:
    async with keeping(tmp_path) as (w, _, keeper, suppression):
        await keeper.pass_once()
        assert read(suppression) == "EMAIL"
        await w.submit()
        await keeper.pass_once()
        assert read(suppression) == "ERASED"
        assert read(suppression, "bert@example.org") == "EMAIL"
        assert CANARY.encode() not in bytes_on_disk(tmp_path)
        await w.settle()
        w.clock.advance(days=34)
        await keeper.pass_once()
        assert read(suppression) == "ERASED"
        await w.settle()
        w.clock.advance(days=2)
        await keeper.pass_once()
        assert read(suppression) == "EMAIL"


async def test_E27_who_comes_in_the_moment_in_which_another_goes_is_known(tmp_path: Path) -> None:
    async with keeping(tmp_path) as (w, _, keeper, suppression):
        await w.submit()
        await w.settle()
        await keeper.pass_once()
        w.clock.advance(days=36)
        await w.submit(body(OTHER_ID, email="bert@example.org"))
        await keeper.pass_once()
        assert (read(suppression), read(suppression, "bert@example.org")) == ("EMAIL", "ERASED")


async def test_E7_nobody_is_suppressed_who_was_not_identified(tmp_path: Path) -> None:
    async with keeping(tmp_path) as (w, _, keeper, suppression):
        await w.submit(body(verified_by=None))
        await keeper.pass_once()
        assert read(suppression) == "EMAIL"
        await w.stores.requests.confirm(ID, "account_login", w.clock())
        await keeper.pass_once()
        assert read(suppression) == "ERASED"


async def test_E27_another_replica_and_a_restart_know_it_too(tmp_path: Path) -> None:
    async with keeping(tmp_path) as (w, _, keeper, _suppression):
        await w.submit()
        await keeper.pass_once()
        other, known = suppressing(w)
        await other.start()
        assert other.healthy
        assert read(known) == "ERASED"
        await other.stop()


async def test_E27_a_stale_worker_that_writes_the_person_back_is_found_out(tmp_path: Path) -> None:
    async with keeping(tmp_path) as (w, upstream, keeper, suppression):
        await w.submit()
        await w.settle()
        assert await w.state() == "completed"
        await keeper.pass_once()
        upstream.customers[CANARY] = 1  # a late writer
        read(suppression)
        await keeper.pass_once()
        assert (await w.outcomes())["crm"] == "verifying"
        for _ in range(2):  # looked at and found, then deleted
            await w.settle()
            w.clock.advance(hours=1)
        await w.settle()
        assert upstream.customers.get(CANARY, 0) == 0
        assert await w.state() == "completed"
        assert (await w.view()).round == 2


async def test_E27_who_turned_up_while_the_store_was_gone_is_looked_for_once_it_is_back(tmp_path: Path) -> None:
    async with keeping(tmp_path) as (w, _, keeper, suppression):
        await w.submit()
        await w.settle()
        await keeper.pass_once()
        read(suppression)
        with closing(sqlite3.connect(tmp_path / "state.db", isolation_level=None)) as other:
            other.execute("ALTER TABLE erasure_tasks RENAME TO erasure_tasks_away")  # the order can't be written
            with pytest.raises(StoreUnavailable):
                await keeper.pass_once()
            other.execute("ALTER TABLE erasure_tasks_away RENAME TO erasure_tasks")
        await keeper.pass_once()
        assert (await w.outcomes())["crm"] == "verifying"


async def test_E27_a_stale_cache_that_goes_on_is_looked_into_daily_and_no_more(tmp_path: Path) -> None:
    async with keeping(tmp_path) as (w, _, keeper, suppression):
        await w.submit()
        await w.settle()
        await keeper.pass_once()
        for _ in range(48):
            read(suppression)
            await keeper.pass_once()
            await w.settle()
            w.clock.advance(hours=1)
        assert (await w.view()).round == 3


async def test_E27_kept_longer_where_that_is_wished(tmp_path: Path) -> None:
    async with one_target(tmp_path) as (w, _):
        keeper, suppression = suppressing(w, kept_after=timedelta(days=10))
        await w.submit()
        await w.settle()
        await keeper.pass_once()
        w.clock.advance(days=40)
        await w.settle()  # identities destroyed
        read(suppression)
        await keeper.pass_once()  # and nothing can be looked for
        assert read(suppression) == "ERASED"
        assert (await w.view()).round == 1
        w.clock.advance(days=6)
        await keeper.pass_once()
        assert read(suppression) == "EMAIL"


async def test_E27_more_people_than_fit_leave_out_the_oldest(tmp_path: Path) -> None:
    async with one_target(tmp_path) as (w, _):
        keeper, suppression = suppressing(w, most_keys=1)
        await w.submit()
        w.clock.advance(hours=1)
        await w.submit(body(OTHER_ID, "bert@example.org"))
        await keeper.pass_once()
        assert read(suppression) == "EMAIL"
        assert read(suppression, "bert@example.org") == "ERASED"


async def test_E30_what_people_attested_stays_attested_when_the_person_turns_up_again(tmp_path: Path) -> None:
    """Nobody can look into a filing cabinet once more: what two people said of it must not become unverified."""
    paper = ManualTarget(ManualSettings(name="paper", type="manual", instructions="Shred the file."))
    clock = Clock()
    async with running_upstream() as upstream:
        crm = http_target("crm", target_mapping(upstream.url), clock)
        async with world(tmp_path / "state.db", [crm, paper], clock) as w:
            keeper, suppression = suppressing(w)
            await w.submit()
            await w.settle()
            desk = Attestations(w.database, {"paper": 4})
            task = next(one.id for one in (await w.view()).tasks if one.target == "paper")
            for who in ("officer-one", "officer-two"):
                await desk.attest(ID, task, Attestation(who, Found.ERASED, "ab" * 32), clock())
            await w.settle()
            assert await w.state() == "completed"
            await keeper.pass_once()
            read(suppression)
            await keeper.pass_once()
            assert await w.outcomes() == {"crm": "verifying", "paper": "verified_erased"}
            await w.settle()
            assert (await w.view()).round == 2
            assert await w.state() == "completed"


@asynccontextmanager
async def rotating(database_url: str) -> AsyncIterator[World]:
    """A world in which one person is erased, and known by the first master key."""
    clock = Clock()
    async with running_upstream() as upstream:
        target = http_target("crm", target_mapping(upstream.url), clock)
        async with world(database_url, [target], clock) as w:
            await w.submit()
            await w.settle()
            keeper, _ = suppressing(w)
            await keeper.pass_once()
            yield w


def renewed(w: World) -> Intake:
    """What takes requests under the new master key."""
    requests = ErasureRequests(w.database, Seal(NEW.derive(Purpose.ERASURE_SEAL)))
    return Intake(requests, w.targets, NEW.pseudonymizer(Purpose.ERASURE_PSEUDONYM), DeadlinePolicy(), w.clock)


async def started(w: World, *masters: MasterKey, **changes: object) -> Suppression:
    keeper, suppression = suppressing(w, *masters, **changes)
    await keeper.start()
    await keeper.stop()
    return suppression


async def test_E27_who_was_erased_before_a_rotation_is_known_after_it(database_url: str) -> None:
    async with rotating(database_url) as w:
        suppression = await started(w, NEW, MASTER)
        assert read(suppression) == "ERASED"
        assert read(suppression, "bert@example.org") == "EMAIL"
        w.clock.advance(days=36)
        await w.settle()  # identities destroyed: nothing could be hashed anew
        assert read(await started(w, NEW, MASTER, kept_after=timedelta(days=10))) == "ERASED"


async def test_E27_who_is_erased_after_a_rotation_needs_no_former_key_for_it(database_url: str) -> None:
    async with rotating(database_url) as w:
        w.clock.advance(days=36)
        await w.settle()
        w.intake = renewed(w)
        await w.submit(body(OTHER_ID, "bert@example.org"))
        suppression = await started(w, NEW, MASTER)
        assert (read(suppression), read(suppression, "bert@example.org")) == ("EMAIL", "ERASED")
        assert read(await started(w, NEW), "bert@example.org") == "ERASED"


async def test_E27_a_replica_with_the_old_key_leaves_who_comes_under_the_new_one_to_others(
    database_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with rotating(database_url) as w:
        old, _ = suppressing(w)
        await old.start()
        w.intake = renewed(w)
        await w.submit(body(OTHER_ID, "bert@example.org"))
        await old.pass_once()  # can't open what the new key sealed
        assert read(await started(w, NEW, MASTER), "bert@example.org") == "ERASED"
        await old.pass_once()
        await old.stop()
        assert "version 2 of the master key, which is not configured" in caplog.text


async def test_E27_without_the_key_by_which_people_are_known_nothing_starts(database_url: str) -> None:
    async with rotating(database_url) as w:
        keeper, _ = suppressing(w, NEW)
        with pytest.raises(KeyMaterialError, match=r"version 1 of the master key.*keys\.previous"):
            await keeper.start()
        assert not keeper.healthy
        w.clock.advance(days=36)
        await w.settle()
        assert read(await started(w, NEW)) == "EMAIL"  # past the horizon nobody needs it


async def test_E27_who_became_known_before_versions_were_noted_is_compared_by_every_key(database_url: str) -> None:
    async with rotating(database_url) as w:
        await w.database.run(lambda c: c.execute(update(suppressed).values(key_version=None)))
        assert read(await started(w, NEW, MASTER)) == "ERASED"
        keeper, _ = suppressing(w, NEW)
        with pytest.raises(KeyMaterialError, match="version 1 of the master key"):
            await keeper.start()
