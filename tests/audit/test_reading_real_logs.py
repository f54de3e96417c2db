"""What reads logs, on logs that the sidecar itself wrote: with keys rotated, links erased and segments dropped."""

from __future__ import annotations

import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from sidecar.audit.appender import LogKeys, Pace
from sidecar.audit.bundle import Order, write_bundle
from sidecar.audit.index import INDEX_NAME, AuditIndex
from sidecar.audit.log import AuditLog
from sidecar.audit.lookup import AuditLookup
from sidecar.audit.note import parse_checkpoint
from sidecar.audit.query import Question
from sidecar.audit.reader import read_records
from sidecar.audit.reading import AuditReading
from sidecar.audit.retention import Retention
from sidecar.audit.settings import AuditSettings
from sidecar.audit.source import LogSource, LogUnreadable
from sidecar.audit.store import numbers, segment_path, stub_path
from sidecar.keys import MasterKey
from sidecar.metrics import Metrics
from tests.audit.conftest import Sidecar
from tests.audit.samples import MASTER, intent, keys_of, make_log, outcome
from tests.audit.written import VERIFIER, pseudonym

PACE = Pace(checkpoint_records=7, segment_records=10)
NEXT = MasterKey(bytes(range(1, 33)), 2)


async def filled(folder: Path, count: int, first: int = 0, keys: LogKeys | None = None) -> None:
    """Write exchanges about three people in turn, and stop."""
    log = make_log(folder, keys=keys, pace=PACE)
    await log.start()
    await visited(log, count, first)
    await log.stop()


async def visited(log: AuditLog, count: int, first: int = 0) -> None:
    for number in range(first, first + count):
        await log.intend(intent(f"x{number}")._replace(target_pseudonym=None))
        await log.conclude(outcome(f"x{number}")._replace(conversations=(pseudonym(number % 3),)))


def lookup(folder: Path, keys: LogKeys | None = None) -> AuditLookup:
    found = AuditLookup(folder, (keys or keys_of()).provider, AuditIndex(folder / INDEX_NAME))
    found.catch_up()
    return found


def about(number: int) -> Question:
    return Question(pseudonyms=frozenset({pseudonym(number)}))


def verified(what: str, path: Path, *options: object, first_key: LogKeys | None = None) -> tuple[int, str]:
    key = (first_key or keys_of()).signer.verifier
    command = [sys.executable, "-I", VERIFIER, what, path, "--key", key, *options]
    done = subprocess.run([str(one) for one in command], capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr


def bundled(folder: Path, path: Path, question: Question, keys: LogKeys | None = None) -> tuple[int, str]:
    order = Order(question, "CASE-1", "2026-03-02T00:00:00.000000Z", complete=question.pseudonyms is not None)
    write_bundle(lookup(folder, keys), order, path)
    return verified("bundle", path)


async def test_a_log_of_several_starts_is_intact_and_complete(tmp_path: Path) -> None:
    folder = tmp_path / "log"
    for first in (0, 20, 40):
        await filled(folder, 20, first)
    (tmp_path / "key").write_text(MASTER.secret.hex())
    code, said = verified("log", folder, "--master-key", tmp_path / "key", "--checkpoint", folder / "checkpoint")
    assert code == 0, said
    assert "completeness: complete" in said
    assert "unanchored tail: 0" in said
    assert len(list(lookup(folder).find(about(1)))) == 20
    assert bundled(folder, tmp_path / "b", about(1))[0] == 0


async def test_after_a_rotation_the_first_key_is_still_enough_a28(tmp_path: Path) -> None:
    folder = tmp_path / "log"
    await filled(folder, 20)
    keys = keys_of(keys_of().log, NEXT, MASTER)
    await filled(folder, 20, 20, keys)
    code, said = verified("log", folder, "--checkpoint", folder / "checkpoint")
    assert code == 0, said
    code, said = bundled(folder, tmp_path / "b", about(1), keys)  # by the first key alone, too
    assert code == 0, said
    assert verified("log", folder, first_key=keys_of(keys_of().log, NEXT))[0] == 1  # the new key is not the first


async def test_erased_links_are_found_no_more_and_every_proof_holds_a24(tmp_path: Path) -> None:
    folder = tmp_path / "log"
    await filled(folder, 30)
    reading = AuditReading(folder, keys_of().provider)
    assert len((await reading.page(about(1), 100)).rows) == 10
    log = make_log(folder, pace=PACE)
    await log.start()
    assert await log.forget_subject({pseudonym(1)}) == 10
    assert (await reading.page(about(1), 100)).rows == ()
    assert len((await reading.page(about(2), 100)).rows) == 10
    (row,) = (await reading.page(Question(exchange_id="x1"), 10)).rows
    assert row["links"] == "erased"
    await reading.stop()
    await log.stop()
    index = b"".join(path.read_bytes() for path in folder.glob(f"{INDEX_NAME}*"))
    assert bytes.fromhex(pseudonym(1)[3:]) not in index
    (tmp_path / "key").write_text(MASTER.secret.hex())
    code, said = verified("log", folder, "--master-key", tmp_path / "key")
    assert code == 0, said
    assert "links of 10 records are erased" in said
    code, said = bundled(folder, tmp_path / "b", about(2))
    assert code == 0, said
    assert "but for 10 records whose links were erased" in said


async def test_an_index_that_a_power_cut_spoiled_is_made_anew(tmp_path: Path, sidecar: Sidecar) -> None:
    folder = tmp_path / "log"
    await filled(folder, 30)
    reading = AuditReading(folder, keys_of().provider)
    assert len((await reading.page(about(1), 100)).rows) == 10
    await reading.stop()
    (tmp_path / "key").write_text(MASTER.secret.hex())
    index = folder / INDEX_NAME
    index.write_bytes(index.read_bytes()[:4096].ljust(index.stat().st_size, b"\xff"))
    code, _, said = sidecar("audit", "show", folder, "--unrecorded", "--key-file", tmp_path / "key")
    assert code == 2
    assert f"{index}: can't be used (database disk image is malformed). Delete it" in said
    reading = AuditReading(folder, keys_of().provider)
    assert len((await reading.page(about(1), 100)).rows) == 10
    await reading.stop()


async def test_dropped_segments_leave_proofs_and_answers_of_the_rest_a32(tmp_path: Path) -> None:
    folder = tmp_path / "log"
    await filled(folder, 30)
    old = parse_checkpoint((folder / "checkpoint").read_text().partition("\n\n")[0] + "\n")
    kept = tmp_path / "kept"
    kept.write_bytes((folder / "checkpoint").read_bytes())
    lookup(folder)  # an index that knows what is about to go
    later = datetime.now(UTC) + timedelta(days=10)
    settings = AuditSettings(folder, pace=PACE, retention=Retention(timedelta(days=1)))
    log = AuditLog(settings, keys_of(), Metrics(), lambda: later)
    await log.start()
    assert await log.drop_expired() > 3
    await visited(log, 10, 30)
    await log.stop()
    assert any(stub_path(folder, number).exists() for number in numbers(folder))
    code, said = verified("log", folder, "--checkpoint", kept)
    assert code == 0, said
    assert "of them dropped" in said
    for fresh in ("known", "anew"):
        if fresh == "anew":
            for path in folder.glob(f"{INDEX_NAME}*"):
                path.unlink()
        found = list(lookup(folder).find(about(1)))
        assert 3 <= len(found) <= 4
        assert bundled(folder, tmp_path / fresh, about(1))[0] == 0
        assert lookup(folder).consistency(old.size, lookup(folder).size)


async def test_forwarding_reads_on_from_where_it_was(tmp_path: Path) -> None:
    folder = tmp_path / "log"
    await filled(folder, 20)
    source = LogSource(folder, keys_of().provider, lambda: sys.maxsize)
    first = list(source.read(0))
    assert [one.seq for one in first] == list(range(len(first)))
    assert not any("conversations" in one.facts for one in first)
    await filled(folder, 5, 20)
    rest = list(source.read(len(first), first[-1].position))
    assert [one.seq for one in rest] == list(range(len(first), len(first) + len(rest)))
    assert [one.hash for one in (*first, *rest)] == [one.record.hash for one in read_records(folder)]


async def test_forwarding_leaves_what_is_not_durable_yet(tmp_path: Path) -> None:
    """Lines of a write that failed stand there until the next one: they were refused, and others get their numbers."""
    folder = tmp_path / "log"
    await filled(folder, 20)
    durable = 7
    source = LogSource(folder, keys_of().provider, lambda: durable)
    first = list(source.read(0))
    assert [one.seq for one in first] == list(range(7))
    assert list(source.read(7, first[-1].position)) == []
    durable = 9
    assert [one.seq for one in source.read(7, first[-1].position)] == [7, 8]


async def test_the_index_keeps_up_with_a_log_that_is_written(tmp_path: Path) -> None:
    folder = tmp_path / "log"
    log = make_log(folder, pace=PACE)
    await log.start()
    reading = AuditReading(folder, keys_of().provider, catch_up_seconds=0.01)
    await reading.start()
    for first in range(0, 60, 20):
        await visited(log, 20, first)
        assert len((await reading.page(about(0), 100)).rows) == -(-(first + 20) // 3)
    await reading.stop()
    await log.stop()


async def test_a_log_that_was_cut_while_it_is_forwarded_is_told_to_be_broken_a8(tmp_path: Path) -> None:
    """Whoever forwards it tries again later; an error that nobody expects would end the forwarding for good."""
    folder = tmp_path / "audit"
    await filled(folder, 3)
    source = LogSource(folder, keys_of().provider, lambda: sys.maxsize)
    last = list(source.read(0))[-1]
    assert last.position is not None
    os.truncate(segment_path(folder, last.position.segment), last.position.offset)
    with pytest.raises(LogUnreadable, match="broken"):
        list(source.read(last.seq + 1, last.position))
