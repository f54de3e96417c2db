"""The master key is rotated while an erasure is open and another has ended (E44)."""

from __future__ import annotations

import secrets

from sidecar.access import Role
from sidecar.erasure.receipt import verify_receipt
from sidecar.erasure.receipt_keys import by_id, read_published, require_in_use
from tests.scenario.test_erasing import request_for, wait_for_end
from tests.scenario.world import World


def rotate(world: World) -> None:
    config, key = world.setup.config, world.folder / "master-2.key"
    key.write_text(secrets.token_hex(32) + "\n")
    key.chmod(0o600)
    old = world.folder / "master.key"
    before = f"keys: {{master_file: {old}}}"
    text = config.read_text("utf-8")
    assert before in text
    after = f"keys: {{master_file: {key}, version: 2, previous: [{{version: 1, master_file: {old}}}]}}"
    config.write_text(text.replace(before, after), "utf-8")


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
