"""The one place that builds a detector."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest

from sidecar.detection.assembly import CatalogueFile, DetectorSettings, build_detector, files_version, read_catalogue
from sidecar.detection.catalogue import Brands
from sidecar.detection.recognizer import Message
from sidecar.errors import ConfigError


def test_the_shipped_detector_finds_by_rules_and_model() -> None:
    detector = build_detector(DetectorSettings())
    (spans,) = detector.detect([Message("hi this is John Smith, my email is jon@x.example")])
    assert {"PERSON", "EMAIL"} <= {span.label for span in spans}
    assert detector.version == build_detector(DetectorSettings()).version


def test_settings_can_be_sent_to_a_process() -> None:
    settings = DetectorSettings(catalogue=CatalogueFile(Path("products.csv"), Brands.KEEP))
    assert pickle.loads(pickle.dumps(settings)) == settings


def test_the_catalogue_is_part_of_detector_and_version(tmp_path: Path) -> None:
    """D5, D16."""
    path = tmp_path / "products.csv"
    versions = []
    for product in ("Zorblax Deluxe", "Quibbler Nine"):
        path.write_text(f"name,sku\n{product},ZX-1\n")
        detector = build_detector(DetectorSettings(catalogue=CatalogueFile(path)))
        (spans,) = detector.detect([Message(f"the {product.lower()} broke")])
        assert "PRODUCT" in {span.label for span in spans}
        versions.append(detector.version)
    assert len({*versions, build_detector(DetectorSettings()).version}) == 3


@pytest.mark.parametrize(
    "settings",
    [DetectorSettings(catalogue=CatalogueFile(Path("/nowhere/p.csv"))), DetectorSettings(model=Path("/nowhere/model"))],
)
def test_a_missing_file_refuses_the_start(settings: DetectorSettings) -> None:
    with pytest.raises(ConfigError, match="/nowhere/"):
        build_detector(settings)


def test_json_catalogues(tmp_path: Path) -> None:
    path = tmp_path / "products.JSON"
    path.write_text('["Zorblax Deluxe"]')
    assert [product.name for product in read_catalogue(CatalogueFile(path)).products] == ["Zorblax Deluxe"]


def test_a_folder_version_follows_names_and_contents(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("1")
    versions = [files_version(tmp_path)]
    (tmp_path / "a").write_text("2")
    versions.append(files_version(tmp_path))
    (tmp_path / "a").rename(tmp_path / "b")
    versions.append(files_version(tmp_path))
    assert len(set(versions)) == 3
