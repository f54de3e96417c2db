"""From the configuration to detection: every key reaches it, every mistake is told, the catalogue is followed."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from sidecar.app.detecting import check_detection, check_loading, detecting_of, detector_settings_of
from sidecar.config.detection import DetectionConfig
from sidecar.detection.assembly import build_detector
from sidecar.detection.cache import CachedDetection
from sidecar.detection.catalogue import Brands
from sidecar.detection.catalogue_reload import CatalogueLook
from sidecar.detection.recognizer import Message
from sidecar.errors import ConfigError
from sidecar.keys import MasterKey, Purpose
from sidecar.metrics import Metrics
from tests.detection.foreign_package import MODULE, install

KEYS = MasterKey(b"k" * 32).pseudonymizer(Purpose.DETECTION_CACHE)
GRAMMAR = {"name": "order", "label": "ORDER_ID", "pattern": "zz-[0-9]{3}", "context": ["order"]}


def test_the_library_of_the_model_is_loaded_by_workers_alone() -> None:
    """Who starts them would pay a second and 50 MiB for what it never calls."""
    program = "import sys, sidecar.app; print({'spacy', 'thinc', 'numpy'} & sys.modules.keys())"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"


def config(**keys: Any) -> DetectionConfig:
    return DetectionConfig.model_validate(keys)


def problems(check: Any, **keys: Any) -> dict[str, str]:
    with pytest.raises(ConfigError) as caught:
        check(config(**keys))
    return {problem.path: f"{problem.message}. {problem.remedy}" for problem in caught.value.problems}


@pytest.fixture
def catalogue(tmp_path: Path) -> Path:
    path = tmp_path / "products.csv"
    path.write_text("name,sku,brand\nZorblax Plumbus Deluxe,QX-77-ZZ,Zorblax\n")
    return path


def test_every_key_reaches_the_settings(catalogue: Path) -> None:
    keys = {
        "languages": ["en", "de"],
        "phone_regions": ["DE"],
        "id_countries": ["DE", "GB"],
        "id_grammars": [GRAMMAR],
        "catalogue": {"file": str(catalogue), "keep_brands": True},
        "plugins": [{"name": "some", "settings": {"a": 1}}],
        "model": "/a/model",
    }
    settings = detector_settings_of(config(**keys))
    rules = settings.rules
    assert (rules.languages, rules.phone_regions, rules.id_countries) == (("en", "de"), ("DE",), ("DE", "GB"))
    assert (rules.id_grammars[0].label, rules.id_grammars[0].context) == ("ORDER_ID", ("order",))
    assert settings.catalogue is not None
    assert (settings.catalogue.path, settings.catalogue.brands) == (catalogue, Brands.KEEP)
    assert (settings.plugins[0].name, settings.plugins[0].settings) == ("some", {"a": 1})
    assert settings.model == Path("/a/model")


@pytest.mark.parametrize(
    ("keys", "place", "says"),
    [
        ({"id_grammars": [{**GRAMMAR, "pattern": "(ab"}]}, "detection.id_grammars[order].pattern", "RE2"),
        (
            {"id_grammars": [{**GRAMMAR, "pattern": r"(a)\1"}]},
            "detection.id_grammars[order].pattern",
            "back-references",
        ),
        ({"id_grammars": [{**GRAMMAR, "pattern": "a*"}]}, "detection.id_grammars[order].pattern", "empty text"),
        ({"phone_regions": ["QQ"]}, "detection.phone_regions", "no numbering plan"),
        ({"languages": ["xx"]}, "detection.languages", "is not known"),
        ({"id_countries": ["QQ"]}, "detection.id_countries", "no id of"),
        ({"plugins": [{"name": "nowhere"}]}, "detection.plugins[nowhere].name", "is not installed"),
        ({"catalogue": {"file": "/nowhere/c.csv"}}, "/nowhere/c.csv", "can't be read"),
    ],
)
def test_each_mistake_is_named_with_its_place_and_remedy(keys: dict[str, Any], place: str, says: str) -> None:
    found = problems(check_detection, **keys)
    assert says in found[place]


def test_mistakes_of_all_parts_come_at_once(catalogue: Path) -> None:
    catalogue.write_bytes(b"name\n\xff\n")
    found = problems(
        check_detection,
        id_grammars=[{**GRAMMAR, "pattern": "("}, {**GRAMMAR, "name": "other", "pattern": "["}],
        plugins=[{"name": "nowhere"}],
        catalogue={"file": str(catalogue)},
    )
    assert len(found) == 4
    assert any("line 2" in place for place in found)


def test_the_model_and_foreign_code_are_tried_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, MODULE, raising=False)
    check_detection(config(plugins=[{"name": "picky"}]))
    assert problems(check_loading, plugins=[{"name": "picky"}]) == {
        "detection.plugins[picky].settings.url": "is missing. Give one"
    }
    assert "sidecar train" in problems(check_loading, model="/nowhere/model")["/nowhere/model"]


@pytest.mark.parametrize(("keep_brands", "covered"), [(False, "zorblax plumbus deluxe"), (True, "plumbus deluxe")])
def test_brands_are_kept_where_the_catalogue_says_so(catalogue: Path, keep_brands: bool, covered: str) -> None:
    settings = detector_settings_of(config(catalogue={"file": str(catalogue), "keep_brands": keep_brands}))
    text = "the zorblax plumbus deluxe broke"
    found = build_detector(settings).detect([Message(text)])[0]
    assert [text[span.start : span.end] for span in found if span.label == "PRODUCT"] == [covered]


@pytest.mark.timeout(120)
async def test_a_changed_catalogue_comes_into_force_without_failing_a_detection(catalogue: Path) -> None:
    """D5, D16: not one detection fails meanwhile, and what was answered before is looked at anew."""
    one = config(id_grammars=[GRAMMAR], timeout_seconds=30, catalogue={"file": str(catalogue), "reload_seconds": 0.05})
    metrics = Metrics()
    reloads: list[int] = []
    detecting = detecting_of(one, metrics, lambda: reloads.append(1))
    assert detecting.catalogue_reload is not None
    cached = CachedDetection(detecting.executor, KEYS, metrics)
    message = Message("has the vreldorn gizmatic come? my order is zz-123")

    async def labels() -> set[str]:
        return {span.label for span in (await cached.detect([message]))[0] if span.recognizer.startswith(("cat", "id"))}

    await detecting.executor.start()
    try:
        assert await labels() == {"ORDER_ID"}
        before = cached.version
        catalogue.write_bytes(b"name\nBroken \xff\n")
        assert await detecting.catalogue_reload.look() is CatalogueLook.KEPT
        assert (cached.version, await labels()) == (before, {"ORDER_ID"})
        catalogue.write_text("name\nVreldorn Gizmatic\n")
        looking = asyncio.create_task(detecting.catalogue_reload.look())
        served = 0
        while not looking.done():
            assert len(await cached.detect([Message(f"text {served}")])) == 1
            served += 1
        assert await looking is CatalogueLook.SWAPPED
        assert served > 0
        assert cached.version != before
        assert reloads == [1]  # told once, when it was in force
        assert await labels() == {"ORDER_ID", "PRODUCT"}
    finally:
        await detecting.executor.stop()


def test_without_a_catalogue_nothing_is_followed() -> None:
    assert detecting_of(config(), Metrics(), lambda: None).catalogue_reload is None
