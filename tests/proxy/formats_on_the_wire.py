"""One body of every format that the sidecar reads, with the same address in it several times, in several spellings.

Each says how it goes over the wire: by a route that reads it, with its declared type.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sidecar.payloads.field_map import FieldMap
from sidecar.payloads.field_map_reader import parse_field_map
from sidecar.payloads.presets import load_preset
from sidecar.proxy.routes import BodyMode, MessageKind, Route, WebsocketRules
from tests.proxy.rig import route

EMAIL = "marta.kowalczyk@example.net"
SAMPLES = Path(__file__).parents[1] / "payloads" / "samples"
ANY = FieldMap()
COMPLETE = parse_field_map({"deltas": []}, "test")
GROWING = parse_field_map({"deltas": [{"text": "$[].message.content", "ends": {"$[].done": True}}]}, "test")


@dataclass(frozen=True)
class Body:
    """``finds``: how often the address is in it. ``is_sent``: clients send such, too; streams only come as answers."""

    kind: str
    data: bytes
    finds: int
    mode: BodyMode = BodyMode.AUTO
    fields: FieldMap = ANY
    is_sent: bool = True

    def route(self, **changes: Any) -> Route:
        return route(body=self.mode, fields=self.fields, **changes)


def _deltas() -> bytes:
    """Two choices in turn, in pieces of other lengths, and an escape at the seam."""
    texts = f"żółć to {EMAIL} 😀 and again", f"Card, {EMAIL}."
    events: list[dict[str, Any]] = []
    for number in range(0, 40, 3):
        for index, text in enumerate(texts):
            if piece := text[number : number + 3]:
                events.append({"choices": [{"index": index, "delta": {"content": piece}, "finish_reason": None}]})
    events += [{"choices": [{"index": index, "delta": {}, "finish_reason": "stop"}]} for index in (0, 1)]
    lines = [f"data: {json.dumps(one, ensure_ascii=bool(at % 2))}\n\n" for at, one in enumerate(events)]
    return "".join([*lines, "data: [DONE]\n\n"]).encode()


_JSON = f'{{"t":"żółć {EMAIL}","u":"marta.kowalczyk\\u0040example.net \\ud83d\\ude00","n":1.0}}'.encode()
_EVENTS = (
    f': hi\r\n\r\nevent: say\r\ndata: {{"t":"ę {EMAIL}",\r\n'
    'data: "n":1.0,\rdata: "u":"marta.kowalczyk\\u0040example.net"}\r\n\r\n'
)
_LINES = f'{{"t":"ę {EMAIL}"}}\n\n{{"u":"marta.kowalczyk\\u0040example.net 😀"}}\r\n{{"n":1.0}}'
_GROWING = "".join(
    json.dumps({"message": {"content": piece}, "done": piece == "end"}) + "\n"
    for piece in ("to mar", "ta.kowalczyk@exa", "mple.net ", "end")
)
_PARTS = (
    f"--żx\r\nContent-Disposition: form-data; name=note\r\n\r\nżółć {EMAIL}\r\n--żx\r\n"
    f'Content-Disposition: form-data; name=up; filename="a.csv"\r\nContent-Type: text/csv\r\n\r\nid,m\r\n1,{EMAIL}\r\n'
    "--żx--\r\n"
)
_POLL = f'42["say",{{"text":"ę {EMAIL}"}}]\x1e2\x1e42["say",{{"text":"marta.kowalczyk\\u0040example.net"}}]'

BODIES = {
    "JSON": Body("application/json", _JSON, 2, BodyMode.JSON),
    "JSON by its type": Body("application/json", _JSON, 2),
    "lines of JSON in whole": Body("application/x-ndjson", _LINES.encode(), 2),
    "lines of JSON": Body("application/x-ndjson", _LINES.encode(), 2, BodyMode.NDJSON, COMPLETE, is_sent=False),
    "lines of JSON in pieces": Body(
        "application/x-ndjson", _GROWING.encode(), 1, BodyMode.NDJSON, GROWING, is_sent=False
    ),
    "event stream": Body("text/event-stream", _EVENTS.encode(), 2, BodyMode.SSE, COMPLETE, is_sent=False),
    "event stream by its type": Body("text/event-stream", _EVENTS.encode(), 2, fields=COMPLETE, is_sent=False),
    "deltas of two choices": Body(
        "text/event-stream", _deltas(), 2, BodyMode.SSE, load_preset("openai-chat"), is_sent=False
    ),
    "CSV": Body("text/csv", f'id,mail\r\nę,"{EMAIL}"\r\n2,"{{""m"": ""{EMAIL}""}}"\r\n'.encode(), 2),
    "form": Body("application/x-www-form-urlencoded", f"a=%C4%99+{EMAIL}&b={EMAIL.replace('@', '%40')}".encode(), 2),
    "parts": Body("multipart/form-data; boundary=x", _PARTS.replace("żx", "x").encode(), 2),
    "text": Body("text/plain", f"żółć {EMAIL} 😀\r\n{EMAIL}\n".encode(), 2),
    "text in utf-16": Body("text/plain; charset=utf-16", f"żółć {EMAIL} 😀\r\n{EMAIL}\n".encode("utf-16"), 2),
    "page": Body(
        "text/html", f"<p title='{EMAIL}'>Gr&uuml;&szlig;e ż marta.kowalczyk<b>&#64;example.net</b>".encode(), 2
    ),
    "XML": Body("application/xml", f"<?xml version='1.0'?><a b='{EMAIL}'>ę {EMAIL} &amp; y</a>".encode(), 2),
    "polls": Body("text/plain", _POLL.encode(), 2, BodyMode.SOCKETIO, COMPLETE),
}


@dataclass(frozen=True)
class Talk:
    """What one side of a WebSocket says; ``finds``: how often it comes out as a placeholder."""

    messages: tuple[str, ...]
    finds: int
    kind: MessageKind
    fields: FieldMap = COMPLETE

    def route(self) -> Route:
        return route("sockets", "/ws", websocket=WebsocketRules(self.kind), fields=self.fields)


_SPOKEN = (f"żółć {EMAIL} 😀", "", "nothing " * 20, f"again {EMAIL}")
TALKS = {
    "JSON": Talk(
        tuple(json.dumps({"text": one}, ensure_ascii=bool(at % 2)) for at, one in enumerate(_SPOKEN)),
        2,
        MessageKind.JSON,
    ),
    "text": Talk(_SPOKEN, 2, MessageKind.TEXT),
    "JSON in pieces": Talk(
        tuple(json.dumps({"id": 7, "piece": one}) for one in ("to mar", "ta.kowalczyk@exa", "mple.net ", "ę")),
        1,
        MessageKind.JSON,
        parse_field_map({"deltas": [{"text": "$.piece", "channel": "$.id"}]}, "test"),
    ),
    "socket.io": Talk(
        tuple((SAMPLES / "chainlit-socketio.txt").read_text(encoding="utf-8").splitlines()),
        2,
        MessageKind.SOCKETIO,
        load_preset("chainlit-socketio"),
    ),
}
