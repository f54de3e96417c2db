"""What only search clusters do: conflicts, refreshes, shards, mappings. The rest is in the contract suite."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from pydantic import ValidationError

from sidecar.errors import ConfigError
from sidecar.targets.search import SearchTarget
from sidecar.targets.target import DeleteStatus, TargetFault, VerifyStatus
from tests.targets.rig import ANNA
from tests.targets.search_rig import Cluster, running_cluster, search_settings, search_target


@asynccontextmanager
async def started(**changes: Any) -> AsyncIterator[tuple[Cluster, SearchTarget]]:
    async with running_cluster() as cluster:
        target = search_target(cluster.url, **changes)
        await target.start()
        yield cluster, target
        await target.stop()


async def test_E25_runs_again_until_there_are_no_conflicts() -> None:
    async with started() as (cluster, target):
        await cluster.put(ANNA)
        cluster.conflicts = [2, 1]
        assert (await target.delete(ANNA.identities)).count == 3
        assert cluster.calls.count("_delete_by_query") == 3
        assert await cluster.left(ANNA) == 0


async def test_E25_conflicts_without_end_are_busy() -> None:
    async with started() as (cluster, target):
        await cluster.put(ANNA)
        cluster.conflicts = [3] * 99
        result = await target.delete(ANNA.identities)
        assert (result.status, result.fault) == (DeleteStatus.FAILED, TargetFault.BUSY)
        assert cluster.calls.count("_delete_by_query") == 10


async def test_E25_what_was_written_just_now_is_seen() -> None:
    async with started() as (cluster, target):
        cluster.written.append(("chats-9", {"user.email": ANNA.email}))
        assert (await target.verify(ANNA.identities)).status is VerifyStatus.PRESENT


async def test_E25_deleted_documents_are_merged_away_where_that_is_asked_for() -> None:
    async with started(expunge="at_once") as (cluster, target):
        await target.delete(ANNA.identities)
        assert "_forcemerge" not in cluster.calls
        await cluster.put(ANNA)
        await target.delete(ANNA.identities)
        assert cluster.calls[-1] == "_forcemerge"


@pytest.mark.parametrize(
    "changes",
    [
        {"timed_out": True},
        {"hits": {"total": None}},
        {"count": "many"},
        {"_shards": {"total": 4, "successful": 3, "failed": 1}},
        {"_shards": {"total": 4, "successful": 3, "skipped": 0, "failed": 0}},  # one is nowhere, which is no failure
        {"_shards": None},
    ],
)
async def test_E28_an_answer_that_is_not_whole_is_no_look(changes: dict[str, Any]) -> None:
    async with started() as (cluster, target):
        cluster.changes = changes
        assert (await target.verify(ANNA.identities)).status is VerifyStatus.FAILED


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"failures": [{"cause": {}}]}, TargetFault.UNEXPECTED_BODY),
        ({"deleted": None}, TargetFault.UNEXPECTED_BODY),
        ({"timed_out": True}, TargetFault.BUSY),
    ],
)
async def test_E16_a_deletion_that_is_not_whole_is_a_failure(changes: dict[str, Any], fault: TargetFault) -> None:
    async with started() as (cluster, target):
        cluster.changes = changes
        assert (await target.delete(ANNA.identities)).fault is fault


@pytest.mark.parametrize(
    ("status", "fault"),
    [
        (404, TargetFault.MISCONFIGURED),
        (400, TargetFault.UNEXPECTED_STATUS),
        (401, TargetFault.NOT_PERMITTED),
        (429, TargetFault.BUSY),
        (503, TargetFault.UNEXPECTED_STATUS),
    ],
)
async def test_E16_statuses_are_faults(status: int, fault: TargetFault) -> None:
    async with started() as (cluster, target):
        cluster.status = status
        assert (await target.delete(ANNA.identities)).fault is fault
        assert (await target.verify(ANNA.identities)).fault is fault


async def test_E22_a_text_field_is_a_configuration_error_for_terms() -> None:
    async with running_cluster() as cluster:
        cluster.mapping = {"type": "text"}
        with pytest.raises(ConfigError) as caught:
            await search_target(cluster.url).start()
        assert "erasure.targets[0].indices[0].match[0].field: user.email is of type text" in str(caught.value)


@pytest.mark.parametrize("status", [401, 403, 404])
async def test_E22_what_the_cluster_refuses_is_a_configuration_error(status: int) -> None:
    async with running_cluster() as cluster:
        cluster.status = status
        with pytest.raises(ConfigError, match=f"HTTP {status}"):
            await search_target(cluster.url).start()


async def test_what_could_not_be_checked_at_start_is_checked_before_the_first_deletion() -> None:
    async with running_cluster() as cluster:
        cluster.status = 503
        target = search_target(cluster.url)
        await target.start()
        cluster.status, cluster.mapping = 200, {"type": "text"}
        assert (await target.delete(ANNA.identities)).fault is TargetFault.MISCONFIGURED
        assert "_delete_by_query" not in cluster.calls
        await target.stop()


async def test_every_call_is_authorized() -> None:
    async with started() as (cluster, target):
        await target.delete(ANNA.identities)
        await target.verify(ANNA.identities)
        assert set(cluster.authorization) == {"ApiKey hidden"}
        assert "hidden" not in repr(vars(target))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"url": "http://search.example.org"}, "plain HTTP"),
        ({"url": "https://search.example.org:99999"}, "no host and port"),
        ({"url": "https://search..example.org"}, "no host and port"),
        ({"url": "https://user:pass@search.example.org"}, "without user"),
        ({"indices": []}, "at least 1"),
        ({"indices": [{"index": "_all", "match": [{"field": "a", "value": "{email}"}]}]}, "pattern"),
        ({"indices": [{"index": "a", "match": [{"field": "a", "value": "fixed"}]}]}, "names no identity"),
    ],
)
def test_a_form_that_can_not_be_meant_is_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        search_settings(**{"url": "https://search.example.org", **changes})
