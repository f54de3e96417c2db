"""Deadlines as the law counts days (E33)."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.erasure.deadlines import PERIODS, ClockPolicy, DeadlinePolicy, Regulation, deadlines, extended

BERLIN = ZoneInfo("Europe/Berlin")
AUCKLAND = ZoneInfo("Pacific/Auckland")


@pytest.mark.parametrize(
    ("regulation", "zone", "received", "legal"),
    [
        ("gdpr", UTC, "2025-03-01T12:00:00Z", "2025-04-01T23:59:59Z"),
        ("gdpr", UTC, "2025-01-31T12:00:00Z", "2025-02-28T23:59:59Z"),
        ("gdpr", UTC, "2024-01-31T12:00:00Z", "2024-02-29T23:59:59Z"),
        ("gdpr", UTC, "2024-01-29T12:00:00Z", "2024-02-29T23:59:59Z"),
        ("gdpr", UTC, "2024-02-29T12:00:00Z", "2024-03-29T23:59:59Z"),
        ("gdpr", UTC, "2025-03-31T12:00:00Z", "2025-04-30T23:59:59Z"),
        ("gdpr", UTC, "2025-12-31T23:59:59Z", "2026-01-31T23:59:59Z"),
        ("gdpr", UTC, "2025-11-15T00:00:00Z", "2025-12-15T23:59:59Z"),
        # over both changes of summer time: the last second of the local day
        ("gdpr", BERLIN, "2025-03-01T12:00:00Z", "2025-04-01T21:59:59Z"),
        ("gdpr", BERLIN, "2025-10-01T12:00:00Z", "2025-11-01T22:59:59Z"),
        # received when it is the next day already where the law counts
        ("gdpr", AUCKLAND, "2025-01-30T12:00:00Z", "2025-02-28T10:59:59Z"),
        ("gdpr", BERLIN, "2025-05-31T22:30:00Z", "2025-07-01T21:59:59Z"),
        # a Sunday, Christmas: not moved to the next working day
        ("gdpr", UTC, "2025-11-25T12:00:00Z", "2025-12-25T23:59:59Z"),
        ("uk_gdpr", UTC, "2025-08-31T12:00:00Z", "2025-09-30T23:59:59Z"),
        ("ccpa", UTC, "2025-01-01T12:00:00Z", "2025-02-15T23:59:59Z"),
        ("ccpa", UTC, "2024-01-15T12:00:00Z", "2024-02-29T23:59:59Z"),
        ("lgpd", UTC, "2025-02-20T12:00:00Z", "2025-03-07T23:59:59Z"),
    ],
)
def test_E33_legal_dates(regulation: str, zone: ZoneInfo | timezone, received: str, legal: str) -> None:
    found = deadlines(Regulation(regulation), datetime.fromisoformat(received), None, DeadlinePolicy(zone))
    assert found.legal == datetime.fromisoformat(legal)
    assert found.internal <= found.legal


def test_the_clock_runs_from_what_was_said_if_that_is_earlier() -> None:
    received = datetime(2025, 3, 10, tzinfo=UTC)
    earlier, later = received - timedelta(days=9), received + timedelta(days=9)
    plain = deadlines(Regulation.GDPR, received, None, DeadlinePolicy())
    assert deadlines(Regulation.GDPR, received, earlier, DeadlinePolicy()).legal == datetime(
        2025, 4, 1, 23, 59, 59, tzinfo=UTC
    )
    assert deadlines(Regulation.GDPR, received, later, DeadlinePolicy()) == plain


@given(
    st.sampled_from(Regulation),
    st.datetimes(datetime(2000, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC)),
    st.timedeltas(timedelta(), timedelta(days=100)),
    st.sampled_from([UTC, BERLIN, AUCKLAND, ZoneInfo("America/Los_Angeles")]),
)
def test_E33_internal_never_after_legal_and_both_after_receipt(
    regulation: Regulation, received: datetime, lead: timedelta, zone: ZoneInfo
) -> None:
    found = deadlines(regulation, received, None, DeadlinePolicy(zone, lead))
    assert received < found.internal <= found.legal
    assert found.legal - received < timedelta(days=47)


def test_every_regulation_has_a_period_with_a_source() -> None:
    assert set(PERIODS) == set(Regulation)
    assert all(period.source for period in PERIODS.values())


@pytest.mark.parametrize(
    ("received", "internal"),
    [
        ("2025-03-01T12:00:00Z", "2025-03-25"),  # a Tuesday
        ("2025-03-06T12:00:00Z", "2025-03-28"),  # 30 March is a Sunday: the Friday before
        ("2025-12-03T12:00:00Z", "2025-12-24"),  # 27 December is a Saturday after two holidays
    ],
)
def test_E33_our_own_target_is_on_a_working_day(received: str, internal: str) -> None:
    policy = DeadlinePolicy(holidays=frozenset({date(2025, 12, 25), date(2025, 12, 26)}))
    found = deadlines(Regulation.GDPR, datetime.fromisoformat(received), None, policy)
    assert found.internal.date().isoformat() == internal


@pytest.mark.parametrize(
    ("regulation", "legal", "prolonged"),
    [
        ("gdpr", "2025-02-28T23:59:59Z", "2025-04-28T23:59:59Z"),
        ("gdpr", "2024-12-31T23:59:59Z", "2025-02-28T23:59:59Z"),
        ("uk_gdpr", "2025-06-30T23:59:59Z", "2025-08-30T23:59:59Z"),
        ("ccpa", "2025-02-15T23:59:59Z", "2025-04-01T23:59:59Z"),
    ],
)
def test_E34_extended_dates(regulation: str, legal: str, prolonged: str) -> None:
    found = extended(Regulation(regulation), datetime.fromisoformat(legal), DeadlinePolicy())
    assert found == datetime.fromisoformat(prolonged)


def test_E7_only_laws_that_let_the_clock_stand_still_do() -> None:
    policy = DeadlinePolicy(unverified=ClockPolicy.PAUSE)
    assert [one.value for one in Regulation if policy.clock(one) is ClockPolicy.PAUSE] == ["gdpr", "uk_gdpr"]
