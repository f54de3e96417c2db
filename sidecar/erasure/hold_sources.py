"""Where holds are listed that somebody else keeps: a file, or a system that is asked. Every fault is closed (E32)."""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Protocol

import aiohttp

from sidecar.erasure.hold import Hold, HoldsUnknown, parse_hold_list
from sidecar.erasure.request import SubjectIdentity

MAX_LIST_BYTES: Final = 16 * 1024 * 1024
_ASK_SECONDS: Final = 10.0


class HoldSource(Protocol):
    """Says what is held of a person. Raises ``HoldsUnknown``."""

    async def holds(self, target: str, identities: Sequence[SubjectIdentity]) -> Sequence[Hold]: ...


class NoHolds:
    """For a sidecar that nobody else tells of holds."""

    async def holds(self, target: str, identities: Sequence[SubjectIdentity]) -> Sequence[Hold]:  # noqa: ARG002
        return ()


@dataclass(frozen=True, slots=True)
class FileHolds:
    """A file ``{"holds": [{"identity": {"type", "value"}, "ground", "target"?, "until"?}]}``, read anew each time."""

    path: Path

    async def holds(self, target: str, identities: Sequence[SubjectIdentity]) -> Sequence[Hold]:  # noqa: ARG002
        try:
            data = await asyncio.to_thread(self.path.read_bytes)
        except OSError:
            raise HoldsUnknown("the file of holds can't be read") from None
        return parse_hold_list(data)


@dataclass(frozen=True, slots=True)
class HttpHolds:
    """A system that is asked by POST with ``{"target", "identities"}`` and answers 200 with the list of a file."""

    url: str
    headers: Mapping[str, str] = field(repr=False)
    tls: ssl.SSLContext | None = None

    async def holds(self, target: str, identities: Sequence[SubjectIdentity]) -> Sequence[Hold]:
        rows = [{"type": one.type.value, "value": one.value} for one in identities]
        body = json.dumps({"target": target, "identities": rows}).encode()
        headers = {"Content-Type": "application/json", **self.headers}
        timeout = aiohttp.ClientTimeout(total=_ASK_SECONDS)
        connector = aiohttp.TCPConnector(ssl=self.tls if self.tls is not None else True, force_close=True)
        try:
            async with (
                aiohttp.ClientSession(connector=connector, timeout=timeout, trust_env=False) as session,
                session.post(self.url, data=body, headers=headers, allow_redirects=False) as response,
            ):
                data = await _whole(response)
                if response.status != 200 or data is None:
                    raise HoldsUnknown("the system that lists holds gave no list")
        except (aiohttp.ClientError, TimeoutError, OSError):
            raise HoldsUnknown("the system that lists holds gave no answer") from None
        return parse_hold_list(data)


async def _whole(response: aiohttp.ClientResponse) -> bytes | None:
    """Return all of a body, in however many pieces it comes; None if it is longer than a list may be."""
    data = bytearray()
    async for piece in response.content.iter_any():
        data += piece
        if len(data) > MAX_LIST_BYTES:
            return None
    return bytes(data)
