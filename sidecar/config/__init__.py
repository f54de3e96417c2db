"""Configuration: read once, checked whole, frozen."""

from __future__ import annotations

from collections.abc import Iterable
from copy import deepcopy
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from sidecar.config.checks import CHECKS, check_presence
from sidecar.config.model import Config
from sidecar.config.problems import problems_of, without_tags
from sidecar.config.source import read_yaml
from sidecar.errors import ConfigError, Problem

__all__ = ["Config", "load_config"]


def load_config(path: Path) -> Config:
    """Return the configuration in ``path``, or raise ``ConfigError`` with every problem found."""
    return parse_config(read_yaml(path))


def parse_config(raw: dict[str, Any]) -> Config:
    """Validate plain data. Faulty parts do not hide what is wrong with the sound ones."""
    try:
        config = Config.model_validate(raw)
    except ValidationError as error:
        raise ConfigError((*problems_of(error, Config), *_problems_of_the_rest(raw, error))) from None
    problems = (*check_presence(config), *_cross_check(config))
    if problems:
        raise ConfigError(problems)
    return config


def _cross_check(config: Config) -> tuple[Problem, ...]:
    return tuple(problem for check in CHECKS for problem in check(config))


def _problems_of_the_rest(raw: dict[str, Any], error: ValidationError) -> tuple[Problem, ...]:
    """Cross-check what is left once the faulty keys and list items are cut out, where enough is left."""
    try:
        rest = Config.model_validate(_without(raw, error.errors(include_url=False, include_input=False)))
    except ValidationError:
        return ()
    return _cross_check(rest)


def _without(raw: dict[str, Any], errors: Iterable[ErrorDetails]) -> dict[str, Any]:
    """Return a copy without unknown keys and without the list items that hold any other error."""
    rest = deepcopy(raw)
    faulty_items: set[tuple[str, int]] = set()
    for details in errors:
        location = details["loc"]
        if details["type"] == "extra_forbidden":
            _delete(rest, without_tags(location, Config))
        elif len(location) > 1 and isinstance(location[0], str) and isinstance(location[1], int):
            faulty_items.add((location[0], location[1]))
    for section, index in sorted(faulty_items, reverse=True):
        _delete(rest, (section, index))
    return rest


def _delete(data: Any, location: tuple[str | int, ...]) -> None:
    for part in location[:-1]:
        data = data[part]
    del data[location[-1]]
