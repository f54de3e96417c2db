"""``config.example.yaml`` is true: it parses, and it explains every key there is."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import pytest
from pydantic import BaseModel

from sidecar.config import parse_config
from sidecar.config.model import Config
from sidecar.config.source import read_yaml
from sidecar.errors import ConfigError

EXAMPLE = Path(__file__).parent.parent.parent / "config.example.yaml"


def sections(annotation: Any) -> Iterator[type[BaseModel]]:
    """Every section that an annotation leads to, itself included."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
        for field in annotation.model_fields.values():
            yield from sections(field.annotation)
    for argument in get_args(annotation):
        yield from sections(argument)


KEYS = sorted({(one.__name__, name) for one in sections(Config) for name in one.model_fields})


def test_only_the_files_it_names_are_missing() -> None:
    with pytest.raises(ConfigError) as caught:
        parse_config(read_yaml(EXAMPLE))
    assert not [str(one) for one in caught.value.problems if not one.message.startswith(("no file", "no folder"))]


@pytest.mark.parametrize(("section", "key"), KEYS)
def test_every_key_is_shown(section: str, key: str) -> None:
    assert re.search(rf"(^|[\s{{,#]){key}:", EXAMPLE.read_text(), re.MULTILINE), f"{section}.{key} is not explained"
