"""One HTTP call, in time or not at all. Redirects are not followed: they would carry the text to somewhere else."""

from __future__ import annotations

import json
import socket
import ssl
import time
from contextlib import suppress
from http.client import HTTPConnection, HTTPException, HTTPSConnection, RemoteDisconnected
from threading import Timer
from typing import Final

from sidecar_http_analyzer.errors import AnalyzerFailed
from sidecar_http_analyzer.settings import AnalyzerSettings

_MOST_BYTES: Final = 4 << 20


class Analyzer:
    """The other side. Opens its connection at the first question, and anew after any trouble."""

    def __init__(self, settings: AnalyzerSettings) -> None:
        self._settings = settings
        self._connection: HTTPConnection | None = None

    def ask(self, text: str) -> bytes:
        """Return the body of the answer. Raises ``AnalyzerFailed``. The whole call has ``timeout_seconds``."""
        deadline = time.monotonic() + self._settings.timeout_seconds
        kept = self._connection is not None
        try:
            try:
                return self._exchange(text, deadline)
            except (RemoteDisconnected, ConnectionError):
                self.close()
                if not kept:
                    raise
                return self._exchange(text, deadline)  # it had closed the idle connection; asking twice changes nothing
        except (OSError, HTTPException, ValueError) as error:
            # Not its text: a foreign error may quote what was sent.
            raise AnalyzerFailed(f"no answer ({type(error).__name__})") from None

    def close(self) -> None:
        """Close the connection."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    def _exchange(self, text: str, deadline: float) -> bytes:
        try:
            connection = self._open(deadline)
            with _Ended(connection.sock, deadline):
                body = self._talk(connection, text)
            _left(deadline)  # what was cut off at the deadline may look like a whole answer
        except BaseException:
            self.close()  # half an answer on this connection must not be the beginning of the next
            raise
        return body

    def _talk(self, connection: HTTPConnection, text: str) -> bytes:
        body = json.dumps({"text": text, "language": self._settings.language}).encode("ascii")
        connection.request("POST", self._settings.url.path or "/analyze", body, self._headers())
        response = connection.getresponse()
        answer = response.read(_MOST_BYTES + 1)
        if response.status != 200:
            raise AnalyzerFailed(f"the analyzer answered {response.status}")
        if len(answer) > _MOST_BYTES:
            raise AnalyzerFailed("the answer is too large")
        if response.length:
            raise AnalyzerFailed("the answer was cut off")
        return answer

    def _open(self, deadline: float) -> HTTPConnection:
        left = _left(deadline)
        if self._connection is None:
            url = self._settings.url
            host, port = url.hostname or "", url.port
            if url.scheme == "https":
                context = ssl.create_default_context()
                self._connection = HTTPSConnection(host, port, timeout=left, context=context)
            else:
                self._connection = HTTPConnection(host, port, timeout=left)
            self._connection.connect()
        return self._connection

    def _headers(self) -> dict[str, str]:
        headers = {"Content-Type": "application/json", "Accept": "application/json"}
        if self._settings.token is not None:
            headers["Authorization"] = f"Bearer {self._settings.token}"
        return headers


class _Ended:
    """Ends a socket at the deadline, whatever is being read: time-outs of single reads add up to no bound."""

    def __init__(self, sock: socket.socket, deadline: float) -> None:
        self._timer = Timer(max(0.0, deadline - time.monotonic()), _end, (sock,))
        self._timer.daemon = True

    def __enter__(self) -> None:
        self._timer.start()

    def __exit__(self, *_: object) -> None:
        self._timer.cancel()


def _end(sock: socket.socket) -> None:
    with suppress(OSError):
        sock.shutdown(socket.SHUT_RDWR)


def _left(deadline: float) -> float:
    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError
    return left
