"""What commands take from a configuration that run no sidecar: no port, no state, no audit log is opened."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from sidecar.app.detecting import check_detection, detector_settings_of
from sidecar.app.secrets import read_master_key
from sidecar.app.settings import policies_of
from sidecar.config import load_config
from sidecar.detection.assembly import DetectorSettings
from sidecar.errors import ConfigError, Problem
from sidecar.keys import MasterKey
from sidecar.redaction.policy import Policy


@dataclass(frozen=True, slots=True)
class Offline:
    """How the deployment of one configuration detects and redacts."""

    detector: DetectorSettings
    policy: Policy
    master: MasterKey = field(repr=False)


def offline_of(path: Path, policy: str = "default") -> Offline:
    """Read a configuration for one of its policies. Raises ``ConfigError``."""
    config = load_config(path)
    policies = policies_of(config)
    if policy not in policies:
        remedy = f"Defined are: {', '.join(sorted(policies))}."
        raise ConfigError((Problem("--policy", f"no policy is called {policy}", remedy),))
    check_detection(config.detection)
    return Offline(detector_settings_of(config.detection), policies[policy], read_master_key(config.keys))
