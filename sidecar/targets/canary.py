"""Where a system keeps the mark of its epoch: one small value that is restored together with the data beside it.

It must go back in time whenever the data do: in the same database, on the same volume, behind the same API. A value
kept elsewhere would say that nothing happened.
"""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Final, Protocol

from sidecar.disk import write_whole
from sidecar.errors import SidecarError
from sidecar.targets.target import TargetFault

MAX_CANARY_BYTES: Final = 4096


class CanaryUnreachable(SidecarError):
    """The value can't be read or written now. Nothing is concluded from that."""

    def __init__(self, fault: TargetFault) -> None:
        super().__init__(fault.value)
        self.fault = fault


class Canary(Protocol):
    """One value in a foreign system. Raises ``CanaryUnreachable``."""

    async def start(self) -> None: ...

    async def stop(self) -> None: ...

    async def read(self) -> bytes | None:
        """Return the value; None only where the system answered that there is none."""

    async def write(self, value: bytes) -> None:
        """Replace the value, durably as far as the system can tell."""


class FileCanary:
    """Implements ``Canary`` by a file beside data that are files.

    Its folder must be there: a volume that is not mounted is not a volume without a mark.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    async def start(self) -> None:
        """Nothing to open."""

    async def stop(self) -> None:
        """Nothing to close."""

    async def read(self) -> bytes | None:
        try:
            return await asyncio.to_thread(self._read)
        except OSError:
            raise CanaryUnreachable(TargetFault.UNREACHABLE) from None

    async def write(self, value: bytes) -> None:
        try:
            await asyncio.to_thread(write_whole, self._path, value)
        except OSError:
            raise CanaryUnreachable(TargetFault.UNREACHABLE) from None

    def _read(self) -> bytes | None:
        try:
            with self._path.open("rb") as file:
                return file.read(MAX_CANARY_BYTES + 1)
        except FileNotFoundError:
            self._path.parent.stat()
            return None
