"""Calls that come while one is under way are done together, in the next: many writers, one transaction, one fsync.

Nobody waits for others to come: a call that is alone is done at once. Each caller gets its own answer, after all of it
is durable. One that can't be done is in nobody's way: the others are done again without it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Final, Generic, TypeVar

from sidecar.errors import SidecarError, StoreUnavailable
from sidecar.stores.database import Conflict

T = TypeVar("T")
R = TypeVar("R")

_AT_MOST: Final = 200


class Together(Generic[T, R]):
    """``run`` does several at once and answers in their order; an answer that is a ``SidecarError`` is raised."""

    def __init__(self, run: Callable[[Sequence[T]], Awaitable[Sequence[R | SidecarError]]]) -> None:
        self._run = run
        self._waiting: list[tuple[T, asyncio.Future[R]]] = []
        self._runner: asyncio.Task[None] | None = None

    async def __call__(self, one: T) -> R:
        """Do one. Raises what ``run`` raises. A caller that is cancelled stops nothing that has begun."""
        answer: asyncio.Future[R] = asyncio.get_running_loop().create_future()
        self._waiting.append((one, answer))
        if self._runner is None or self._runner.done():
            self._runner = asyncio.create_task(self._drain(), name="together")
        return await answer

    async def _drain(self) -> None:
        some: list[tuple[T, asyncio.Future[R]]] = []
        try:
            while self._waiting:
                some, self._waiting = self._waiting[:_AT_MOST], self._waiting[_AT_MOST:]
                await self._answer([pair for pair in some if not pair[1].done()])
        finally:  # cut off as the program ends: nobody must wait for ever
            for _, answer in (*some, *self._waiting):
                answer.cancel()

    async def _answer(self, some: Sequence[tuple[T, asyncio.Future[R]]]) -> None:
        if not some:
            return
        (done,) = await asyncio.gather(self._run([one for one, _ in some]), return_exceptions=True)
        if isinstance(done, BaseException):
            if len(some) > 1 and _is_of_one(done):
                for pair in some:
                    await self._answer([pair])
                return
            done = [done] * len(some)  # type: ignore[list-item]
        for (_, answer), result in zip(some, done, strict=True):
            if answer.done():
                continue
            if isinstance(result, asyncio.CancelledError):
                answer.cancel()
            elif isinstance(result, BaseException):
                answer.set_exception(result)
            else:
                answer.set_result(result)


def _is_of_one(error: BaseException) -> bool:
    """Tell whether the others may be done without one that can't be: not where the store is gone for all."""
    return isinstance(error, Conflict) or not isinstance(error, StoreUnavailable | asyncio.CancelledError)
