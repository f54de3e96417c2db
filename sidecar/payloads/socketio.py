"""Packets of socket.io (protocol 5) within packets of engine.io (protocol 4), over WebSocket and over polling.

Shapes (github.com/socketio/engine.io-protocol, github.com/socketio/socket.io-protocol)::

    engine.io packet:   <type digit><data>
    polling payload:    packets joined by U+001E; ``b<base64>`` is a binary message; ``ok`` (of Python: ``OK``) answers
                        a POST
    socket.io packet:   <type digit>[<attachments>-][<namespace>,][<ack id>][JSON], in an engine.io message (type 4)

Paths begin with the packet's index (0 over WebSocket) and go on as in its JSON: ``$[][1].text`` is a member of the
first argument of an event, ``$[][0]`` the event's name, ``$[].ack[0]`` the first value of an acknowledgement. A
namespace is ``$[].namespace``. So one field map reads both transports. Anything that is not exactly such a packet is
refused: earlier protocols frame and number things in other ways, and what is read in two ways is a leak.
"""

from __future__ import annotations

import json
import re
from enum import StrEnum

from sidecar.errors import PayloadFault, PayloadRefused
from sidecar.payloads.document import Document, LeafKind
from sidecar.payloads.json_scanner import scan_json
from sidecar.payloads.json_text import shifted_host
from sidecar.payloads.spliced import DEFAULT_LIMITS, Limits, SplicedBuilder, encoded

SEPARATOR = "\x1e"
POST_ANSWERS = frozenset({"ok", "OK"})

# By engine.io type: all the data that such a packet may have. Open (0) holds JSON, a message (4) a socket.io packet.
_WITHOUT_DATA = {"1": ("",), "2": ("", "probe"), "3": ("", "probe"), "5": ("",), "6": ("",)}
_OPEN, _MESSAGE, _BINARY = "0", "4", "b"
_PACKET = re.compile(r"(?P<type>[0-6])(?:(?P<attachments>[0-9]{1,3})-)?(?:(?P<namespace>/[^,]*)(?:,|\Z))?[0-9]{0,9}")
# By socket.io type: what its JSON begins with; an empty string where it may be left out.
_CONNECT, _DISCONNECT, _EVENT, _ACK, _CONNECT_ERROR, _BINARY_EVENT, _BINARY_ACK = "0123456"
_PAYLOADS = {
    _CONNECT: ("", "{"), _DISCONNECT: ("",), _EVENT: ("[",), _ACK: ("[",), _CONNECT_ERROR: ("{", '"'),
    _BINARY_EVENT: ("[",), _BINARY_ACK: ("[",),
}  # fmt: skip
_WITH_ATTACHMENTS = frozenset({_BINARY_EVENT, _BINARY_ACK})
_ACKS = frozenset({_ACK, _BINARY_ACK})
_SESSION = re.compile(r"(?=.*[A-Za-z])[A-Za-z0-9_-]{1,64}")
_TRANSPORTS = frozenset({"polling", "websocket", "webtransport"})
_TIMES_AND_SIZES = frozenset({"pingInterval", "pingTimeout", "maxPayload"})
_LARGEST = 10**9
_ERROR_ANSWERS = ("{", '"')


class Binary(StrEnum):
    """What is done with binary messages, which nobody here can read."""

    REFUSE = "refuse"
    PASS = "pass"  # noqa: S105 - a policy, no password


def speaks_of_transport(packet: str) -> bool:
    """Whether a packet is engine.io's own: a ping, a pong, an upgrade. It says nothing of the messages around it."""
    return packet[:1] in _WITHOUT_DATA


class SocketioMessage:
    """One engine.io packet: a text message of a WebSocket."""

    def __init__(self, binary: Binary = Binary.REFUSE, limits: Limits = DEFAULT_LIMITS) -> None:
        self._binary = binary
        self._limits = limits

    @property
    def media_types(self) -> frozenset[str]:
        return frozenset()

    def parse(self, text: str) -> Document:
        """Raises ``PayloadRefused``: not parseable, too deep, too large, or (media type) binary that is not passed."""
        encoded(text)
        builder = SplicedBuilder(self._limits)
        _scan_packet(builder, text, 0, 0, self._binary)
        return builder.build(text)


class SocketioPolling:
    """The body of a polling request or answer: packets, ``ok``, or the JSON object or string of an error."""

    def __init__(self, binary: Binary = Binary.REFUSE, limits: Limits = DEFAULT_LIMITS) -> None:
        self._binary = binary
        self._limits = limits

    @property
    def media_types(self) -> frozenset[str]:
        return frozenset({"text/plain", "application/octet-stream"})

    def parse(self, text: str) -> Document:
        """Raises ``PayloadRefused`` as ``SocketioMessage`` does."""
        encoded(text)
        builder = SplicedBuilder(self._limits)
        if text.startswith(_ERROR_ANSWERS):
            scan_json(builder, text, path=(0,))
        elif text not in POST_ANSWERS:
            start = 0
            for index, packet in enumerate(text.split(SEPARATOR)):
                _scan_polled(builder, packet, start, index, self._binary)
                start += len(packet) + len(SEPARATOR)
        return builder.build(text)


def _scan_polled(builder: SplicedBuilder, packet: str, start: int, index: int, binary: Binary) -> None:
    if not packet.startswith(_BINARY):
        _scan_packet(builder, packet, start, index, binary)
    elif binary is Binary.REFUSE:
        raise PayloadRefused(PayloadFault.MEDIA_TYPE, f"packet {index} is binary")


def _scan_packet(builder: SplicedBuilder, packet: str, start: int, index: int, binary: Binary) -> None:
    """Add the leaves of one engine.io packet, which stands at ``start`` of the payload."""
    kind, data = packet[:1], packet[1:]
    if kind == _MESSAGE:
        _scan_message(builder, data, start + 1, index, binary)
    elif kind == _OPEN and data.startswith("{"):
        if not _is_handshake(data):
            scan_json(builder, data, shifted_host(start + 1), (index,))
    elif data not in _WITHOUT_DATA.get(kind, ()):
        raise PayloadRefused(PayloadFault.NOT_PARSEABLE, f"packet {index} is none of engine.io")


def _scan_message(builder: SplicedBuilder, data: str, start: int, index: int, binary: Binary) -> None:
    head = _PACKET.match(data)
    if head is None or not _is_sound(head, data):
        raise PayloadRefused(PayloadFault.NOT_PARSEABLE, f"packet {index} is none of socket.io")
    if head["type"] in _WITH_ATTACHMENTS and binary is Binary.REFUSE:
        raise PayloadRefused(PayloadFault.MEDIA_TYPE, f"packet {index} announces binary attachments")
    if head["namespace"]:
        begin, end = start + head.start("namespace"), start + head.end("namespace")
        builder.add((index, "namespace"), LeafKind.STRING, head["namespace"], begin, end, _written_namespace)
    if head.end() < len(data) and not (head["type"] == _CONNECT and _is_handshake(data[head.end() :])):
        # An acknowledgement has no name: its values must not stand where events have theirs, which maps may keep.
        path = (index, "ack") if head["type"] in _ACKS else (index,)
        scan_json(builder, data[head.end() :], shifted_host(start + head.end()), path)


def _is_handshake(text: str) -> bool:
    """Whether a JSON object holds nothing but the protocol's own: a random session id, transports, times and sizes.

    No connection comes about without them, so detection is not asked what it takes them for.
    """
    try:
        members = json.loads(text, object_pairs_hook=list)
    except (ValueError, RecursionError):  # what follows says what is wrong with it
        return False
    return len(dict(members)) == len(members) and all(_is_of_handshake(name, value) for name, value in members)


def _is_of_handshake(name: str, value: object) -> bool:
    if name == "sid":
        return isinstance(value, str) and _SESSION.fullmatch(value) is not None
    if name == "upgrades":
        return isinstance(value, list) and all(isinstance(one, str) and one in _TRANSPORTS for one in value)
    return name in _TIMES_AND_SIZES and type(value) is int and 0 <= value < _LARGEST


def _is_sound(head: re.Match[str], data: str) -> bool:
    """Whether the packet has what its type asks for, and nothing that it does not."""
    kind = head["type"]
    if (head["attachments"] is not None) != (kind in _WITH_ATTACHMENTS):
        return False
    return data[head.end() : head.end() + 1] in _PAYLOADS[kind]


def _written_namespace(new: str | None) -> str:
    """Write a namespace that still is one: it ends at the first comma."""
    return "/" + (new or "").lstrip("/").replace(",", "_")
