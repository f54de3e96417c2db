"""From configuration to systems to erase from: what is missing or too slow is said with its place."""

from __future__ import annotations

import logging
import sys
from pathlib import Path
from typing import Any

import pytest
from pydantic import TypeAdapter

import sidecar.targets
from sidecar.app.targets import target_of
from sidecar.config.erasure import TargetConfig
from sidecar.errors import ConfigError

ADAPTER: TypeAdapter[Any] = TypeAdapter(TargetConfig)
MANUAL = {"name": "paper", "type": "manual", "instructions": "Shred it."}
REDIS = {"name": "cache", "type": "redis", "url": {"env": "CACHE_URL"}, "keys": ["s:{email}:*"]}
BROKER = {"name": "bus", "type": "broker", "url": {"env": "CACHE_URL"}, "destination": "d", "identities": ["email"]}
BUCKET = {"name": "b", "type": "object_store", "bucket": "b", "prefixes": ["{email}/"]}
FILES = {"name": "f", "type": "files", "folder": "/srv", "datasets": [
    {"files": "*", "format": "parquet", "match": [{"field": "mail", "value": "{email}"}]}]}  # fmt: skip
SQL = {"name": "s", "type": "sql", "url": {"env": "CACHE_URL"}, "tables": [
    {"table": "t", "match": [{"column": "c", "value": "{email}"}]}]}  # fmt: skip


def make(mapping: dict[str, Any], **changes: Any) -> Any:
    return target_of(ADAPTER.validate_python(mapping | changes), 2)


@pytest.mark.parametrize(
    ("mapping", "key"),
    [(REDIS | {"max_completion_days": 60}, "max_completion_days"), (MANUAL | {"due_days": 60}, "due_days")],
)
def test_E36_a_system_that_no_law_gives_time_for_is_a_configuration_error(mapping: dict[str, Any], key: str) -> None:
    with pytest.raises(ConfigError, match=rf"erasure\.targets\[2\]\.{key}: .* longer than any law gives"):
        make(mapping)


def test_E36_a_system_that_is_too_slow_for_some_laws_is_a_warning(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING, "sidecar.targets")
    make(MANUAL, due_days=20)
    assert [one.getMessage() for one in caplog.records] == [
        "erasure.targets[2]: paper may take 20 days: too long for lgpd (15 days)"
    ]
    caplog.clear()
    make(MANUAL)
    assert caplog.records == []


@pytest.mark.parametrize(
    ("mapping", "package", "module", "extra"),
    [
        (REDIS, "redis", "redis", "redis"),
        (BROKER | {"protocol": "nats"}, "nats", "nats_messenger", "nats"),
        (BROKER | {"protocol": "rabbitmq"}, "aio_pika", "rabbitmq_messenger", "rabbitmq"),
        (BUCKET, "boto3", "bucket", "s3"),
        (FILES, "pyarrow", "parquet_sets", "parquet"),
    ],
)
def test_a_kind_whose_packages_are_not_installed_is_a_configuration_error(
    mapping: dict[str, Any], package: str, module: str, extra: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("CACHE_URL", "redis://127.0.0.1")
    monkeypatch.setitem(sys.modules, package, None)  # how Python marks what can't be imported
    for name in [one for one in sys.modules if one.startswith(f"{package}.")]:  # another test may have imported it
        monkeypatch.delitem(sys.modules, name)
    for name in [one for one in sys.modules if one.startswith("sidecar.targets.")]:
        if name.endswith((module, "redis", "redis_connection", "object_store")):
            monkeypatch.delitem(sys.modules, name)
            monkeypatch.delattr(sidecar.targets, name.rpartition(".")[2], raising=False)  # or it is found there
    with pytest.raises(ConfigError) as caught:
        make(mapping)
    assert f"erasure.targets[2].type: {mapping['type']} needs packages" in str(caught.value)
    assert f"pip install 'privacy-sidecar[{extra}]'" in str(caught.value)


def test_a_driver_that_is_not_installed_is_a_configuration_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CACHE_URL", "mysql+pymysql://root@127.0.0.1/x")
    monkeypatch.setitem(sys.modules, "pymysql", None)
    with pytest.raises(ConfigError, match=r"targets\[2\]\.url: needs a driver .*privacy-sidecar\[mysql\]"):
        make(SQL)


def test_a_secret_that_is_not_there_is_told_by_its_place(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CACHE_URL", raising=False)
    with pytest.raises(ConfigError, match=r"erasure\.targets\[2\]\.url: the variable CACHE_URL is not set"):
        make(REDIS)
