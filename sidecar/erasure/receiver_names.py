"""Resolves the names of those who are told, in threads of their own.

A lookup blocks a thread for as long as a name server takes, and a controller chooses whose. The event loop has a few
threads, which journal and traffic wait for: no stranger may keep those busy (E47).
"""

from __future__ import annotations

import asyncio
import socket
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Final

from aiohttp.abc import AbstractResolver, ResolveResult

_THREADS: Final = ThreadPoolExecutor(4, thread_name_prefix="receiver-names")


class ReceiverNames(AbstractResolver):
    """As the system resolves them. Who gave up waiting before a thread was free takes none."""

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        look = partial(
            socket.getaddrinfo, host, port, family, type=socket.SOCK_STREAM, flags=socket.AddressInfo.AI_ADDRCONFIG
        )
        found = await asyncio.get_running_loop().run_in_executor(_THREADS, look)
        flags = socket.AddressInfo.AI_NUMERICHOST | socket.AddressInfo.AI_NUMERICSERV
        return [
            ResolveResult(hostname=host, host=str(address[0]), port=port, family=kind, proto=protocol, flags=flags)
            for kind, _, protocol, _, address in found
        ]

    async def close(self) -> None:
        """Nothing is held."""
