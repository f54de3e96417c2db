"""Connections as they come in, with a bound on how many may be at their handshake.

Whoever reaches the port can open connections and say nothing; nobody knows yet who that is. Each takes a file
descriptor and some memory until its time is up, and without descriptors nothing works any more: no probe, no upstream,
no file of the audit log. So where there are too many, the oldest handshake is given up for the newest connection. An
honest one takes milliseconds, so it ends long before it is the oldest.
"""

from __future__ import annotations

import asyncio
import errno
import logging
import socket
import ssl
from collections.abc import Callable
from contextlib import suppress

_BREATH_SECONDS = 0.1  # when nothing can be taken in: until some of what is open has ended
_log = logging.getLogger("sidecar.tls")


class Acceptor:
    """Listens, and hands each connection to a protocol once its handshake is done.

    ``context`` None: plain text. ``handshake_seconds``: for one handshake; ``most_handshakes``: at a time.
    """

    def __init__(
        self,
        factory: Callable[[], asyncio.BaseProtocol],
        context: ssl.SSLContext | None,
        handshake_seconds: float,
        most_handshakes: int,
    ) -> None:
        self._factory = factory
        self._context = context
        self._handshake_seconds = handshake_seconds
        self._most_handshakes = most_handshakes
        self._listening: list[socket.socket] = []
        self._accepting: list[asyncio.Task[None]] = []
        self._handshakes: dict[asyncio.Task[None], socket.socket] = {}  # the oldest first
        self._tasks: set[asyncio.Task[None]] = set()  # those given up, too, until they have ended

    @property
    def port(self) -> int:
        """The port that is listened on, once open, also where 0 was asked for."""
        port: int = self._listening[0].getsockname()[1]
        return port

    async def open(self, host: str, port: int, backlog: int) -> None:
        """Listen on every address that the host has. Raises ``OSError`` where one can't be bound.

        Addresses of a family that this machine does not have are left out, unless there are no others.
        """
        loop = asyncio.get_running_loop()
        found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        missing: OSError | None = None
        try:
            for family, address in dict.fromkeys((family, address) for family, _, _, _, address in found):
                try:
                    self._listening.append(_listening(family, address, backlog))
                except OSError as error:
                    if error.errno != errno.EAFNOSUPPORT:
                        raise
                    missing = error
            if missing is not None and not self._listening:
                raise missing
        except OSError:
            self.close()
            raise
        self._accepting = [asyncio.create_task(self._accept(one), name="accepting") for one in self._listening]

    def close(self) -> None:
        """Take no more connections. Handshakes under way go on."""
        for task in self._accepting:
            task.cancel()
        for one in self._listening:
            # Not left to the cancelled task: until it has run, the descriptor may be somebody else's.
            asyncio.get_running_loop().remove_reader(one)
            one.close()
        self._accepting, self._listening = [], []

    async def end(self) -> None:
        """Give up the handshakes that are still under way."""
        for connection in self._handshakes.values():
            _hang_up(connection)
        self._handshakes.clear()
        if self._tasks:
            await asyncio.wait(self._tasks)

    async def _accept(self, listening: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        while True:
            try:
                connection, _ = await loop.sock_accept(listening)
            except OSError as error:  # no descriptors or no memory are left, or the client is gone again
                _log.error("a connection could not be taken in (%s)", error.strerror or type(error).__name__)
                self._give_up_oldest()
                await asyncio.sleep(_BREATH_SECONDS)
                continue
            if len(self._handshakes) >= self._most_handshakes:
                self._give_up_oldest()
            task = asyncio.create_task(self._shake_hands(connection), name="handshake")
            self._handshakes[task] = connection
            self._tasks.add(task)
            task.add_done_callback(self._ended)
            await asyncio.sleep(0)  # it begins before the next one can push it out

    async def _shake_hands(self, connection: socket.socket) -> None:
        with suppress(OSError):  # the client's fault, and nobody is there to be told; TLS errors are such
            await asyncio.get_running_loop().connect_accepted_socket(
                self._factory,
                connection,
                ssl=self._context,
                ssl_handshake_timeout=self._handshake_seconds if self._context else None,
            )

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._handshakes.pop(task, None)
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            _log.error("a connection was lost on a bug: %s", type(error).__name__)

    def _give_up_oldest(self) -> None:
        if self._handshakes:
            _hang_up(self._handshakes.pop(next(iter(self._handshakes))))


def _listening(family: int, address: tuple[object, ...], backlog: int) -> socket.socket:
    made = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)  # else the loop would not set TCP_NODELAY
    try:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        made.bind(address)
        made.listen(backlog)
    except OSError:
        made.close()
        raise
    made.setblocking(False)
    return made


def _hang_up(connection: socket.socket) -> None:
    """End a connection by its socket: whoever reads it comes to an end, and closes it."""
    with suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)
