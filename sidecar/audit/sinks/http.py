"""A sink behind HTTP: ``POST`` of JSON lines (``application/x-ndjson``); 2xx says that all of them are taken."""

from __future__ import annotations

from collections.abc import Sequence

from sidecar.audit.outbound import Caller, Outlet, Reply, Unreachable
from sidecar.audit.sinks.sink import Forwarded, SinkOverfull, SinkUnavailable


class HttpSink(Outlet):
    """Implements ``Sink``."""

    async def send(self, batch: Sequence[Forwarded]) -> None:
        lines = b"".join(one.json + b"\n" for one in batch)
        await posted(self._name, self._caller, lines, "application/x-ndjson")


async def posted(name: str, caller: Caller, body: bytes, media_type: str) -> Reply:
    """Post a body, and return the answer if it says that the body was taken."""
    try:
        reply = await caller.call("POST", "", body, media_type)
    except Unreachable as trouble:
        raise SinkUnavailable(f"sink {name}: {trouble}") from None
    if reply.status == 413:
        raise SinkOverfull(f"sink {name} answered 413")
    if not reply.is_success:
        raise SinkUnavailable(f"sink {name} answered {reply.status}")
    return reply
