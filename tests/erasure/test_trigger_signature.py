"""Messages that are signed as webhooks instead of sent with a token or certificate: nobody else gets anywhere (E6)."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from sidecar.access import Proof, Role
from sidecar.admin import guard
from sidecar.app.telling import trigger_senders_of
from sidecar.audit.record import Intent
from sidecar.config.erasure_life import TriggerWebhookConfig
from sidecar.erasure.api import PATH as REQUESTS
from sidecar.erasure.trigger_api import PATH, trigger_routes
from sidecar.erasure.trigger_signature import SignedSenders
from sidecar.erasure.webhook import WebhookKey, parse_webhook_key, webhook_headers
from sidecar.errors import ConfigError
from sidecar.keys import Purpose
from tests.erasure.test_api import Answer, Caller, listening
from tests.erasure.test_triggers import INTENTS, message
from tests.erasure.world import MASTER, START, World, body, one_target

SECRETS = {name: "whsec_" + base64.b64encode(name.encode() * 8).decode() for name in ("desk", "shop", "nobody")}
KEYS = {name: parse_webhook_key(text, "test") for name, text in SECRETS.items()}
BODY = message()


def signed(
    key: WebhookKey = KEYS["desk"], at: datetime = START, data: bytes = BODY, by: str = "msg_1"
) -> dict[str, str]:
    return webhook_headers(key, by, at, data)


@asynccontextmanager
async def taking(path: Path) -> AsyncIterator[tuple[Caller, World]]:
    async with one_target(path) as (w, _):
        pseudonyms = MASTER.pseudonymizer(Purpose.ERASURE_PSEUDONYM)
        senders = SignedSenders({name: KEYS[name] for name in ("shop", "desk")}, w.clock)
        routes = trigger_routes(w.intake, [pseudonyms], INTENTS, w.metrics, w.clock, senders)
        async with listening(w, routes) as caller:
            yield caller, w


async def post(caller: Caller, headers: Mapping[str, str], data: bytes = BODY, path: str = PATH) -> Answer:
    sent = {"Content-Type": "application/json", **headers}
    async with caller.session.post(caller.url + path, data=data, headers=sent) as response:
        return Answer(response.status, await response.read(), dict(response.headers))


async def test_E7_a_signed_message_files_a_request_that_waits_and_is_recorded_as_its_senders(tmp_path: Path) -> None:
    async with taking(tmp_path) as (caller, w):
        answer = await post(caller, signed())
        assert (answer.status, answer.json["state"]) == (202, "awaiting_verification")
        assert (await w.view(answer.json["id"])).origin == "chat"
        (intent,) = [entry for entry in w.ledger.entries if isinstance(entry, Intent)]
        assert (intent.actor, intent.proof) == ("desk", Proof.SIGNATURE.value)


async def test_two_secrets_of_a_rotation_may_both_sign(tmp_path: Path) -> None:
    async with taking(tmp_path) as (caller, _):
        both = signed(KEYS["nobody"])
        both["webhook-signature"] += " " + signed(KEYS["shop"])["webhook-signature"]
        assert (await post(caller, both)).status == 202


ALTERED = {
    "another secret": signed(KEYS["nobody"]),
    "another id": signed() | {"webhook-id": "msg_2"},
    "another time": signed() | {"webhook-timestamp": str(int(START.timestamp()) + 1)},
    "another body": signed(data=BODY + b" "),
    "an old one": signed(at=START - timedelta(seconds=301)),
    "one of the future": signed(at=START + timedelta(seconds=301)),
    "no time": signed() | {"webhook-timestamp": "now"},
    "a huge time": signed() | {"webhook-timestamp": "9" * 400},
    "another version": signed() | {"webhook-signature": signed()["webhook-signature"].replace("v1,", "v2,")},
    "half a signature": signed() | {"webhook-signature": signed()["webhook-signature"][:20]},
    "an empty one": signed() | {"webhook-signature": ""},
    "no ASCII": signed() | {"webhook-signature": "v1,ü"},
    "no id": {name: value for name, value in signed().items() if name != "webhook-id"},
    "a token that nobody has": {"Authorization": "Bearer token-nobody"},
}


@pytest.mark.parametrize("case", ALTERED)
async def test_E6_whatever_is_wrong_the_answer_is_the_one_to_strangers(tmp_path: Path, case: str) -> None:
    async with taking(tmp_path) as (caller, w):
        stranger, answer = await post(caller, {}), await post(caller, ALTERED[case])
        differ = {"Date"}
        assert (answer.status, answer.data) == (401, stranger.data)
        assert {k: v for k, v in answer.headers.items() if k not in differ} == {
            k: v for k, v in stranger.headers.items() if k not in differ
        }
        assert (await w.stores.requests.counts(w.clock())).open == 0
        assert {entry.actor for entry in w.ledger.entries if isinstance(entry, Intent)} == {"anonymous"}


async def test_a_message_that_is_sent_again_files_nothing_more_also_after_midnight(tmp_path: Path) -> None:
    async with taking(tmp_path) as (caller, w):
        w.clock.now = datetime(2025, 3, 1, 23, 58, tzinfo=UTC)
        headers = signed(at=w.clock())
        first = await post(caller, headers)
        w.clock.advance(minutes=4)
        again = await post(caller, headers)
        assert (again.status, again.data) == (202, first.data)
        assert (await w.stores.requests.counts(w.clock())).open == 1
        w.clock.advance(minutes=2)
        assert (await post(caller, headers)).status == 401


async def test_E6_a_signature_opens_no_other_endpoint_and_gives_nobody_another_role(tmp_path: Path) -> None:
    async with taking(tmp_path) as (caller, w):
        assert (await post(caller, signed(data=body()), body(), REQUESTS)).status == 401
        trainer = {"Authorization": f"Bearer token-{Role.TRAINER.value}"}
        assert (await post(caller, signed() | trainer)).status == 403
        intake = {"Authorization": f"Bearer token-{Role.INTAKE.value}"}
        assert (await post(caller, intake)).status == 202
        assert (await w.stores.requests.counts(w.clock())).open == 1


async def test_a_signed_body_is_read_like_any_other(tmp_path: Path) -> None:
    async with taking(tmp_path) as (caller, _):
        for data in (b"{", message(subject={})):
            assert (await post(caller, signed(data=data), data)).status == 400
        text = {"Content-Type": "text/plain"}
        assert (await post(caller, signed() | text)).status == 400
        long = b'"' + b"x" * 70_000 + b'"'
        assert (await post(caller, signed(data=long), long)).status == 401


async def exchange(caller: Caller, head: str, *parts: bytes) -> bytes:
    """The heads of what is answered to a request that is sent bit by bit."""
    reader, writer = await asyncio.open_connection("127.0.0.1", int(caller.url.rpartition(":")[2]))
    try:
        writer.write(head.encode())
        for part in parts:
            await asyncio.sleep(0.05)  # so that the head is at the endpoint before the body comes
            writer.write(part)
        heads = b""
        while heads.count(b"HTTP/1.1") == heads.count(b"HTTP/1.1 100"):
            heads += await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 10)
        return heads
    finally:
        writer.close()


def head(*more: str, headers: Mapping[str, str] | None = None) -> str:
    fields = {"Host": "x", "Connection": "close", "Content-Type": "application/json", **(headers or signed())}
    lines = [f"POST {PATH} HTTP/1.1", *(f"{name}: {value}" for name, value in fields.items()), *more]
    return "\r\n".join(lines) + "\r\n\r\n"


async def test_who_waits_to_be_invited_is_invited_once(tmp_path: Path) -> None:
    async with taking(tmp_path) as (caller, _):
        said = await exchange(caller, head(f"Content-Length: {len(BODY)}", "Expect: 100-continue"), BODY)
        assert said.count(b"100 Continue") == 1
        assert b"202 Accepted" in said


async def test_E6_a_body_that_does_not_come_or_is_no_body_proves_nobody(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(guard, "_BODY_SECONDS", 0.2)
    async with taking(tmp_path) as (caller, w):
        assert b" 401 " in await exchange(caller, head("Content-Length: 5000"), BODY)
        broken = await exchange(caller, head("Transfer-Encoding: chunked"), b"zz\r\n" + BODY)
        assert b" 401 " in broken or b" 400 " in broken
        assert (await w.stores.requests.counts(w.clock())).open == 0


def test_secrets_come_from_the_configuration_and_a_private_key_is_none(tmp_path: Path) -> None:
    file = tmp_path / "secret"

    def senders(secret: str) -> dict[str, WebhookKey]:
        file.write_text(secret + "\n")
        config = TriggerWebhookConfig.model_validate({"name": "desk", "secret": {"file": str(file)}})
        return trigger_senders_of((config,))

    assert senders(SECRETS["desk"]) == {"desk": KEYS["desk"]}
    for wrong in ("whsec_c2hvcnQ=", "whsk_" + base64.b64encode(bytes(32)).decode(), "hunter2"):
        with pytest.raises(ConfigError) as caught:
            senders(wrong)
        assert str(caught.value.problems[0].path) == "erasure.trigger_webhooks[0].secret"
        assert wrong not in str(caught.value)
