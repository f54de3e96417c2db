"""Checkpoints on their way to anchors: one that is down is tried again, and holds nobody up (A13, A30, A31)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from benchmarks.audit_log import MASTER
from sidecar.audit.anchors.anchor import Anchor
from sidecar.audit.anchors.file import FileAnchor
from sidecar.audit.anchors.http import HttpAnchor
from sidecar.audit.anchors.publishing import AnchorPublishing, Pace, ask, opened
from sidecar.audit.anchors.verdict import Reach
from sidecar.audit.index import INDEX_NAME
from sidecar.audit.keyring import KeyProviderUnavailable, LocalKeys, WrapContext, Wrapped
from sidecar.audit.merkle import consistency_proof, nodes_over
from sidecar.audit.note import Note, parse_checkpoint, parse_note
from sidecar.audit.outbound import Endpoint
from sidecar.audit.reading import AuditReading
from sidecar.audit.retention import drop, stub_of
from sidecar.audit.source import SourceUnavailable
from sidecar.audit.store import CHECKPOINT_NAME
from sidecar.metrics import Metrics
from tests.audit.anchors.stands import LOG, ORIGIN, WITNESS, Notary, checkpoint, leaves, offer, served
from tests.audit.written import visits, written

PACE = Pace(interval_seconds=0.01, retry_seconds=0.01, retry_limit_seconds=0.05)


class Growing:
    """A log of which only sizes are told."""

    def __init__(self, size: int = 0, salt: bytes = b"") -> None:
        self.size, self.salt = size, salt

    async def checkpoint(self) -> Note | None:
        return offer(self.size, self.salt).note if self.size else None

    async def consistency(self, old_size: int, new_size: int) -> tuple[bytes, ...]:
        return consistency_proof(old_size, new_size, nodes_over(leaves(new_size, self.salt)))


async def until(holds: Callable[[], object]) -> None:
    async with asyncio.timeout(120):
        while not holds():  # noqa: ASYNC110 - what is waited for is a metric
            await asyncio.sleep(0.005)


def value(metrics: Metrics, name: str, anchor: str) -> float:
    return metrics.registry.get_sample_value(name, {"anchor": anchor}) or 0.0


async def test_every_new_checkpoint_reaches_every_anchor(tmp_path: Path) -> None:
    source, metrics = Growing(), Metrics()
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
    anchors = [FileAnchor(name, tmp_path / name) for name in ("one", "two")]
    publishing = AnchorPublishing(anchors, source, [LOG.verifier], metrics, PACE)
    async with opened(anchors):
        await publishing.start()
        for size in (3, 8, 21):
            source.size = size
            await until(lambda: value(metrics, "sidecar_audit_anchored_records", "one") == source.size)
            await until(lambda: value(metrics, "sidecar_audit_anchored_records", "two") == source.size)
        await publishing.stop()
        said = await ask(anchors, ORIGIN, 60)
    assert [one.held.note.text for one in said if one.held] == [offer(21).note.text] * 2
    assert publishing.sound


async def test_one_that_is_down_is_tried_again_and_holds_nobody_up(tmp_path: Path) -> None:
    source, metrics = Growing(5), Metrics()
    notary = Notary(down=[500] * 6)
    async with served(notary.handle) as url:
        anchors: list[Anchor] = [HttpAnchor("slow", Endpoint(url)), FileAnchor("quick", tmp_path)]
        publishing = AnchorPublishing(anchors, source, [LOG.verifier], metrics, PACE)
        async with opened(anchors):
            await publishing.start()
            await until(lambda: value(metrics, "sidecar_audit_anchored_records", "quick") == 5)
            await until(lambda: value(metrics, "sidecar_audit_anchored_records", "slow") == 5)
            await publishing.stop()
    assert value(metrics, "sidecar_audit_anchor_failures_total", "slow") == 6
    assert value(metrics, "sidecar_audit_anchor_failures_total", "quick") == 0
    assert publishing.sound


async def test_an_anchor_that_contradicts_the_log_raises_the_alarm_a11(tmp_path: Path) -> None:
    metrics = Metrics()
    anchors = [FileAnchor("disk", tmp_path)]
    await anchors[0].publish(offer(5))
    publishing = AnchorPublishing(anchors, Growing(5, b"rewritten"), [LOG.verifier], metrics, PACE)
    async with opened(anchors):
        await publishing.start()
        await until(lambda: not publishing.sound)
        await publishing.stop()
    assert value(metrics, "sidecar_audit_anchor_conflict", "disk") == 1


async def test_a_bug_that_ends_the_anchoring_is_told_and_the_stop_goes_on(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    class Buggy(Growing):
        async def checkpoint(self) -> Note | None:
            raise RuntimeError("not foreseen")

    (tmp_path / "one").mkdir()
    anchors, metrics = [FileAnchor("one", tmp_path / "one")], Metrics()
    publishing = AnchorPublishing(anchors, Buggy(), [LOG.verifier], metrics, PACE)
    async with opened(anchors):
        await publishing.start()
        assert publishing.sound
        await until(lambda: value(metrics, "sidecar_audit_anchor_failures_total", "one"))
        assert not publishing.sound
        await publishing.stop()
    assert "anchor one: anchoring ended on a bug (RuntimeError)" in caplog.text
    assert "not foreseen" not in caplog.text


async def test_a_log_that_can_not_be_read_or_proven_now_is_tried_again(tmp_path: Path) -> None:
    """A checkpoint that somebody garbles, or a witness from before records that were dropped since."""
    log = written(tmp_path / "audit", visits(60))
    drop(log.folder, stub_of(log.folder, 0, datetime.now(UTC)), log.signer)
    reading, path = AuditReading(log.folder, log.keys), log.folder / CHECKPOINT_NAME
    (tmp_path / "one").mkdir()
    anchors, metrics = [FileAnchor("one", tmp_path / "one")], Metrics()
    publishing = AnchorPublishing(anchors, reading, [log.signer.verifier], metrics, PACE)
    sound, size = path.read_bytes(), parse_checkpoint(parse_note(path.read_bytes()).text).size
    path.write_bytes(b"no checkpoint\n")
    async with opened(anchors):
        await publishing.start()
        await until(lambda: value(metrics, "sidecar_audit_anchor_failures_total", "one") >= 2)
        path.write_bytes(sound)
        await until(lambda: value(metrics, "sidecar_audit_anchored_records", "one") == size)
        assert publishing.sound
        await publishing.stop()
    with pytest.raises(SourceUnavailable, match="only a stub is left"):
        await reading.consistency(1, size)
    await reading.stop()


async def test_what_the_log_did_not_sign_is_brought_to_nobody_a13(tmp_path: Path) -> None:
    """Whoever can write to the folder would fill the anchors with sizes that the log never had."""

    class Forged(Growing):
        async def checkpoint(self) -> Note | None:
            return checkpoint(self.size).signed_by(WITNESS)

    anchors, metrics, source = [FileAnchor("one", tmp_path)], Metrics(), Forged(1_000)
    publishing = AnchorPublishing(anchors, source, [LOG.verifier], metrics, PACE)
    async with opened(anchors):
        await publishing.start()
        await until(lambda: value(metrics, "sidecar_audit_anchor_failures_total", "one") >= 2)
        await publishing.stop()
        await publishing.conclude()
    assert list(tmp_path.iterdir()) == []


async def test_a_checkpoint_is_brought_while_neither_the_index_nor_a_key_can_be_had_a10(tmp_path: Path) -> None:
    class Away(LocalKeys):
        def unwrap(self, wrapped: Wrapped, context: WrapContext) -> bytes:
            raise KeyProviderUnavailable("away")

    log = written(tmp_path / "audit", visits(60))
    (log.folder / INDEX_NAME).mkdir()
    (tmp_path / "one").mkdir()
    reading = AuditReading(log.folder, Away(MASTER))
    anchors, metrics = [FileAnchor("one", tmp_path / "one")], Metrics()
    publishing = AnchorPublishing(anchors, reading, [log.signer.verifier], metrics, PACE)
    async with opened(anchors):
        await publishing.start()
        await until(lambda: value(metrics, "sidecar_audit_anchored_records", "one") == log.tree.size)
        await publishing.stop()


async def test_asking_waits_for_nobody_who_does_not_answer(tmp_path: Path) -> None:
    hanging = asyncio.Event()

    class Hanging(Notary):
        async def handle(self, request):  # type: ignore[no-untyped-def]
            await hanging.wait()

    (tmp_path / "disk").mkdir()
    async with served(Hanging().handle) as url:
        anchors: list[Anchor] = [HttpAnchor("hangs", Endpoint(url))]
        anchors += [FileAnchor(name, tmp_path / name) for name in ("gone", "disk")]
        async with opened(anchors):
            said = await ask(anchors, ORIGIN, 4)
        hanging.set()
    assert [one.reach for one in said] == [Reach.UNREACHABLE, Reach.UNREACHABLE, Reach.ANSWERED]
