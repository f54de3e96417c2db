"""HTTP targets against a real server that misbehaves on command."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from sidecar.erasure.request import IdentityType, SubjectIdentity
from sidecar.targets.http import HttpTarget
from sidecar.targets.http_settings import parse_http_target
from sidecar.targets.target import DeleteStatus, TargetFault, VerifyStatus
from tests.targets.upstream import Mode, Upstream, running_upstream, target_mapping

EMAIL = "anna.canary+x@example.org"
PERSON = (SubjectIdentity(IdentityType.EMAIL, EMAIL),)
NOW = datetime(2025, 3, 1, 12, tzinfo=UTC)


@asynccontextmanager
async def started(mapping: dict[str, Any], headers: dict[str, str] | None = None) -> AsyncIterator[HttpTarget]:
    target = HttpTarget(parse_http_target("crm", mapping, headers or {}, "targets[0]"), clock=lambda: NOW)
    await target.start()
    try:
        yield target
    finally:
        await target.stop()


@asynccontextmanager
async def both(mode: Mode = Mode.GOOD) -> AsyncIterator[tuple[Upstream, HttpTarget]]:
    """``mode``: how the upstream behaves. One that always hangs need not be waited for long."""
    async with running_upstream() as upstream:
        upstream.mode = mode
        mapping = target_mapping(upstream.url, 0.5) if mode is Mode.HANG else target_mapping(upstream.url)
        upstream.customers[EMAIL] = 3
        async with started(mapping) as target:
            yield upstream, target


async def test_deletes_and_sees_by_another_path_that_it_is_gone() -> None:
    async with both() as (upstream, target):
        before = await target.verify(PERSON)
        deleted = await target.delete(PERSON)
        after = await target.verify(PERSON)
        assert (before.status, before.count) == (VerifyStatus.PRESENT, 3)
        assert (deleted.status, deleted.count, deleted.http_status) == (DeleteStatus.DELETED, 3, 200)
        assert (after.status, after.count) == (VerifyStatus.GONE, 0)
        assert upstream.customers == {}
        assert [method for method, _ in upstream.calls] == ["GET", "DELETE", "GET"]


@pytest.mark.parametrize(
    ("mode", "fault", "status"),
    [
        (Mode.ZERO, TargetFault.UNEXPECTED_BODY, 200),
        (Mode.HTML, TargetFault.UNEXPECTED_BODY, 200),
        (Mode.NOT_JSON, TargetFault.UNEXPECTED_BODY, 200),
        (Mode.REDIRECT, TargetFault.REDIRECTED, 307),
        (Mode.FAIL, TargetFault.UNEXPECTED_STATUS, 500),
        (Mode.HANG, TargetFault.TIMED_OUT, None),
        (Mode.CLOSE, TargetFault.CLOSED_EARLY, None),
        (Mode.HUGE, TargetFault.TOO_LARGE, None),
    ],
)
async def test_E16_E18_whatever_is_not_the_described_success_is_a_fault(
    mode: Mode, fault: TargetFault, status: int | None
) -> None:
    async with both(mode) as (upstream, target):
        result = await target.delete(PERSON)
        assert (result.status, result.fault, result.http_status) == (DeleteStatus.FAILED, fault, status)
        assert upstream.customers == {EMAIL: 3}
        assert not any("elsewhere" in path for _, path in upstream.calls)


async def test_E16_404_counts_as_no_data_only_where_the_target_is_configured_so() -> None:
    async with running_upstream() as upstream:
        lenient, strict = target_mapping(upstream.url), target_mapping(upstream.url)
        del strict["delete"]["no_data"]  # type: ignore[attr-defined]
        async with started(lenient) as target:
            assert (await target.delete(PERSON)).status is DeleteStatus.NO_DATA
        async with started(strict) as target:
            result = await target.delete(PERSON)
            assert (result.status, result.fault) == (DeleteStatus.FAILED, TargetFault.UNEXPECTED_STATUS)


async def test_E29_without_a_verify_call_verification_is_impossible_not_passed() -> None:
    async with running_upstream() as upstream:
        mapping = target_mapping(upstream.url)
        del mapping["verify"]
        async with started(mapping) as target:
            assert (await target.verify(PERSON)).status is VerifyStatus.IMPOSSIBLE


@pytest.mark.parametrize(
    ("total", "status"),
    [
        ("5", VerifyStatus.FAILED),
        (None, VerifyStatus.FAILED),
        (2**31, VerifyStatus.PRESENT),
        (5.0, VerifyStatus.PRESENT),
        (0.0, VerifyStatus.GONE),
    ],
)
async def test_E28_a_count_that_can_not_be_read_is_not_gone(total: Any, status: VerifyStatus) -> None:
    async with running_upstream() as upstream:
        mapping: dict[str, Any] = target_mapping(upstream.url)
        mapping["verify"]["gone"] = {"status": [200], "where": ["/errors absent"]}
        async with started(mapping) as target:
            upstream.customers[EMAIL] = total
            assert (await target.verify(PERSON)).status is status


@pytest.mark.parametrize("mode", [Mode.HTML, Mode.FAIL, Mode.HANG, Mode.NOT_JSON, Mode.REDIRECT, Mode.CLOSE])
async def test_a_look_that_failed_says_nothing(mode: Mode) -> None:
    async with both(mode) as (_, target):
        assert (await target.verify(PERSON)).status is VerifyStatus.FAILED


@pytest.mark.parametrize(
    ("header", "wait"),
    [
        ("120", timedelta(seconds=120)),
        ("Sat, 01 Mar 2025 12:05:00 GMT", timedelta(minutes=5)),
        ("Sat, 01 Mar 2025 11:00:00 GMT", timedelta()),
        ("soon", None),
        ("99999999999999999999", None),
    ],
)
async def test_E14_retry_after_is_read(header: str, wait: timedelta | None) -> None:
    async with both() as (upstream, target):
        upstream.mode, upstream.retry_after = Mode.BUSY, header
        assert (await target.delete(PERSON)).retry_after == wait


async def test_an_unreachable_target_is_a_fault() -> None:
    async with running_upstream() as upstream:
        mapping = target_mapping(upstream.url)
    async with started(mapping) as target:
        assert (await target.delete(PERSON)).fault is TargetFault.UNREACHABLE


async def test_values_are_escaped_in_query_path_and_body() -> None:
    hostile = 'x"}&admin=1#?ä @example.org'
    async with running_upstream() as upstream:
        mapping: dict[str, Any] = target_mapping(upstream.url)
        mapping["delete"] |= {
            "method": "POST",
            "url": f"{upstream.url}/{{email}}?q={{email}}",
            "body": {"e": "<{email}>"},
        }
        async with started(mapping) as target:
            await target.delete((SubjectIdentity(IdentityType.EMAIL, hostile),))
        encoded = "x%22%7D%26admin%3D1%23%3F%C3%A4%20%40example.org"
        assert upstream.calls == [("POST", f"/{encoded}?q={encoded}")]
        assert upstream.bodies == [b'{"e":"<x\\"}&admin=1#?\\u00e4 @example.org>"}']


@pytest.mark.parametrize("value", ["..", ".", "a/../b", "a\\b"])
async def test_a_value_that_would_change_the_path_is_never_sent(value: str) -> None:
    async with running_upstream() as upstream:
        mapping: dict[str, Any] = target_mapping(upstream.url)
        mapping["delete"]["url"] = f"{upstream.url}/customers/{{customer_id}}"
        mapping["verify"]["url"] = f"{upstream.url}/customers/{{customer_id}}"
        async with started(mapping) as target:
            person = (SubjectIdentity(IdentityType.CUSTOMER_ID, value),)
            assert (await target.delete(person)).fault is TargetFault.IDENTITY_UNUSABLE
            assert (await target.verify(person)).status is VerifyStatus.IMPOSSIBLE
        assert upstream.calls == []


async def test_secrets_go_with_both_calls_and_show_in_no_repr() -> None:
    async with running_upstream() as upstream:
        headers = {"Authorization": "Bearer hidden-secret"}
        settings = parse_http_target("crm", target_mapping(upstream.url), headers, "targets[0]")
        assert "hidden-secret" not in repr(settings)
        async with started(target_mapping(upstream.url), headers) as target:
            await target.delete(PERSON)
            await target.verify(PERSON)
        assert [one["Authorization"] for one in upstream.headers] == ["Bearer hidden-secret"] * 2


async def test_E18_a_certificate_that_no_authority_signed_is_refused(tmp_path: Path) -> None:
    from tests.targets.self_signed import running_tls_server

    async with running_tls_server(tmp_path) as (url, calls):
        async with started(target_mapping(url)) as target:
            assert (await target.delete(PERSON)).fault is TargetFault.TLS
        assert calls == []
