"""From the log to the sinks: in order, without a gap, each at its own pace (A5, A6)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import pytest

from sidecar.audit.forwarding import Cursor, Forwarding, Pace
from sidecar.audit.outbound import Endpoint
from sidecar.audit.reader import Position
from sidecar.audit.sinks.http import HttpSink
from sidecar.audit.sinks.sink import Forwarded, Sink, SinkOverfull, SinkUnavailable
from sidecar.metrics import Metrics
from tests.audit.anchors.stands import served
from tests.audit.sinks.receivers import HttpReceiver, record, records

PACE = Pace(batch=50, poll_seconds=0.01, retry_seconds=0.01, retry_limit_seconds=0.05)


class Growing:
    """A log whose first records may have been dropped."""

    def __init__(self, count: int = 0) -> None:
        self.count, self.dropped = count, 0

    def size(self) -> int:
        return self.count

    def read(self, first: int, after: Position | None = None) -> Iterator[Forwarded]:
        for seq in range(max(first, self.dropped), self.count):
            yield record(seq)


async def until(holds: Callable[[], object]) -> None:
    async with asyncio.timeout(120):
        while not holds():  # noqa: ASYNC110 - what is waited for is another task's doing
            await asyncio.sleep(0.005)


def value(metrics: Metrics, name: str, sink: str = "siem") -> float:
    return metrics.registry.get_sample_value(name, {"sink": sink}) or 0.0


@asynccontextmanager
async def forwarding(
    sinks: Sequence[Sink], source: Growing, folder: Path, metrics: Metrics | None = None
) -> AsyncIterator[None]:
    one = Forwarding(sinks, source, folder, metrics or Metrics(), PACE)
    await one.start()
    yield
    await one.stop()


def to(url: str, source: Growing, folder: Path, metrics: Metrics | None = None) -> AbstractAsyncContextManager[None]:
    return forwarding([HttpSink("siem", Endpoint(url))], source, folder, metrics)


async def test_every_record_arrives_in_order_and_is_counted_a6(tmp_path: Path) -> None:
    source, metrics, receiver = Growing(120), Metrics(), HttpReceiver()
    async with served(receiver.handle) as url, to(url, source, tmp_path, metrics):
        await until(lambda: len(receiver.taken) == 120)
        source.count = 333
        await until(lambda: value(metrics, "sidecar_audit_forwarded_total") == 333)
        await until(lambda: value(metrics, "sidecar_audit_forward_backlog_records") == 0)
    assert receiver.seqs == list(range(333))


async def test_a_sink_that_is_down_gets_everything_later_and_holds_nobody_up_a5_a6(tmp_path: Path) -> None:
    source, metrics = Growing(200), Metrics()
    slow, quick = HttpReceiver(down=[503] * 5), HttpReceiver()
    async with served(slow.handle) as slow_url, served(quick.handle) as quick_url:
        sinks = [HttpSink("slow", Endpoint(slow_url)), HttpSink("quick", Endpoint(quick_url))]
        async with forwarding(sinks, source, tmp_path, metrics):
            await until(lambda: len(quick.taken) == 200)
            await until(lambda: len(slow.taken) == 200)
    assert slow.seqs == quick.seqs == list(range(200))
    assert value(metrics, "sidecar_audit_forward_failures_total", "slow") == 5


async def test_the_backlog_shows_while_a_sink_is_down_a6(tmp_path: Path) -> None:
    metrics = Metrics()
    async with forwarding([HttpSink("siem", Endpoint("http://127.0.0.1:9"))], Growing(77), tmp_path, metrics):
        await until(lambda: value(metrics, "sidecar_audit_forward_backlog_records") == 77)


async def test_after_a_restart_it_goes_on_where_it_was_a6(tmp_path: Path) -> None:
    source, receiver = Growing(130), HttpReceiver()
    async with served(receiver.handle) as url:
        for count in (130, 200, 210):
            source.count = count
            async with forwarding([HttpSink("siem", Endpoint(url))], source, tmp_path):
                await until(lambda count=count: receiver.seqs[-1:] == [count - 1])  # type: ignore[misc]
            assert Cursor(tmp_path / "siem.cursor").load() <= count
    # At a stop a batch may have been taken before that was written down: it comes again, and none is left out.
    assert sorted(set(receiver.seqs)) == list(range(210))


async def test_a_batch_that_was_taken_before_a_crash_comes_again(tmp_path: Path) -> None:
    receiver = HttpReceiver()
    Cursor(tmp_path / "siem.cursor").store(40)
    async with served(receiver.handle) as url, to(url, Growing(60), tmp_path):
        await until(lambda: receiver.seqs[-1:] == [59])
    assert receiver.seqs == list(range(40, 60))


@pytest.mark.parametrize("written", [b"", b"{", b"[]", b'{"next":-4}', b'{"next":"9"}', b'{"next":999}'])
async def test_a_place_that_makes_no_sense_is_the_beginning(tmp_path: Path, written: bytes) -> None:
    (tmp_path / "siem.cursor").write_bytes(written)
    receiver = HttpReceiver()
    async with served(receiver.handle) as url, to(url, Growing(5), tmp_path):
        await until(lambda: receiver.seqs == [0, 1, 2, 3, 4])


async def test_batches_shrink_to_what_a_sink_takes(tmp_path: Path) -> None:
    receiver = HttpReceiver(largest=5 * len(record(0).json))
    async with served(receiver.handle) as url, to(url, Growing(100), tmp_path):
        await until(lambda: len(receiver.taken) == 100)
    assert receiver.seqs == list(range(100))


async def test_a_sink_too_slow_for_a_batch_is_sent_less_at_once_and_more_when_it_is_quick_again_a6(
    tmp_path: Path,
) -> None:
    """What is not taken within the time limit would never be, at the same size; and each try gives the sink records
    that it has."""
    sizes: list[int] = []
    quick = asyncio.Event()

    class Slow(HttpSink):
        async def send(self, batch: Sequence[Forwarded]) -> None:
            if len(batch) > 10 and not quick.is_set():
                raise SinkUnavailable("sink siem: timed_out")
            sizes.append(len(batch))

    source = Growing(100)
    async with forwarding([Slow("siem", Endpoint("http://127.0.0.1:9"))], source, tmp_path):
        await until(lambda: sum(sizes) == 100)
        assert max(sizes) > 5
        quick.set()
        source.count = 1000
        await until(lambda: sum(sizes) == 1000)
    assert PACE.batch in sizes


async def test_a_record_that_no_sink_takes_is_not_skipped(tmp_path: Path) -> None:
    metrics = Metrics()

    class Picky(HttpSink):
        async def send(self, batch: Sequence[Forwarded]) -> None:
            raise SinkOverfull("sink siem answered 413")

    async with forwarding([Picky("siem", Endpoint("http://127.0.0.1:9"))], Growing(3), tmp_path, metrics):
        await until(lambda: value(metrics, "sidecar_audit_forward_failures_total") >= 5)
    assert Cursor(tmp_path / "siem.cursor").load() == 0


async def test_records_that_retention_took_first_are_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    source, receiver = Growing(20), HttpReceiver()
    source.dropped = 8
    async with served(receiver.handle) as url, to(url, source, tmp_path):
        await until(lambda: receiver.seqs == list(range(8, 20)))
    assert "records 0 to 7 were dropped" in caplog.text


async def test_a_bug_that_ends_the_forwarding_is_told_and_the_stop_goes_on(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    class Broken(Growing):
        def read(self, first: int, after: Position | None = None) -> Iterator[Forwarded]:
            raise ZeroDivisionError("jane.roe@canary.example")

    metrics = Metrics()
    async with served(HttpReceiver().handle) as url, to(url, Broken(1), tmp_path, metrics):
        await until(lambda: value(metrics, "sidecar_audit_forward_failures_total") == 1)
    assert "sink siem: forwarding ended on a bug (ZeroDivisionError)" in caplog.text
    assert "canary" not in caplog.text


def test_a_forwarded_record_has_no_links(tmp_path: Path) -> None:
    assert not any("k1:" in str(one.members) for one in records(3))
