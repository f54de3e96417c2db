"""Builds a detector from plain settings: the one place that knows which recognizers there are."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from hashlib import sha256
from pathlib import Path

from sidecar.detection.catalogue import Brands, Catalogue, CatalogueFormat, parse_catalogue
from sidecar.detection.detector import Detector
from sidecar.detection.ner import SHIPPED, NerRecognizer, load_pipeline
from sidecar.detection.rules import RuleSettings, rule_recognizers
from sidecar.errors import ConfigError, Problem


@dataclass(frozen=True, slots=True)
class CatalogueFile:
    """Where a product catalogue is, and what becomes of the brands in it. CSV, or JSON where the name ends in .json."""

    path: Path
    brands: Brands = Brands.REDACT


@dataclass(frozen=True, slots=True)
class DetectorSettings:
    """``model``: a folder that ``sidecar train`` wrote; None is the shipped one. Picklable and small."""

    model: Path | None = None
    rules: RuleSettings = field(default_factory=RuleSettings)
    catalogue: CatalogueFile | None = None


def build_detector(settings: DetectorSettings) -> Detector:
    """Load model, rules and catalogue. Takes seconds. Raises ``ConfigError``."""
    rules = settings.rules
    if settings.catalogue is not None:
        rules = replace(rules, catalogue=read_catalogue(settings.catalogue))
    pipeline = load_pipeline(settings.model)
    version = f"{rules.version} {files_version(settings.model or SHIPPED)}"
    return Detector(rule_recognizers(rules), NerRecognizer(pipeline), version)


def read_catalogue(file: CatalogueFile) -> Catalogue:
    """Read and parse a catalogue. Raises ``ConfigError``."""
    form = CatalogueFormat.JSON if file.path.suffix.lower() == ".json" else CatalogueFormat.CSV
    try:
        data = file.path.read_bytes()
    except OSError as error:
        problem = Problem(str(file.path), f"can't be read ({error.strerror})", "Check the path and its permissions")
        raise ConfigError((problem,)) from None
    return parse_catalogue(data, str(file.path), form, file.brands)


def files_version(folder: Path) -> str:
    """Return a hash of all files in a folder, names and contents."""
    digest = sha256()
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        digest.update(str(path.relative_to(folder)).encode())
        digest.update(sha256(path.read_bytes()).digest())
    return digest.hexdigest()[:16]
