"""A sink that speaks OpenTelemetry: logs over OTLP/HTTP with JSON (OTLP 1.x, ``POST …/v1/logs``).

The body of a log record is the record's JSON; what one would filter by is repeated as attributes. The collector's
"partial success" is no success here: what it turned away is sent again.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime

from sidecar import __version__
from sidecar.audit.outbound import Outlet
from sidecar.audit.sinks.http import posted
from sidecar.audit.sinks.sink import Forwarded, SinkUnavailable

_ATTRIBUTES = ("action", "phase", "decision", "actor", "route", "reason", "exchange_id", "status")
_INFO, _WARN = (9, "INFO"), (13, "WARN")
_WARNED_OF = frozenset({"denied", "refused", "failed", "aborted"})


class OtlpSink(Outlet):
    """Implements ``Sink``. The endpoint's URL is the whole one, ``/v1/logs`` included."""

    async def send(self, batch: Sequence[Forwarded]) -> None:
        body = json.dumps(export_request(batch), separators=(",", ":")).encode()
        reply = await posted(self._name, self._caller, body, "application/json")
        if _rejected(reply.body):
            raise SinkUnavailable(f"sink {self._name} turned records of the batch away")


def export_request(batch: Sequence[Forwarded]) -> dict[str, object]:
    """Return an ExportLogsServiceRequest in the JSON mapping of protocol buffers (64-bit numbers as text)."""
    log = batch[0].log if batch else ""
    resource = {"service.name": "privacy-sidecar", "service.version": __version__, "service.instance.id": log}
    scope = {"name": "sidecar.audit", "version": __version__}
    logs = {"scope": scope, "logRecords": [_log_record(one) for one in batch]}
    return {"resourceLogs": [{"resource": {"attributes": _attributes(resource)}, "scopeLogs": [logs]}]}


def _log_record(record: Forwarded) -> dict[str, object]:
    severity, text = _WARN if record.facts.get("decision") in _WARNED_OF else _INFO
    named = {f"audit.{name}": record.facts[name] for name in _ATTRIBUTES if name in record.facts}
    return {
        "timeUnixNano": str(_nanoseconds(record.time)),
        "severityNumber": severity,
        "severityText": text,
        "eventName": f"audit.{record.facts.get('action', 'unknown')}",
        "body": {"stringValue": record.json.decode()},
        "attributes": _attributes({"audit.seq": record.seq, "audit.hash": record.hash, **named}),
    }


def _attributes(members: Mapping[str, object]) -> list[dict[str, object]]:
    return [{"key": name, "value": _any_value(value)} for name, value in members.items()]


def _any_value(value: object) -> dict[str, object]:
    return {"intValue": str(value)} if isinstance(value, int) else {"stringValue": str(value)}


def _nanoseconds(time: str) -> int:
    moment = datetime.fromisoformat(time)
    return int(moment.timestamp()) * 1_000_000_000 + moment.microsecond * 1000


def _rejected(body: bytes) -> bool:
    """Whether the answer speaks of log records that were not taken; an empty or odd one does not."""
    try:
        match json.loads(body or b"{}"):
            case {"partialSuccess": {"rejectedLogRecords": count}}:
                return count is not None and str(count) != "0"
    except (ValueError, RecursionError):
        pass
    return False
