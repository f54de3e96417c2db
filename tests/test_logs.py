"""What the process writes to stderr: nothing that a library quotes. In a process of its own, for logging is global."""

from __future__ import annotations

import subprocess
import sys

import pytest

SAID = """
import logging
from sidecar.logs import configure_logging

configure_logging()
logging.getLogger({name!r}).error("could not reach {canary}")
logging.getLogger("sidecar.targets").warning("ours")
"""
CANARY = "amqp://user:canary@host/anna"


@pytest.mark.parametrize(
    "name", ["aiormq.connection", "aio_pika.robust_connection", "botocore.credentials", "nats.aio.client", "redis",
             "psycopg", "urllib3.connectionpool", "sqlalchemy.engine.Engine", "aiohttp.client"]
)  # fmt: skip
def test_libraries_that_quote_are_not_heard(name: str) -> None:
    code = SAID.format(name=name, canary=CANARY)
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "canary" not in said.stderr + said.stdout
    assert "sidecar.targets ours" in said.stderr


BUG = """
import threading
from sidecar.logs import configure_logging

class Left:
    def __del__(self):
        raise ValueError("{canary}")

def bug():
    raise ValueError("{canary}")

configure_logging()
Left()
thread = threading.Thread(target=bug)
thread.start()
thread.join()
try:
    bug()
except ValueError as error:
    raise RuntimeError("{canary}") from error
"""


def test_a_bug_that_ends_the_process_shows_its_kind_and_place_alone() -> None:
    code = BUG.format(canary=CANARY)
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert said.returncode == 1
    assert "canary" not in said.stderr + said.stdout
    for told in ("ignored: ValueError", "a thread ended: ValueError", "ended by a bug: RuntimeError at "):
        assert told in said.stderr
