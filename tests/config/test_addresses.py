"""Where the sidecar listens and whom it asks: what could only fail while it runs is told before (P51, P59)."""

from __future__ import annotations

from typing import Any

import pytest

from sidecar.config import parse_config
from tests.config.test_config import problems, put


@pytest.mark.parametrize(
    ("path", "value", "where", "says"),
    [
        ("upstreams/chatbot/url", "http://127.0.0.1:99999", "upstreams.chatbot.url", "port from 1 to 65535"),
        ("upstreams/chatbot/url", "http://127.0.0.1:http", "upstreams.chatbot.url", "port from 1 to 65535"),
        ("upstreams/chatbot/url", "http://127.0.0.1:0", "upstreams.chatbot.url", "port from 1 to 65535"),
        ("upstreams/chatbot/url", "http://127.0.0.1:80 ", "upstreams.chatbot.url", "no blanks"),
        ("upstreams/chatbot/url", "https://chat\texample", "upstreams.chatbot.url", "no blanks"),
        ("upstreams/chatbot/url", "https://chat..example", "upstreams.chatbot.url", "no name of a host"),
        ("upstreams/chatbot/url", f"https://{'a' * 64}.example", "upstreams.chatbot.url", "no name of a host"),
        ("upstreams/chatbot/url", "https://chat.example/?", "upstreams.chatbot.url", "no query"),
        ("listeners/data/host", "a..b", "listeners.data.host", "no name of a host"),
        ("listeners/data/host", "a\0b", "listeners.data.host", "no blanks"),
        ("listeners/admin", {"host": ""}, "listeners.admin", "without tls"),
        ("listeners/admin", {"port": 8443}, "listeners.admin.port", "the data listener"),
        ("listeners/data/port", True, "listeners.data.port", "unable to parse"),
        ("listeners/data/drain_seconds", False, "listeners.data.drain_seconds", "unable to parse"),
        ("audit/retention_days", True, "audit.retention_days", "unable to parse"),
        ("upstreams/chatbot/url", "http://127.0.0.1:9443", "upstreams.chatbot.url", "the admin listener"),
        ("upstreams/chatbot/url", "https://localhost:9443", "upstreams.chatbot.url", "the admin listener"),
        ("upstreams/chatbot/url", "https://[::1]:8443/", "upstreams.chatbot.url", "the data listener"),
        ("listeners/data/tls/certificate", f"/{'a' * 300}", "listeners.data.tls.certificate", "no file"),
        ("audit/folder", f"/{'a' * 300}/audit", "audit.folder", "no folder"),
    ],
)
def test_each_mistake_is_named_with_its_place(
    raw: dict[str, Any], path: str, value: Any, where: str, says: str
) -> None:
    found = problems(put(raw, path, value))
    assert where in found, found
    assert says in found[where]


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("10.0.0.7", "https://127.0.0.1:8443"),
        ("127.0.0.1", "https://10.0.0.7:8443"),
        ("127.0.0.1", "https://127.0.0.2:8443"),
        ("127.0.0.1", "https://[::1]:8443"),
        ("0.0.0.0", "http://127.0.0.1:8"),
    ],
)
def test_an_upstream_that_is_none_of_our_listeners_is_taken(raw: dict[str, Any], host: str, url: str) -> None:
    parse_config(put(put(raw, "listeners/data/host", host), "upstreams/chatbot/url", url))


def test_a_listener_may_be_on_every_address_of_both_families(raw: dict[str, Any]) -> None:
    parse_config(put(raw, "listeners/data/host", ""))
    assert "upstreams.chatbot.url" in problems(
        put(put(raw, "listeners/data/host", ""), "upstreams/chatbot/url", "https://[::1]:8443")
    )


def test_two_listeners_may_share_a_port_on_addresses_of_their_own(raw: dict[str, Any]) -> None:
    parse_config(put(put(raw, "listeners/data/host", "10.0.0.7"), "listeners/admin", {"port": 8443}))
