"""A chatbot made with chainlit through the sidecar: its page in a browser (WebSocket), and a client that polls."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import socketio

from sidecar.demo.setup import free_port
from tests.integration.browser import page_of
from tests.integration.front import Front, fronted
from tests.integration.software import executable, serving

APP = Path(__file__).parent / "apps" / "shop_chatbot.py"
SAID = "hi, my phone is +48 601 555 014"
TRACES = ("marta", "kowal", "czyk", "example.net", "ple.net", "601 555 014")


@dataclass(frozen=True, slots=True)
class Shop:
    """The chatbot and the sidecar before it. ``heard``: what the chatbot was told last."""

    front: Front
    heard: Path


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    folder = tmp_path_factory.mktemp("chainlit")
    port = free_port(0)
    url = f"http://127.0.0.1:{port}"
    heard = folder / "heard.txt"
    address = ["--host", "127.0.0.1", "--port", str(port)]
    command = [executable("chainlit", "chainlit"), "run", str(APP), "--headless", *address]
    variables = {"SHOP_CHATBOT_HEARD": str(heard), "CHAINLIT_APP_ROOT": str(folder)}
    with serving(command, folder, url, variables), fronted(folder / "front", url, "chainlit") as front:
        yield Shop(front, heard)
        assert front.left_behind("kowalczyk", "example.net", "601 555 014") == [], "P60"


def traces_in(text: str) -> list[str]:
    return [trace for trace in TRACES if trace in text.lower()]


def test_P34_P38_X4_the_page_shows_an_answer_that_names_nobody(shop: Shop) -> None:
    frames: list[str] = []
    with page_of(shop.front) as page:
        page.on("websocket", lambda opened: opened.on("framereceived", lambda frame: frames.append(str(frame))))
        with page.expect_websocket():
            page.goto(f"{shop.front.origin}/")
        page.locator("#chat-input").click()
        page.keyboard.type(SAID)
        page.keyboard.press("Enter")
        answer = page.get_by_text("and you said: hi, my phone is [PHONE_1]")
        answer.wait_for()
        shown = answer.inner_text()
        page_text = page.content().replace(SAID, "")  # what the trainer typed, the page shows by itself
    assert shown.startswith("Thanks [PERSON_")
    assert "your mail is [EMAIL_1], and" in shown
    tokens = [frame for frame in frames if "stream_token" in frame]
    assert len(tokens) >= 5, "the answer came in pieces"
    assert traces_in(page_text + "".join(frames)) == []
    assert shop.heard.read_text() == "hi, my phone is [PHONE_1]"


async def test_X3_X9_a_client_that_polls_gets_the_whole_answer(shop: Shop) -> None:
    events: list[tuple[str, Any]] = []
    ended = asyncio.Event()

    async def note(name: str, *arguments: Any) -> None:
        events.append((name, arguments))
        if name == "task_end" and any(one == "first_interaction" for one, _ in events):
            ended.set()

    session = {
        "clientType": "webapp",
        "sessionId": str(uuid.uuid4()),
        "threadId": "",
        "userEnv": "{}",
        "chatProfile": "",
    }
    connector = aiohttp.TCPConnector(ssl=shop.front.trust())
    async with aiohttp.ClientSession(connector=connector) as http, asyncio.timeout(240):
        client = socketio.AsyncClient(http_session=http, reconnection=False)
        client.on("*", note)
        await client.connect(shop.front.origin, socketio_path="/ws/socket.io", transports=["polling"], auth=session)
        message = {"id": str(uuid.uuid4()), "threadId": "", "name": "User", "type": "user_message", "output": SAID}
        message["createdAt"] = "2026-11-24T01:53:53.549Z"
        await client.emit("connection_successful")
        await client.emit("client_message", {"message": message, "fileReferences": []})
        await ended.wait()
        await client.eio.disconnect(abort=True)  # else it waits for the poll under way, which is half a minute
    assert traces_in(repr(events)) == []
    tokens = [arguments[0]["token"] for name, arguments in events if name == "stream_token"]
    assert set(tokens) == {""}, "pieces can't be judged before their end, which no poll waits for"
    whole = [arguments[0]["output"] for name, arguments in events if name == "new_message"][-1]
    assert whole.startswith("Thanks [PERSON_")
    assert "your mail is [EMAIL_1], and you said: hi, my phone is [PHONE_1]" in whole
    assert shop.heard.read_text() == "hi, my phone is [PHONE_1]"
