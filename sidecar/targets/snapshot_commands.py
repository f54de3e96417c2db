"""Lists snapshots by asking the backup tool itself: pgBackRest and restic.

The program is run without a shell, with an environment of its own, for a bounded time and a bounded answer. What it
says is read strictly: an answer in another shape than its documentation gives is a fault, never "no snapshots". What it
writes to stderr may name files and hosts; it is dropped.
"""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any, Final

from sidecar.targets.snapshots import Snapshot, SnapshotsUnknown
from sidecar.targets.target import TargetFault

MAX_ANSWER_BYTES: Final = 16 * 1024 * 1024
_PASSED_ON: Final = ("PATH", "HOME", "TMPDIR", "XDG_CACHE_HOME", "SSL_CERT_FILE", "SSL_CERT_DIR")
_STANZA_OK: Final = 0
Reader = Callable[[bytes], Sequence[Snapshot]]


@dataclass(frozen=True, slots=True)
class Command:
    """A program with its arguments; ``environment`` may hold secrets and is added to a bare one."""

    arguments: tuple[str, ...]
    environment: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}), repr=False)
    timeout_s: float = 60.0


class CommandObserver:
    """Implements ``SnapshotObserver`` by a command and a reader of its answer."""

    def __init__(self, command: Command, read: Reader) -> None:
        self._command = command
        self._read = read

    async def snapshots(self) -> Sequence[Snapshot]:
        answer = await run(self._command)
        try:
            return self._read(answer)
        except (ValueError, KeyError, TypeError, OverflowError, RecursionError):
            raise SnapshotsUnknown(TargetFault.UNEXPECTED_BODY) from None


async def run(command: Command) -> bytes:
    """Return what a command wrote to stdout. Raises ``SnapshotsUnknown`` unless it ended well."""
    bare = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
    try:
        process = await asyncio.create_subprocess_exec(
            *command.arguments,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            env={**bare, "LC_ALL": "C", **command.environment},
            start_new_session=True,
        )
    except OSError:
        raise SnapshotsUnknown(TargetFault.MISCONFIGURED) from None
    try:
        async with asyncio.timeout(command.timeout_s):
            answer = await _read_whole(process)
            code = await process.wait()
    except TimeoutError:
        raise SnapshotsUnknown(TargetFault.TIMED_OUT) from None
    finally:
        if process.returncode is None:  # too slow, too long, or we are stopping: nothing of it outlives this call
            process.kill()
            await process.wait()
    if code != 0:
        raise SnapshotsUnknown(TargetFault.COMMAND_FAILED)
    return answer


async def _read_whole(process: asyncio.subprocess.Process) -> bytes:
    assert process.stdout is not None  # noqa: S101 - it is a pipe, see above
    answer = bytearray()
    while piece := await process.stdout.read(64 * 1024):
        answer += piece
        if len(answer) > MAX_ANSWER_BYTES:
            raise SnapshotsUnknown(TargetFault.TOO_LARGE)
    return bytes(answer)


def pgbackrest_reader(stanza: str) -> Reader:
    """Return a reader of ``pgbackrest info --output=json`` (pgbackrest.org/command.html#command-info).

    Of all repositories of the stanza. A stanza that is not there, or not well, is a fault.
    """

    def read(answer: bytes) -> list[Snapshot]:
        (found,) = [one for one in json.loads(answer) if one["name"] == stanza]
        if found["status"]["code"] != _STANZA_OK:
            raise SnapshotsUnknown(TargetFault.COMMAND_FAILED)
        return [_begun(backup["timestamp"]["start"]) for backup in found["backup"]]

    return read


def read_restic(answer: bytes) -> list[Snapshot]:
    """Read ``restic snapshots --json`` (restic.readthedocs.io, "Scripting"): a list, or null where there are none."""
    listed: list[dict[str, Any]] | None = json.loads(answer)
    return [_timed(one["time"]) for one in listed or []]


def _begun(seconds: object) -> Snapshot:
    if isinstance(seconds, bool) or not isinstance(seconds, int):
        raise TypeError
    return Snapshot(datetime.fromtimestamp(seconds, UTC))


def _timed(text: str) -> Snapshot:
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError
    return Snapshot(moment.astimezone(UTC))
