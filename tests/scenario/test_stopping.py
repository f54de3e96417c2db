"""P49 with the whole program: SIGTERM under load fails no request of clients that mind the readiness probe."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from pathlib import Path

import pytest

from tests.scenario.world import World

CLIENTS = 4
DELAY_S = 15  # far longer than it takes every client to hear of it, on a busy machine, too


class Load:
    """Clients that ask one after the other, each time on a new connection, until they are told to go elsewhere."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._path = f"/api/conversations/{world.chats()[0]['id']}"
        self._elsewhere = threading.Event()
        self._threads = [threading.Thread(target=self._ask) for _ in range(CLIENTS)]
        self.outcomes: Counter[str] = Counter()

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def end(self) -> None:
        self._elsewhere.set()
        for thread in self._threads:
            thread.join(60)

    def _ask(self) -> None:
        while not self._elsewhere.is_set():
            try:
                outcome = str(self._world.data("GET", self._path).status)
            except OSError as error:
                outcome = type(error).__name__
            self.outcomes[outcome] += 1


def test_P49_no_request_fails_when_the_program_is_told_to_stop(fresh_world: World) -> None:
    world = fresh_world
    config = world.setup.config
    world.stop_sidecar()
    config.write_text(config.read_text().replace("drain_delay_seconds: 0", f"drain_delay_seconds: {DELAY_S}"))
    world.start_sidecar()
    assert world.sidecar is not None
    load = Load(world)
    load.start()
    try:
        time.sleep(0.5)
        world.sidecar.send_signal(signal.SIGTERM)
        while world.admin("GET", "/readyz").status == 200:
            time.sleep(0.02)
        before = sum(load.outcomes.values())
        deadline = time.monotonic() + DELAY_S / 2
        while sum(load.outcomes.values()) == before:
            assert time.monotonic() < deadline, "who has not heard yet is still served"
            time.sleep(0.02)
    finally:
        load.end()
    assert set(load.outcomes) == {"200"}
    assert world.sidecar.wait(60) == 0
    verify = [sys.executable, "-m", "sidecar", "audit", "verify", str(world.folder / "audit")]
    assert subprocess.run(verify, capture_output=True, check=False).returncode == 0


@pytest.mark.parametrize(
    ("command", "number", "code"),
    [(("run", "--config"), signal.SIGTERM, 0), (("check-config",), signal.SIGINT, 130)],
)
def test_who_is_told_to_stop_before_it_serves_does_and_no_check_succeeds_by_it(
    tmp_path: Path, command: tuple[str, ...], number: int, code: int
) -> None:
    """The first process of a container does not hear a signal that it has no handler for."""
    config = tmp_path / "config.yaml"
    os.mkfifo(config)
    inherited = signal.signal(signal.SIGINT, signal.default_int_handler)  # may be to ignore it, as in the background
    process = subprocess.Popen([sys.executable, "-m", "sidecar", *command, str(config)], stderr=subprocess.PIPE)
    signal.signal(signal.SIGINT, inherited)
    with config.open("wb"):  # returns once the other side has come to read
        process.send_signal(number)
        _, errors = process.communicate(timeout=60)
    assert (process.returncode, errors) == (code, b"")
