"""Somebody asks to be forgotten in a chat that a trainer reads: a request waits, and nothing is deleted by itself."""

from __future__ import annotations

import subprocess
import sys
import time

from sidecar.access import Role
from tests.scenario.world import World

TRIGGER = """\
    preset: generic-chat
    erasure_trigger:
      identities: {email: $..customer.email, conversation_id: [$.conversation.id, "$.conversations[].id"]}
"""
PATIENCE_S = 30.0


def metric(world: World, name: str) -> float:
    lines = world.admin("GET", "/metrics", role=Role.METRICS).body.decode().splitlines()
    return sum(float(line.rpartition(" ")[2]) for line in lines if line.startswith(f"{name} "))


def test_who_asks_in_a_chat_is_filed_once_and_still_there_e7(fresh_world: World) -> None:
    world = fresh_world
    assert world.stop_sidecar() == 0
    config = world.setup.config
    config.write_text(config.read_text().replace("    preset: generic-chat\n", TRIGGER))
    world.start_sidecar()
    chat = world.chats()[0]
    chat["messages"].append({"speaker": "customer", "text": "bitte löschen Sie alle meine Daten"})
    for _ in range(3):
        world.data("POST", "/api/conversations", {"conversation": chat})
    deadline = time.monotonic() + PATIENCE_S
    while metric(world, 'sidecar_erasure_triggers_total{outcome="filed"}') != 1:
        assert time.monotonic() < deadline, (world.folder / "stderr.txt").read_text()
        time.sleep(0.1)
    assert metric(world, "sidecar_erasure_requests_total") == 1
    email = chat["customer"]["email"]
    assert world.original(f"/api/customers/{email}/count")["conversations"] > 0
    assert world.stop_sidecar() == 0
    for path, data in world.written():
        assert email.encode() not in data, path
    command = [sys.executable, "-m", "sidecar", "audit", "verify", str(world.folder / "audit")]
    assert subprocess.run(command, capture_output=True, check=False).returncode == 0
