"""The loop that serves: the quick one where it is installed, and one that ends what it ran."""

from __future__ import annotations

import asyncio
from importlib.util import find_spec

import pytest

from sidecar.app.event_loop import new_event_loop, run


def test_the_quick_loop_is_taken_where_it_is_installed() -> None:
    loop = new_event_loop()
    try:
        assert type(loop).__module__.startswith("uvloop" if find_spec("uvloop") else "asyncio")
    finally:
        loop.close()


def test_without_it_the_loop_is_pythons_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sidecar.app.event_loop.find_spec", lambda _name: None)
    loop = new_event_loop()
    try:
        assert isinstance(loop, asyncio.BaseEventLoop)
    finally:
        loop.close()


def test_what_runs_is_answered_and_its_tasks_are_ended() -> None:
    left: list[asyncio.Task[None]] = []

    async def main() -> str:
        left.append(asyncio.create_task(asyncio.sleep(3600)))
        return "done"

    assert run(main()) == "done"
    assert left[0].cancelled()
