"""The parent's handle on one worker process. Its blocking calls run in a thread that belongs to the worker."""

from __future__ import annotations

import multiprocessing
import os
import pickle
import threading
from collections.abc import Sequence
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnProcess

from sidecar.detection.recognizer import Message
from sidecar.detection.span import Span
from sidecar.detection.worker import FAILED, READY, REFUSED, SPANS, DetectorRecipe, serve
from sidecar.errors import ConfigError, DetectionFailed, DetectionFault, Problem

_spawning = threading.Lock()
_ONE_THREAD = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "BLIS_NUM_THREADS")
_JOIN_S = 5.0


class Retired(Exception):
    """This worker was replaced by a younger one and takes no more batches."""


class WorkerProcess:
    """One spawned process (never forked: the parent has threads) with its pipe."""

    def __init__(self, recipe: DetectorRecipe, start_s: float, budget_s: float) -> None:
        self._recipe = recipe
        self._start_s = start_s
        self._budget_s = budget_s
        self._process: SpawnProcess | None = None
        self._connection: Connection | None = None
        self._lock = threading.Lock()
        self._talking = threading.Lock()
        self._retired = False
        self._killed = False
        self._expired = False
        self.usable = False
        self.version = ""
        self.characters = 0
        """How much text it has read."""

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process else None

    def start(self) -> None:
        """Spawn the process and wait until it has loaded its detector. Blocks. Raises ``ConfigError``."""
        context = multiprocessing.get_context("spawn")
        ours, theirs = context.Pipe()
        recipe = pickle.dumps(self._recipe)
        process = context.Process(
            target=serve, args=(theirs, recipe, self._start_s, self._budget_s), name="detection", daemon=True
        )
        with self._lock, _spawning:
            if self._killed:
                raise _unready("was stopped while starting", "Start the sidecar again")
            for name in _ONE_THREAD:  # parallelism is ours to give, by processes; threads inside them only collide
                os.environ.setdefault(name, "1")
            try:
                process.start()
            except OSError as error:  # no memory or no process left; what comes later may find some
                raise _unready(f"can't be started ({error.strerror})", "Check limits of memory and processes") from None
            self._process, self._connection = process, ours
        theirs.close()  # else the pipe would not end when the worker does
        if not ours.poll(self._start_s):
            self.kill()
            raise _unready(f"did not load within {self._start_s:g} s", "Raise detection.start_timeout_seconds")
        self._take_greeting(ours)

    def _take_greeting(self, connection: Connection) -> None:
        try:
            greeting = connection.recv()
        except (EOFError, OSError):
            code = self._exit_code()
            raise _unready(
                f"ended while loading (exit code {code})", "See its error output, and check memory"
            ) from None
        if greeting[0] == REFUSED:
            raise ConfigError(tuple(Problem(*problem) for problem in greeting[1]))
        if greeting[0] == READY:
            self.version = greeting[1]
            self.usable = True

    def exchange(self, messages: Sequence[Message]) -> list[tuple[Span, ...]]:
        """Send a batch and wait for its answer. Blocks.

        Raises ``DetectionFailed`` (then see ``usable``), or ``Retired``: it was not sent, another worker can have it.
        """
        try:
            with self._talking:
                if self._retired:
                    raise Retired
                if self._connection is None or not self.usable:
                    raise DetectionFailed(DetectionFault.CRASHED)
                self._connection.send(messages)
                answer = self._connection.recv()
        except (EOFError, OSError):
            self.usable = False
            raise DetectionFailed(DetectionFault.TIMED_OUT if self._expired else DetectionFault.CRASHED) from None
        if answer[0] == FAILED:
            raise DetectionFailed(DetectionFault(answer[1]), answer[2])
        self.characters += sum(len(message.text) for message in messages)
        spans: list[tuple[Span, ...]] = answer[1]
        if answer[0] != SPANS or len(spans) != len(messages):
            raise DetectionFailed(DetectionFault.INVALID, "not one answer for each message")
        return spans

    def expire(self) -> None:
        """Kill it because it is overdue."""
        self._expired = True
        self.kill()

    def kill(self) -> None:
        """End the process now. It holds nothing that must be saved. Safe at any time and from any thread."""
        with self._lock:
            self._killed = True
            self.usable = False
            if self._process is not None and self._process.is_alive():
                self._process.kill()

    def close(self) -> None:
        """Reap the process and close the pipe. Blocks. Only when no ``exchange`` is under way."""
        self.kill()
        if self._process is not None:
            self._process.join(_JOIN_S)
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def retire(self) -> None:
        """Let an exchange that is under way end, then close. Blocks."""
        with self._talking:
            self._retired = True
        self.close()

    def _exit_code(self) -> int | None:
        if self._process is None:
            return None
        self._process.join(_JOIN_S)
        return self._process.exitcode


def _unready(message: str, remedy: str) -> ConfigError:
    return ConfigError((Problem("detection.workers", f"a detection worker {message}", remedy),))
