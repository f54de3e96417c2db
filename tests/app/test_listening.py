"""What bounds connections that never say anything is the configuration's to choose, for both listeners (P12)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from unittest.mock import create_autospec

import pytest

from sidecar.app.auditing import audit_of
from sidecar.app.listening import admin_listener, data_listener
from sidecar.app.settings import Settings, settings_of
from sidecar.config import parse_config
from sidecar.metrics import Metrics
from sidecar.proxy.exchange import Exchange

LISTENERS = pytest.mark.parametrize("name", ["data", "admin"])


def with_bounds(written: dict[str, Any], name: str, tmp_path: Path, **bounds: float) -> Settings:
    listeners = {one: {**config, "port": 0} for one, config in written["listeners"].items()}
    listeners["data"]["drain_delay_seconds"] = 0
    listeners[name].update(bounds)
    return settings_of(parse_config({**written, "listeners": listeners, "audit": {"folder": str(tmp_path / "audit")}}))


@asynccontextmanager
async def listening(settings: Settings, name: str) -> AsyncIterator[int]:
    """Nobody here gets as far as a request, so there is nothing behind the listeners."""
    metrics, reloaded = Metrics(), list[Any]()

    async def start(part: Any) -> None:
        await part.start()
        reloaded.append(part)

    audit = audit_of(settings, metrics)
    await audit.start()
    listener: Any = (
        await data_listener(settings, create_autospec(Exchange, instance=True), metrics, audit, start)
        if name == "data"
        else admin_listener(settings, (), audit, metrics)
    )
    await listener.start()
    try:
        yield listener.port
    finally:
        await listener.stop()
        for part in reloaded:
            await part.stop()
        await audit.stop()


async def _is_ended(reader: asyncio.StreamReader) -> bool:
    """Whether the other side ends a connection within half of the longest time that a handshake may take."""
    try:
        async with asyncio.timeout(30):
            return await reader.read() == b""
    except ConnectionResetError:
        return True
    except TimeoutError:
        return False


@LISTENERS
async def test_P12_how_many_handshakes_are_under_way(written: dict[str, Any], tmp_path: Path, name: str) -> None:
    settings = with_bounds(written, name, tmp_path, max_handshakes=1, handshake_seconds=60)
    async with listening(settings, name) as port:
        silent = [await asyncio.open_connection("127.0.0.1", port) for _ in range(2)]
        assert await _is_ended(silent[0][0])
        for _, writer in silent:
            writer.close()


@LISTENERS
async def test_P12_how_long_a_handshake_may_take(written: dict[str, Any], tmp_path: Path, name: str) -> None:
    settings = with_bounds(written, name, tmp_path, handshake_seconds=0.05)
    async with listening(settings, name) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        assert await _is_ended(reader)
        writer.close()
