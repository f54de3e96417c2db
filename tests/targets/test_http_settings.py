"""The configuration of HTTP targets: every problem at once, with its place."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from sidecar.erasure.request import IdentityType
from sidecar.errors import ConfigError
from sidecar.targets.http_settings import parse_http_target
from tests.targets.upstream import target_mapping

Change = Callable[[Any], object]


def parse(change: Change, headers: dict[str, str] | None = None) -> Any:
    mapping: Any = target_mapping("https://crm.example")
    change(mapping)
    return parse_http_target("crm", mapping, headers or {}, "erasure.targets[2]")


def test_a_good_one() -> None:
    settings = parse(lambda m: m["verify"].update(url="https://crm.example/{customer_id}"))
    assert settings.required == {IdentityType.EMAIL, IdentityType.CUSTOMER_ID}
    assert settings.limits.concurrency == 4


@pytest.mark.parametrize(
    ("change", "place"),
    [
        (lambda m: m["delete"].update(url="http://crm.example/{email}"), "delete.url"),
        (lambda m: m["delete"].update(url="https://crm.example/all"), "delete"),
        (lambda m: m["delete"].update(url="https://crm.example/{mail}"), "delete.url"),
        (lambda m: m["delete"].update(method="GET"), "delete.method"),
        (lambda m: m["delete"].update(metod="GET"), "delete.metod"),
        (lambda m: m["delete"].pop("done"), "delete.done"),
        (lambda m: m["delete"]["done"].update(status=[302]), "delete.done.status"),
        (lambda m: m["delete"]["done"].update(status=[]), "delete.done.status"),
        (lambda m: m["delete"]["done"].update(where=["deleted"]), "delete.done.where[0]"),
        (lambda m: m["verify"]["gone"].update(where=[]), "verify.gone"),
        (lambda m: m["verify"].update(body={"e": "{email}"}), "verify.body"),
        (lambda m: m["verify"].update(url="https://crm.example/count"), "verify"),
        (
            lambda m: (
                m["delete"].update(method="POST")
                or m["verify"].update(m["delete"] and {"method": "POST", "url": m["delete"]["url"]})
            ),
            "verify",
        ),
        (lambda m: m.update(concurrency=0), "concurrency"),
        (lambda m: m.pop("delete"), "delete"),
    ],
)
def test_E28_E16_each_mistake_is_named(change: Change, place: str) -> None:
    with pytest.raises(ConfigError) as refusal:
        parse(change)
    assert [problem.path for problem in refusal.value.problems] == [f"erasure.targets[2].{place}"]
    assert all(problem.remedy for problem in refusal.value.problems)


@pytest.mark.parametrize("headers", [{"Host": "x"}, {"a b": "x"}, {"X-Key": "a\r\nb"}, {"X-Key": ""}])
def test_headers_that_can_not_be_set(headers: dict[str, str]) -> None:
    with pytest.raises(ConfigError):
        parse(lambda m: None, headers)


def test_all_problems_are_told_at_once_without_secrets() -> None:
    def change(mapping: Any) -> None:
        mapping["delete"]["url"] = "http://crm.example/{email}"
        mapping["verify"]["gone"]["where"] = []

    with pytest.raises(ConfigError) as refusal:
        parse(change, {"X-Key": "hidden\x00secret"})
    assert len(refusal.value.problems) == 3
    assert "hidden" not in str(refusal.value)


def test_plain_http_is_for_loopback_alone() -> None:
    for host, fine in (
        ("127.0.0.1", True),
        ("[::1]", True),
        ("localhost", True),
        ("10.0.0.1", False),
        ("localhost.evil.example", False),
    ):
        mapping = target_mapping(f"http://{host}:1")
        if fine:
            parse_http_target("crm", mapping, {}, "t")
        else:
            with pytest.raises(ConfigError):
                parse_http_target("crm", mapping, {}, "t")
