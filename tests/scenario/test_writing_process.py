"""The process that writes the audit log is lost: nothing is served unrecorded, and the sidecar ends (A4)."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from sidecar.audit.store import LOCK_NAME
from tests.scenario.world import World


def descendants(pid: int) -> Iterator[int]:
    for children in Path(f"/proc/{pid}/task").glob("*/children"):
        for child in children.read_text().split():
            yield int(child)
            yield from descendants(int(child))


def holder(pid: int, file: Path) -> int:
    """Return which descendant of a process has a file open."""
    found = [
        one
        for one in descendants(pid)
        if any(link.readlink() == file for link in Path(f"/proc/{one}/fd").iterdir() if link.is_symlink())
    ]
    assert len(found) == 1, found
    return found[0]


def test_a4_a_lost_writing_process_ends_the_sidecar_and_the_next_start_goes_on(fresh_world: World) -> None:
    world = fresh_world
    path = f"/api/conversations/{world.chats()[0]['id']}"
    assert world.data("GET", path).status == 200
    assert world.sidecar is not None
    os.kill(holder(world.sidecar.pid, world.folder / "audit" / LOCK_NAME), signal.SIGKILL)
    while world.sidecar.poll() is None:
        try:
            assert world.data("GET", path).status == 503
        except OSError:
            break  # it does not listen any more
    assert world.sidecar.wait(60) == 1
    assert "writes the audit log ended" in (world.folder / "stderr.txt").read_text()
    world.start_sidecar()
    assert world.data("GET", path).status == 200
    assert world.stop_sidecar() == 0
    verify = [sys.executable, "-m", "sidecar", "audit", "verify", str(world.folder / "audit")]
    assert subprocess.run(verify, capture_output=True, check=False).returncode == 0
