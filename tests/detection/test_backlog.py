"""Who is turned away because others wait, and who is not (D14, P40)."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.detection.backlog import Backlog, Patience, Ticket, patience_of_caller, patient, weight_of
from sidecar.detection.recognizer import Message
from sidecar.errors import DetectionFailed, DetectionFault


class Hands:
    """A clock that somebody turns."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


class Queue:
    """A backlog of one worker that reads 1,000 units a second."""

    def __init__(self, workers: int = 1, longest_wait_s: float = 10.0, most: int = 256) -> None:
        self.clock = Hands()
        self.backlog = Backlog(workers, longest_wait_s, most)
        warm = self.ticket(1)
        for _ in range(300):  # until nothing is left of what is assumed at first
            self.backlog.join(warm)
            self.backlog.take(warm)
            self.backlog.put_down(warm, 0.001)

    def caller(self, seconds: float = 30.0) -> Patience:
        return Patience(seconds, self.clock)

    def ticket(self, weight: int, caller: Patience | None = None) -> Ticket:
        return Ticket(weight, caller or self.caller())

    def refuses(self, weight: int, caller: Patience | None = None) -> DetectionFailed | None:
        try:
            self.backlog.admit(weight, 1, caller or self.caller())
        except DetectionFailed as failure:
            return failure
        return None


def test_who_would_wait_too_long_is_turned_away_at_once_and_told_when_to_come_again() -> None:
    queue = Queue()
    queue.backlog.join(queue.ticket(9_000))
    assert queue.refuses(1) is None
    assert not queue.backlog.is_full
    queue.backlog.join(queue.ticket(2_500))
    failure = queue.refuses(1)
    assert failure is not None
    assert (failure.fault, failure.retry_s) == (DetectionFault.OVERLOADED, 12)
    assert queue.backlog.is_full


def test_more_workers_take_more() -> None:
    queue = Queue(workers=2)
    queue.backlog.join(queue.ticket(19_000))
    assert queue.refuses(1) is None
    queue.backlog.join(queue.ticket(2_000))
    assert queue.refuses(1) is not None


def test_who_has_too_little_time_left_behind_others_is_turned_away() -> None:
    queue = Queue()
    queue.backlog.join(queue.ticket(5_000))
    assert queue.refuses(1_000, queue.caller(seconds=7)) is None
    assert queue.refuses(3_000, queue.caller(seconds=7)) is not None


def test_where_nobody_else_waits_everything_is_tried() -> None:
    queue = Queue()
    caller = queue.caller(seconds=1)
    assert queue.refuses(1_000_000, caller) is None
    queue.backlog.join(queue.ticket(1_000_000, caller))
    assert queue.refuses(1_000_000, caller) is None, "its own batches are nobody else's"
    assert queue.refuses(1) is not None


def test_the_number_of_batches_is_bounded_however_short_they_are() -> None:
    queue = Queue(most=2)
    first, second = queue.ticket(1), queue.ticket(1)
    queue.backlog.join(first)
    assert queue.refuses(1) is None
    queue.backlog.join(second)
    assert queue.refuses(1) is not None
    assert queue.backlog.is_full
    queue.backlog.leave(second)
    assert queue.refuses(1) is None


def test_a_batch_whose_caller_waited_too_long_is_not_read_any_more() -> None:
    queue = Queue()
    late = queue.ticket(10)
    queue.backlog.join(late)
    queue.clock.now += 11
    with pytest.raises(DetectionFailed, match="waited too long"):
        queue.backlog.take(late)
    assert len(queue.backlog) == 0
    assert not queue.backlog.is_full


def test_nor_is_one_that_can_t_be_read_in_time_because_of_others() -> None:
    queue = Queue(longest_wait_s=100)
    late = queue.ticket(10_000, queue.caller(seconds=15))
    queue.backlog.join(late)
    queue.clock.now += 8
    with pytest.raises(DetectionFailed, match="waited too long"):
        queue.backlog.take(late)


def test_the_time_that_goes_by_behind_one_s_own_batches_is_no_wait() -> None:
    queue = Queue()
    caller = queue.caller(seconds=10)
    first, second = queue.ticket(1, caller), queue.ticket(1, caller)
    for one in (first, second):
        queue.backlog.join(one)
    queue.clock.now += 2
    queue.backlog.take(first)
    queue.clock.now += 7
    queue.backlog.put_down(first, None)
    assert caller.waited_s == 2
    assert not caller.is_crowded_out
    queue.clock.now += 4
    assert caller.waited_s == 6
    assert caller.is_crowded_out


def test_the_pace_is_that_of_late() -> None:
    queue = Queue()
    for _ in range(100):  # ten times as slow as before
        one = queue.ticket(1_000)
        queue.backlog.join(one)
        queue.backlog.take(one)
        queue.backlog.put_down(one, 10.0)
    queue.backlog.join(queue.ticket(2_000))
    assert queue.refuses(1) is not None


def test_what_failed_says_nothing_of_the_pace() -> None:
    queue = Queue()
    one = queue.ticket(1)
    queue.backlog.join(one)
    queue.backlog.take(one)
    queue.backlog.put_down(one, None)
    queue.backlog.join(queue.ticket(9_000))
    assert queue.refuses(1) is None


@given(st.lists(st.tuples(st.integers(0, 3), st.sampled_from(["join", "leave", "take", "put_down"])), max_size=60))
def test_whatever_happens_to_batches_an_empty_backlog_weighs_nothing(steps: list[tuple[int, str]]) -> None:
    queue = Queue()
    callers = [queue.caller(), queue.caller()]
    tickets = [queue.ticket(100 + index, callers[index % 2]) for index in range(4)]
    where = ["out"] * 4
    for index, step in steps:
        ticket = tickets[index]
        if (where[index], step) == ("out", "join"):
            queue.backlog.join(ticket)
            where[index] = "waiting"
        elif step == "leave":
            queue.backlog.leave(ticket)
            where[index] = "worked" if where[index] == "worked" else "out"
        elif (where[index], step) == ("waiting", "take"):
            queue.backlog.take(ticket)
            where[index] = "worked"
        elif (where[index], step) == ("worked", "put_down"):
            queue.backlog.put_down(ticket, 0.1)
            where[index] = "out"
    for index, ticket in enumerate(tickets):
        queue.backlog.leave(ticket)
        if where[index] == "worked":
            queue.backlog.put_down(ticket, None)
    assert (len(queue.backlog), queue.backlog.waiting, callers[0].weight, callers[1].weight) == (0, 0, 0, 0)
    assert queue.refuses(1, queue.caller(seconds=0.0)) is None


def test_a_caller_s_patience_is_that_of_all_that_is_done_inside() -> None:
    clock = Hands()
    mine = Patience(5, clock)
    with patient(mine):
        assert patience_of_caller(clock) is mine
    assert patience_of_caller(clock).left_s == math.inf


def test_a_message_weighs_something_even_if_it_is_short() -> None:
    assert weight_of([]) == 0
    assert weight_of([Message("")] * 2) > 0
    assert weight_of([Message("a" * 100)]) > weight_of([Message("a")])
    assert pytest.approx(weight_of([Message("ab")]) * 2) == weight_of([Message("ab")] * 2)
