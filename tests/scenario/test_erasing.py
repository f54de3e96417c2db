"""A customer asks to be forgotten: through the API, a dead upstream, and a kill -9."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from typing import Any
from uuid import uuid4

from sidecar.access import Role
from tests.scenario.world import World

PATIENCE_S = 60.0
ENDED = ("completed", "cancelled")


def request_for(email: str) -> dict[str, Any]:
    return {
        "id": str(uuid4()),
        "regulation": "gdpr",
        "verified_by": "account_login",
        "subject": {"identities": [{"type": "email", "value": email}]},
    }


def wait_for_end(world: World, request_id: str) -> Any:
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        status = world.admin("GET", f"/v1/erasures/{request_id}", role=Role.INTAKE)
        assert status.status == 200, status.body
        if status.json["state"] in ENDED:
            return status.json
        time.sleep(0.1)
    raise AssertionError(status.body)


def test_the_erased_customer_is_gone_everywhere_e16_e28_e48(world: World, tmp_path: Any) -> None:
    chat = world.chats()[0]
    customer = chat["customer"]
    world.data("GET", f"/api/conversations/{chat['id']}")
    wanted = request_for(customer["email"])
    accepted = world.admin("POST", "/v1/erasures", wanted, Role.INTAKE)
    assert accepted.status == 202
    done = wait_for_end(world, wanted["id"])
    assert done["state"] == "completed", done
    assert world.original(f"/api/customers/{customer['email']}/count")["conversations"] == 0
    assert world.data("GET", f"/api/conversations/{chat['id']}").status == 404
    assert customer["email"].encode() not in (world.folder / "chats.json").read_bytes()

    receipt = world.admin("GET", f"/v1/erasures/{wanted['id']}/receipt", role=Role.PRIVACY_OFFICER)
    assert receipt.status == 200
    assert customer["email"].encode() not in receipt.body
    proof = world.admin("GET", f"/v1/erasures/{wanted['id']}/receipt-proof", role=Role.PRIVACY_OFFICER)
    assert proof.status == 200 or (proof.status, proof.json["error"]["reason"]) == (409, "not_yet")  # within a minute

    again = world.admin("POST", "/v1/erasures", wanted, Role.INTAKE)
    assert again.status in (200, 202)
    assert again.json["id"] == wanted["id"]
    other = {**wanted, "subject": {"identities": [{"type": "email", "value": "other@example.com"}]}}
    assert world.admin("POST", "/v1/erasures", other, Role.INTAKE).status == 409


def test_a_trainer_may_not_erase(world: World) -> None:
    wanted = request_for(world.chats()[3]["customer"]["email"])
    assert world.admin("POST", "/v1/erasures", wanted, Role.TRAINER).status == 403


def test_kill_9_with_a_dead_upstream_loses_no_request_e1_e13_e41(fresh_world: World) -> None:
    world = fresh_world
    customer = world.chats()[0]["customer"]
    world.chatbot.send_signal(signal.SIGSTOP)
    wanted = request_for(customer["email"])
    assert world.admin("POST", "/v1/erasures", wanted, Role.INTAKE).status == 202
    world.stop_sidecar(signal.SIGKILL)
    for path, data in world.written():
        assert customer["email"].encode() not in data, path
    world.chatbot.send_signal(signal.SIGCONT)
    world.start_sidecar()
    assert wait_for_end(world, wanted["id"])["state"] == "completed"
    assert world.original(f"/api/customers/{customer['email']}/count")["conversations"] == 0
    command = [sys.executable, "-m", "sidecar", "audit", "verify", str(world.folder / "audit")]
    assert subprocess.run(command, capture_output=True, check=False).returncode == 0
