"""Who is erased is known to traffic while the request can be repeated, and is looked for again who turns up (E27)."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from datetime import timedelta
from pathlib import Path

import pytest

from sidecar.detection.recognizer import Message
from sidecar.detection.span import Span
from sidecar.erasure.suppressing import Suppressing, SuppressingSettings
from sidecar.errors import StoreUnavailable
from sidecar.keys import Purpose
from sidecar.redaction.suppression import Suppression, suppression_keys
from sidecar.stores.erasure_attestations import Attestation, Attestations, Found
from sidecar.stores.erasure_suppressions import ErasureSuppressions
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

KEYS = MASTER.pseudonymizer(Purpose.SUPPRESSION)


def suppressing(w: World, **changes: object) -> tuple[Suppressing, Suppression]:
    suppression = Suppression(KEYS)
    seal = Seal(MASTER.derive(Purpose.ERASURE_SEAL))
    store = ErasureSuppressions(w.database, seal, lambda one: suppression_keys(one.type.value, one.value, KEYS))
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
