"""The ``openai`` client against LiteLLM's proxy, through the sidecar: in whole, streamed, with tools, and in error."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import openai
import pytest
import yaml
from aiohttp import web

from sidecar.demo.setup import free_port
from tests.integration.front import Front, fronted
from tests.integration.software import executable, serving

NAME, EMAIL, CARD = "Marta Kowalczyk", "marta.kowalczyk@example.net", "4929 1234 5678 9014"
TRACES = ("marta", "kowalczyk", "example.net", "4929")
REPLY = f"Hello {NAME}! Your mail is {EMAIL}, your card {CARD}. " + "We will write to you soon. " * 20
PIECE_CHARACTERS = 3
KEY = "sk-of-the-shop"  # no secret: made for these tests
BOT = "shop-bot"


class Model:
    """What stands behind LiteLLM: speaks OpenAI's protocol, and stops in the middle of a stream until ``go_on``."""

    def __init__(self) -> None:
        self.asked: list[Any] = []
        self.go_on = asyncio.Event()

    async def complete(self, request: web.Request) -> web.StreamResponse:
        asked = await request.json()
        self.asked.append(asked)
        if not asked.get("stream"):
            message = {"role": "assistant", "content": REPLY}
            choice = {"index": 0, "message": message, "finish_reason": "stop"}
            usage = {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}
            return web.json_response(_event("chat.completion", choice) | {"usage": usage})
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        deltas = _call_deltas() if asked.get("tools") else _text_deltas()
        for number, delta in enumerate(deltas):
            if number == len(deltas) // 2:
                await self.go_on.wait()
            await _send(response, _event("chat.completion.chunk", {"index": 0, "delta": delta, "finish_reason": None}))
        reason = "tool_calls" if asked.get("tools") else "stop"
        await _send(response, _event("chat.completion.chunk", {"index": 0, "delta": {}, "finish_reason": reason}))
        await response.write(b"data: [DONE]\n\n")
        return response


def _event(kind: str, choice: dict[str, Any]) -> dict[str, Any]:
    return {"id": "chatcmpl-7c1e", "object": kind, "created": 1795885561, "model": "gpt-4o-mini", "choices": [choice]}


async def _send(response: web.StreamResponse, event: dict[str, Any]) -> None:
    await response.write(f"data: {json.dumps(event)}\n\n".encode())


def _cut(text: str) -> list[str]:
    return [text[at : at + PIECE_CHARACTERS] for at in range(0, len(text), PIECE_CHARACTERS)]


def _text_deltas() -> list[dict[str, Any]]:
    return [{"role": "assistant", "content": ""}, *({"content": piece} for piece in _cut(REPLY))]


def _call_deltas() -> list[dict[str, Any]]:
    named = {"index": 0, "id": "call_1", "type": "function", "function": {"name": "find", "arguments": ""}}
    pieces = _cut(json.dumps({"email": EMAIL, "order": "A-88213"}))
    calls = [{"index": 0, "function": {"arguments": piece}} for piece in pieces]
    return [{"role": "assistant", "tool_calls": [named]}, *({"tool_calls": [call]} for call in calls)]


@pytest.fixture(scope="module")
def model_port() -> int:
    return free_port(0)


@pytest.fixture(scope="module")
def front(model_port: int, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Front]:
    folder: Path = tmp_path_factory.mktemp("litellm")
    port = free_port(0)
    behind = {"model": "openai/gpt-4o-mini", "api_base": f"http://127.0.0.1:{model_port}/v1", "api_key": "sk-none"}
    config = {
        "model_list": [{"model_name": BOT, "litellm_params": behind}],
        "litellm_settings": {"telemetry": False, "num_retries": 0},
        "general_settings": {"master_key": KEY},
    }
    (folder / "config.yaml").write_text(yaml.safe_dump(config))
    command = [executable("litellm", "litellm"), "--config", "config.yaml", "--host", "127.0.0.1", "--port", str(port)]
    variables = {"LITELLM_LOCAL_MODEL_COST_MAP": "True", "NO_PROXY": "*"}
    url = f"http://127.0.0.1:{port}"
    with (
        serving(command, folder, f"{url}/health/liveliness", variables),
        fronted(folder / "front", url, "LiteLLM") as one,
    ):
        yield one
        assert one.left_behind("kowalczyk", "example.net", "4929 1234", "492912345678") == [], "P60"


@asynccontextmanager
async def talking(front: Front, port: int) -> AsyncIterator[tuple[openai.AsyncOpenAI, Model]]:
    """A client at the sidecar, and the model at the other end."""
    model = Model()
    application = web.Application()
    application.router.add_post("/v1/chat/completions", model.complete)
    runner = web.AppRunner(application)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    transport = openai.DefaultAsyncHttpxClient(verify=front.trust(), trust_env=False)
    try:
        async with openai.AsyncOpenAI(
            base_url=f"{front.origin}/v1", api_key=KEY, http_client=transport, max_retries=0
        ) as client:
            yield client, model
    finally:
        model.go_on.set()
        await runner.cleanup()


def asked(text: str) -> list[Any]:
    return [{"role": "user", "content": text}]


def traces_in(texts: Sequence[str]) -> list[str]:
    return [trace for trace in TRACES if trace in "".join(texts).lower()]


async def test_a_whole_answer_and_its_question(front: Front, model_port: int) -> None:
    async with talking(front, model_port) as (client, model):
        answer = await client.chat.completions.create(model=BOT, messages=asked(f"I am {NAME}, {EMAIL}"))
        said = answer.choices[0].message.content or ""
        assert "[PERSON_1]" in said
        assert "[EMAIL_1], your card [CREDIT_CARD_1]." in said
        assert not traces_in([answer.model_dump_json()])
        assert answer.choices[0].finish_reason == "stop"
        assert model.asked[0]["messages"] == asked("I am [PERSON_1], [EMAIL_1]"), "requests are redacted, too"


async def test_P34_P37_X4_a_streamed_answer_comes_while_it_is_made_and_names_nobody(
    front: Front, model_port: int
) -> None:
    async with talking(front, model_port) as (client, model):
        stream = await client.chat.completions.create(model=BOT, messages=asked("hello"), stream=True)
        pieces: list[str] = []
        events = 0
        async for event in stream:
            events += 1
            pieces += [event.choices[0].delta.content or ""] if event.choices else []
            if "[EMAIL_1]" in "".join(pieces) and not model.go_on.is_set():
                model.go_on.set()  # had the sidecar waited for the end, nobody would ever have come here
            assert not traces_in([event.model_dump_json()])
        whole = await client.chat.completions.create(model=BOT, messages=asked("hello"))
        assert "".join(pieces) == whole.choices[0].message.content, "streamed or not, the same"
        assert events > len(_cut(REPLY)) / 2


async def test_P34_arguments_of_a_tool_in_pieces(front: Front, model_port: int) -> None:
    tools: Any = [{"type": "function", "function": {"name": "find", "parameters": {"type": "object"}}}]
    async with talking(front, model_port) as (client, model):
        model.go_on.set()
        stream = await client.chat.completions.create(model=BOT, messages=asked("hello"), stream=True, tools=tools)
        arguments = ""
        async for event in stream:
            for call in (event.choices[0].delta.tool_calls or []) if event.choices else []:
                assert call.function is not None
                arguments += call.function.arguments or ""
        found = json.loads(arguments)
        assert found["email"] == "[EMAIL_1]"
        assert not traces_in([arguments])


async def test_models_and_errors_come_through_with_their_status(front: Front, model_port: int) -> None:
    async with talking(front, model_port) as (client, _):
        assert [model.id async for model in client.models.list()] == [BOT]
        with pytest.raises(openai.APIStatusError) as raised:
            await client.chat.completions.create(model=EMAIL, messages=asked("hello"))
        assert 400 <= raised.value.status_code < 500
        assert not traces_in([raised.value.response.text])
