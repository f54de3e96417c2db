"""A list of e-mail addresses, one on each line, as a system to erase from. An example of a target in a package."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

from sidecar.erasure.plan import Side
from sidecar.erasure.request import IdentityType, SubjectIdentity
from sidecar.errors import ConfigError, Problem
from sidecar.targets.target import (
    NO_LIMITS,
    DeleteResult,
    DeleteStatus,
    TargetFault,
    TargetLimits,
    VerifyResult,
    VerifyStatus,
)


def make(name: str, settings: Mapping[str, Any]) -> AddressList:
    """Return the target; the sidecar calls this. Raises ``ConfigError`` for settings that can't be used."""
    file = settings.get("file")
    if set(settings) != {"file"} or not isinstance(file, str) or not Path(file).is_absolute():
        problem = Problem("file", "is no absolute path, or not the only setting", "Name the list, and nothing else")
        raise ConfigError((problem,))
    return AddressList(name, Path(file))


class AddressList:
    """Implements ``sidecar.targets.target.Target``."""

    side = Side.UPSTREAM
    required = frozenset({IdentityType.EMAIL})
    limits: TargetLimits = NO_LIMITS
    max_completion = timedelta(minutes=1)

    def __init__(self, name: str, path: Path) -> None:
        self.name = name
        self._path = path
        self._writing = asyncio.Lock()

    async def start(self) -> None:
        """Refuse what can never work. A list that is not there yet may come."""
        if self._path.is_dir():
            raise ConfigError((Problem("file", "is a folder", "Name the list itself"),))

    async def stop(self) -> None:
        """Nothing stays open."""

    async def delete(self, identities: Sequence[SubjectIdentity]) -> DeleteResult:
        async with self._writing:
            try:
                removed = await asyncio.to_thread(self._remove, _address(identities))
            except OSError:
                return DeleteResult(DeleteStatus.FAILED, fault=TargetFault.UNREACHABLE)
        return DeleteResult(DeleteStatus.DELETED if removed else DeleteStatus.NO_DATA, removed)

    async def verify(self, identities: Sequence[SubjectIdentity]) -> VerifyResult:
        """Look by another path than deleting does: for the bytes, wherever they stand."""
        try:
            data = await asyncio.to_thread(self._path.read_bytes)
        except OSError:
            return VerifyResult(VerifyStatus.FAILED, fault=TargetFault.UNREACHABLE)
        left = f"\n{_address(identities)}\n".encode() in b"\n" + data + b"\n"
        return VerifyResult(VerifyStatus.PRESENT if left else VerifyStatus.GONE, int(left))

    def _remove(self, address: str) -> int:
        lines = self._path.read_text(encoding="utf-8").splitlines(keepends=True)
        kept = [line for line in lines if line.rstrip("\n") != address]
        if len(kept) < len(lines):
            temporary = self._path.with_suffix(".new")
            with temporary.open("w", encoding="utf-8") as file:
                file.writelines(kept)
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(self._path)
        return len(lines) - len(kept)


def _address(identities: Sequence[SubjectIdentity]) -> str:
    return next(one.value for one in identities if one.type is IdentityType.EMAIL)
