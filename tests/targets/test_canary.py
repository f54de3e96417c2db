"""Every place for a mark keeps one value, tells "none" from "can't say", and shows no secret (E39)."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import SplitResult, urlsplit

import pytest
from aiohttp import web
from pydantic import ValidationError
from sqlalchemy import NullPool, create_engine

from sidecar.targets.canary import Canary, CanaryUnreachable, FileCanary
from sidecar.targets.canary_http import HttpCanary
from sidecar.targets.canary_redis import RedisCanary
from sidecar.targets.canary_settings import HttpCanaryForm, RedisCanaryForm
from sidecar.targets.canary_sql import SqlCanary
from sidecar.targets.redis_connection import REDIS_ERRORS, open_redis
from sidecar.targets.target import TargetFault
from tests.restores.business import REDIS_URL
from tests.services import fresh_postgresql, missing

KINDS = pytest.mark.parametrize("kind", ["file", "sqlite", "postgresql", "redis", "http"])


@dataclass
class Endpoint:
    """What an operator offers."""

    mark: str | None = None
    status: int | None = None
    body: str = ""
    token: str = ""

    async def get(self, request: web.Request) -> web.Response:
        self.token = request.headers.get("Authorization", "")
        if self.status is not None:
            return web.Response(status=self.status, text=self.body, headers={"Location": "/elsewhere"})
        return web.json_response({"mark": self.mark}) if self.mark else web.Response(status=404)

    async def put(self, request: web.Request) -> web.Response:
        self.mark = (await request.json())["mark"]
        return web.Response(status=self.status or 204)


@asynccontextmanager
async def endpoint() -> AsyncIterator[tuple[Endpoint, str]]:
    offered, app = Endpoint(), web.Application()
    app.add_routes([web.get("/epoch", offered.get), web.put("/epoch", offered.put)])
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield offered, f"http://127.0.0.1:{runner.addresses[0][1]}/epoch"
    finally:
        await runner.cleanup()


def http(url: str) -> HttpCanary:
    return HttpCanary(url, {"Authorization": "Bearer s"}, True, 5.0)


@asynccontextmanager
async def canary(kind: str, folder: Path) -> AsyncIterator[Canary]:
    async with opened(kind, folder) as made:
        await made.start()
        yield made
        await made.stop()


@asynccontextmanager
async def opened(kind: str, folder: Path) -> AsyncIterator[Canary]:
    if kind == "file":
        yield FileCanary(folder / "epoch")
    elif kind == "sqlite":
        yield SqlCanary(create_engine(f"sqlite:///{folder / 'crm.db'}", poolclass=NullPool))
    elif kind == "postgresql":
        with fresh_postgresql() as url:
            yield SqlCanary(create_engine(url, poolclass=NullPool))
    elif kind == "redis":
        async with fresh_key() as (form, url):
            yield RedisCanary(form, url)
    else:
        async with endpoint() as (_, url):
            yield http(url)


@asynccontextmanager
async def fresh_key() -> AsyncIterator[tuple[RedisCanaryForm, SplitResult]]:
    """A key of our own in the Redis that is there."""
    key = f"sidecar-test-{secrets.token_hex(6)}"
    form = RedisCanaryForm.model_validate({"type": "redis", "url": {"env": "UNUSED"}, "key": key})
    url = urlsplit(REDIS_URL)
    client = open_redis(form, url, 0)
    try:
        await client.ping()
    except REDIS_ERRORS as error:
        missing("Redis", f"{REDIS_URL}: {type(error).__name__}")
    yield form, url
    await client.delete(key)
    await client.aclose()


@KINDS
async def test_E39_keeps_one_value(tmp_path: Path, kind: str) -> None:
    async with canary(kind, tmp_path) as one:
        assert await one.read() is None
        await one.write(b'{"epoch":1}')
        assert await one.read() == b'{"epoch":1}'
        await one.write(b'{"epoch":2}' * 100)
        assert await one.read() == b'{"epoch":2}' * 100


async def test_E39_a_redis_that_is_gone_says_nothing() -> None:
    form = RedisCanaryForm.model_validate({"type": "redis", "url": {"env": "UNUSED"}})
    gone = RedisCanary(form, urlsplit("redis://:secret@127.0.0.1:1"))
    for call in (gone.read(), gone.write(b"{}")):
        with pytest.raises(CanaryUnreachable) as caught:
            await call
        assert caught.value.fault is TargetFault.UNREACHABLE
        assert "secret" not in repr(caught.value)


async def test_E39_a_volume_that_is_not_mounted_is_not_one_without_a_mark(tmp_path: Path) -> None:
    one = FileCanary(tmp_path / "not-mounted" / "epoch")
    with pytest.raises(CanaryUnreachable):
        await one.read()
    with pytest.raises(CanaryUnreachable):
        await one.write(b"{}")


async def test_E39_a_database_that_is_gone_says_nothing(tmp_path: Path) -> None:
    gone = create_engine("postgresql+psycopg://nobody:secret@127.0.0.1:1/none", poolclass=NullPool)
    with pytest.raises(CanaryUnreachable) as caught:
        await SqlCanary(gone).read()
    assert "secret" not in repr(caught.value)
    assert caught.value.__cause__ is None
    not_writable = create_engine(f"sqlite:///file:{tmp_path / 'none.db'}?mode=ro&uri=true", poolclass=NullPool)
    with pytest.raises(CanaryUnreachable):
        await SqlCanary(not_writable).write(b"{}")


@pytest.mark.parametrize(
    ("status", "body", "fault"),
    [
        (500, "", TargetFault.UNEXPECTED_STATUS),
        (302, "", TargetFault.UNEXPECTED_STATUS),
        (401, "", TargetFault.UNEXPECTED_STATUS),
        (200, "<html>log in</html>", TargetFault.UNEXPECTED_BODY),
        (200, '{"other": 1}', TargetFault.UNEXPECTED_BODY),
        (200, "[]", TargetFault.UNEXPECTED_BODY),
        (200, "x" * 20_000, TargetFault.TOO_LARGE),
    ],
)
async def test_E39_an_endpoint_that_answers_something_else_says_nothing(
    status: int, body: str, fault: TargetFault
) -> None:
    async with endpoint() as (offered, url):
        offered.status, offered.body = status, body
        one = http(url)
        await one.start()
        with pytest.raises(CanaryUnreachable) as caught:
            await one.read()
        assert caught.value.fault is fault
        assert offered.token == "Bearer s"
        await one.stop()
    await one.start()
    with pytest.raises(CanaryUnreachable):
        await one.read()
    await one.stop()


def test_E18_a_canary_over_http_is_encrypted_or_on_this_machine() -> None:
    """Its headers may hold a token."""
    form = {"type": "http", "url": "http://crm.example.org/privacy-epoch"}
    with pytest.raises(ValidationError, match="plain HTTP"):
        HttpCanaryForm.model_validate(form)
    for url in ("https://crm.example.org/privacy-epoch", "http://127.0.0.1:8080/privacy-epoch"):
        assert HttpCanaryForm.model_validate(form | {"url": url}).url == url
