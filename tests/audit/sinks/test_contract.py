"""What every kind of sink does alike (A5, A6), each with a receiver behind a real socket."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from sidecar.audit.outbound import Endpoint
from sidecar.audit.sinks.http import HttpSink
from sidecar.audit.sinks.otlp import OtlpSink
from sidecar.audit.sinks.sink import Sink, SinkUnavailable
from sidecar.audit.sinks.syslog import SyslogSettings, SyslogSink
from sidecar.tls.dev_certs import DevCertificates
from tests.audit.anchors.stands import served
from tests.audit.sinks.receivers import (
    HttpReceiver,
    OtlpReceiver,
    Receiver,
    SyslogReceiver,
    certificates_in,
    records,
    syslog_served,
    syslog_tls,
)

PATIENT_SECONDS = 1.5  # for a busy machine to notice that a connection was cut
KINDS = ["http", "otlp", "syslog"]
Pair = tuple[Sink, Receiver]


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> DevCertificates:
    return certificates_in(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(params=KINDS)
async def pair(request: pytest.FixtureRequest, certificates: DevCertificates) -> AsyncIterator[Pair]:
    async with AsyncExitStack() as stack:
        sink, receiver = await made(str(request.param), certificates, stack)
        await sink.start()
        yield sink, receiver
        await sink.stop()


async def made(kind: str, certificates: DevCertificates, stack: AsyncExitStack) -> Pair:
    if kind == "syslog":
        receiver = SyslogReceiver()
        port = await stack.enter_async_context(syslog_served(receiver, certificates))
        return SyslogSink(
            "siem", SyslogSettings("localhost", port, "pod-1", syslog_tls(certificates), 60, PATIENT_SECONDS)
        ), receiver
    web: HttpReceiver = OtlpReceiver() if kind == "otlp" else HttpReceiver()
    url = await stack.enter_async_context(served(web.handle))
    return (OtlpSink if kind == "otlp" else HttpSink)("siem", Endpoint(f"{url}/v1/logs")), web


async def test_it_hands_over_every_record_in_order(pair: Pair) -> None:
    sink, receiver = pair
    for batch in (records(3), records(500, first=3), records(1, first=503)):
        await sink.send(batch)
    assert receiver.seqs == list(range(504))
    assert receiver.taken[3] == dict(records(1, first=3)[0].members)


async def test_what_was_not_taken_is_told_and_may_be_sent_again_a6(pair: Pair) -> None:
    sink, receiver = pair
    receiver.down = [503]  # of syslog: a connection that is cut after so many frames, with bytes left unread
    with pytest.raises(SinkUnavailable, match="siem"):
        await sink.send(records(1000))
    await sink.send(records(1000))
    assert receiver.seqs[-1000:] == list(range(1000))


@pytest.mark.parametrize("kind", KINDS)
async def test_one_that_is_not_there_is_unavailable(kind: str, tmp_path: Path) -> None:
    nowhere = Endpoint("http://127.0.0.1:9/v1/logs")
    sinks: dict[str, Sink] = {
        "http": HttpSink("siem", nowhere),
        "otlp": OtlpSink("siem", nowhere),
        "syslog": SyslogSink("siem", SyslogSettings("127.0.0.1", 9, tls=ssl.create_default_context())),
    }
    await sinks[kind].start()
    with pytest.raises(SinkUnavailable, match="siem: unreachable"):
        await sinks[kind].send(records(1))
    await sinks[kind].stop()
