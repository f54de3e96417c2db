"""Recognizers of other packages, found by the entry-point group ``sidecar.recognizers``.

Only those that the configuration names are imported. An entry point is a callable that takes its settings and returns
a recognizer. It runs in the worker processes with everybody's texts: installing and naming one is trusting it. What
it answers is not trusted: an impossible span fails the detection, as raising and hanging do (D14).
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import EntryPoint, entry_points
from typing import Any, Final

from sidecar.detection.entity_types import ENTITY_TYPES
from sidecar.detection.recognizer import Message, Recognizer
from sidecar.detection.span import Span
from sidecar.errors import ConfigError, DetectionFailed, DetectionFault, Problem

GROUP: Final = "sidecar.recognizers"
MakeRecognizer = Callable[[Mapping[str, Any]], Recognizer]

_KNOWN_LABELS: Final = frozenset(ENTITY_TYPES)
_MOST_SPANS_PER_CHARACTER: Final = 4
"""More can't say anything; an endless answer must not fill the memory before its time is up."""


@dataclass(frozen=True, slots=True)
class PluginSettings:
    """One recognizer of another package: its entry point's name, and what its package is told (plain JSON data)."""

    name: str
    settings: Mapping[str, Any] = field(default_factory=dict, repr=False)


class PluginRecognizer:
    """A foreign recognizer behind a border: its spans are checked and carry the name that the operator knows."""

    def __init__(self, name: str, recognizer: Recognizer) -> None:
        self.name = f"plugin:{name}"
        self._recognizer = recognizer

    def find(self, message: Message) -> Iterator[Span]:
        """Yield what it found. Raises ``DetectionFailed`` for a span that can't be, and whatever it raises itself."""
        room = _MOST_SPANS_PER_CHARACTER * len(message.text)
        for span in self._recognizer.find(message):
            room -= 1
            if room < 0 or not _possible(span, len(message.text)):
                raise DetectionFailed(DetectionFault.INVALID, f"recognizer {self.name!r} gave an impossible span")
            yield Span(span.start, span.end, span.label, float(span.score), self.name)


def load_plugins(plugins: Sequence[PluginSettings]) -> tuple[Recognizer, ...]:
    """Import and make the named recognizers. Raises ``ConfigError`` with the problems of all of them."""
    made: list[Recognizer] = []
    problems: list[Problem] = []
    for plugin in plugins:
        try:
            made.append(PluginRecognizer(plugin.name, _make(plugin)))
        except ConfigError as error:
            problems.extend(error.problems)
    if problems:
        raise ConfigError(tuple(problems))
    return tuple(made)


def check_installed(plugins: Iterable[PluginSettings]) -> None:
    """Raise ``ConfigError`` for names that no package offers. Imports nothing."""
    problems: list[Problem] = []
    for plugin in plugins:
        try:
            _entry_point(plugin.name)
        except ConfigError as error:
            problems.extend(error.problems)
    if problems:
        raise ConfigError(tuple(problems))


def plugins_version(plugins: Sequence[PluginSettings]) -> str:
    """Return what decides their answers as far as can be told: packages, versions, settings (D16). Imports nothing."""
    rows = []
    for plugin in plugins:
        found = _entry_point(plugin.name)
        package = f"{found.dist.name} {found.dist.version}" if found.dist else ""
        rows.append([plugin.name, found.value, package, dict(plugin.settings)])
    return json.dumps(rows, sort_keys=True, default=str)


def _possible(span: object, length: int) -> bool:
    return (
        isinstance(span, Span)
        and type(span.start) is int
        and type(span.end) is int
        and 0 <= span.start < span.end <= length
        and isinstance(span.label, str)
        and span.label in _KNOWN_LABELS
        and isinstance(span.score, int | float)
        and math.isfinite(span.score)
        and 0.0 <= span.score <= 1.0
    )


def _entry_point(name: str) -> EntryPoint:
    found = entry_points(group=GROUP)
    matching = sorted({one for one in found if one.name == name}, key=lambda one: one.value)
    if len(matching) == 1:
        return matching[0]
    if matching:
        packages = ", ".join(one.value for one in matching)
        raise _refused(name, ".name", f"is offered more than once ({packages})", "Uninstall all but one.")
    known = ", ".join(sorted({one.name for one in found}))
    remedy = f"Installed are: {known}." if known else f"Install the package; none offers an entry point of {GROUP!r}."
    raise _refused(name, ".name", "is not installed", remedy)


def _make(plugin: PluginSettings) -> Recognizer:
    found = _entry_point(plugin.name)
    try:
        make: MakeRecognizer = found.load()
    except Exception as error:  # noqa: BLE001 - the border of foreign code, re-raised as ours
        raise _refused(plugin.name, "", f"can't be imported ({type(error).__name__})", "Install it anew.") from None
    try:
        recognizer = make(dict(plugin.settings))
    except ConfigError as error:
        problems = (_placed(plugin.name, problem) for problem in error.problems)
        raise ConfigError(tuple(problems)) from None
    except Exception as error:  # noqa: BLE001 - the border of foreign code, re-raised as ours
        message = f"can't be made of these settings ({type(error).__name__})"
        raise _refused(plugin.name, ".settings", message, "See its documentation.") from None
    if not callable(getattr(recognizer, "find", None)):
        raise _refused(plugin.name, "", "makes no recognizer", "Its entry point must return an object with 'find'.")
    return recognizer


def _placed(name: str, problem: Problem) -> Problem:
    return Problem(f"detection.plugins[{name}].settings.{problem.path}", problem.message, problem.remedy)


def _refused(name: str, key: str, message: str, remedy: str) -> ConfigError:
    return ConfigError((Problem(f"detection.plugins[{name}]{key}", message, remedy),))
