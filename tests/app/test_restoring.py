"""Every kind of backup set and of mark is made of its configuration, and what can't be is refused by its place."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from sidecar.app.restoring import restorable_of
from sidecar.config.erasure import TargetConfig
from sidecar.erasure.attempt import utc_now
from sidecar.errors import ConfigError
from sidecar.metrics import Metrics
from sidecar.targets.canary import FileCanary
from sidecar.targets.canary_http import HttpCanary
from sidecar.targets.canary_redis import RedisCanary
from sidecar.targets.canary_sql import SqlCanary
from sidecar.targets.snapshot_bucket import BucketObserver
from sidecar.targets.snapshot_commands import CommandObserver
from sidecar.targets.snapshot_files import FileObserver
from sidecar.targets.snapshot_rds import RdsObserver
from sidecar.targets.snapshot_search import SearchObserver
from sidecar.targets.target import TargetFault

CRM: dict[str, Any] = {
    "name": "crm", "type": "http",
    "delete": {"url": "https://crm/{email}", "done": {"status": [200]}},
}  # fmt: skip


def config(**more: Any) -> TargetConfig:
    adapter: TypeAdapter[TargetConfig] = TypeAdapter(TargetConfig)
    return adapter.validate_python(CRM | more)


@pytest.mark.parametrize(
    ("canary", "kind"),
    [
        ({"type": "sql", "url": {"env": "SECRET_URL"}}, SqlCanary),
        ({"type": "file", "path": "/srv/archive/.epoch"}, FileCanary),
        ({"type": "http", "url": "https://crm.example.org/epoch"}, HttpCanary),
        ({"type": "redis", "url": {"env": "REDIS_URL"}}, RedisCanary),
    ],
)
def test_E39_marks(canary: dict[str, Any], kind: type, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("SECRET_URL", f"sqlite:///{tmp_path / 'crm.db'}")
    monkeypatch.setenv("REDIS_URL", "redis://127.0.0.1:6379")
    made = restorable_of(config(canary=canary, upstreams=["chatbot"]), 0)
    assert isinstance(made.canary, kind)
    assert made.upstreams == {"chatbot"}


@pytest.mark.parametrize(
    ("backup", "kind"),
    [
        ({"type": "files", "folder": "/mnt"}, FileObserver),
        ({"type": "pgbackrest", "stanza": "main", "config_file": "/etc/pgbackrest.conf"}, CommandObserver),
        ({"type": "restic", "repository": "/mnt/r", "password_file": "/p", "tags": ["crm"]}, CommandObserver),
        ({"type": "s3", "bucket": "backups", "region": "eu-central-1"}, BucketObserver),
        ({"type": "rds", "cluster": "chats", "region": "eu-central-1"}, RdsObserver),
        ({"type": "search", "url": "https://search.example.org", "repository": "nightly"}, SearchObserver),
    ],
)
def test_E37_backup_sets(backup: dict[str, Any], kind: type) -> None:
    made = restorable_of(config(backups=[{"name": "nightly", "kept_days": 14, **backup}]), 0)
    [observed] = made.backups
    assert observed.name == "crm/nightly"
    assert isinstance(observed.observer, kind)
    [target] = made.backup_targets(Metrics(), None, utc_now)
    assert target.name == "crm/nightly"


async def test_E37_programs_get_what_is_configured_and_no_shell(tmp_path: Path) -> None:
    program = tmp_path / "restic"
    program.write_text(
        '#!/bin/sh\nprintf \'%s|\' "$@" > "$HOME/told"; printf %s "$AWS_SECRET" >> "$HOME/told"; echo "[]"\n'
    )
    program.chmod(0o755)
    secret = tmp_path / "secret"
    secret.write_text("s3cret")
    backup = {
        "name": "disks", "kept_days": 14, "type": "restic", "repository": "/mnt/$(id)", "password_file": "/p",
        "tags": ["a", "b"], "program": str(program), "environment": {"AWS_SECRET": {"file": str(secret)}},
    }  # fmt: skip
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HOME", str(tmp_path))
        [target] = restorable_of(config(backups=[backup]), 0).backup_targets(Metrics(), None, utc_now)
        assert await target.observe() is TargetFault.NOTHING_LISTED
    told = (tmp_path / "told").read_text()
    assert told == "--repo=/mnt/$(id)|--password-file=/p|--no-lock|--json|snapshots|--tag=a,b|s3cret"


def test_what_cannot_be_is_refused_by_its_place(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SECRET_URL", raising=False)
    with pytest.raises(ConfigError, match=r"erasure\.targets\[3\]\.canary\.url"):
        restorable_of(config(canary={"type": "sql", "url": {"env": "SECRET_URL"}}), 3)
    monkeypatch.setenv("SECRET_URL", "redis://:hunter2@far.example.org:6379")
    with pytest.raises(ConfigError, match="not encrypted") as caught:
        restorable_of(config(canary={"type": "redis", "url": {"env": "SECRET_URL"}}), 3)
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    "backups",
    [
        [{"name": "a", "type": "files", "folder": "/mnt"}],
        [{"name": "a/b", "type": "files", "folder": "/mnt", "kept_days": 1}],
        [{"name": "a", "type": "pgbackrest", "stanza": "--config=/tmp/x", "kept_days": 1}],
        [{"name": "a", "type": "files", "folder": "/mnt", "kept_days": 1}] * 2,
        [{"name": "a" * 32, "type": "files", "folder": "/mnt", "kept_days": 0}],
    ],
)
def test_backup_sets_that_are_not_sound_are_refused(backups: list[dict[str, Any]]) -> None:
    with pytest.raises(ValidationError):
        config(backups=backups)
