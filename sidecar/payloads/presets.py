"""Presets: the field maps of known platforms, one YAML file each. Adding one needs no code."""

from __future__ import annotations

from collections.abc import Hashable
from importlib import resources
from pathlib import Path
from typing import Any

import yaml

from sidecar.errors import ConfigError, Problem
from sidecar.payloads.field_map import FieldMap
from sidecar.payloads.field_map_reader import parse_field_map

__all__ = ["load_preset", "parse_field_map", "preset_names"]

_FOLDER = resources.files("sidecar.payloads").joinpath("presets")


def preset_names() -> tuple[str, ...]:
    """The presets that ship with the sidecar."""
    names = (entry.name for entry in _FOLDER.iterdir())
    return tuple(sorted(name.removesuffix(".yaml") for name in names if name.endswith(".yaml")))


def load_preset(name_or_path: str | Path, where: str = "preset") -> FieldMap:
    """Return a shipped preset by name, or one of your own by the path of its file (which ends in ``.yaml``).

    Raises ``ConfigError`` with every problem; ``where`` is the path of the key that names the preset.
    """
    name = str(name_or_path)
    text = _own(Path(name_or_path), where) if name.endswith((".yaml", ".yml")) else _shipped(name, where)
    try:
        given = yaml.load(text, Loader=_NoDuplicates)  # noqa: S506 - a SafeLoader
    except yaml.YAMLError as error:
        line = error.problem_mark.line + 1 if isinstance(error, yaml.MarkedYAMLError) and error.problem_mark else 1
        reason = error.problem if isinstance(error, yaml.MarkedYAMLError) else None
        message = f"{name} is not readable as YAML at line {line}: {reason or 'bad character'}"
        raise ConfigError((Problem(where, message, "Mend the file"),)) from None
    return parse_field_map(given, f"{where} {name}")


def _shipped(name: str, where: str) -> str:
    if name not in preset_names():
        remedy = f"Use one of {', '.join(preset_names())}, or the path of a .yaml file"
        raise ConfigError((Problem(where, f"there is no preset {name!r}", remedy),))
    return _FOLDER.joinpath(f"{name}.yaml").read_text(encoding="utf-8")


def _own(path: Path, where: str) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise ConfigError((Problem(where, f"can't read {path}: {reason}", "Check the path and its rights"),)) from None


class _NoDuplicates(yaml.SafeLoader):
    """YAML where a key given twice is an error: the first ``drop`` would be lost without a word."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen: set[Hashable] = set()
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=True)
            if key in seen:
                raise yaml.constructor.ConstructorError(None, None, f"{key!r} is given twice", key_node.start_mark)
            seen.add(key)
        return super().construct_mapping(node, deep)
