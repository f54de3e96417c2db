"""ClientHello messages as raw bytes, so that no client library's own caution stands between test and server.

RFC 5246 section 7.4.1.2 for the layout.
"""

from __future__ import annotations

import socket
from dataclasses import dataclass

TLS10, TLS11, TLS12 = b"\x03\x01", b"\x03\x02", b"\x03\x03"
_HANDSHAKE, _ALERT = 22, 21
_SERVER_HELLO = 2
_GROUPS = bytes.fromhex("000a0006000400170018")  # P-256, P-384
_POINTS = bytes.fromhex("000b00020100")
_SIGNATURES = bytes.fromhex("000d000a000804030503040105 01".replace(" ", ""))  # ECDSA and RSA with SHA-2
_RENEGOTIATION_INFO = bytes.fromhex("ff01000100")


@dataclass(frozen=True)
class Answer:
    """The first record that came back: an alert's description, or the ServerHello's cipher and compression.

    Nothing at all where the server hung up: asyncio drops the alert of a handshake that failed.
    """

    alert: int | None = None
    version: bytes = b""
    cipher: int | None = None
    compression: int | None = None


def client_hello(version: bytes, ciphers: tuple[int, ...], compressions: bytes = b"\x00") -> bytes:
    extensions = _GROUPS + _POINTS + _SIGNATURES + _RENEGOTIATION_INFO
    suites = b"".join(cipher.to_bytes(2, "big") for cipher in ciphers)
    body = version + bytes(range(32)) + b"\x00"
    body += len(suites).to_bytes(2, "big") + suites
    body += len(compressions).to_bytes(1, "big") + compressions
    body += len(extensions).to_bytes(2, "big") + extensions
    message = b"\x01" + len(body).to_bytes(3, "big") + body
    return bytes([_HANDSHAKE]) + b"\x03\x01" + len(message).to_bytes(2, "big") + message


def say(port: int, hello: bytes) -> Answer:
    """Send the bytes, return what the first record says."""
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        connection.sendall(hello)
        header = _read(connection, 5)
        if not header:
            return Answer()
        body = _read(connection, int.from_bytes(header[3:5], "big"))
    if header[0] == _ALERT:
        return Answer(alert=body[1])
    assert (header[0], body[0]) == (_HANDSHAKE, _SERVER_HELLO), "neither an alert nor a ServerHello"
    after_session = 4 + 2 + 32 + 1 + body[38]
    cipher = int.from_bytes(body[after_session : after_session + 2], "big")
    return Answer(version=body[4:6], cipher=cipher, compression=body[after_session + 2])


def _read(connection: socket.socket, size: int) -> bytes:
    """Return ``size`` bytes, or none where the connection ends first."""
    data = b""
    while len(data) < size:
        try:
            more = connection.recv(size - len(data))
        except ConnectionResetError:
            more = b""
        if not more:
            return b""
        data += more
    return data
