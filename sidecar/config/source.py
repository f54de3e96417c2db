"""Reads a YAML file into plain data, refusing what YAML itself would let pass in silence (duplicate keys)."""

from __future__ import annotations

from collections.abc import Hashable
from pathlib import Path
from typing import Any

import yaml

from sidecar.errors import ConfigError, Problem

MAX_CONFIG_BYTES = 4 * 1024 * 1024


class _StrictLoader(yaml.SafeLoader):
    """A safe loader for which a key given twice is an error: the second would win, and nobody would know.

    What is made of a scalar (days, numbers) fails with errors of Python; here they are told by their line. Everything
    is made at once, so that what holds itself is found, too.
    """

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:  # noqa: ARG002 - the signature overridden
        try:
            return super().construct_object(node, deep=True)
        except (ValueError, LookupError, AttributeError):
            kind = str(node.tag).rpartition(":")[2]
            raise yaml.constructor.ConstructorError(
                problem=f"a value is no {kind}", problem_mark=node.start_mark
            ) from None

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen: set[Any] = set()
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=True)
            if isinstance(key, Hashable) and key in seen:
                raise yaml.constructor.ConstructorError(
                    problem=f"the key {key!r} is given twice", problem_mark=key_node.start_mark
                )
            if isinstance(key, Hashable):
                seen.add(key)
        return super().construct_mapping(node, deep)


def read_yaml(path: Path) -> dict[str, Any]:
    """Return the mapping in ``path``; raise ``ConfigError`` naming file, line and remedy."""
    try:
        with path.open("rb") as file:
            data = file.read(MAX_CONFIG_BYTES + 1)
    except OSError as error:
        raise _problem(path, f"can't be read ({error.strerror})", "Check the path and its permissions.") from None
    if len(data) > MAX_CONFIG_BYTES:
        raise _problem(path, f"is larger than {MAX_CONFIG_BYTES} bytes", "Split off what is not configuration.")
    try:
        loaded = yaml.load(data, _StrictLoader)  # noqa: S506 - a SafeLoader
    except yaml.MarkedYAMLError as error:
        where = f"{path}:{error.problem_mark.line + 1}" if error.problem_mark else str(path)
        raise _problem(where, error.problem or "is not valid YAML", "Mend the YAML at this line.") from None
    except (yaml.YAMLError, UnicodeDecodeError):
        raise _problem(path, "is not valid YAML in UTF-8", "Check the encoding of the file.") from None
    except RecursionError:
        raise _problem(path, "is nested too deeply", "Start from config.example.yaml.") from None
    if not isinstance(loaded, dict):
        raise _problem(path, "does not hold a mapping", "Start from config.example.yaml.")
    return loaded


def _problem(where: Path | str, message: str, remedy: str) -> ConfigError:
    return ConfigError((Problem(str(where), message, remedy),))
