"""No personal data in any byte that the audit log writes, raw or in the usual encodings (A19)."""

from __future__ import annotations

import base64
import json
import logging
from hashlib import md5, sha1, sha256
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from prometheus_client import generate_latest

from sidecar.audit.canonical import canonical
from sidecar.audit.reader import read_records
from sidecar.audit.record import Action, Event
from sidecar.errors import AuditUnavailable
from sidecar.keys import MasterKey, Purpose
from sidecar.metrics import Metrics
from tests.audit.samples import changed, intent, keys_of, make_log, outcome, types_of

CANARIES = ("canary.person@example.com", "Canary Persönlich", "DE02120300000000202051", "+1 212 555 0199")
OPERATOR_WORDS = {"actor", "route", "policy", "detector"}


def _guises(canary: str) -> list[bytes]:
    raw = canary.encode()
    text = json.dumps(canary)[1:-1].encode()
    hashes = [one(raw).hexdigest().encode() for one in (md5, sha1, sha256)]
    return [raw, text, quote(canary).encode(), base64.b64encode(raw).rstrip(b"="), raw.hex().encode(), *hashes]


async def test_no_canary_reaches_a_file_a_metric_or_a_log_a19(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    metrics = Metrics()
    log = make_log(tmp_path / "audit", metrics)
    keys = MasterKey(bytes(32)).pseudonymizer(Purpose.AUDIT_PSEUDONYM)
    await log.start()
    for canary in CANARIES:
        label = keys.label("conversation", canary)
        await log.intend(intent()._replace(target_pseudonym=label, conversation=label, subject=label, method=canary))
        await log.conclude(outcome()._replace(conversations=(label,), subject=label))
        await _try_every_field(log, canary)
    await log.stop()

    files = [one.read_bytes() for one in (tmp_path / "audit").iterdir()]
    written = b"\n".join([*files, generate_latest(metrics.registry), caplog.text.encode()])
    opened = canonical_records(tmp_path / "audit")
    assert written.count(b"record\t") == 1 + 2 * len(CANARIES)
    assert b'"phase"' not in written  # sealed
    written += opened
    assert written.count(b'"phase"') == 1 + 2 * len(CANARIES)
    for canary in CANARIES:
        for guise in _guises(canary):
            assert guise not in written


def canonical_records(folder: Path) -> bytes:
    """What whoever has the keys can read."""
    return b"\n".join(canonical(one.members) for one in read_records(folder, keys_of().provider))


async def _try_every_field(log: Any, canary: str) -> None:
    """Put the canary where a fault of our own could put it; each record must be refused."""
    for sample, write in ((intent(), log.intend), (outcome(), log.conclude), (Event(Action.START), log.note)):
        for name, kind in types_of(sample).items():
            if "str" not in kind or name in OPERATOR_WORDS | {"method"}:
                continue
            maps = {"entities": {canary: 1}, "confidence": {canary: 1}, "conversations": (canary,)}
            value: Any = maps.get(name, canary)
            with pytest.raises(AuditUnavailable) as caught:
                await write(changed(sample, **{name: value}))
            assert canary not in str(caught.value)
