"""P53, A1: certificates that change under a running sidecar, as its audit log tells of them."""

from __future__ import annotations

import shutil
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml

from sidecar.app.auditing import log_keys_of
from sidecar.app.settings import settings_of
from sidecar.config import load_config
from sidecar.tls.certificate_files import Fingerprints, fingerprints_of
from sidecar.tls.dev_certs import make_dev_certificates
from tests.audit.samples import read
from tests.scenario.test_auditing import until
from tests.scenario.world import World

pytestmark = pytest.mark.timeout(180)


def follow(world: World, ca: Path) -> None:
    """Add an upstream that is trusted by a file, look at all files often, and start again."""
    config = yaml.safe_load(world.setup.config.read_text())
    for listener in config["listeners"].values():
        listener["tls"]["reload_seconds"] = 0.1
    config["upstreams"]["archive"] = {
        "url": "https://archive.example.org",
        "tls": {"ca": str(ca), "reload_seconds": 0.1},
    }
    world.setup.config.write_text(yaml.safe_dump(config))
    world.stop_sidecar()
    world.start_sidecar()


def put(source: Path, place: Path) -> None:
    """Change a file at once, as a swap of links does."""
    fresh = place.with_suffix(".new")
    shutil.copy(source, fresh)
    fresh.replace(place)


class Log:
    """What the log says of certificates, without the numbers and times of records."""

    def __init__(self, world: World) -> None:
        settings = settings_of(load_config(world.setup.config))
        self._folder, self._keys = settings.config.audit.folder, log_keys_of(settings)

    def told(self) -> list[dict[str, Any]]:
        names = {"action", "reason", "upstream", *change("", "", Fingerprints("a", "b"), Fingerprints("c", "d"))}
        return [
            {name: value for name, value in one.items() if name in names}
            for one in read(self._folder, self._keys)
            if one["action"] in ("reload", "reload_failed")
        ]


def change(kind: str, what: str, found: Fingerprints, former: Fingerprints, **more: str) -> dict[str, str]:
    both = {
        "certificate_sha256": found.certificate,
        "former_certificate_sha256": former.certificate,
        "authorities_sha256": found.authorities,
        "former_authorities_sha256": former.authorities,
    }
    return {"action": kind, "reason": what, **more, **{name: value for name, value in both.items() if value}}


def test_changed_certificates_are_records_and_so_are_unusable_ones(fresh_world: World, tmp_path: Path) -> None:
    world = fresh_world
    own, trusted = world.setup.certificates, tmp_path / "trusted.pem"
    other = make_dev_certificates(tmp_path / "other", datetime.now(UTC))
    shutil.copy(own.ca, trusted)
    follow(world, trusted)
    told = Log(world).told
    assert told() == []

    certificate, key = own.server
    before = fingerprints_of(certificate, own.ca)
    put(other.server[0], certificate)  # the key will follow: an unlucky look in between finds no pair
    until(lambda: len(told()) == 2)
    found = fingerprints_of(certificate, own.ca)
    assert found.certificate != before.certificate
    failed = [change("reload_failed", f"{one}_certificate", found, before) for one in ("admin", "data")]
    assert sorted(told(), key=str) == sorted(failed, key=str)

    put(other.server[1], key)
    until(lambda: len(told()) == 4)
    swapped = [change("reload", f"{one}_certificate", found, before) for one in ("admin", "data")]
    assert sorted(told()[2:], key=str) == sorted(swapped, key=str)

    old, new = fingerprints_of(None, trusted), fingerprints_of(None, other.ca)
    put(other.ca, trusted)
    until(lambda: len(told()) == 5)
    assert told()[4] == change("reload", "upstream_certificate", new, old, upstream="archive")
    trusted.write_text("nothing\n")
    until(lambda: len(told()) == 6)
    nothing = Fingerprints()
    assert told()[5] == change("reload_failed", "upstream_certificate", nothing, new, upstream="archive")
    assert world.stop_sidecar() == 0
