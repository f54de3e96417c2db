"""The sample chatbot, over real sockets, and killed."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import aiohttp
import pytest

from sidecar.demo.chatbot import Chats, running

PRIYA = "priya.raman@example.com"
CHATS = [
    one["conversation"]
    for one in json.loads((Path(__file__).parents[2] / "sidecar/demo/chats.json").read_text(encoding="utf-8"))
]


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with running() as url, aiohttp.ClientSession(url) as session:
        yield session


async def _get(session: aiohttp.ClientSession, path: str) -> tuple[int, Any]:
    async with session.get(path) as response:
        return response.status, await response.json()


async def test_conversations_are_listed_and_shown(session: aiohttp.ClientSession) -> None:
    _, listed = await _get(session, "/api/conversations")
    assert [one["id"] for one in listed["conversations"]] == [one["id"] for one in CHATS]
    status, shown = await _get(session, "/api/conversations/c-1001")
    assert status == 200
    assert shown == {"conversation": CHATS[0]}


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("GET", "/api/conversations/nobody", None, 404),
        ("GET", "/elsewhere", None, 404),
        ("POST", "/api/conversations/nobody/messages", b'{"text": "hi"}', 404),
        ("POST", "/api/conversations/c-1001/messages", b"hi", 400),
        ("POST", "/api/conversations/c-1001/messages", b"[]", 400),
        ("POST", "/api/conversations/c-1001/messages", b'{"text": 1}', 400),
        ("POST", "/api/conversations/c-1001/messages", b'{"text": ""}', 400),
        ("DELETE", "/api/customers/nobody@example.com", None, 404),
        ("DELETE", "/api/conversations/c-1001", None, 405),
    ],
)
async def test_bad_requests_are_refused(
    session: aiohttp.ClientSession, method: str, path: str, body: bytes | None, status: int
) -> None:
    async with session.request(method, path, data=body) as response:
        assert response.status == status


async def test_a_message_is_kept_and_answered(session: aiohttp.ClientSession) -> None:
    async with session.post("/api/conversations/c-1001/messages", json={"text": "still broken"}) as response:
        assert response.status == 201
        said = (await response.json())["conversation"]["messages"]
    assert (said[0]["speaker"], said[0]["text"]) == ("customer", "still broken")
    _, shown = await _get(session, "/api/conversations/c-1001")
    assert shown["conversation"]["messages"][-2:] == said
    ids = [one["id"] for one in shown["conversation"]["messages"]]
    assert len(set(ids)) == len(ids)


async def test_a_customer_is_deleted_whole_and_counted_by_another_path(session: aiohttp.ClientSession) -> None:
    assert await _get(session, f"/api/customers/{PRIYA}/count") == (200, {"conversations": 3})
    async with session.delete("/api/customers/Priya.Raman%40example.com") as response:
        assert (response.status, await response.json()) == (200, {"deleted": 3})
    assert await _get(session, f"/api/customers/{PRIYA}/count") == (200, {"conversations": 0})
    assert (await _get(session, "/api/conversations/c-1001"))[0] == 404
    _, listed = await _get(session, "/api/conversations")
    assert PRIYA not in json.dumps(listed)
    async with session.delete(f"/api/customers/{PRIYA}") as response:
        assert response.status == 404


def test_changes_survive_kill_9(tmp_path: Path) -> None:
    state = tmp_path / "chats.json"
    for expected in ({"conversations": 3}, {"conversations": 0}):
        command = [sys.executable, "-m", "sidecar.demo.chatbot", "--port", "0", "--state", str(state)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as program:
            assert program.stdout is not None
            url = f"http://127.0.0.1:{json.loads(program.stdout.readline())['port']}/api/customers/{PRIYA}"
            with urlopen(f"{url}/count") as response:
                assert json.load(response) == expected
            if expected["conversations"]:
                with urlopen(Request(url, method="DELETE")) as response:
                    assert json.load(response) == {"deleted": 3}
            program.send_signal(signal.SIGKILL)
    assert PRIYA.encode() not in b"".join(one.read_bytes() for one in tmp_path.iterdir())
    assert Chats.load(state).count_of(PRIYA) == 0


# -- the chats themselves --------------------------------------------------------------------------------------------


def test_there_are_enough_chats_and_some_customers_come_back() -> None:
    assert len(CHATS) >= 40
    assert len({one["id"] for one in CHATS}) == len(CHATS)
    customers = Counter(one["customer"]["email"] for one in CHATS)
    assert [count for count in customers.values() if count > 1] == [3, 3]
    for chat in CHATS:
        assert len(chat["messages"]) >= 6
        assert {one["speaker"] for one in chat["messages"]} == {"customer", "agent"}
        times = [one["created_at"] for one in chat["messages"]]
        assert times == sorted(times)


def test_every_address_and_number_is_one_that_can_belong_to_nobody() -> None:
    """E-mail on reserved domains (RFC 2606), telephone numbers from the ranges kept for fiction."""
    fictional = re.compile(
        r"\D*(1?\d{3}5550[1]\d\d|0?2079460\d{3}|07700900\d{3}|01632960\d{3}|019900\d{4}|493023125\d{3})"
    )
    for chat in CHATS:
        texts = [*chat["customer"].values(), *(one["text"] for one in chat["messages"])]
        for text in texts:
            for domain in re.findall(r"@([\w.-]+\w)", text):
                assert re.search(r"(^|\.)example(\.(com|net|org))?$", domain), domain
        assert fictional.fullmatch(re.sub(r"[\s()+.-]", "", chat["customer"]["phone"])), chat["customer"]["phone"]
        for number in re.findall(r"\b\d{3}[-. ]\d{3}[-. ]\d{4}\b", "\n".join(texts)):
            assert re.search(r"555.01\d\d$", number), number
