"""The border to kinds of targets of other packages: what is asked of them, and what is not believed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sidecar.errors import ConfigError
from sidecar.targets.plugins import PluginTarget
from sidecar.targets.target import DeleteStatus, TargetFault, VerifyStatus
from tests.targets.plugin_rig import on_path, plugin_settings, site
from tests.targets.rig import ANNA

FOREIGN = """
from datetime import datetime
from sidecar.errors import ConfigError, Problem
from sidecar.targets.target import DeleteResult, DeleteStatus, VerifyResult, VerifyStatus

class Foreign:
    required = ("email",)
    def __init__(self, name, settings):
        self.answer = settings.get("answer")
        self.required = settings.get("required", ("email",))
    async def start(self):
        if self.answer == "config":
            raise ConfigError((Problem("file", "is missing", "Give it"),))
        if self.answer == "raise":
            raise ConnectionError("https://user:anna.canary@host")
    async def stop(self):
        if self.answer == "raise":
            raise ConnectionError("https://user:anna.canary@host")
    async def delete(self, identities):
        if self.answer == "config":
            raise ConfigError((Problem("anna.canary", "", ""),))
        if self.answer == "raise":
            raise ValueError(identities[0].value)
        return {"count": DeleteResult(DeleteStatus.DELETED, -1), "float": DeleteResult(DeleteStatus.DELETED, 1.5),
                "status": DeleteResult(VerifyStatus.GONE), "none": None,
                "manual": DeleteResult(DeleteStatus.MANUAL),
                "job": DeleteResult(DeleteStatus.SUBMITTED, reference=identities[0].value)}.get(self.answer)
    async def verify(self, identities):
        if self.answer == "raise":
            raise ValueError(identities[0].value)
        return {"lie": VerifyResult(VerifyStatus.GONE, 3), "none": None,
                "naive": VerifyResult(VerifyStatus.RETAINED, until=datetime(2030, 1, 1)),
                "text": VerifyResult(VerifyStatus.RETAINED, until="2030-01-01")}.get(self.answer)

class Plain(Foreign):
    def delete(self, identities):
        raise ValueError(identities[0].value)

def broken(name, settings):
    raise RuntimeError("anna.canary")

def refuses(name, settings):
    raise ConfigError((Problem("file", "is missing", "Give it"),))

def nothing(name, settings):
    return object()
"""
POINTS = "".join(f"{name} = foreign_target:{value}\n" for name, value in {
    "foreign": "Foreign", "plain": "Plain", "broken": "broken",
    "refuses": "refuses", "nothing": "nothing", "gone": "not_there",
}.items())  # fmt: skip


@pytest.fixture
def foreign(tmp_path: Path) -> Iterator[None]:
    (tmp_path / "foreign_target.py").write_text(FOREIGN)
    info = tmp_path / "foreign_target-1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: foreign-target\nVersion: 1\n")
    (info / "entry_points.txt").write_text(f"[privacy_sidecar.targets]\n{POINTS}")
    with on_path(tmp_path):
        yield


def target(plugin: str = "foreign", **settings: Any) -> PluginTarget:
    return PluginTarget(plugin_settings(plugin, **settings), "erasure.targets[3]")


@pytest.mark.usefixtures("foreign")
@pytest.mark.parametrize("answer", ["count", "float", "status", "none", "raise", "manual", "config"])
async def test_an_impossible_result_is_a_failure(answer: str, caplog: pytest.LogCaptureFixture) -> None:
    result = await target(answer=answer).delete(ANNA.identities)
    assert (result.status, result.fault) == (DeleteStatus.FAILED, TargetFault.TARGET_ERROR)
    assert ANNA.email not in caplog.text


@pytest.mark.usefixtures("foreign")
@pytest.mark.parametrize("answer", ["lie", "none", "raise", "naive", "text"])
async def test_E28_gone_with_something_left_is_a_failure(answer: str) -> None:
    result = await target(answer=answer).verify(ANNA.identities)
    assert (result.status, result.fault) == (VerifyStatus.FAILED, TargetFault.TARGET_ERROR)


@pytest.mark.usefixtures("foreign")
async def test_what_is_raised_before_anything_is_awaited_is_a_failure_too(caplog: pytest.LogCaptureFixture) -> None:
    result = await target("plain").delete(ANNA.identities)
    assert (result.status, result.fault) == (DeleteStatus.FAILED, TargetFault.TARGET_ERROR)
    assert ANNA.email not in caplog.text


@pytest.mark.usefixtures("foreign")
async def test_what_is_raised_at_start_and_stop_shows_its_kind_alone(caplog: pytest.LogCaptureFixture) -> None:
    """A library that can't connect quotes where to, password and all."""
    raising = target(answer="raise")
    with pytest.raises(ConfigError) as caught:
        await raising.start()
    assert "targets[3]: can't be started (ConnectionError)" in str(caught.value)
    assert caught.value.__cause__ is None
    await raising.stop()
    assert "newsletter raised ConnectionError" in caplog.text
    assert "canary" not in caplog.text + str(caught.value)
    with pytest.raises(ConfigError, match=r"targets\[3\]\.settings\.file: is missing"):
        await target(answer="config").start()


@pytest.mark.usefixtures("foreign")
async def test_a_name_of_a_job_goes_no_further() -> None:
    assert (await target(answer="job").delete(ANNA.identities)).reference is None


@pytest.mark.usefixtures("foreign")
@pytest.mark.parametrize(
    ("plugin", "settings", "told"),
    [
        ("unknown", {}, "targets[3].plugin: unknown is not installed. Installed are: "),
        ("gone", {}, "targets[3].plugin: can't be imported (AttributeError)"),
        ("broken", {}, "targets[3].settings: can't be made of these settings (RuntimeError)"),
        ("refuses", {}, "targets[3].settings.file: is missing. Give it"),
        ("nothing", {}, "targets[3].plugin: makes no target"),
        ("foreign", {"required": ("iban",)}, "targets[3].plugin: needs identities that are not known"),
    ],
)
def test_what_can_not_be_used_is_a_configuration_error(plugin: str, settings: dict[str, Any], told: str) -> None:
    with pytest.raises(ConfigError) as caught:
        target(plugin, **settings)
    assert told in str(caught.value)
    assert "canary" not in str(caught.value)


def test_the_example_tells_its_own_mistakes() -> None:
    with on_path(site()), pytest.raises(ConfigError, match=r"targets\[3\]\.settings\.file: is no absolute path"):
        target("address-list", file="relative")
