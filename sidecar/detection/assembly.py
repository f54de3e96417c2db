"""Builds a detector from plain settings: the one place that knows which recognizers there are."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from hashlib import sha256
from pathlib import Path

from sidecar.detection.detector import Detector
from sidecar.detection.ner import SHIPPED, NerRecognizer, load_pipeline
from sidecar.detection.rules import RuleSettings, rule_recognizers


@dataclass(frozen=True, slots=True)
class DetectorSettings:
    """``model``: a folder that ``sidecar train`` wrote; None is the shipped one. Picklable."""

    model: Path | None = None
    rules: RuleSettings = field(default_factory=RuleSettings)


def build_detector(settings: DetectorSettings) -> Detector:
    """Load model and rules. Takes seconds. Raises ``ConfigError``."""
    pipeline = load_pipeline(settings.model)
    return Detector(rule_recognizers(settings.rules), NerRecognizer(pipeline), fingerprint(settings))


def fingerprint(settings: DetectorSettings) -> str:
    """Return a hash of everything outside the code that decides answers: the model's files and the settings."""
    digest = sha256(json.dumps(asdict(settings.rules), default=_plain, sort_keys=True).encode())
    folder = settings.model or SHIPPED
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        digest.update(str(path.relative_to(folder)).encode())
        digest.update(sha256(path.read_bytes()).digest())
    return digest.hexdigest()


def _plain(value: object) -> object:
    """Sets have no order of their own; it must not decide the version."""
    return sorted(value) if isinstance(value, frozenset | set) else str(value)
