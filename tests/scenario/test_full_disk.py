"""The disk that holds state, journal and audit log alike fills up under a running sidecar, and has room again (E49)."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from sidecar.access import Role
from tests.audit.disks import small_tmpfs
from tests.scenario.test_erasing import request_for, wait_for_end
from tests.scenario.world import World, running_world

PATIENCE_S = 60.0
MOST_REQUESTS = 500  # each leaves some kilobytes


@pytest.fixture
def small_world(tmp_path: Path) -> Iterator[World]:
    with small_tmpfs(tmp_path / "disk", kibibytes=8192) as disk, running_world(disk) as started:
        yield started


def test_E49_nothing_is_accepted_nor_lost_while_the_disk_is_full(small_world: World) -> None:
    world = small_world
    chats = world.chats()
    waiting, refused = (request_for(one["customer"]["email"]) for one in chats[:2])
    world.data("GET", f"/api/conversations/{chats[0]['id']}")
    world.chatbot.send_signal(signal.SIGSTOP)  # the first request stays open
    accepted = {waiting["id"]} if submit(world, waiting) == 202 else set()
    filler = world.folder / "filler"
    fill(filler)
    use_up(world, accepted)
    assert waiting["id"] in accepted
    for _ in range(3):
        assert submit(world, refused) == 503
    assert world.admin("GET", "/readyz").status == 503
    world.chatbot.send_signal(signal.SIGCONT)
    answer = world.data("GET", f"/api/conversations/{chats[2]['id']}")
    assert answer.status == 503, "an access that can't be recorded must not be"
    assert chats[2]["customer"]["email"].encode() not in answer.body

    filler.unlink()
    wait_until_ready(world)
    missing = world.admin("GET", f"/v1/erasures/{refused['id']}", role=Role.INTAKE)
    assert missing.status == 404, "it was refused, and yet it is there"
    assert submit(world, refused) == 202
    accepted.add(refused["id"])
    for request_id in accepted:
        assert wait_for_end(world, request_id)["state"] in ("completed", "ended_with_exceptions")
    for one in chats[:2]:
        assert world.original(f"/api/customers/{one['customer']['email']}/count")["conversations"] == 0
    assert world.data("GET", f"/api/conversations/{chats[2]['id']}").status == 200
    assert world.stop_sidecar() == 0
    verified = subprocess.run(
        [sys.executable, "-m", "sidecar", "audit", "verify", str(world.folder / "audit")],
        capture_output=True, check=False,
    )  # fmt: skip
    assert verified.returncode == 0, verified.stdout


def submit(world: World, wanted: dict[str, Any]) -> int:
    return world.admin("POST", "/v1/erasures", wanted, Role.INTAKE).status


def fill(path: Path) -> None:
    """Write until the disk has no byte left."""
    with path.open("wb", buffering=0) as stream:
        for size in (4096, 1):
            with suppress(OSError):
                while True:
                    stream.write(b"x" * size)


def use_up(world: World, accepted: set[str]) -> None:
    """Submit until nothing is accepted: files that were longer before have room left in them."""
    for n in range(MOST_REQUESTS):
        one = request_for(f"nobody{n}@example.org")
        status = submit(world, one)
        if status == 503:
            return
        assert status == 202
        accepted.add(one["id"])
    raise AssertionError("the disk did not fill up")


def wait_until_ready(world: World) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while world.admin("GET", "/readyz").status != 200:
        assert time.monotonic() < deadline, "it did not come back"
        time.sleep(0.1)
