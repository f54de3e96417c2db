"""Packets of socket.io over both transports: read in whole, written back byte by byte, or refused (P32, P35, X3)."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.errors import PayloadFault, PayloadRefused
from sidecar.payloads.document import LeafKind, Path, PayloadFormat
from sidecar.payloads.socketio import SEPARATOR, Binary, SocketioMessage, SocketioPolling

MESSAGE, POLLING = SocketioMessage(), SocketioPolling()
EDITABLE = (LeafKind.STRING, LeafKind.NUMBER, LeafKind.KEY)


def texts(payload_format: PayloadFormat, text: str) -> list[tuple[Path, str]]:
    return [(leaf.path, leaf.text) for leaf in payload_format.parse(text).leaves if leaf.kind in EDITABLE]


PACKETS: dict[str, list[tuple[Path, str]]] = {
    '0{"sid":"lbZZ_RNg-1","upgrades":["websocket"],"pingTimeout":20000,"pingInterval":25000,"maxPayload":1000000}': [],
    '0{"sid":"48601555014"}': [((0, "sid"), "sid"), ((0, "sid"), "48601555014")],
    '0{"sid":"a@b","sid":"x"}': [((0, "sid"), "sid"), ((0, "sid"), "a@b"), ((0, "sid"), "sid"), ((0, "sid"), "x")],
    '0{"upgrades":["zed"]}': [((0, "upgrades"), "upgrades"), ((0, "upgrades", 0), "zed")],
    '0{"maxPayload":48601555014}': [((0, "maxPayload"), "maxPayload"), ((0, "maxPayload"), "48601555014")],
    '40{"sid":"lbZZ"}': [],
    '40/zed,{"sid":"lbZZ"}': [((0, "namespace"), "/zed")],
    '42["x",{"sid":"lbZZ"}]': [((0, 0), "x"), ((0, 1, "sid"), "sid"), ((0, 1, "sid"), "lbZZ")],
    "1": [],
    "2": [],
    "2probe": [],
    "3probe": [],
    "5": [],
    "6": [],
    "40": [],
    '40{"token":"t"}': [((0, "token"), "token"), ((0, "token"), "t")],
    "40/admin,": [((0, "namespace"), "/admin")],
    "41": [],
    "41/admin,": [((0, "namespace"), "/admin")],
    '42["say",{"a": 1.0}]': [((0, 0), "say"), ((0, 1, "a"), "a"), ((0, 1, "a"), "1.0")],
    '42["say"]': [((0, 0), "say")],
    '4213["say"]': [((0, 0), "say")],
    '42/chat,13["say","x"]': [((0, "namespace"), "/chat"), ((0, 0), "say"), ((0, 1), "x")],
    "4313[]": [],
    '431["x"]': [((0, "ack", 0), "x")],
    '44{"message":"no"}': [((0, "message"), "message"), ((0, "message"), "no")],
    '44"no"': [((0,), "no")],
}
NO_PACKETS = (
    "", " ", "7", "9", "x", "4", "47", "4x", "2x", "2probe ", "3jane@example.com", "1x", "5x", "6x", "0", "0[]", "0x",
    '42', '42{"a":1}', '42 ["say"]', '42["say"', '42["say"]x', '42["say"]["say"]', '42"say"', "42say", '421-["say"]',
    "43{}", "44", "44[]", "41{}", '40["x"]', '42["say"]\n["x"]', "42[NaN]", '4212345678901["say"]', "42/chat",
    '42/chat["say"]', '42,["say"]', '42[]\x1e42[]', '42[]42[]',
    # engine.io 3 frames its polling payloads by lengths, and names its binary packets in another way.
    '96:0{"sid":"x"}', "2:40", "6:2probe", '4:42["x"]', "b4AQID",
    '45["say",{"_placeholder":true,"num":0}]', '4x-["say"]',
)  # fmt: skip


@pytest.mark.parametrize("packet", PACKETS)
def test_leaves_of_each_packet(packet: str) -> None:
    for payload_format in (MESSAGE, POLLING):
        assert texts(payload_format, packet) == PACKETS[packet]
        assert payload_format.parse(packet).render({}) == packet.encode()


@pytest.mark.parametrize("text", NO_PACKETS)
def test_P32_what_is_no_packet_is_refused(text: str) -> None:
    with pytest.raises(PayloadRefused) as raised:
        MESSAGE.parse(text)
    assert raised.value.fault is PayloadFault.NOT_PARSEABLE
    assert text not in str(raised.value) or len(text) < 2


@pytest.mark.parametrize(
    "text", [*(set(NO_PACKETS) - {"42[]\x1e42[]", "b4AQID"}), "ok\x1e6", "Ok", "OK2", '"a" b', "\x1e", "6\x1e"]
)
def test_P32_what_is_no_polling_payload_is_refused(text: str) -> None:
    with pytest.raises(PayloadRefused) as raised:
        POLLING.parse(text)
    assert raised.value.fault is PayloadFault.NOT_PARSEABLE


def test_P35_a_handshake_may_not_be_too_deep() -> None:
    with pytest.raises(PayloadRefused) as raised:
        MESSAGE.parse('0{"sid":' + "[" * 100_000)
    assert raised.value.fault is PayloadFault.TOO_DEEP


def test_polling_joins_packets_and_paths_begin_with_their_index() -> None:
    assert texts(POLLING, '40\x1e42["a","x"]\x1e2\x1e42["b"]') == [((1, 0), "a"), ((1, 1), "x"), ((3, 0), "b")]
    assert texts(POLLING, "ok") == texts(POLLING, "OK") == []
    assert texts(POLLING, '"Invalid session"') == [((0,), "Invalid session")]
    assert texts(POLLING, '{"code":1,"message":"Session ID unknown"}')[-1] == ((0, "message"), "Session ID unknown")


BINARY_PACKETS = ('451-["say",{"_placeholder":true,"num":0}]', '461-/n,7[{"_placeholder":true,"num":0}]')


@pytest.mark.parametrize("packet", BINARY_PACKETS)
def test_P38_binary_packets_are_passed_by_policy_only(packet: str) -> None:
    for payload_format in (MESSAGE, POLLING):
        with pytest.raises(PayloadRefused) as raised:
            payload_format.parse(packet)
        assert raised.value.fault is PayloadFault.MEDIA_TYPE
    assert SocketioMessage(Binary.PASS).parse(packet).render({}) == packet.encode()
    polled = f"{packet}{SEPARATOR}bAQID"
    assert SocketioPolling(Binary.PASS).parse(polled).render({}) == polled.encode()
    with pytest.raises(PayloadRefused):
        POLLING.parse("bAQID")


@pytest.mark.parametrize(
    ("text", "old", "new", "expected"),
    [
        ('42["say",{"a":1.0, "t":"x\\u0041"}]', "xA", 'y"', '42["say",{"a":1.0, "t":"y\\""}]'),
        ('4213["say","x"]', "x", None, '4213["say",null]'),
        ('42/u,["x"]', "/u", "/[A],b", '42/[A]_b,["x"]'),
        ('42/u,["x"]', "/u", None, '42/,["x"]'),
        ('42["say","{\\"t\\":\\"x\\"}"]', "x", "y", '42["say","{\\"t\\":\\"y\\"}"]'),
    ],
)
def test_P35_only_what_is_edited_changes(text: str, old: str, new: str | None, expected: str) -> None:
    document = MESSAGE.parse(text)
    (index,) = [leaf.index for leaf in document.leaves if leaf.text == old]
    assert document.render({index: new}) == expected.encode()


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)
EVENTS = st.tuples(
    st.sampled_from(["", "/a,", "/a/b?c=d,"]), st.sampled_from(["", "0", "12"]), st.lists(JSON, min_size=1, max_size=3)
)


@given(st.lists(EVENTS, min_size=1, max_size=4), st.booleans())
def test_P35_any_events_are_read_and_kept_and_any_text_can_be_replaced(
    events: list[tuple[str, str, list[object]]], ascii_only: bool
) -> None:
    packets = [f"42{ns}{ack}{json.dumps(data, ensure_ascii=ascii_only)}" for ns, ack, data in events]
    payload = SEPARATOR.join(packets)
    document = POLLING.parse(payload)
    assert document.render({}) == payload.encode()
    strings = {
        leaf.index: "[P_1]"
        for leaf in document.leaves
        if leaf.kind is LeafKind.STRING and leaf.path[1:] != ("namespace",)
    }
    rendered = document.render(dict(strings)).decode()
    again = POLLING.parse(rendered)
    assert {leaf.text for leaf in again.leaves if leaf.index in strings} <= {"[P_1]"}
    assert [(leaf.kind, leaf.path) for leaf in again.leaves] == [(leaf.kind, leaf.path) for leaf in document.leaves]


@given(st.text())
def test_P32_any_text_is_read_byte_for_byte_or_refused(text: str) -> None:
    for payload_format in (MESSAGE, POLLING):
        try:
            document = payload_format.parse(text)
        except PayloadRefused:
            continue
        assert document.render({}) == text.encode()
