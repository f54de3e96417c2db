"""From configuration to anchors and sinks: what can be wrong is named with its place and remedy (A5, A13)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from sidecar.access import Role
from sidecar.app.audit_elsewhere import anchor_of, sink_of
from sidecar.app.audit_reading import candidate_pseudonyms
from sidecar.config.audit_elsewhere import AnchorConfig, SinkConfig
from sidecar.erasure.request import IdentityType, SubjectIdentity, subject_pseudonym
from sidecar.errors import ConfigError, PayloadRefused
from sidecar.keys import MasterKey, Purpose
from tests.audit.anchors.authority import TimestampAuthority
from tests.audit.anchors.stands import LOG, WITNESS
from tests.audit.sinks.receivers import certificates_in

ANCHORS: TypeAdapter[Any] = TypeAdapter(AnchorConfig)
SINKS: TypeAdapter[Any] = TypeAdapter(SinkConfig)
MASTERS = (MasterKey(bytes(32)), MasterKey(bytes(range(32)), 2))


def test_every_kind_is_made(tmp_path: Path) -> None:
    made = certificates_in(tmp_path / "certificates")
    (tmp_path / "secret").write_text("canary-secret")
    authority = TimestampAuthority(tmp_path / "tsa")
    tls = {"ca": str(made.ca), "certificate": str(made.client(Role.AUDITOR)[0]),
           "private_key": str(made.client(Role.AUDITOR)[1])}  # fmt: skip
    secret = {"file": str(tmp_path / "secret")}
    anchors: list[dict[str, Any]] = [
        {"type": "file", "folder": str(tmp_path)},
        {"type": "http", "url": "https://a.example.org", "tls": tls, "headers": {"Authorization": secret}},
        {"type": "s3", "bucket": "bucket", "access_key_id": "k", "secret_access_key": secret, "region": "eu-central-1"},
        {"type": "witness", "url": "http://127.0.0.1:1", "key": str(WITNESS.verifier)},
        {"type": "rfc3161", "url": "https://tsa.example.org", "roots": str(authority.roots)},
    ]
    for raw in anchors:
        anchor = anchor_of(ANCHORS.validate_python({"name": "one", **raw}), "audit.anchors[0]", tmp_path)
        assert anchor.name == "one"
        assert "canary" not in repr(vars(anchor))
    sinks: list[dict[str, Any]] = [
        {"type": "http", "url": "https://a.example.org", "tls": tls, "headers": {"Authorization": secret}},
        {"type": "otlp", "url": "http://127.0.0.1:4318/v1/logs"},
        {"type": "syslog", "host": "siem.example.org", "tls": tls},
    ]
    for raw in sinks:
        sink = sink_of(SINKS.validate_python({"name": "two", **raw}), "audit.sinks[0]")
        assert sink.name == "two"
        assert "canary" not in repr(vars(sink))


@pytest.mark.parametrize(
    ("raw", "word"),
    [
        ({"type": "http", "url": "http://a.example.org"}, "plain http"),
        ({"type": "http", "url": "https://user:secret@a.example.org"}, "user name"),
        ({"type": "ftp", "url": "https://a.example.org"}, "ftp"),
        ({"type": "rfc3161", "url": "https://a.example.org"}, "roots"),
        ({"type": "file"}, "folder"),
        ({"type": "file", "folder": "/x", "unknown": 1}, "unknown"),
    ],
)
def test_a_form_that_does_not_fit_is_refused(raw: dict[str, Any], word: str) -> None:
    with pytest.raises(ValidationError, match=word):
        ANCHORS.validate_python({"name": "one", **raw})


@pytest.mark.parametrize(
    ("raw", "word"),
    [
        ({"type": "witness", "url": "https://w.example.org", "key": "w+1+2"}, r"audit\.anchors\[0\]\.key"),
        ({"type": "witness", "url": "https://w.example.org", "key": str(LOG.verifier)}, "no key of a witness"),
        ({"type": "rfc3161", "url": "https://t.example.org", "roots": "/nowhere"}, "holds no certificates"),
        ({"type": "s3", "bucket": "bucket", "access_key_id": "k"}, "go together"),
        ({"type": "http", "url": "https://a.example.org", "headers": {"A": {"env": "NOT_SET_ANYWHERE"}}}, "NOT_SET"),
    ],
)
def test_what_can_not_be_made_is_named_with_its_place(tmp_path: Path, raw: dict[str, Any], word: str) -> None:
    with pytest.raises(ConfigError, match=word):
        anchor_of(ANCHORS.validate_python({"name": "one", **raw}), "audit.anchors[0]", tmp_path)


def test_a_candidate_is_called_by_its_name_under_every_key_a21_a22() -> None:
    labels = [one.pseudonymizer(Purpose.AUDIT_PSEUDONYM).label("conversation", "c-1") for one in MASTERS]
    assert candidate_pseudonyms(MASTERS, {"conversation": "c-1"}) == frozenset(labels)
    person = (SubjectIdentity(IdentityType.EMAIL, "a@example.com"),)
    names = [subject_pseudonym(person, one.pseudonymizer(Purpose.ERASURE_PSEUDONYM)) for one in MASTERS]
    assert candidate_pseudonyms(MASTERS, {"subject": [["email", "a@example.com"]]}) == frozenset(names)


@pytest.mark.parametrize(
    "candidate",
    [{}, {"conversation": ""}, {"conversation": 7}, {"subject": []}, {"subject": [["email"]]},
     {"subject": [["x", "y"]]}, {"subject": [["email", " "]]}, {"conversation": "c", "subject": [["email", "a"]]}],
)  # fmt: skip
def test_what_is_no_candidate_is_refused(candidate: dict[str, object]) -> None:
    with pytest.raises(PayloadRefused):
        candidate_pseudonyms(MASTERS, candidate)
