"""docs/payloads.md says what the code does."""

from __future__ import annotations

import re
from pathlib import Path

import yaml

from sidecar.payloads.field_map_reader import KEYS, parse_field_map
from sidecar.payloads.paths import parse_path
from sidecar.payloads.presets import preset_names
from sidecar.payloads.spliced import DEFAULT_LIMITS

DOC = (Path(__file__).parents[2] / "docs" / "payloads.md").read_text(encoding="utf-8")


def section(title: str) -> str:
    return DOC.split(f"\n## {title}\n")[1].split("\n## ")[0]


def test_the_example_is_a_field_map_with_every_key() -> None:
    example = yaml.safe_load(DOC.split("```yaml\n")[1].split("```")[0])
    parse_field_map(example, "docs")
    assert set(example) == set(KEYS) - {"description"}


def test_every_preset_is_listed() -> None:
    assert set(re.findall(r"^\| `([a-z-]+)` \|", section("Presets"), re.MULTILINE)) == set(preset_names())


def test_every_path_that_is_shown_is_one() -> None:
    shown = [
        path
        for row in section("Paths").splitlines()
        if row.startswith("| `")
        for path in re.findall("`([^`]+)`", row.split("|")[1])
    ]
    assert len(shown) >= 10
    for path in shown:
        parse_path(path)


def test_limits_are_the_defaults() -> None:
    numbers = re.findall(r"^\| [^|]+ \| ([\d,]+)", section("Limits"), re.MULTILINE)
    limits = DEFAULT_LIMITS
    assert [int(number.replace(",", "")) for number in numbers] == [
        limits.depth, limits.leaves, limits.path_parts, limits.embedding, limits.parts,
    ]  # fmt: skip
