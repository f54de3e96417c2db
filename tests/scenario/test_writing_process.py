"""The process that writes the audit log is lost: nothing is served unrecorded, and the sidecar ends (A4)."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

from tests.scenario.world import World


def test_a4_a_lost_writing_process_ends_the_sidecar_and_the_next_start_goes_on(fresh_world: World) -> None:
    world = fresh_world
    path = f"/api/conversations/{world.chats()[0]['id']}"
    assert world.data("GET", path).status == 200
    assert world.sidecar is not None
    os.kill(world.writing_process(), signal.SIGKILL)
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
