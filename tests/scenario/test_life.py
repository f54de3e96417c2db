"""Starting, stopping, restarting and starving the running program."""

from __future__ import annotations

import contextlib
import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from sidecar.access import Role
from tests.scenario.world import World


def sidecar(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "sidecar", *arguments], capture_output=True, text=True, check=False)


def test_placeholders_outlive_restarts_and_kills_d19(fresh_world: World) -> None:
    world = fresh_world
    path = f"/api/conversations/{world.chats()[0]['id']}"
    before = world.data("GET", path).body
    assert world.stop_sidecar(signal.SIGTERM) == 0
    world.start_sidecar()
    assert world.data("GET", path).body == before
    world.stop_sidecar(signal.SIGKILL)
    world.start_sidecar()
    assert world.data("GET", path).body == before


def test_no_room_for_the_audit_log_refuses_everything_and_recovers_a4_a34(fresh_world: World) -> None:
    world = fresh_world
    path = f"/api/conversations/{world.chats()[0]['id']}"
    assert world.data("GET", path).status == 200
    writer = world.writing_process()
    size = max((world.folder / "audit").glob("*.segment")).stat().st_size
    _, hard = resource.prlimit(writer, resource.RLIMIT_FSIZE)
    resource.prlimit(writer, resource.RLIMIT_FSIZE, (size, hard))
    starved = world.data("GET", path)
    assert starved.status == 503
    assert b"conversation" not in starved.body
    resource.prlimit(writer, resource.RLIMIT_FSIZE, (hard, hard))
    assert world.data("GET", path).status == 200
    assert sidecar("audit", "verify", str(world.folder / "audit")).returncode == 0


def test_a_detection_that_dies_refuses_and_the_next_one_works_d14(fresh_world: World) -> None:
    world = fresh_world
    workers = world.detection_workers()
    assert workers
    for pid in workers:
        os.kill(pid, signal.SIGKILL)
    seen = {world.data("GET", f"/api/conversations/{chat['id']}").status for chat in world.chats()[:5]}
    assert seen <= {200, 502, 503}
    assert world.data("GET", f"/api/conversations/{world.chats()[6]['id']}").status == 200


def test_a_chatbot_that_is_gone_is_a_502_or_503_without_a_cause(fresh_world: World) -> None:
    world = fresh_world
    path = f"/api/conversations/{world.chats()[0]['id']}"
    world.chatbot.kill()
    world.chatbot.wait()
    answer = world.data("GET", path)
    assert answer.status in (502, 503)
    assert str(world.chatbot_port).encode() not in answer.body


def test_the_demonstration_shows_both_sides_and_ends() -> None:
    shown = sidecar("demo", "--once")
    assert shown.returncode == 0, shown.stderr
    rows = [line.split(" | ") for line in shown.stdout.splitlines() if " | " in line]
    assert "[PERSON_1]" in "".join(row[-1] for row in rows)
    assert "@example.com" in "".join(row[0] for row in rows)
    assert "@example.com" not in "".join(row[-1] for row in rows)


def test_a_killed_demonstration_leaves_no_chatbot_behind(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "sidecar", "demo", "--folder", str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as demo:
        assert demo.stdout is not None
        while b"Ctrl-C" not in demo.stdout.readline():
            assert demo.poll() is None
        demo.kill()
        left = demo.stdout.read()  # ends only when every process that holds the other end is gone
    assert b"PERSON" not in left
    wait_until(lambda: not processes_with(str(tmp_path)))


def processes_with(argument: str) -> list[str]:
    """Process ids whose command line holds ``argument``."""
    found = []
    for folder in Path("/proc").iterdir():
        with contextlib.suppress(OSError):
            if folder.name.isdigit() and argument.encode() in (folder / "cmdline").read_bytes():
                found.append(folder.name)
    return found


def wait_until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_a_port_in_use_is_reported_with_its_place(world: World, tmp_path: Path) -> None:
    taken = tmp_path / "config.yaml"
    text = world.setup.config.read_text().replace(f"{world.folder}/state.db", f"{tmp_path}/state.db")
    taken.write_text(text.replace(f"{world.folder}/audit", f"{tmp_path}/audit"))
    refused = sidecar("run", "--config", str(taken))
    assert refused.returncode == 2
    assert "listeners." in refused.stderr
    assert "Traceback" not in refused.stderr


def test_a_typo_is_reported_with_its_place_and_exit_2(world: World, tmp_path: Path) -> None:
    faulty = tmp_path / "config.yaml"
    faulty.write_text(world.setup.config.read_text().replace("path_prefix:", "path_prefx:"))
    for command in (("check-config", str(faulty)), ("run", "--config", str(faulty))):
        refused = sidecar(*command)
        assert refused.returncode == 2
        assert "routes[0].path_prefx" in refused.stderr
        assert "Did you mean path_prefix?" in refused.stderr


def test_a_certificate_that_does_not_match_its_key_is_reported(world: World, tmp_path: Path) -> None:
    certificates = world.setup.certificates
    other = certificates.client(Role.TRAINER)[1]
    faulty = tmp_path / "config.yaml"
    faulty.write_text(world.setup.config.read_text().replace(str(certificates.server[1]), str(other)))
    refused = sidecar("check-config", str(faulty))
    assert refused.returncode == 2
    assert "listeners" in refused.stderr or str(other) in refused.stderr


def test_a_sound_configuration_is_said_to_be(world: World) -> None:
    assert sidecar("check-config", str(world.setup.config)).returncode == 0


@pytest.mark.parametrize("arguments", [(), ("nonsense",), ("run",)])
def test_usage_errors_exit_2(arguments: tuple[str, ...]) -> None:
    assert sidecar(*arguments).returncode == 2
