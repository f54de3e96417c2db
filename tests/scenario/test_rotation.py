"""The master key is rotated while erasures are open and others have ended (E2, E27, E42, E44)."""

from __future__ import annotations

import secrets
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from sidecar.access import Role
from sidecar.erasure.receipt import verify_receipt
from sidecar.erasure.receipt_keys import by_id, read_published, require_in_use
from tests.scenario.test_erasing import PATIENCE_S, request_for, wait_for_end
from tests.scenario.world import START_S, Answer, World
from tests.services import fresh_postgresql

TRIGGER = """\
    preset: generic-chat
    erasure_trigger:
      identities: {email: $..customer.email, conversation_id: [$.conversation.id, "$.conversations[].id"]}
"""


def rewrite(world: World, before: str, after: str) -> None:
    config = world.setup.config
    text = config.read_text("utf-8")
    assert text.count(before) == 1
    config.write_text(text.replace(before, after), "utf-8")


def rotate(world: World) -> str:
    """Give a new master key, and the old one as a previous one; return how that is written."""
    key = world.folder / "master-2.key"
    key.write_text(secrets.token_hex(32) + "\n")
    key.chmod(0o600)
    old = world.folder / "master.key"
    previous = f", previous: [{{version: 1, master_file: {old}}}]"
    rewrite(world, f"keys: {{master_file: {old}}}", f"keys: {{master_file: {key}, version: 2{previous}}}")
    return previous


@pytest.fixture(params=["sqlite", "postgresql"])
def guarded_world(request: pytest.FixtureRequest, fresh_world: World, tmp_path: Path) -> Iterator[World]:
    """One that gives people keys and reads chats for requests, with its state in either database."""
    world = fresh_world
    assert world.stop_sidecar() == 0
    (tmp_path / "kms").mkdir()
    rewrite(
        world,
        "erasure:\n  second",
        f"erasure:\n  subject_keys: {{folder: {tmp_path / 'kms'}, identity: email}}\n  second",
    )
    rewrite(world, "    preset: generic-chat\n", TRIGGER)
    if request.param == "sqlite":
        world.start_sidecar()
        yield world
        return
    with fresh_postgresql() as url:
        rewrite(world, f"sqlite:///{tmp_path}/state.db", url)
        world.start_sidecar()
        yield world
        if world.sidecar is not None:
            world.stop_sidecar()


def start_refused(world: World) -> str:
    command = [sys.executable, "-m", "sidecar", "run", "--config", str(world.setup.config)]
    refused = subprocess.run(command, capture_output=True, text=True, timeout=START_S, check=False)
    assert refused.returncode == 2
    return refused.stderr


def key_of(world: World, email: str) -> Answer:
    return world.admin("POST", "/v1/subject-keys", {"type": "email", "value": email}, Role.KEY_USER)


def counted(world: World, metric: str) -> float:
    lines = world.admin("GET", "/metrics", role=Role.METRICS).body.decode().splitlines()
    return sum(float(line.rpartition(" ")[2]) for line in lines if line.startswith((f"{metric} ", f"{metric}{{")))


def test_E44_open_erasures_go_on_and_old_receipts_verify_after_a_rotation(fresh_world: World) -> None:
    world = fresh_world
    first, second = (request_for(chat["customer"]["email"]) for chat in world.chats()[:2])
    del second["verified_by"]
    for wanted in (first, second):
        assert world.admin("POST", "/v1/erasures", wanted, Role.INTAKE).status == 202
    wait_for_end(world, first["id"])
    assert world.stop_sidecar() == 0
    rotate(world)
    world.start_sidecar()
    path = f"/v1/erasures/{second['id']}"
    assert world.admin("POST", f"{path}/verification", {"verified_by": "phone"}, Role.INTAKE).status == 200
    wait_for_end(world, second["id"])
    listed = world.admin("GET", "/v1/erasure-receipt-keys", role=Role.AUDITOR).json["keys"]
    keys = [read_published(one) for one in listed]
    assert [one.not_after is None for one in keys] == [True, False]
    signers = []
    for wanted in (first, second):
        receipt = world.admin("GET", f"/v1/erasures/{wanted['id']}/receipt", role=Role.AUDITOR).body
        said = verify_receipt(receipt, by_id(keys))
        require_in_use(said, keys)
        signers.append(said["key_id"])
    assert signers == [keys[1].id, keys[0].id]


def test_E2_E27_E42_who_was_known_before_a_rotation_is_known_after_it(guarded_world: World) -> None:
    world = guarded_world
    anna, bert = world.chats()[:2]
    emails = [chat["customer"]["email"] for chat in (anna, bert)]
    keys = [key_of(world, one).json for one in emails]
    wanted = request_for(emails[0])
    accepted = world.admin("POST", "/v1/erasures", wanted, Role.INTAKE)
    wait_for_end(world, wanted["id"])
    assert key_of(world, emails[0]).status == 410
    deadline = time.monotonic() + PATIENCE_S
    while not counted(world, "sidecar_suppression_keys"):  # or she would be known by the new key alone
        assert time.monotonic() < deadline
        time.sleep(0.1)
    assert world.stop_sidecar() == 0
    previous = rotate(world)
    world.start_sidecar()

    again = world.admin("POST", "/v1/erasures", wanted, Role.INTAKE)
    assert (again.status, again.json) == (202, accepted.json)  # the same salt among it: the receipt is still theirs
    other = {**wanted, "subject": {"identities": [{"type": "email", "value": "other@example.com"}]}}
    assert world.admin("POST", "/v1/erasures", other, Role.INTAKE).status == 409
    assert key_of(world, emails[1]).json == keys[1]
    assert key_of(world, emails[0]).status == 410
    assert counted(world, "sidecar_suppressed_total") == 0
    world.data("POST", "/api/conversations", {"conversation": anna})  # an old copy turns up
    assert counted(world, "sidecar_suppressed_total") >= 1

    destroying = request_for(emails[1])
    assert world.admin("POST", "/v1/erasures", destroying, Role.INTAKE).status == 202
    wait_for_end(world, destroying["id"])
    assert key_of(world, emails[1]).status == 410
    assert world.stop_sidecar() == 0
    for path, data in world.written():
        assert emails[0].encode() not in data, path

    rewrite(world, previous, "")
    refused = start_refused(world)
    assert "version 1 of the master key, which is not configured" in refused
    assert "keys.previous" in refused


def test_E27_another_key_under_the_version_of_the_old_one_is_refused(fresh_world: World) -> None:
    """Under it nobody would be known again who was erased: they would be shown."""
    world = fresh_world
    assert world.stop_sidecar() == 0
    rotate(world)
    old, mistyped = (world.folder / "master.key").read_text(), secrets.token_hex(32)
    (world.folder / "master.key").write_text(mistyped)
    log = sorted((world.folder / "audit").iterdir())
    refused = start_refused(world)
    assert "keys.previous[0].master_file: this is not the key that was version 1" in refused
    assert mistyped not in refused
    assert sorted((world.folder / "audit").iterdir()) == log  # nothing was begun with it
    (world.folder / "master.key").write_text(old)
    world.start_sidecar()
