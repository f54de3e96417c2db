"""A trainer reads chats through the running program; an auditor and Prometheus look at what it left."""

from __future__ import annotations

import json
import re
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Any

import pytest

from sidecar.access import Role
from tests.scenario.world import World

CANARY_WORDS = 5  # a known value shorter than this may be an everyday word


def known_values(chats: list[Any]) -> Iterator[str]:
    """The structured values of all customers: what must never get through, anywhere."""
    for chat in chats:
        customer = chat["customer"]
        yield from (customer[key] for key in ("name", "email", "phone", "address") if customer.get(key))


def test_no_known_value_of_any_chat_gets_through(world: World) -> None:
    chats = world.chats()
    assert len(chats) >= 40
    for chat in chats:
        answer = world.data("GET", f"/api/conversations/{chat['id']}")
        assert answer.status == 200
        shown = answer.body.decode().casefold()
        for value in known_values([chat]):
            assert value.casefold() not in shown, chat["id"]
        assert len(answer.json["conversation"]["messages"]) == len(chat["messages"])


def test_the_list_of_chats_names_nobody(world: World) -> None:
    listing = world.data("GET", "/api/conversations").body.decode()
    for value in known_values(world.chats()):
        assert value not in listing


def test_one_person_is_one_placeholder_throughout_a_chat_and_every_reading_d19(world: World) -> None:
    chat = world.chats()[0]
    path = f"/api/conversations/{chat['id']}"
    first, second = world.data("GET", path), world.data("GET", path)
    assert first.body == second.body
    conversation = first.json["conversation"]
    name = conversation["customer"]["name"]
    assert re.fullmatch(r"\[PERSON_\d+\]", name)
    assert any(name in message["text"] for message in conversation["messages"])


def test_what_a_trainer_writes_arrives_redacted_and_is_answered(world: World) -> None:
    path = f"/api/conversations/{world.chats()[1]['id']}"
    answer = world.data("POST", f"{path}/messages", {"text": "please mail it to zed.quillfeather@example.com"})
    assert answer.status == 201
    stored = json.dumps(world.original(path))
    assert "zed.quillfeather" not in stored
    assert "please mail it to [EMAIL_" in stored


@pytest.mark.parametrize("role", [role for role in Role if role is not Role.TRAINER])
def test_other_roles_are_denied_and_get_nothing(world: World, role: Role) -> None:
    answer = world.data("GET", f"/api/conversations/{world.chats()[0]['id']}", role=role)
    assert answer.status == 403
    assert b"conversation" not in answer.body


def test_plain_http_on_the_tls_port_gets_no_proxied_byte_p51(world: World) -> None:
    with socket.create_connection(("127.0.0.1", world.setup.data_port), timeout=10) as plain:
        plain.sendall(b"GET /api/conversations HTTP/1.1\r\nHost: localhost\r\n\r\n")
        try:
            received = plain.recv(65536)
        except ConnectionResetError:
            received = b""
    assert b"conversations" not in received
    assert b"200" not in received


@pytest.mark.parametrize(
    "path",
    ["/metrics", "/v1/erasures", "/healthz", "/api/conversations/..;/metrics", "/api/conversations/%2e%2e/metrics"],
)
def test_nothing_of_the_admin_listener_is_reached_through_the_data_listener_p59(world: World, path: str) -> None:
    answer = world.data("GET", path)
    assert answer.status in (400, 404)
    assert b"sidecar_" not in answer.body


def test_every_access_leaves_an_intent_and_an_outcome_and_verifies_a1(world: World) -> None:
    log = world.folder / "audit"

    def records() -> int:
        return sum(one.read_bytes().count(b"record\t") for one in log.glob("*.segment"))

    before = records()
    assert world.data("GET", f"/api/conversations/{world.chats()[2]['id']}").status == 200
    assert world.data("GET", "/nowhere").status == 404
    # An outcome is written once the response is out, so the client may be here before it.
    deadline = time.monotonic() + 10
    while records() < before + 4 and time.monotonic() < deadline:
        time.sleep(0.02)
    assert records() == before + 4
    command = [sys.executable, "-m", "sidecar", "audit", "verify", str(log)]
    assert subprocess.run(command, capture_output=True, check=False).returncode == 0


def test_metrics_count_entities_by_type_and_need_the_role(world: World) -> None:
    world.data("GET", f"/api/conversations/{world.chats()[0]['id']}")
    shown = world.admin("GET", "/metrics", role=Role.METRICS)
    assert shown.status == 200
    assert re.search(rb'sidecar_entities_total\{type="PERSON"\} [1-9]', shown.body)
    assert re.search(rb'sidecar_rewrite_duration_seconds_count\{[^}]*route="conversations"[^}]*\} [1-9]', shown.body)
    assert world.admin("GET", "/metrics", role=Role.TRAINER).status == 403
    assert world.admin("GET", "/metrics").status == 401


def test_no_known_value_is_in_any_byte_written_or_exposed_p60_a19(world: World) -> None:
    chats = world.chats()
    for chat in chats:
        world.data("GET", f"/api/conversations/{chat['id']}")
    world.data("GET", f"/nowhere/{chats[0]['customer']['email']}?q={chats[0]['customer']['email']}")
    metrics = world.admin("GET", "/metrics", role=Role.METRICS).body
    values = {value.encode() for value in known_values(chats)} | {chat["id"].encode() for chat in chats}
    for path, data in [*world.written(), ("metrics", metrics)]:
        assert not [value for value in values if value in data], path
