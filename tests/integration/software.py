"""Real software of others as processes, unmodified, each from the virtual environment that ``install.sh`` made."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests.services import missing

ENVIRONMENTS = Path(__file__).parents[2] / ".integration"
CHROMIUM = "chromium"
START_S = 300.0


def executable(environment: str, name: str) -> str:
    """Return the path of a program of an environment; skip, or fail, where it was not installed."""
    path = ENVIRONMENTS / environment / "bin" / name
    if not path.exists():
        missing(environment, "run tests/integration/install.sh")
    return str(path)


def chromium() -> str:
    """The same for the browser."""
    path = shutil.which(CHROMIUM)
    if path is None:
        missing("Chromium", "run tests/integration/install.sh as root on Debian")
    return str(path)


@contextmanager
def serving(command: Sequence[str], folder: Path, ready_url: str, variables: Mapping[str, str]) -> Iterator[Path]:
    """Run a server in ``folder``, which is its home, too; yield its log once it answers. It is gone afterwards."""
    log = folder / "server.log"
    environment = {"PATH": os.environ["PATH"], "HOME": str(folder), "PYTHONUNBUFFERED": "1", **variables}
    with log.open("wb") as out:
        process = subprocess.Popen(command, cwd=folder, env=environment, stdout=out, stderr=out, start_new_session=True)
        try:
            _await(process, ready_url, log)
            yield log
        finally:
            os.killpg(process.pid, signal.SIGKILL)  # it may have started others
            process.wait()


def _await(process: subprocess.Popen[bytes], url: str, log: Path) -> None:
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline:
        assert process.poll() is None, log.read_text(errors="replace")[-5000:]
        try:
            with urllib.request.urlopen(url, timeout=5):
                return
        except (OSError, urllib.error.URLError):
            time.sleep(0.2)
    raise AssertionError(f"no answer in time: {log.read_text(errors='replace')[-5000:]}")
