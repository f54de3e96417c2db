"""Turns validation errors into problems: where, what, and how to mend it. Values never show: they may be secrets."""

from __future__ import annotations

import types
from collections.abc import Iterable, Mapping, Sequence
from difflib import get_close_matches
from types import MappingProxyType
from typing import Annotated, Any, Final, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from sidecar.errors import Problem
from sidecar.targets.plain_form import SecretSource


def problems_of(error: ValidationError, model: type[BaseModel]) -> tuple[Problem, ...]:
    """Return one problem for each error pydantic found, in the order of the file."""
    found = error.errors(include_url=False, include_input=False)
    return tuple(_problem(details, model) for details in found if not _follows(details, found))


def _follows(details: ErrorDetails, found: Sequence[ErrorDetails]) -> bool:
    """Tell whether a list is only called too short because the items in it are faulty, which is told already."""
    here = details["loc"]
    inside = (one["loc"] for one in found if len(one["loc"]) > len(here))
    return details["type"] == "too_short" and any(location[: len(here)] == here for location in inside)


def _problem(details: ErrorDetails, model: type[BaseModel]) -> Problem:
    path = dotted(without_tags(details["loc"], model))
    if details["type"] in ("union_tag_invalid", "union_tag_not_found"):
        return Problem(f"{path}.type", "is missing or not known", f"Known are {_tags(details)}.")
    if details["type"] == "extra_forbidden":
        return Problem(path, "is not a known key", _spelling_remedy(details["loc"], model))
    if details["type"] == "missing":
        return Problem(path, "is missing", "Add it; config.example.yaml shows how.")
    if (said := _of_another_kind(details)) is not None:
        return Problem(path, *said)
    message = details["msg"].removeprefix("Value error, ").strip()
    return Problem(path, message[:1].lower() + message[1:], "See this key in config.example.yaml.")


_KINDS: Final = MappingProxyType({
    **dict.fromkeys(("list_type", "tuple_type", "frozen_set_type", "set_type"), "should be a list"),
    **dict.fromkeys(("path_type",), "should be a path"),
    **dict.fromkeys(("dict_type", "model_type", "model_attributes_type"), "should be a section with keys of its own"),
})  # fmt: skip
"""What stands there in place of another kind of value, in words of configuration rather than of Python."""


def _of_another_kind(details: ErrorDetails) -> tuple[str, str] | None:
    if details.get("ctx", {}).get("class_name") == SecretSource.__name__:
        return "must say where the secret is, not what it is", "Give {env: NAME_OF_A_VARIABLE} or {file: PATH}."
    kind = _KINDS.get(details["type"])
    return (kind, "See this key in config.example.yaml.") if kind else None


def dotted(location: Iterable[str | int]) -> str:
    """Return ``routes[0].name`` for ``("routes", 0, "name")``."""
    out = ""
    for part in location:
        out += f"[{part}]" if isinstance(part, int) else f".{part}" if out else part
    return out or "(top level)"


def _spelling_remedy(location: tuple[str | int, ...], model: type[BaseModel]) -> str:
    known = _keys_at(location[:-1], model)
    close = get_close_matches(str(location[-1]), known, n=1)
    return f"Did you mean {close[0]}?" if close else f"Remove it; known here: {', '.join(sorted(known))}."


def _tags(details: ErrorDetails) -> str:
    return str(details.get("ctx", {}).get("expected_tags", "those in config.example.yaml")).replace("'", "")


def without_tags(location: tuple[str | int, ...], model: type[BaseModel]) -> tuple[str | int, ...]:
    """Return the location without the words by which pydantic says which form of several was meant."""
    here: Any = model
    kept: list[str | int] = []
    for part in location:
        tagged = _tagged(here, part)
        if tagged is None:
            kept.append(part)
        here = tagged or _step(here, part)
    return tuple(kept)


def _tagged(annotation: Any, part: str | int) -> type[BaseModel] | None:
    """Return the form that a tag chooses, where an annotation offers several."""
    forms = [one for one in _options(annotation) if isinstance(one, type) and issubclass(one, BaseModel)]
    if len(forms) < 2:
        return None
    return next((one for one in forms if part in get_args(one.model_fields["type"].annotation)), None)


def _keys_at(location: tuple[str | int, ...], model: type[BaseModel]) -> list[str]:
    """Follow ``location`` through the models' annotations to the one that holds the unknown key."""
    here: Any = model
    for part in location:
        here = _tagged(here, part) or _step(here, part)
    found = _model_in(here)
    return list(found.model_fields) if found else []


def _step(annotation: Any, part: str | int) -> Any:
    found = _model_in(annotation)
    if found is not None and isinstance(part, str) and part in found.model_fields:
        return found.model_fields[part].annotation
    arguments = [a for a in get_args(_container_in(annotation)) if a is not Ellipsis]
    return arguments[-1] if arguments else None


def _options(annotation: Any) -> Iterable[Any]:
    if get_origin(annotation) is Annotated:
        return _options(get_args(annotation)[0])
    if get_origin(annotation) in (Union, types.UnionType):
        return get_args(annotation)
    return (annotation,)


def _model_in(annotation: Any) -> type[BaseModel] | None:
    for option in _options(annotation):
        if isinstance(option, type) and issubclass(option, BaseModel):
            return option
    return None


def _container_in(annotation: Any) -> Any:
    for option in _options(annotation):
        if get_origin(option) in (tuple, list, dict, Mapping):
            return option
    return None
