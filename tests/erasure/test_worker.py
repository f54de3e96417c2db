"""The life of erasures through real SQLite and a real, misbehaving upstream, with a turned clock."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from sidecar.erasure.worker import WorkerSettings
from tests.erasure.world import (
    CANARY,
    ID,
    body,
    http_target,
    one_target,
    receipt_body,
    world,
)
from tests.targets.upstream import Mode, target_mapping


async def test_deletes_verifies_and_signs(tmp_path: Path) -> None:
    async with one_target(tmp_path) as (w, upstream):
        await w.submit()
        assert await w.state() == "pending"
        await w.settle()
        assert upstream.customers == {}
        assert await w.state() == "completed"
        assert await w.outcomes() == {"crm": "verified_erased"}
        data = await w.stores.requests.receipt(ID)
        assert data is not None
        receipt = receipt_body(data)
        assert receipt["targets"] == [
            {
                "target": "crm",
                "outcome": "verified_erased",
                "found_count": None,
                "claimed_deleted_count": 2,
                "claimed_counts": None,
                "remaining_count": 0,
                "verified_time": "2025-03-01T12:00:00Z",
                "until_time": None,
                "ground": None,
                "evidence": [],
            }
        ]
        assert CANARY.encode() not in data
        assert w.ledger.routes() == ["crm:delete", "crm:verify", "receipt"]


async def test_somebody_unknown_ends_as_verified_no_data(tmp_path: Path) -> None:
    async with one_target(tmp_path) as (w, upstream):
        await w.submit(body(email="nobody@example.org"))
        await w.settle()
        assert await w.outcomes() == {"crm": "verified_no_data"}
        assert upstream.customers == {CANARY: 2}


@pytest.mark.parametrize("mode", [Mode.ZERO, Mode.HTML, Mode.NOT_JSON, Mode.LIE, Mode.FAIL, Mode.REDIRECT, Mode.HUGE])
async def test_E16_E18_no_false_success_and_a_good_end_once_the_target_is_sane(tmp_path: Path, mode: Mode) -> None:
    async with one_target(tmp_path) as (w, upstream):
        upstream.mode = mode
        await w.submit()
        await w.settle()
        assert await w.outcomes() == {"crm": "retryable_failure"}
        assert await w.state() == "in_progress"
        assert await w.stores.requests.receipt(ID) is None
        upstream.mode = Mode.GOOD
        w.clock.advance(hours=1)
        await w.settle()
        assert await w.outcomes() == {"crm": "verified_erased"}


async def test_E14_down_for_six_days_is_erased_on_the_sixth_with_capped_backoff(tmp_path: Path) -> None:
    async with one_target(tmp_path) as (w, upstream):
        upstream.mode = Mode.FAIL
        await w.submit()
        for _ in range(6 * 24):
            await w.worker.pass_once()
            w.clock.advance(hours=1)
        tried = upstream.count("DELETE")
        assert tried == 6 * 24  # every hour and never given up
        upstream.mode = Mode.GOOD
        w.clock.advance(hours=1)
        await w.settle()
        assert await w.state() == "completed"


async def test_E14_retry_after_is_honoured_but_never_for_longer_than_a_day(tmp_path: Path) -> None:
    async with one_target(tmp_path) as (w, upstream):
        upstream.mode, upstream.retry_after = Mode.BUSY, "7200"
        await w.submit()
        await w.settle()
        w.clock.advance(seconds=7199)
        await w.settle()
        assert upstream.count("DELETE") == 1
        upstream.retry_after = "999999999"
        w.clock.advance(seconds=1)
        await w.settle()
        assert upstream.count("DELETE") == 2
        w.clock.advance(hours=24)
        await w.settle()
        assert upstream.count("DELETE") == 3


async def test_E15_past_the_deadline_is_overdue_still_tried_and_never_completed_by_time(tmp_path: Path) -> None:
    async with one_target(tmp_path) as (w, upstream):
        upstream.mode = Mode.FAIL
        await w.submit()
        w.clock.advance(days=31)
        await w.settle()
        assert await w.state() == "in_progress"  # 1 April, the last day
        w.clock.advance(days=365)
        await w.settle()
        assert await w.state() == "overdue"
        assert w.metrics.registry.get_sample_value("sidecar_erasure_overdue_requests") == 1
        assert await w.stores.requests.receipt(ID) is None
        upstream.mode = Mode.GOOD
        w.clock.advance(hours=1)
        await w.settle()
        assert await w.state() == "completed"
        data = await w.stores.requests.receipt(ID)
        assert data is not None
        assert receipt_body(data)["late"] is True
        assert w.metrics.registry.get_sample_value("sidecar_erasure_overdue_requests") == 0


async def test_E17_a_timeout_after_the_deletion_ends_as_one_success(tmp_path: Path) -> None:
    async with one_target(tmp_path) as (w, upstream):
        upstream.mode = Mode.DELETE_AND_HANG
        await w.submit()
        await w.settle()
        assert await w.outcomes() == {"crm": "retryable_failure"}
        assert upstream.customers == {}
        upstream.mode = Mode.GOOD
        w.clock.advance(hours=1)
        await w.settle()
        assert await w.outcomes() == {"crm": "verified_no_data"}
        receipt = await w.stores.requests.receipt(ID)
        assert receipt is not None
        assert receipt_body(receipt)["state"] == "completed"


async def test_E16_a_404_counts_only_when_verification_agrees(tmp_path: Path) -> None:
    async with one_target(tmp_path) as (w, upstream):
        delete: Any = target_mapping(upstream.url)["delete"]
        mapping = target_mapping(upstream.url) | {"delete": delete | {"url": f"{upstream.url}/wrong?mail={{email}}"}}
        async with world(tmp_path / "other.db", [http_target("crm", mapping, w.clock)], w.clock) as misled:
            await misled.submit()
            await misled.settle()
            assert await misled.outcomes() == {"crm": "retryable_failure"}
            assert upstream.customers == {CANARY: 2}


async def test_E29_what_can_not_be_verified_is_shown_as_unverified(tmp_path: Path) -> None:
    async with one_target(tmp_path, verify=None) as (w, _):
        await w.submit()
        await w.settle()
        assert await w.outcomes() == {"crm": "unverified"}
        assert await w.state() == "ended_with_exceptions"
        data = await w.stores.requests.receipt(ID)
        assert data is not None
        receipt = receipt_body(data)
        assert receipt["state"] == "ended_with_exceptions"
        assert (receipt["targets"][0]["outcome"], receipt["targets"][0]["verified_time"]) == ("unverified", None)


async def test_work_that_the_target_took_on_is_looked_at_until_it_is_done(tmp_path: Path) -> None:
    async with one_target(tmp_path) as (w, upstream):
        upstream.mode = Mode.ASYNC
        await w.submit()
        for _ in range(4):
            await w.settle()
            assert await w.outcomes() == {"crm": "submitted"}
            w.clock.advance(hours=1)
        assert upstream.count("DELETE") == 1
        upstream.finish()
        await w.settle()
        assert await w.outcomes() == {"crm": "verified_erased"}


async def test_work_that_never_ends_is_ordered_again(tmp_path: Path) -> None:
    async with one_target(tmp_path) as (w, upstream):
        upstream.mode = Mode.ASYNC
        await w.submit()
        await w.settle()
        w.clock.advance(days=2)
        await w.settle()
        w.clock.advance(hours=1)
        await w.settle()
        assert upstream.count("DELETE") == 2
        assert await w.outcomes() == {"crm": "submitted"}


async def test_E7_nothing_is_destroyed_before_the_person_is_identified(tmp_path: Path) -> None:
    async with one_target(tmp_path) as (w, upstream):
        await w.submit(body(verified_by=None))
        await w.settle()
        assert await w.state() == "awaiting_verification"
        assert upstream.calls == []
        w.clock.advance(days=40)
        assert await w.state() == "overdue"  # the clock ran from receipt
        await w.stores.requests.confirm(ID, "document_check", w.clock())
        await w.settle()
        assert await w.state() == "completed"


def test_E20_replicas_with_long_host_names_have_names_of_their_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else each would take from the other, at its start, what that is at."""
    names = []
    for host in ("pod-0", f"{'long-' * 11}pod-abcd", f"{'long-' * 11}pod-efgh"):  # 63 characters are allowed
        monkeypatch.setattr("sidecar.erasure.worker.gethostname", lambda host=host: host)
        names.append(WorkerSettings().name)
    assert names[0] == "erasure@pod-0"
    assert names[1] != names[2]
    assert max(map(len, names)) == 64
