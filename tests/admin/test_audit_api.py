"""The audit endpoints: what auditors get, what is recorded of it, and who else gets nothing (A21, A36, P59)."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from base64 import b64decode
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from benchmarks.audit_log import LogFolder
from sidecar.access import Identity, KnownCaller, Role
from sidecar.admin.audit_api import AuditParts, audit_routes
from sidecar.admin.guard import Guard
from sidecar.admin.listener import AdminListener, AdminSettings
from sidecar.audit.merkle import verify_consistency, verify_inclusion
from sidecar.audit.note import parse_checkpoint, parse_note
from sidecar.audit.reading import AuditReading
from sidecar.audit.record import Action, Decision
from sidecar.errors import PayloadFault, PayloadRefused
from sidecar.metrics import Metrics
from tests.admin.conftest import MAX_BODY_BYTES, PSEUDONYMS, MemoryAudit
from tests.audit.written import VERIFIER, pseudonym, visits, written

TOKENS = {"auditor": "auditor-token-0123456789", "trainer": "trainer-token-0123456789"}
CANARY = "anna.canary@example.org"


@dataclass
class Auditing:
    """A served log and its auditor."""

    url: str
    log: LogFolder
    audit: MemoryAudit

    async def ask(self, method: str, path: str, body: object = None, who: str = "auditor") -> tuple[int, bytes]:
        data = json.dumps(body).encode() if body is not None else None
        headers = {"Authorization": f"Bearer {TOKENS[who]}"} if who else {}
        async with aiohttp.request(method, f"{self.url}{path}", data=data, headers=headers) as answer:
            return answer.status, await answer.read()

    async def get(self, path: str) -> Any:
        status, body = await self.ask("GET", path)
        assert status == 200, body
        return json.loads(body)


@pytest.fixture
async def auditing(tmp_path: Path) -> AsyncIterator[Auditing]:
    log = written(tmp_path / "log", visits(200), segment_records=128)
    audit = MemoryAudit()
    reading = AuditReading(log.folder, log.keys)
    callers = [KnownCaller(Identity(name, frozenset({Role(name)})), token_sha256=_digest(token))
               for name, token in TOKENS.items()]  # fmt: skip
    parts = AuditParts(reading, _pseudonyms, tmp_path, lambda: datetime(2026, 3, 2, tzinfo=UTC))
    guard = Guard(callers, audit, PSEUDONYMS, Metrics(), MAX_BODY_BYTES)
    listener = AdminListener(AdminSettings("127.0.0.1", 0, None), audit_routes(parts), guard)
    await reading.start()
    await listener.start()
    yield Auditing(f"http://127.0.0.1:{listener.port}", log, audit)
    await listener.stop()
    await reading.stop()


def _digest(token: str) -> bytes:
    return sha256(token.encode()).digest()


def _pseudonyms(candidate: Any) -> frozenset[str]:
    if not isinstance(candidate.get("conversation"), str):
        raise PayloadRefused(PayloadFault.NOT_PARSEABLE, "candidate")
    return frozenset({pseudonym(2) if candidate["conversation"] == CANARY else pseudonym(99)})


PATHS = [
    ("GET", "/v1/audit/records"), ("GET", "/v1/audit/checkpoint"), ("GET", "/v1/audit/proofs/inclusion?seq=1&size=2"),
    ("GET", "/v1/audit/proofs/consistency?from=1&to=2"), ("POST", "/v1/audit/exports?reason=CASE-1"),
    ("POST", "/v1/audit/candidates"),
]  # fmt: skip


@pytest.mark.parametrize(("method", "path"), PATHS)
@pytest.mark.parametrize(("who", "status"), [("trainer", 401), ("", 401)])
async def test_nobody_but_auditors_gets_in(auditing: Auditing, method: str, path: str, who: str, status: int) -> None:
    code, body = await auditing.ask(method, path, {} if method == "POST" else None, who)
    assert code in (status, 403)
    assert b"k1:" not in body
    assert auditing.audit.pair()[1].decision is Decision.DENIED


async def test_records_come_in_pages_and_each_reading_is_recorded_a36(auditing: Auditing) -> None:
    path = f"/v1/audit/records?pseudonym={pseudonym(2)}&limit=15&reason=CASE-2026-17"
    seen: list[int] = []
    cursor: str | None = ""
    while cursor is not None:
        page = await auditing.get(f"{path}&cursor={cursor}" if cursor else path)
        seen += [row["seq"] for row in page["records"]]
        cursor = page["cursor"]
    assert len(seen) == len(set(seen)) == 40
    intent, outcome = auditing.audit.entries[:2]
    assert (intent.action, intent.actor, intent.purpose) == (Action.AUDIT_SEARCH, "auditor", "CASE-2026-17")  # type: ignore[union-attr]
    assert (outcome.decision, outcome.results, outcome.subject) == (Decision.COMPLETED, 15, pseudonym(2))  # type: ignore[union-attr]
    assert len(auditing.audit.entries) == 6


async def test_a_page_does_not_move_while_the_log_grows(auditing: Auditing) -> None:
    first = await auditing.get("/v1/audit/records?actor=trainer-1&limit=60")
    auditing.log.write(visits(20))
    second = await auditing.get(f"/v1/audit/records?actor=trainer-1&limit=60&cursor={first['cursor']}")
    assert first["size"] == second["size"] == 400
    assert len(first["records"]) + len(second["records"]) == 67


@pytest.mark.parametrize(
    "query",
    [
        "since=yesterday",
        "since=0001-01-01T00:00:00%2B14:00",
        "until=9999-12-31T23:59:59-14:00",
        "decision=maybe",
        "action=x",
        "limit=0",
        "limit=1001",
        "cursor=1",
        f"pseudonym={CANARY}",
        "x=1",
    ],
)
async def test_a_bad_question_is_refused_without_repeating_it(auditing: Auditing, query: str) -> None:
    status, body = await auditing.ask("GET", f"/v1/audit/records?{query}")
    assert status == 400
    assert CANARY.encode() not in body
    assert auditing.audit.pair()[1].decision is Decision.REFUSED


async def test_checkpoint_and_proofs_fit_together_a29(auditing: Auditing) -> None:
    status, body = await auditing.ask("GET", "/v1/audit/checkpoint")
    assert status == 200
    note = parse_note(body)
    note.verified([auditing.log.signer.verifier])
    head = parse_checkpoint(note.text)
    one = await auditing.get(f"/v1/audit/proofs/inclusion?seq=77&size={head.size}")
    proof = [b64decode(text) for text in one["proof"]]
    verify_inclusion(bytes.fromhex(one["leaf_hash"]), 77, head.size, proof, head.root)
    old = auditing.log.tree
    auditing.log.write(visits(30))
    both = await auditing.get(f"/v1/audit/proofs/consistency?from={old.size}&to={auditing.log.tree.size}")
    proof = [b64decode(text) for text in both["proof"]]
    verify_consistency(old.size, old.root(), auditing.log.tree.size, auditing.log.tree.root(), proof)


@pytest.mark.parametrize("path", ["inclusion?seq=9&size=9", "inclusion?seq=0&size=99999", "consistency?from=9&to=3"])
async def test_what_is_not_there_has_no_proof(auditing: Auditing, path: str) -> None:
    assert (await auditing.ask("GET", f"/v1/audit/proofs/{path}"))[0] == 404


async def test_an_export_verifies_stand_alone_and_needs_a_reason_a36(auditing: Auditing, tmp_path: Path) -> None:
    asked = {"question": {"pseudonyms": [pseudonym(2)]}, "formats": ["jsonl", "ocsf"], "complete": True}
    for reason in ("", "?reason=because+I+can", f"?reason={CANARY}"):
        assert (await auditing.ask("POST", f"/v1/audit/exports{reason}", asked))[0] == 400
    for name in ("actor", "exchange_id", "since"):
        half = asked | {"question": {name: "\ud800"}}
        assert (await auditing.ask("POST", "/v1/audit/exports?reason=CASE-2026-17", half))[0] == 400
    auditing.audit.entries.clear()
    status, body = await auditing.ask("POST", "/v1/audit/exports?reason=CASE-2026-17", asked)
    assert status == 200
    (tmp_path / "got.tar").write_bytes(body)
    key = str(auditing.log.signer.verifier)
    command = [sys.executable, str(VERIFIER), "bundle", str(tmp_path / "got.tar"), "--key", key]
    done = await asyncio.to_thread(subprocess.run, command, capture_output=True, check=False)
    assert done.returncode == 0, done.stdout
    assert b"completeness: whole" in done.stdout
    async with asyncio.timeout(120):
        while len(auditing.audit.entries) < 2:  # noqa: ASYNC110 - the last byte leaves before the outcome is recorded
            await asyncio.sleep(0.01)
    intent, outcome = auditing.audit.pair()
    assert (intent.action, intent.purpose) == (Action.AUDIT_EXPORT, "CASE-2026-17")
    assert outcome.results == 40
    assert outcome.bytes_sent >= len(body)
    assert not [one for one in tmp_path.iterdir() if one.name.startswith(".export")]


async def test_a_candidate_is_tried_under_its_keyed_hash_and_recorded_a21(auditing: Auditing) -> None:
    status, body = await auditing.ask("POST", "/v1/audit/candidates", {"conversation": CANARY})
    answer = json.loads(body)
    assert (status, answer["found"], len(answer["records"])) == (200, True, 40)
    assert CANARY.encode() not in body
    intent, outcome = auditing.audit.pair()
    assert (intent.action, outcome.subject) == (Action.AUDIT_CANDIDATE, pseudonym(2))
    assert CANARY not in repr(auditing.audit.entries)
    answer = json.loads((await auditing.ask("POST", "/v1/audit/candidates", {"conversation": "nobody"}))[1])
    assert (answer["found"], answer["records"]) == (False, [])


async def test_candidates_can_not_be_tried_one_after_the_other_a21(auditing: Auditing) -> None:
    statuses = [
        (await auditing.ask("POST", "/v1/audit/candidates", {"conversation": f"c{number}"}))[0] for number in range(12)
    ]
    assert statuses == [200] * 10 + [429] * 2
    assert len(auditing.audit.entries) == 24


async def test_a_candidate_that_makes_no_sense_is_refused(auditing: Auditing) -> None:
    assert (await auditing.ask("POST", "/v1/audit/candidates", {"e-mail": CANARY}))[0] == 400
    assert (await auditing.ask("POST", "/v1/audit/candidates", [CANARY]))[0] == 400


async def test_a_broken_log_is_an_error_and_no_answer(auditing: Auditing) -> None:
    await auditing.get("/v1/audit/records?exchange_id=x0")
    path = auditing.log.folder / "00000000.segment"
    data = path.read_bytes()
    place = data.index(b"record\t") + 400
    path.write_bytes(data[:place] + bytes((data[place] ^ 1,)) + data[place + 1 :])
    assert (await auditing.ask("GET", "/v1/audit/records?exchange_id=x0"))[0] == 500
