"""Which tasks of a request may be run, and what of its time is watched: by the tasks alone."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import pytest

from sidecar.erasure.deadlines import ClockPolicy
from sidecar.erasure.outcomes import Outcome
from sidecar.erasure.plan import OWN_NAME
from sidecar.erasure.readiness import Watched, next_alert, period, ready_tasks, used_share, watched

DAY = timedelta(days=1)
RECEIVED = datetime(2025, 3, 1, tzinfo=UTC)
Plan = dict[str, Outcome]


@dataclass(frozen=True)
class Request:
    received_at: datetime = RECEIVED
    legal_at: datetime = RECEIVED + 30 * DAY
    overdue_at: datetime = RECEIVED + 30 * DAY
    verified_at: datetime | None = RECEIVED
    ended_at: datetime | None = None
    second_look_at: datetime | None = None
    sealed: bytes | None = b"sealed"
    clock: str = ClockPolicy.RUN.value
    alerted_percent: int = 0


@dataclass(frozen=True)
class Task:
    id: int
    target: str
    outcome: str


OPEN = Request()


def ready(request: Request, plan: Plan) -> list[str]:
    tasks = [Task(number, target, outcome.value) for number, (target, outcome) in enumerate(plan.items())]
    found = ready_tasks(request, tasks)
    return [task.target for task in tasks if task.id in found]


@pytest.mark.parametrize(
    ("plan", "expected"),
    [
        ({"crm": Outcome.PENDING, OWN_NAME: Outcome.PENDING}, ["crm"]),
        ({"crm": Outcome.RETRYABLE_FAILURE, "shop": Outcome.VERIFIED_ERASED}, ["crm"]),
        ({"crm": Outcome.KEY_PENDING, OWN_NAME: Outcome.PENDING}, ["crm"]),
        ({"crm": Outcome.VERIFIED_ERASED, OWN_NAME: Outcome.PENDING}, [OWN_NAME]),  # E48: last
        ({"crm": Outcome.MANUAL_REQUIRED, OWN_NAME: Outcome.PENDING}, [OWN_NAME]),  # waits for a person
        ({"crm": Outcome.CAPABILITY_UNRESOLVED, OWN_NAME: Outcome.VERIFYING}, [OWN_NAME]),
        ({"crm": Outcome.PENDING, "crm/nightly": Outcome.PENDING}, ["crm"]),
        ({"crm": Outcome.MANUAL_REQUIRED, "crm/nightly": Outcome.PENDING}, []),
        ({"crm": Outcome.VERIFIED_ERASED, "crm/nightly": Outcome.PENDING}, ["crm/nightly"]),  # E38
        ({"crm": Outcome.UNVERIFIED, "crm/nightly": Outcome.AWAITING_EXPIRY}, ["crm/nightly"]),
        ({"crm": Outcome.RETAINED, "crm/nightly": Outcome.RETAINED}, []),
        ({"crm": Outcome.VERIFIED_ERASED, "crm/nightly": Outcome.RETAINED}, ["crm/nightly"]),
        ({"shop": Outcome.PENDING, "crm": Outcome.UNVERIFIED, "crm/nightly": Outcome.PENDING}, ["shop", "crm/nightly"]),
        ({"crm": Outcome.VERIFIED_ERASED, "crm/nightly": Outcome.PENDING, OWN_NAME: Outcome.PENDING},
         ["crm/nightly", OWN_NAME]),  # no traffic reads a backup
    ],
)  # fmt: skip
def test_E38_E48_what_goes_last_waits_for_the_others(plan: Plan, expected: list[str]) -> None:
    assert ready(OPEN, plan) == expected


def test_E7_nothing_of_somebody_who_is_not_identified_or_was_forgotten() -> None:
    plan = {"crm": Outcome.PENDING}
    assert ready(replace(OPEN, verified_at=None), plan) == []
    assert ready(replace(OPEN, sealed=None), plan) == []


def test_a_backup_that_is_kept_is_not_looked_at_once_the_request_has_ended() -> None:
    plan = {"crm": Outcome.VERIFIED_ERASED, "crm/nightly": Outcome.RETAINED}
    assert ready(replace(OPEN, ended_at=RECEIVED), plan) == []


def test_E15_the_deadline_is_watched_while_a_live_system_has_something_left() -> None:
    at_work = Watched(OPEN.overdue_at, RECEIVED + 15 * DAY)
    assert watched(OPEN, [Outcome.PENDING, Outcome.VERIFIED_ERASED]) == at_work
    assert watched(OPEN, [Outcome.MANUAL_REQUIRED]) == at_work
    assert watched(OPEN, [Outcome.VERIFIED_ERASED, Outcome.AWAITING_EXPIRY]) == Watched()
    assert watched(replace(OPEN, ended_at=RECEIVED), [Outcome.PENDING]) == Watched()


def test_E7_no_deadline_is_watched_while_the_clock_stands_still() -> None:
    paused = replace(OPEN, clock=ClockPolicy.PAUSE.value, verified_at=None)
    assert watched(paused, [Outcome.PENDING]) == Watched()
    assert watched(replace(paused, verified_at=RECEIVED), [Outcome.PENDING]) != Watched()


def test_E27_a_second_look_alone_is_not_late_but_what_it_finds_is() -> None:
    looking = replace(OPEN, second_look_at=RECEIVED + DAY)
    assert watched(looking, [Outcome.VERIFYING, Outcome.VERIFIED_ERASED]) == Watched()
    assert watched(looking, [Outcome.RETRYABLE_FAILURE]).late_at == OPEN.overdue_at


def test_E15_shares_of_a_later_round_are_counted_from_its_beginning() -> None:
    """Else whoever has everybody erased once more is told that ten years of requests have used up their time."""
    again = replace(OPEN, overdue_at=RECEIVED + 395 * DAY)  # reopened a year later
    assert used_share(again, RECEIVED + 365 * DAY) == 0
    assert next_alert(again, 0) == RECEIVED + 380 * DAY


def test_E7_time_for_which_the_clock_stood_still_is_used_up_by_nobody() -> None:
    identified = RECEIVED + 100 * DAY
    deadline = identified + 30 * DAY
    paused = replace(
        OPEN, clock=ClockPolicy.PAUSE.value, verified_at=identified, legal_at=deadline, overdue_at=deadline
    )
    assert used_share(paused, identified) == 0
    assert next_alert(paused, 0) == identified + 15 * DAY
    assert period(paused) == 30 * DAY


def test_E15_shares_come_one_after_the_other() -> None:
    assert [next_alert(OPEN, told) for told in (0, 50, 75, 90, 100)] == [
        RECEIVED + 15 * DAY, RECEIVED + 22.5 * DAY, RECEIVED + 27 * DAY, RECEIVED + 30 * DAY, None
    ]  # fmt: skip
    millisecond = timedelta(milliseconds=1)
    for told, percent in ((0, 50), (50, 75), (75, 90), (90, 100)):
        moment = next_alert(OPEN, told)
        assert moment is not None
        assert (used_share(OPEN, moment - millisecond), used_share(OPEN, moment)) == (told, percent)
