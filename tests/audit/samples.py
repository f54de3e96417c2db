"""Records and logs for the tests of this folder."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path

from sidecar.audit.chain import Place, Salts, instant, seal
from sidecar.audit.fields import parts_of
from sidecar.audit.log import AuditLog, AuditSettings
from sidecar.audit.record import Action, Decision, Entry, Event, Intent, Outcome
from sidecar.audit.verify import Tail
from sidecar.metrics import Metrics

START = datetime(2026, 3, 1, 9, 0, tzinfo=UTC)
PSEUDONYM = "k1:" + "0123456789abcdef" * 2
LOG_ID = "a" * 32


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


def lines_of(made: Iterable[Entry], tail: Tail | None = None, log_id: str = LOG_ID) -> list[bytes]:
    """Seal entries one after the other, a second apart."""
    tail = tail or Tail()
    lines = []
    for entry in made:
        moment = START + timedelta(seconds=tail.next_seq)
        salts = Salts(tail.next_seq.to_bytes(16), (tail.next_seq + 1_000_000).to_bytes(16))
        line, digest = seal(parts_of(entry), Place(log_id, tail.next_seq, instant(moment), tail.hash), salts)
        tail = Tail(log_id, tail.next_seq + 1, digest, instant(moment), tail.size + len(line))
        lines.append(line)
    return lines


def make_log(path: Path, metrics: Metrics | None = None, deadline_seconds: float = 5.0) -> AuditLog:
    settings = AuditSettings(path, deadline_seconds=deadline_seconds, check_seconds=0.05)
    return AuditLog(settings, metrics or Metrics())


def metric(metrics: Metrics, name: str) -> float:
    value = metrics.registry.get_sample_value(name)
    assert value is not None
    return value
