"""docs/targets.md can't drift: every example in it is read as a configuration would be, and every kind has one."""

from __future__ import annotations

import re
from pathlib import Path
from typing import get_args

import pytest
import yaml

from sidecar.config.erasure import ErasureConfig, HttpTargetConfig, TargetConfig
from sidecar.targets.http_settings import parse_http_target

DOCS = (Path(__file__).parents[2] / "docs" / "targets.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"```yaml\n(.*?)```", DOCS, re.DOTALL)
KINDS = sorted(get_args(one.model_fields["type"].annotation)[0] for one in get_args(get_args(TargetConfig)[0]))


@pytest.mark.parametrize("example", EXAMPLES, ids=range(len(EXAMPLES)))
def test_the_examples_are_configurations(example: str) -> None:
    targets = ErasureConfig.model_validate(yaml.safe_load(example)["erasure"]).targets
    assert targets
    for target in targets:
        if isinstance(target, HttpTargetConfig):
            keys = {"delete", "verify", "concurrency", "per_second", "max_completion_days"}
            assert parse_http_target(target.name, target.model_dump(include=keys, exclude_none=True), {}, "t").required


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_is_documented(kind: str) -> None:
    assert f"`{kind}`" in DOCS
    assert any(f"type: {kind}" in example for example in EXAMPLES)
