"""What the audit log is told of the configuration itself, and the keys it is given (A1, A28, A40, A41)."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from sidecar.app.auditing import (
    audit_of,
    audit_settings_of,
    changes_since,
    log_keys_of,
    reload_note,
    start_event,
)
from sidecar.app.settings import Settings, settings_of
from sidecar.audit.log import AuditLog
from sidecar.audit.providers.aws import KmsKeys
from sidecar.audit.providers.vault import VaultKeys
from sidecar.audit.record import Action, Event
from sidecar.config import parse_config
from sidecar.keys import MasterKey
from sidecar.metrics import Metrics
from tests.audit.samples import check, read

CONFIG_SHA256 = "ab" * 32


@pytest.fixture
def config(written: dict[str, Any], tmp_path: Path) -> dict[str, Any]:
    return {**written, "audit": {"folder": str(tmp_path / "audit"), "origin": "test/log", "append_timeout_seconds": 60}}


def settings(config: dict[str, Any], **changed: Any) -> Settings:
    return settings_of(parse_config({**config, **changed}))


async def _start(one: Settings, config_sha256: str = CONFIG_SHA256) -> None:
    """What ``running`` does at a start, as far as the log goes."""
    log = audit_of(one, Metrics())
    await log.start()
    now = start_event(one, config_sha256, "rules-1")
    changed = changes_since(one, now)
    for event in (*((changed,) if changed else ()), now):
        await log.note(event)
    await log.stop()


def _told(one: Settings) -> list[dict[str, Any]]:
    return read(one.config.audit.folder, log_keys_of(one))


async def test_a_start_records_configuration_and_policies_and_that_they_changed_a40(config: dict[str, Any]) -> None:
    same, weaker = settings(config), settings(config, policies={"default": {"PERSON": {"operator": "keep"}}})
    await _start(same)
    await _start(same)
    await _start(same, "cd" * 32)
    await _start(weaker, "ef" * 32)
    await _start(weaker, "ef" * 32)
    told = [(one["action"], one.get("reason")) for one in _told(same)]
    assert told == [
        ("start", None), ("start", None), ("config_changed", "other"), ("start", None),
        ("config_changed", "policies"), ("start", None), ("start", None),
    ]  # fmt: skip
    assert len({one["policies_sha256"] for one in _told(same)}) == 2
    assert len({one["config_sha256"] for one in _told(same)}) == 3


def test_the_same_policies_have_the_same_hash_in_every_process_a40(config: dict[str, Any], tmp_path: Path) -> None:
    """Sets come in another order in every process: an alarm at each restart would hide the true one."""
    route = {**config["routes"][0], "methods": ["GET", "HEAD", "POST", "PUT", "PATCH"]}
    (tmp_path / "config.yaml").write_text(yaml.safe_dump({**config, "routes": [route]}))
    told = (
        "import sys; from pathlib import Path; from sidecar.app.auditing import policies_sha256\n"
        "from sidecar.config import load_config; print(policies_sha256(load_config(Path(sys.argv[1]))))"
    )
    hashes = {
        subprocess.run(
            [sys.executable, "-c", told, str(tmp_path / "config.yaml")],
            env={**os.environ, "PYTHONHASHSEED": seed},
            check=True,
            capture_output=True,
        ).stdout
        for seed in ("1", "2", "3")
    }
    assert len(hashes) == 1


async def test_the_last_start_is_found_behind_segments_that_tell_of_none_a40(config: dict[str, Any]) -> None:
    one = settings(config, audit={**config["audit"], "segment": {"records": 3}})
    await _start(one)
    log = audit_of(one, Metrics())
    await log.start()
    for _ in range(12):
        await log.note(Event(Action.HEARTBEAT))
    await log.stop()
    await _start(one, "cd" * 32)
    assert [entry["action"] for entry in _told(one)][-2:] == ["config_changed", "start"]


async def test_what_is_taken_up_while_running_leaves_a_record_a1(config: dict[str, Any]) -> None:
    one = settings(config)
    log: AuditLog = audit_of(one, Metrics())
    await log.start()
    reload_note(log, "data_certificate")()
    await log.note(Event(Action.STOP))
    await log.stop()
    assert [(entry["action"], entry.get("reason")) for entry in _told(one)] == [
        ("reload", "data_certificate"),
        ("stop", None),
    ]


async def test_a_reload_that_can_not_be_recorded_now_stops_nothing(
    config: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    log = audit_of(settings(config), Metrics())
    reload_note(log, "catalogue")()  # not open
    await log.start()
    await log.stop()
    assert "catalogue was reloaded is not recorded yet" in caplog.text


async def test_a_rotated_master_key_is_introduced_and_the_old_one_opens_its_records_a26_a28(
    config: dict[str, Any], tmp_path: Path
) -> None:
    old = settings(config)
    await _start(old)
    (tmp_path / "new.key").write_text("77" * 32)
    previous = {"version": 1, "master_file": config["keys"]["master_file"]}
    keys = {"master_file": str(tmp_path / "new.key"), "version": 2, "previous": [previous]}
    new = settings(config, keys=keys)
    await _start(new)
    assert [one["action"] for one in _told(new)].count("key_rotated") == 2  # that signs, and that wraps
    assert check(new.config.audit.folder, log_keys_of(new)).intact


def test_settings_are_those_of_the_configuration(config: dict[str, Any]) -> None:
    audit = {
        **config["audit"], "start_check": "recent", "retention_days": 30, "segment": {"records": 9, "hours": 2},
        "checkpoint": {"records": 5}, "holds": [{"name": "case-7", "since": "2026-01-01"}], "heartbeat_seconds": 7,
    }  # fmt: skip
    made = audit_settings_of(parse_config({**config, "audit": audit}))
    assert made.start_check.value == "recent"
    assert made.retention.keep is not None
    assert (made.retention.keep.days, made.retention.holds[0].name) == (30, "case-7")
    assert (made.pace.segment_records, made.pace.segment_seconds, made.pace.checkpoint_records) == (9, 7200, 5)
    assert made.rhythm.heartbeat_seconds == 7


def test_key_providers_are_those_of_the_configuration(
    config: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "token").write_text("s.1")
    vault = {"kind": "vault", "url": "http://127.0.0.1:8200", "key": "audit", "token_file": str(tmp_path / "token")}
    aws = {"kind": "aws", "key_arn": "arn:aws:kms:eu-west-1:123456789012:key/1234", "region": "eu-west-1"}
    for provider, kind in ((vault, VaultKeys), (aws, KmsKeys)):
        one = settings(config, audit={**config["audit"], "key_provider": provider})
        assert isinstance(log_keys_of(one).provider, kind)


def test_a_log_is_signed_by_the_master_key_and_no_other(config: dict[str, Any]) -> None:
    one = settings(config)
    other = replace(one, master=MasterKey(b"x" * 32))
    assert log_keys_of(one).signer.verifier != log_keys_of(other).signer.verifier
    assert log_keys_of(one).log == "test/log"
