"""What the process writes to stderr: operator's words only. The text of foreign exceptions never gets there.

Threat: an exception of a library quotes what it choked on (a header line, a JSON document, SQL parameters). So a trace
is written as places and kinds, and only our own errors, which hold no payload, show their text.
"""

from __future__ import annotations

import asyncio
import logging
import os
import resource
import sys
import threading
import traceback
from types import TracebackType
from typing import Any, NoReturn

from sidecar.errors import SidecarError

_QUOTING = (
    "aio_pika",
    "aiohttp",
    "aiormq",
    "boto3",
    "botocore",
    "nats",
    "psycopg",
    "pymysql",
    "redis",
    "sqlalchemy",
    "urllib3",
)
"""Libraries whose own log quotes URLs, names of objects or parameters."""

_ExceptionInfo = tuple[type[BaseException], BaseException, TracebackType | None] | tuple[None, None, None]


class _PlacesOnly(logging.Formatter):
    """Formats exceptions as their kind and the places they passed."""

    def formatException(self, ei: _ExceptionInfo) -> str:  # noqa: N802 - the name is logging's
        error = ei[1]
        return describe(error) if error is not None else ""


def describe(error: BaseException) -> str:
    """Return kind and places of an exception; its text only where it is ours."""
    text = f": {error}" if isinstance(error, SidecarError) else ""
    places = [f"{frame.filename}:{frame.lineno}" for frame in traceback.extract_tb(error.__traceback__)[-6:]]
    return f"{type(error).__name__}{text} at {' < '.join(reversed(places)) or 'no place'}"


def configure_logging() -> None:
    """Send everything from INFO up to stderr, without the text of foreign exceptions."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_PlacesOnly("%(asctime)s %(levelname)s %(name)s %(message)s"))
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)
    for foreign in _QUOTING:
        logging.getLogger(foreign).setLevel(logging.CRITICAL)
    for chatty in ("alembic", "asyncio"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
    logging.raiseExceptions = False  # else logging itself prints the arguments of a bad call
    sys.excepthook = _last_words
    sys.unraisablehook = lambda told: _told("ignored", told.exc_value)
    threading.excepthook = lambda told: _told("a thread ended", told.exc_value)


def _last_words(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """Say why the process ends: Python's own words would quote what a library choked on, e.g. a URL with a password."""
    if issubclass(kind, KeyboardInterrupt):
        sys.__excepthook__(kind, error, trace)
    else:
        logging.getLogger("sidecar").critical("ended by a bug: %s", describe(error))


def end_by_bug(error: BaseException) -> NoReturn:
    """End a process that others would end with a traceback, which quotes: multiprocessing prints its children's."""
    logging.getLogger("sidecar").critical("ended by a bug: %s", describe(error))
    os._exit(1)


def _told(what: str, error: BaseException | None) -> None:
    logging.getLogger("sidecar").error("%s: %s", what, describe(error) if error is not None else "unknown")


def quiet_loop(loop: asyncio.AbstractEventLoop) -> None:
    """Log what the event loop could hand to nobody, by kind and place: its context quotes objects at length."""

    def handle(_loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        error = context.get("exception")
        logging.getLogger("sidecar").error("unhandled in the event loop: %s", describe(error) if error else "unknown")

    loop.set_exception_handler(handle)


def forbid_core_dumps() -> None:
    """A core dump would hold whatever chats are in memory."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
