"""Recognizers of other packages: only those named, and none of them trusted in what it answers (D14)."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from sidecar.detection.assembly import DetectorSettings, build_detector
from sidecar.detection.detector import Detector
from sidecar.detection.executor import DetectionExecutor, ExecutorLimits
from sidecar.detection.plugins import PluginSettings, check_installed, load_plugins, plugins_version
from sidecar.detection.recognizer import Message
from sidecar.detection.span import Span
from sidecar.detection.worker import DetectorRecipe
from sidecar.errors import ConfigError, DetectionFailed, DetectionFault
from sidecar.metrics import Metrics
from tests.detection.foreign_package import MODULE, install

SECRET = "canary-8123"


@pytest.fixture(autouse=True)
def _installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, MODULE, raising=False)


def detector(name: str, **settings: object) -> Detector:
    return Detector(load_plugins([PluginSettings(name, settings)]))


def refusal(*plugins: PluginSettings) -> str:
    with pytest.raises(ConfigError) as caught:
        load_plugins(plugins)
    return str(caught.value)


def test_a_named_recognizer_finds_and_bears_the_name_of_the_configuration() -> None:
    """The name it gives itself, or any text it puts in its place, goes nowhere."""
    found = detector("finds", word="blue", label="PRODUCT").detect([Message("the blue one"), Message("red")])
    assert found == [(Span(4, 8, "PRODUCT", 0.9, "plugin:finds"),), ()]


def test_nothing_is_imported_that_is_not_named() -> None:
    assert load_plugins([]) == ()
    check_installed([PluginSettings("finds")])
    plugins_version([PluginSettings("finds")])
    assert MODULE not in sys.modules


@pytest.mark.parametrize("name", ["outside", "empty", "strange", "unsure", "tuples", "truths"])
def test_an_impossible_span_fails_the_detection(name: str) -> None:
    bad = detector(name)
    with pytest.raises(DetectionFailed) as caught:
        bad.detect([Message("good"), Message(f"bad {SECRET}")])
    assert caught.value.fault is DetectionFault.INVALID
    assert f"'plugin:{name}'" in str(caught.value)
    assert SECRET not in str(caught.value)
    assert bad.detect([Message("good")]) == [()]


def test_an_endless_answer_fails_before_it_fills_the_memory() -> None:
    with pytest.raises(DetectionFailed) as caught:
        detector("endless").detect([Message("some text")])
    assert caught.value.fault is DetectionFault.INVALID


def test_a_raising_one_fails_the_detection_and_quotes_nothing() -> None:
    with pytest.raises(DetectionFailed) as caught:
        detector("raises").detect([Message(SECRET)])
    assert caught.value.fault is DetectionFault.RAISED
    assert str(caught.value) == "raised: recognizer 'plugin:raises': ValueError"


@pytest.mark.parametrize(
    ("name", "place", "says"),
    [
        ("fnds", "detection.plugins[fnds].name: ", "is not installed. Installed are: absent, broken, clumsy"),
        ("broken", "detection.plugins[broken]: ", "can't be imported (ModuleNotFoundError)"),
        ("absent", "detection.plugins[absent]: ", "can't be imported (AttributeError)"),
        ("nothing", "detection.plugins[nothing]: ", "makes no recognizer"),
        ("picky", "detection.plugins[picky].settings.url: ", "is missing. Give one"),
        ("clumsy", "detection.plugins[clumsy].settings: ", "can't be made of these settings (RuntimeError)"),
    ],
)
def test_one_that_can_not_be_had_is_a_configuration_error(name: str, place: str, says: str) -> None:
    said = refusal(PluginSettings(name, {"token": SECRET}))
    assert said.startswith(place)
    assert says in said
    assert SECRET not in said + repr(PluginSettings(name, {"token": SECRET}))


def test_all_problems_come_at_once() -> None:
    assert (
        len(
            refusal(
                PluginSettings("fnds"), PluginSettings("finds", {"word": "x"}), PluginSettings("picky")
            ).splitlines()
        )
        == 2
    )


def test_two_packages_with_one_name_are_not_chosen_between(tmp_path: Path) -> None:
    other = tmp_path / "other-1.dist-info"
    other.mkdir()
    (other / "METADATA").write_text("Metadata-Version: 2.1\nName: other\nVersion: 1\n")
    (other / "entry_points.txt").write_text("[sidecar.recognizers]\nfinds = other:make\n")
    assert "is offered more than once" in refusal(PluginSettings("finds"))


def test_the_version_follows_package_and_settings(tmp_path: Path) -> None:
    """D16."""
    versions = [plugins_version([PluginSettings("finds", {"word": word})]) for word in ("a", "b")]
    versions += [plugins_version([]), plugins_version([PluginSettings("hangs", {"word": "a"})])]
    metadata = tmp_path / "foreign_recognizers-1.2.dist-info" / "METADATA"
    metadata.write_text(metadata.read_text().replace("1.2", "1.3"))
    versions.append(plugins_version([PluginSettings("finds", {"word": "a"})]))
    assert len(set(versions)) == len(versions)


def build(folder: str, name: str) -> Detector:
    """What a worker is given: the package is found there as here."""
    assert folder in sys.path
    return detector(name)


async def test_a_hanging_one_is_ended_with_its_worker_and_fails_the_whole_detection(tmp_path: Path) -> None:
    """D14; and the next detection is served."""
    executor = DetectionExecutor(
        DetectorRecipe(build, (str(tmp_path), "hangs")), Metrics(), ExecutorLimits(budget_s=1.0, max_wait_s=120.0)
    )
    await executor.start()
    try:
        with pytest.raises(DetectionFailed) as caught:
            await executor.detect([Message("fine"), Message("hang")])
        assert caught.value.fault is DetectionFault.TIMED_OUT
        assert await executor.detect([Message("fine")]) == [()]
    finally:
        await executor.stop()


def test_the_assembled_detector_has_it_beside_the_rules() -> None:
    settings = DetectorSettings(plugins=(PluginSettings("finds", {"word": "qux+"}),))
    whole = build_detector(settings)
    found = whole.detect([Message("mail jon@x.example about quxxx")])[0]
    assert {span.recognizer for span in found} >= {"plugin:finds"}
    assert "EMAIL" in {span.label for span in found}
    assert whole.version != build_detector(DetectorSettings()).version
