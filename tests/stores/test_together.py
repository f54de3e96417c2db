"""Many callers, one transaction; one that can't be done is in nobody's way (E19)."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from sidecar.errors import SidecarError, StoreUnavailable
from sidecar.stores.database import Conflict
from sidecar.stores.together import Together


class Doubling:
    """Doubles numbers, several at once, and fails as it is told."""

    def __init__(self, error: Exception | None = None, bad: int | None = None) -> None:
        self.error = error
        self.bad = bad
        self.calls: list[list[int]] = []
        self.go_on = asyncio.Event()
        self.go_on.set()

    async def __call__(self, some: Sequence[int]) -> Sequence[int | SidecarError]:
        self.calls.append(list(some))
        await self.go_on.wait()
        if self.error is not None and (self.bad is None or self.bad in some):
            raise self.error
        return [2 * one for one in some]


async def test_what_comes_while_one_is_under_way_is_done_together_and_answered_in_order() -> None:
    run = Doubling()
    run.go_on.clear()
    doubled: Together[int, int] = Together(run)
    first = asyncio.create_task(doubled(1))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    others = [asyncio.create_task(doubled(number)) for number in range(2, 300)]
    await asyncio.sleep(0)
    run.go_on.set()
    assert [await one for one in (first, *others)] == [2 * number for number in range(1, 300)]
    assert run.calls == [[1], list(range(2, 202)), list(range(202, 300))]


@pytest.mark.parametrize("error", [Conflict("unique"), ValueError("a bug")])
async def test_E19_one_that_can_not_be_done_fails_alone(error: Exception) -> None:
    run = Doubling(error, bad=2)
    doubled: Together[int, int] = Together(run)
    answers = await asyncio.gather(*(doubled(number) for number in (1, 2, 3)), return_exceptions=True)
    assert answers == [2, error, 6]
    assert run.calls == [[1, 2, 3], [1], [2], [3]]


async def test_a_store_that_is_gone_is_asked_once_for_all() -> None:
    run = Doubling(StoreUnavailable("gone"))
    doubled: Together[int, int] = Together(run)
    answers = await asyncio.gather(*(doubled(number) for number in (1, 2, 3)), return_exceptions=True)
    assert [type(one) for one in answers] == [StoreUnavailable] * 3
    assert run.calls == [[1, 2, 3]]


async def test_an_answer_that_is_an_error_is_raised_in_its_caller_alone() -> None:
    refusal = SidecarError("not you")

    async def run(some: Sequence[int]) -> Sequence[int | SidecarError]:
        return [refusal if one == 2 else one for one in some]

    asked: Together[int, int] = Together(run)
    answers = await asyncio.gather(*(asked(number) for number in (1, 2, 3)), return_exceptions=True)
    assert answers == [1, refusal, 3]


async def test_a_caller_that_gives_up_takes_nothing_from_the_others() -> None:
    run = Doubling()
    run.go_on.clear()
    doubled: Together[int, int] = Together(run)
    callers = [asyncio.create_task(doubled(number)) for number in (1, 2)]
    await asyncio.sleep(0.01)
    callers[0].cancel()
    run.go_on.set()
    assert await callers[1] == 4
    assert await doubled(3) == 6
