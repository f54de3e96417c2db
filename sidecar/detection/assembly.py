"""Builds a detector from plain settings: the one place that knows which recognizers there are."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from hashlib import sha256
from pathlib import Path
from typing import Final

from sidecar.detection.catalogue import Brands, Catalogue, CatalogueFormat, parse_catalogue
from sidecar.detection.detector import Detector
from sidecar.detection.plugins import PluginSettings, load_plugins, plugins_version
from sidecar.detection.rules import RuleSettings, rule_recognizers
from sidecar.errors import ConfigError, Problem

MOST_CATALOGUE_BYTES: Final = 64 << 20


@dataclass(frozen=True, slots=True)
class CatalogueFile:
    """Where a product catalogue is, and what becomes of the brands in it. CSV, or JSON where the name ends in .json.

    ``data``: its content, where that was read before; a worker that is replaced must not find another one. None: it is
    read when the detector is built.
    """

    path: Path
    brands: Brands = Brands.REDACT
    data: bytes | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class DetectorSettings:
    """``model``: a folder that ``sidecar train`` wrote; None is the shipped one. Picklable and small."""

    model: Path | None = None
    rules: RuleSettings = field(default_factory=RuleSettings)
    catalogue: CatalogueFile | None = None
    plugins: tuple[PluginSettings, ...] = ()


def build_detector(settings: DetectorSettings) -> Detector:
    """Load model, rules, catalogue and plug-ins. Takes seconds. Raises ``ConfigError``."""
    # With it comes spaCy, which workers need and whoever starts them does not.
    from sidecar.detection.ner import SHIPPED, NerRecognizer, load_pipeline

    rules = settings.rules
    if settings.catalogue is not None:
        rules = replace(rules, catalogue=read_catalogue(settings.catalogue))
    pipeline = load_pipeline(settings.model)
    recognizers = (*rule_recognizers(rules), *load_plugins(settings.plugins))
    version = f"{rules.version} {files_version(settings.model or SHIPPED)} {plugins_version(settings.plugins)}"
    return Detector(recognizers, NerRecognizer(pipeline), version)


def read_catalogue(file: CatalogueFile) -> Catalogue:
    """Parse a catalogue, reading it where that was not done. Raises ``ConfigError``."""
    form = CatalogueFormat.JSON if file.path.suffix.lower() == ".json" else CatalogueFormat.CSV
    return parse_catalogue(snapshot(file).data or b"", str(file.path), form, file.brands)


def snapshot(file: CatalogueFile) -> CatalogueFile:
    """Return the catalogue with its content of this moment; one that has it already stays as it is.

    Raises ``ConfigError`` for a file that can't be read, and one beyond all reason.
    """
    if file.data is not None:
        return file
    try:
        with file.path.open("rb") as opened:
            data = opened.read(MOST_CATALOGUE_BYTES + 1)
    except OSError as error:
        problem = Problem(str(file.path), f"can't be read ({error.strerror})", "Check the path and its permissions")
        raise ConfigError((problem,)) from None
    if len(data) > MOST_CATALOGUE_BYTES:
        message = f"is larger than {MOST_CATALOGUE_BYTES >> 20} MiB"
        raise ConfigError((Problem(str(file.path), message, "Leave out all but name, SKU and brand"),))
    return replace(file, data=data)


def files_version(folder: Path) -> str:
    """Return a hash of all files in a folder, names and contents."""
    digest = sha256()
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        digest.update(str(path.relative_to(folder)).encode())
        digest.update(sha256(path.read_bytes()).digest())
    return digest.hexdigest()[:16]
