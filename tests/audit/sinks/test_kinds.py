"""What is peculiar to each kind of sink."""

from __future__ import annotations

import re
import ssl
from pathlib import Path

import pytest
from aiohttp import web

from sidecar.access import Role
from sidecar.audit.outbound import Endpoint
from sidecar.audit.sinks.http import HttpSink
from sidecar.audit.sinks.otlp import OtlpSink
from sidecar.audit.sinks.sink import Forwarded, SinkOverfull, SinkUnavailable
from sidecar.audit.sinks.syslog import SyslogSettings, SyslogSink, frame, message
from sidecar.tls.contexts import ClientTls, client_context
from tests.audit.anchors.stands import served
from tests.audit.sinks.receivers import (
    LOG,
    HttpReceiver,
    OtlpReceiver,
    SyslogReceiver,
    certificates_in,
    record,
    records,
    syslog_served,
    syslog_tls,
)

# The grammar of RFC 5424, section 6, as far as we use it.
SYSLOG_MESSAGE = re.compile(
    r"<(?P<pri>[0-9]{1,3})>1 (?P<time>\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z) (?P<host>[!-~]{1,255}) "
    r'(?P<app>[!-~]{1,48}) (?P<proc>[!-~]{1,128}) (?P<id>[!-~]{1,32}) (?P<sd>(\[[!-~]{1,32}( [!-~]+="[^"\\\]]*")*\])+) '
    "\N{ZERO WIDTH NO-BREAK SPACE}(?P<msg>.*)"
)


def test_a_message_is_one_of_rfc_5424_in_a_frame_of_rfc_5425() -> None:
    made = message(record(7), "pod-1")
    match = SYSLOG_MESSAGE.fullmatch(made.decode())
    assert match is not None
    assert (match["pri"], match["host"], match["app"], match["id"]) == ("109", "pod-1", "privacy-sidecar", "proxy")
    assert '[meta sequenceId="8"]' in match["sd"]
    assert match["msg"].encode() == record(7).json
    assert frame(made) == f"{len(made)} ".encode() + made


def test_what_was_denied_is_a_warning() -> None:
    denied = Forwarded(LOG, 1, record(1).time, record(1).hash, {"action": "proxy", "decision": "denied"})
    assert message(denied, "-").startswith(b"<108>1 ")


async def test_a_receiver_of_another_authority_gets_nothing(tmp_path: Path) -> None:
    ours, other = certificates_in(tmp_path / "ours"), certificates_in(tmp_path / "other")
    receiver = SyslogReceiver()
    async with syslog_served(receiver, other) as port:
        sink = SyslogSink("siem", SyslogSettings("localhost", port, tls=syslog_tls(ours)))
        with pytest.raises(SinkUnavailable, match="tls"):
            await sink.send(records(1))
        await sink.stop()
    assert receiver.messages == []


async def test_a_host_that_can_have_no_address_is_unreachable_like_any_other(tmp_path: Path) -> None:
    settings = SyslogSettings("siem..example", tls=syslog_tls(certificates_in(tmp_path)))
    with pytest.raises(SinkUnavailable, match="unreachable"):
        await SyslogSink("siem", settings).send(records(1))


async def test_a_receiver_that_admits_only_known_clients_gets_a_certificate(tmp_path: Path) -> None:
    made, receiver = certificates_in(tmp_path), SyslogReceiver()
    async with syslog_served(receiver, made) as port:
        stranger = SyslogSink(
            "siem", SyslogSettings("localhost", port, tls=client_context(ClientTls(made.ca)), settle_seconds=1.5)
        )
        with pytest.raises(SinkUnavailable):
            await stranger.send(records(1))
        await stranger.stop()
        known = client_context(ClientTls(made.ca, *made.client(Role.AUDITOR)))
        sink = SyslogSink("siem", SyslogSettings("localhost", port, tls=known))
        await sink.send(records(2))
        await sink.stop()
    assert receiver.seqs == [0, 1]


async def test_one_connection_serves_many_batches(tmp_path: Path) -> None:
    made, receiver = certificates_in(tmp_path), SyslogReceiver()
    async with syslog_served(receiver, made) as port:
        sink = SyslogSink("siem", SyslogSettings("localhost", port, tls=syslog_tls(made), settle_seconds=0.01))
        for first in range(5):
            await sink.send(records(1, first))
        await sink.stop()
    assert (receiver.connections, receiver.seqs) == (1, [0, 1, 2, 3, 4])


async def test_a_receiver_that_takes_nothing_is_given_up_after_a_while_a5(tmp_path: Path) -> None:
    made = certificates_in(tmp_path)

    class Deaf(SyslogReceiver):
        async def handle(self, reader, writer):  # type: ignore[no-untyped-def]
            reader._transport.pause_reading()

    async with syslog_served(Deaf(), made) as port:
        settings = SyslogSettings("localhost", port, tls=syslog_tls(made), timeout_seconds=0.5)
        sink = SyslogSink("siem", settings)
        with pytest.raises(SinkUnavailable, match="timed_out"):
            await sink.send(records(40_000))
        await sink.stop()


async def test_a_batch_that_is_too_large_is_told_as_such() -> None:
    receiver = HttpReceiver(largest=2000)
    async with served(receiver.handle) as url:
        sink = HttpSink("siem", Endpoint(url))
        await sink.start()
        with pytest.raises(SinkOverfull):
            await sink.send(records(50))
        await sink.stop()


async def test_a_partial_success_is_none() -> None:
    receiver = OtlpReceiver()
    receiver.partial = 1
    async with served(receiver.handle) as url:
        sink = OtlpSink("siem", Endpoint(url))
        await sink.start()
        with pytest.raises(SinkUnavailable, match="turned records"):
            await sink.send(records(2))
        await sink.send(records(2))
        await sink.stop()
    assert receiver.seqs == [0, 1]


@pytest.mark.parametrize(
    "said", [b"", b"[" * 200_000, b"1" * 5000, b"\xff", b'{"partialSuccess":{"rejectedLogRecords":null}}']
)
async def test_an_odd_answer_of_a_collector_ends_nothing(said: bytes) -> None:
    """Null is how some write the zero of protocol buffers."""

    async def handle(request: web.BaseRequest) -> web.Response:
        await request.read()
        return web.Response(body=said)

    async with served(handle) as url:
        sink = OtlpSink("siem", Endpoint(url))
        await sink.start()
        await sink.send(records(3))
        await sink.stop()


async def test_redirects_are_not_followed_with_a_secret_in_hand() -> None:
    receiver = HttpReceiver(down=[307])
    async with served(receiver.handle) as url:
        sink = HttpSink("siem", Endpoint(url, {"Authorization": "Bearer canary"}))
        await sink.start()
        with pytest.raises(SinkUnavailable, match="307"):
            await sink.send(records(1))
        await sink.stop()
    assert "canary" not in repr(sink.__dict__)
    assert isinstance(ssl.create_default_context(), ssl.SSLContext)
