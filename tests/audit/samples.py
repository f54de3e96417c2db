"""Records and logs for the tests of this folder."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any, get_type_hints

from sidecar.audit.appender import Appender, Head, LogKeys, Pace
from sidecar.audit.fields import halves_of
from sidecar.audit.folder import LogFolder
from sidecar.audit.keyring import LocalKeys, signer_of
from sidecar.audit.leaf import instant
from sidecar.audit.log import AuditLog
from sidecar.audit.reader import open_segment, read_records
from sidecar.audit.record import Action, Decision, Entry, Event, Intent, Outcome
from sidecar.audit.remote_writer import RemoteWriter
from sidecar.audit.retention import Retention
from sidecar.audit.scribe import Rhythm
from sidecar.audit.sealing import Opener
from sidecar.audit.settings import AuditSettings
from sidecar.audit.store import pieces
from sidecar.audit.verify import Report, verify
from sidecar.audit.walk import LogKey, Walk
from sidecar.keys import MasterKey
from sidecar.metrics import Metrics

START = datetime(2026, 3, 1, 9, 0, tzinfo=UTC)
PSEUDONYM = "k1:" + "0123456789abcdef" * 2
ORIGIN = "example.org/audit/pod-0"
MASTER = MasterKey(bytes(range(32)))


def types_of(entry: Entry) -> dict[str, str]:
    """Return the names of an entry's fields, each with its type in words."""
    return {name: str(kind) for name, kind in get_type_hints(type(entry)).items()}


def changed(entry: Entry, **values: Any) -> Entry:
    """Return an entry with other values in some fields."""
    return replace(entry, **values) if isinstance(entry, Event) else entry._replace(**values)


def intent(exchange_id: str = "x1", actor: str = "trainer-1") -> Intent:
    return Intent(
        exchange_id,
        Action.PROXY,
        actor,
        "certificate",
        peer_certificate_sha256="ab" * 32,
        tls="TLSv1.3 TLS_AES_256_GCM_SHA384",
        route="chat",
        method="GET",
        target_pseudonym=PSEUDONYM,
    )


def outcome(exchange_id: str = "x1", decision: Decision = Decision.COMPLETED) -> Outcome:
    return Outcome(
        exchange_id,
        Action.PROXY,
        decision,
        status=200,
        conversations=(PSEUDONYM,),
        entities={"PERSON": 3, "EMAIL": 1},
        bytes_sent=2048,
        duration_us=12_345,
        policy="default:0123456789ab",
        detector="rules-1 ner-1",
    )


def entries(exchanges: int) -> list[Entry]:
    """A start event, then an intent and an outcome for each exchange."""
    made: list[Entry] = [Event(Action.START, config_sha256="cd" * 32)]
    for number in range(exchanges):
        made += [intent(f"x{number}"), outcome(f"x{number}")]
    return made


def keys_of(log: str = ORIGIN, master: MasterKey = MASTER, *earlier: MasterKey) -> LogKeys:
    """The keys of a log, as the sidecar derives them."""
    provider = LocalKeys({one.version: one for one in (*earlier, master)})
    return LogKeys(provider, signer_of(master, log), tuple(signer_of(one, log) for one in earlier))


def write_log(
    folder: Path,
    made: Sequence[Entry],
    keys: LogKeys | None = None,
    pace: Pace | None = None,
    seconds: Sequence[int] | None = None,
) -> Path:
    """Write a whole log of entries, a second apart, and close it. Without a pace it is one segment."""
    place = LogFolder(folder)
    place.acquire()
    appender = Appender(place, Head(), None, keys or keys_of(), pace or Pace(), None)
    for entry, second in zip(made, seconds or range(len(made)), strict=True):
        appender.append([halves_of(entry)], instant(START + timedelta(seconds=second)))
    appender.close()
    return folder


def make_log(
    folder: Path,
    metrics: Metrics | None = None,
    deadline_seconds: float = 30.0,
    keys: LogKeys | None = None,
    pace: Pace | None = None,
    retention: Retention | None = None,
    heartbeat_seconds: float = 60.0,
    in_process: bool = False,
    pending_limit: int = 10_000,
) -> AuditLog:
    """A log that is not open yet; ``in_process``: written by a process of its own, under the keys of the samples."""
    settings = AuditSettings(
        folder,
        deadline_seconds=deadline_seconds,
        rhythm=Rhythm(pending_limit, check_seconds=0.05, heartbeat_seconds=heartbeat_seconds),
        pace=pace or Pace(),
        retention=retention or Retention(),
    )
    metrics = metrics or Metrics()
    remote = partial(RemoteWriter, settings, keys_of, metrics)
    return AuditLog(settings, keys or keys_of(), metrics, new_writer=remote if in_process else None)


def check(folder: Path, keys: LogKeys | None = None) -> Report:
    """Verify a log with its keys: the signing ones pinned, the others to open every record."""
    keys = keys or keys_of()
    pinned = [LogKey(one.verifier) for one in (keys.earlier or (keys.signer,))]

    def opened(log: str, number: int, first: int) -> Opener | bytes:
        return open_segment(folder, log, number, first, keys.provider)

    return verify(lambda: pieces(folder), Walk(pinned), opened=opened)


def read(folder: Path, keys: LogKeys | None = None) -> list[dict[str, Any]]:
    """The members of every record but those of the log's own opening."""
    members = [dict(one.members) for one in read_records(folder, (keys or keys_of()).provider)]
    return [one for one in members if one["action"] != Action.LOG_OPENED]


def metric(metrics: Metrics, name: str) -> float:
    value = metrics.registry.get_sample_value(name)
    assert value is not None
    return value
