"""Runs a life once whole, to see its effects; then once for each of them, killed before it, and begun again."""

from __future__ import annotations

import asyncio
import json
import multiprocessing
import os
import shutil
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from functools import cache
from multiprocessing.context import ForkServerContext
from pathlib import Path
from typing import Any, Final

from aiohttp import web

from sidecar.stores.database import DatabaseSettings, open_engine
from tests.erasure.kills.lives import Given, process

AT_ONCE: Final = 4
HANGS_AFTER: Final = 600.0


async def _anything() -> None:
    return


@dataclass
class Systems:
    """What a life is lived on, outside its process.

    ``check`` looks at what has become of it at its end; ``at_once`` at what a kill has left behind.
    """

    given: Given
    check: Callable[[Trial], Awaitable[None]]
    at_once: Callable[[], Awaitable[None]] = _anything


@dataclass
class Trial:
    """One life: killed before ``killed`` (None: by nobody), and lived on to its end."""

    systems: Systems
    effects: list[str]
    number: int | None

    @property
    def given(self) -> Given:
        return self.systems.given

    @property
    def killed_before(self) -> str:
        return "nothing" if self.number is None else f"#{self.number} {self.effects[self.number]}"


MakeSystems = Callable[[Path], AbstractAsyncContextManager[Systems]]


@cache
def _processes() -> ForkServerContext:
    """Processes that are forked from one that has everything imported already: real ones, and quickly there."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["pytest", "tests.erasure.kills.preload"])
    return context


async def run(given: Given, kill_before: int | None = None, trace: Path | None = None) -> int | None:
    """Run one process to its end, and return how it ended.

    Only this thread may ask for that: ``start`` of any process asks for all of them, and of two who ask at once one is
    told 255.
    """
    made = _processes().Process(target=process, args=(given, kill_before, trace))
    made.start()
    try:
        await asyncio.wait_for(_readable(made.sentinel), HANGS_AFTER)
    except TimeoutError:
        made.kill()
        raise AssertionError(f"it hangs, killed before {kill_before}") from None
    made.join()
    return made.exitcode


async def _readable(descriptor: int) -> None:
    loop, ready = asyncio.get_running_loop(), asyncio.Event()
    loop.add_reader(descriptor, ready.set)
    try:
        await ready.wait()
    finally:
        loop.remove_reader(descriptor)


async def effects_of(make: MakeSystems, folder: Path) -> list[str]:
    """Live once, killed by nobody, and return what there was to be killed before."""
    folder.mkdir()
    async with make(folder) as systems:
        trace = folder / "trace"
        ended = await run(systems.given, None, trace)
        assert ended == 0, f"it ended by {ended}: {said(systems.given)}"
        effects: list[str] = json.loads(trace.read_text())
        trace.unlink()
        await systems.check(Trial(systems, effects, None))
    return effects


async def every_kill(
    make: MakeSystems,
    folder: Path,
    chosen: Callable[[list[str]], list[int]] | None = None,
    *,
    each_time: bool = False,
) -> list[str]:
    """Be killed before each effect in turn, begin again, and check what has become of it. Return the effects.

    ``each_time``: of an effect that comes again and again not the first and the last time alone.
    """
    effects = await effects_of(make, folder / "whole")
    numbers = (chosen or while_at_work)(effects)
    if not each_time:
        numbers = first_and_last(numbers, effects)
    assert numbers
    turn = asyncio.Semaphore(AT_ONCE)

    async def one(number: int) -> str | None:
        async with turn:
            place = folder / str(number)
            place.mkdir()
            try:
                async with make(place) as systems:
                    await _killed(Trial(systems, effects, number))
            except AssertionError as error:
                return f"killed before #{number} {effects[number]}: {error}"
            shutil.rmtree(place)
            return None

    wrong = [one for one in await asyncio.gather(*map(one, numbers)) if one]
    assert not wrong, "\n\n".join([f"{len(wrong)} of {len(numbers)}", *wrong[:5]])
    return effects


def first_and_last(numbers: list[int], effects: list[str]) -> list[int]:
    """Of an effect that comes again and again the first and the last time; ``EVERY_KILL=1``: each time."""
    if os.environ.get("EVERY_KILL"):
        return numbers
    first = {effects[number]: number for number in reversed(numbers)}
    last = {effects[number]: number for number in numbers}
    return sorted({*first.values(), *last.values()})


def from_the_first_start(effects: list[str]) -> list[int]:
    """Every effect that leaves something else behind than the one before it.

    To be killed between a write and its fsync, or at a checkpoint, or with an answer in hand, is to be killed before
    the next effect: nothing that outlives the process has changed meanwhile.
    """
    return [
        number for number, effect in enumerate(effects) if not effect.startswith(("fsync", "checkpoint:", "answer:"))
    ]


def while_at_work(effects: list[str]) -> list[int]:
    """The same without what every start and stop does."""
    begun = effects.index("commit sidecar.stores.erasure_tasks:ErasureTasks.release")
    ended = max(number for number, effect in enumerate(effects) if "sidecar.audit" not in effect)
    return [number for number in from_the_first_start(effects) if begun <= number <= ended]


def in_the_target(effects: list[str]) -> list[int]:
    """The same, of what is done in the system itself, up to the record of it."""
    record = "commit sidecar.stores.erasure_tasks:ErasureTasks._record"
    return [
        number
        for number in while_at_work(effects)
        if " sidecar.targets." in effects[number] or effects[number] == record
    ]


def since(place: str) -> Callable[[list[str]], list[int]]:
    """As ``while_at_work``, from the first effect of a place on."""

    def chosen(effects: list[str]) -> list[int]:
        first = next(number for number, effect in enumerate(effects) if effect.endswith(place))
        return [number for number in while_at_work(effects) if number >= first]

    return chosen


def at_places(*places: str) -> Callable[[list[str]], list[int]]:
    """As ``from_the_first_start``, the effects of some places alone."""
    return lambda effects: [
        number for number in from_the_first_start(effects) if any(place in effects[number] for place in places)
    ]


@asynccontextmanager
async def killed_before(make: MakeSystems, number: int, folder: Path) -> AsyncIterator[Systems]:
    """What somebody finds who comes after one who was killed."""
    async with make(folder) as systems:
        ended = await run(systems.given, number)
        assert ended == -signal.SIGKILL, f"it ended by {ended}: {said(systems.given)}"
        yield systems


async def _killed(trial: Trial) -> None:
    ended = await run(trial.given, trial.number)
    assert ended == -signal.SIGKILL, f"it ended by {ended}: {said(trial.given)}"
    await trial.systems.at_once()
    ended = await run(trial.given)
    assert ended == 0, f"begun again it ended by {ended}: {said(trial.given)}"
    await trial.systems.check(trial)


def said(given: Given) -> str:
    log = given.folder / "stderr"
    return log.read_text()[-3000:] if log.exists() else ""


def empty_state(folder: Path) -> Path:
    """A database with its schema in place, so that not every process makes one."""
    path = folder / "empty.db"
    open_engine(DatabaseSettings(f"sqlite:///{path}")).dispose()
    return path


def _share(event: dict[str, Any]) -> str:
    percent = event["data"].get("percent")
    return f" {percent}" if percent else ""


@dataclass
class Receiver:
    """Whoever is told of everything; by id, for each comes again until it was answered."""

    url: str = ""
    got: list[tuple[str, str]] = field(default_factory=list)

    async def take(self, request: web.Request) -> web.Response:
        event = await request.json()
        self.got.append((request.headers["webhook-id"], event["type"].removeprefix("erasure.") + _share(event)))
        return web.Response(status=204)


@asynccontextmanager
async def receiving() -> AsyncIterator[Receiver]:
    receiver = Receiver()
    application = web.Application()
    application.router.add_post("/desk", receiver.take)
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    host, port = runner.addresses[0][:2]
    receiver.url = f"http://{host}:{port}/desk"
    try:
        yield receiver
    finally:
        await runner.cleanup()
