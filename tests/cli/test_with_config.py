"""``sidecar redact`` and ``evaluate`` by a configuration: the same settings as ``run``, and nothing is opened."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Mapping
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from sidecar.cli import main
from sidecar.demo.setup import prepare

TEXT = "lamp zorblax, order zz-123, write jon@x.example"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("config")
    setup = prepare(folder, "http://127.0.0.1:1")
    (folder / "products.csv").write_text("name\nlamp zorblax\n")
    config = yaml.safe_load(setup.config.read_text())
    config["detection"] = {
        "id_grammars": [{"name": "order", "label": "ORDER_ID", "pattern": "zz-[0-9]{3}", "context": ["order"]}],
        "catalogue": {"file": str(folder / "products.csv")},
    }
    config["policies"] = {"default": {"EMAIL": "hash"}, "open": {"EMAIL": "keep", "ORDER_ID": "drop"}}
    setup.config.write_text(yaml.safe_dump(config))
    return folder


@dataclass(frozen=True)
class Done:
    returncode: int
    stdout: str
    stderr: str


def sidecar(*arguments: str | Path, given: str = "") -> Done:
    """Run a command in this process: a process of its own is tested elsewhere, and takes seconds to start."""
    out, err = io.TextIOWrapper(io.BytesIO(), encoding="utf-8"), io.StringIO()
    with pytest.MonkeyPatch.context() as patched, redirect_stdout(out), redirect_stderr(err):
        patched.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(given.encode())))
        code = main([str(argument) for argument in arguments])
    out.flush()
    out.seek(0)
    return Done(code, out.read(), err.getvalue())


def redacted(*arguments: str | Path) -> str:
    done = sidecar("redact", *arguments, given=json.dumps({"text": TEXT}) + "\n")
    assert done.returncode == 0, done.stderr
    return str(json.loads(done.stdout)["text"])


def test_redact_uses_detection_policy_and_keys_of_the_configuration(folder: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*")}
    config = folder / "config.yaml"
    first = redacted("--config", config)
    assert "zorblax" not in first
    assert "zz-123" not in first
    assert "[EMAIL#" in first
    assert redacted("--config", config) == first  # the hash is made with the configuration's key
    assert redacted("--config", config, "--policy", "open").endswith("order , write jon@x.example")
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*")} == before  # no state, no audit log


def test_evaluate_measures_what_the_configuration_redacts(folder: Path) -> None:
    start = TEXT.index("zz-123")
    labelled: dict[str, Any] = {"text": TEXT, "source": "s", "speaker": None, "context": []}
    spans = [{"start": start, "end": start + 6, "label": "ORDER_ID"}]
    spans += [{"start": TEXT.index("jon@"), "end": len(TEXT), "label": "EMAIL"}]
    (folder / "gold.jsonl").write_text(json.dumps({**labelled, "spans": spans}) + "\n")

    def leak(*arguments: str | Path) -> Any:
        done = sidecar("evaluate", "--json", folder / "gold.jsonl", *arguments)
        assert done.returncode == 0, done.stderr
        sources: Mapping[str, Any] = json.loads(done.stdout)["sources"]
        return sources["s"]["all"]["leak_rate"]

    assert leak("--config", folder / "config.yaml") == 0
    assert leak("--config", folder / "config.yaml", "--policy", "open") == pytest.approx(13 / 19)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (
            ["redact", "--config", "CONFIG", "--policy", "strict"],
            "no policy is called strict. Defined are: default, open.",
        ),
        (["redact", "--config", "CONFIG", "--model", "x"], "--config: names model and catalogue itself"),
        (["redact", "--policy", "open"], "--policy: is a configuration's"),
        (["redact", "--config", "/nowhere.yaml"], "can't be read"),
        (["evaluate", "gold.jsonl", "--config", "CONFIG", "--only-rules"], "--config: names the parts itself"),
        (["evaluate", "gold.jsonl", "--policy", "open"], "--policy: is a configuration's"),
    ],
)
def test_options_that_do_not_go_together_are_refused(folder: Path, arguments: list[str], says: str) -> None:
    done = sidecar(*[str(folder / "config.yaml") if one == "CONFIG" else one for one in arguments])
    assert done.returncode == 2
    assert says in done.stderr


def test_check_config_finds_what_only_detection_can_tell(folder: Path) -> None:
    config = yaml.safe_load((folder / "config.yaml").read_text())
    config["detection"]["id_grammars"][0]["pattern"] = "(zz"
    config["detection"]["plugins"] = [{"name": "nowhere"}]
    bad = folder / "bad.yaml"
    bad.write_text(yaml.safe_dump(config))
    done = sidecar("check-config", bad)
    assert done.returncode == 2
    assert "detection.id_grammars[order].pattern: is not a regular expression" in done.stderr
    assert "detection.plugins[nowhere].name: is not installed" in done.stderr
    bad.unlink()
    assert sidecar("check-config", folder / "config.yaml").returncode == 0
