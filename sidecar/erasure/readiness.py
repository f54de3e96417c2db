"""What may be done next about a request, read off its tasks. Pure; the clock is passed in.

Live systems at once; the sidecar itself when no live system can bring the person back (E48); a backup set when its live
system is done, and again whenever the day comes that it waits for (E38). Nothing of somebody who is not identified.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Protocol

from sidecar.erasure.deadlines import ClockPolicy
from sidecar.erasure.outcomes import ENDED, RUNNABLE, WAITING, Outcome
from sidecar.erasure.plan import OWN_NAME, live_name

SHARES: Final = (50, 75, 90, 100)
"""Percent of the time between receipt and legal deadline (E15)."""
AT_WORK: Final = RUNNABLE | WAITING
_LEFT: Final = frozenset(Outcome) - ENDED - WAITING


class TaskRow(Protocol):
    """A task, as much as counts here."""

    @property
    def id(self) -> int: ...

    @property
    def target(self) -> str: ...

    @property
    def outcome(self) -> str: ...


class RequestRow(Protocol):
    """A request, as much as counts here."""

    @property
    def received_at(self) -> datetime: ...

    @property
    def legal_at(self) -> datetime: ...

    @property
    def overdue_at(self) -> datetime: ...

    @property
    def verified_at(self) -> datetime | None: ...

    @property
    def ended_at(self) -> datetime | None: ...

    @property
    def second_look_at(self) -> datetime | None: ...

    @property
    def sealed(self) -> object: ...

    @property
    def clock(self) -> str: ...

    @property
    def alerted_percent(self) -> int: ...


@dataclass(frozen=True, slots=True)
class Watched:
    """When a request is overdue, and when the next share of its time is used up. None: there is nothing to watch."""

    late_at: datetime | None = None
    alert_at: datetime | None = None


def is_backup(target: str) -> bool:
    """Tell a backup set by its name. No configured name has a slash."""
    return "/" in target


def ready_tasks(request: RequestRow, tasks: Sequence[TaskRow]) -> frozenset[int]:
    """Return the ids of tasks that may be run once they are due."""
    if request.verified_at is None or request.sealed is None:
        return frozenset()
    upstream = [task for task in tasks if task.target != OWN_NAME and not is_backup(task.target)]
    busy = any(task.outcome in AT_WORK for task in upstream)
    return frozenset(task.id for task in tasks if _may_run(request, task, tasks, busy=busy))


def _may_run(request: RequestRow, task: TaskRow, tasks: Sequence[TaskRow], *, busy: bool) -> bool:
    at_work = task.outcome in AT_WORK
    if is_backup(task.target):
        live = [other.outcome for other in tasks if other.target == live_name(task.target)]
        released = task.outcome == Outcome.RETAINED and request.ended_at is None and Outcome.RETAINED not in live
        return (at_work or released) and ENDED.issuperset(live)
    return at_work and not (task.target == OWN_NAME and busy)


def watched(request: RequestRow, outcomes: Collection[str]) -> Watched:
    """Return what of a request's time is to be watched: nothing where no live system has anything left.

    What is only looked at once more is not late: it was found gone in time.
    """
    looking = {Outcome.VERIFYING} if request.second_look_at is not None else frozenset()
    runs = request.clock == ClockPolicy.RUN or request.verified_at is not None
    if request.ended_at is not None or not runs or (_LEFT - looking).isdisjoint(outcomes):
        return Watched()
    return Watched(request.overdue_at, next_alert(request, request.alerted_percent))


def next_alert(request: RequestRow, alerted: int) -> datetime | None:
    """Return when the share after ``alerted`` percent is used up."""
    following = [percent for percent in SHARES if percent > alerted]
    return _when_used(request, following[0]) if following else None


def used_share(request: RequestRow, now: datetime) -> int:
    """Return the highest share that is used up, in percent; 0: not even the first."""
    return max((percent for percent in SHARES if _when_used(request, percent) <= now), default=0)


def period(request: RequestRow) -> timedelta:
    """Return how long a round of a request may take: what the law gave for the first, without what the clock stood.

    The deadline of a later round is as long after its beginning; so its beginning shows in its deadline.
    """
    began = request.verified_at if request.clock == ClockPolicy.PAUSE else None
    return request.legal_at - (began or request.received_at)


def _when_used(request: RequestRow, percent: int) -> datetime:
    given = period(request) // timedelta(milliseconds=1)
    return request.overdue_at - timedelta(milliseconds=given * (100 - percent) // 100)
