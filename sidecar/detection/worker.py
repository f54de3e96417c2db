"""What runs inside a detection worker process: loads the detector once, then answers batches until its pipe closes.

Nothing of a message may leave this process but by the pipe, and there only as spans: no traceback, no core dump, no
warning. A worker never outlives its parent: when the parent dies the pipe ends; and a detection that hangs (a regex
holds the interpreter's lock, so no thread here could end it) is ended by the kernel's timer.
"""

from __future__ import annotations

import os
import pickle
import resource
import signal
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any, Final, Protocol

from sidecar.detection.recognizer import Message
from sidecar.detection.span import Span
from sidecar.errors import ConfigError, DetectionFailed, DetectionFault, SidecarError

READY: Final = "ready"
REFUSED: Final = "refused"
SPANS: Final = "spans"
FAILED: Final = "failed"

_LAST_RESORT: Final = 2.0
"""Times the budget. The parent kills an overdue worker long before; this is for when there is no parent any more."""


_NICENESS: Final = 10
"""Where cores are short, what decides and relays comes first: a detection is measured in tens of milliseconds."""


class AnyDetector(Protocol):
    """What a worker runs: ``Detector``, or a stand-in."""

    @property
    def version(self) -> str: ...

    def detect(self, messages: Sequence[Message]) -> list[tuple[Span, ...]]: ...


@dataclass(frozen=True, slots=True)
class DetectorRecipe:
    """How a worker makes its detector: a callable at the top level of a module, and its arguments. Picklable."""

    build: Callable[..., AnyDetector]
    arguments: tuple[Any, ...] = ()


def serve(connection: Connection, recipe: bytes, start_s: float, budget_s: float) -> None:
    """Be a worker. The recipe comes pickled, so that nothing heavy is imported before this runs."""
    _settle_in()
    signal.setitimer(signal.ITIMER_REAL, _LAST_RESORT * start_s)
    try:
        made: DetectorRecipe = pickle.loads(recipe)  # noqa: S301 - from our own parent
        detector = made.build(*made.arguments)
    except ConfigError as error:
        connection.send((REFUSED, [(p.path, p.message, p.remedy) for p in error.problems]))
        return
    except SidecarError as error:
        connection.send((REFUSED, [("detection", str(error), "See the documentation of this setting")]))
        return
    # From here on payloads are in memory, and an exception's text may quote one. What would print it (the interpreter,
    # multiprocessing) is never reached, whatever happens: the process just ends, and the parent sees a crash.
    try:
        connection.send((READY, detector.version))
        _answer_all(connection, detector, budget_s)
    finally:
        os._exit(0)


def _settle_in() -> None:
    os.nice(_NICENESS)
    for number in (signal.SIGINT, signal.SIGTERM):  # meant for the parent, which ends us when it is done with us
        signal.signal(number, signal.SIG_IGN)
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    warnings.simplefilter("ignore")


def _answer_all(connection: Connection, detector: AnyDetector, budget_s: float) -> None:
    while True:
        signal.setitimer(signal.ITIMER_REAL, 0)
        try:
            messages: list[Message] = connection.recv()
        except EOFError:
            return
        signal.setitimer(signal.ITIMER_REAL, _LAST_RESORT * budget_s)
        connection.send(_answer(detector, messages))


def _answer(detector: AnyDetector, messages: list[Message]) -> tuple[Any, ...]:
    try:
        return (SPANS, detector.detect(messages))
    except DetectionFailed as failure:
        return (FAILED, failure.fault.value, failure.detail)
    except Exception as error:  # noqa: BLE001 - the outer edge of this process; the kind may leave it, the text may not
        return (FAILED, DetectionFault.RAISED.value, type(error).__name__)
