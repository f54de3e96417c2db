"""Where the text is that a payload's annotations speak of, when it is not in the payload itself (X6). Pure.

``POST /api/tasks/7/annotations`` speaks of the text of ``GET /api/tasks/7``. Templates of such paths are matched at the
end of a target, so that they hold below any prefix. What stands for a name in them is one plain segment: nothing in a
request can lead elsewhere.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from types import MappingProxyType

from sidecar.payloads.paths import PathPattern

_NAME = re.compile(r"\{([a-z][a-z0-9_]*)\}")
_VALUE = re.compile(r"[A-Za-z0-9_-]{1,64}")
_TEMPLATE = re.compile(r"(?:/(?:[A-Za-z0-9._-]+|\{[a-z][a-z0-9_]*\}))+/?(?:\?[A-Za-z0-9_.-]+=\{[a-z][a-z0-9_]*\})?")

Bindings = Mapping[str, str]


class BadTemplate(ValueError):
    """Not a template. Its text is the operator's own, so it may be shown."""


@dataclass(frozen=True)
class Template:
    """A path with names in braces, and perhaps one parameter of a query: ``/api/drafts/{draft}?task={task}``."""

    source: str

    def __post_init__(self) -> None:
        if not _TEMPLATE.fullmatch(self.source):
            raise BadTemplate("not a path with names in braces, such as /api/tasks/{task}")

    @property
    def names(self) -> frozenset[str]:
        return frozenset(_NAME.findall(self.source))

    @cached_property
    def _path(self) -> re.Pattern[str]:
        path = self.source.partition("?")[0].rstrip("/")
        parts = [f"(?P<{part}>{_VALUE.pattern})" if at % 2 else re.escape(part) for at, part in _split(path)]
        return re.compile("(?P<_prefix>(?:/[A-Za-z0-9._~-]+)*)" + "".join(parts) + "/?")

    def match(self, target: str) -> Bindings | None:
        """Return what stands for each name in a request's target, and its prefix as ``_prefix``; None if it doesn't."""
        path, _, query = target.partition("?")
        found = self._path.fullmatch(path)
        if found is None:
            return None
        bound = dict(found.groupdict())
        parameter, _, name = self.source.partition("?")[2].partition("=")
        if not parameter:
            return bound
        values = [value for key, _, value in (part.partition("=") for part in query.split("&")) if key == parameter]
        if len(values) != 1 or not is_plain(values[0]):
            return None
        return bound | {name[1:-1]: values[0]}

    def fill(self, bound: Bindings) -> str:
        return bound.get("_prefix", "") + _NAME.sub(lambda found: bound[found[1]], self.source)


@dataclass(frozen=True)
class SourceRule:
    """The text for payloads of ``when`` is in the answer to GET ``at``.

    Where the names of ``at`` are not all in ``when``, GET ``ask`` answers with them, at the places of ``names``.
    """

    when: Template
    at: Template
    ask: Template | None = None
    names: Mapping[str, PathPattern] = field(default_factory=lambda: MappingProxyType({}))


def is_plain(value: str) -> bool:
    """Whether a value may stand in a path."""
    return _VALUE.fullmatch(value) is not None


def _split(path: str) -> list[tuple[int, str]]:
    return list(enumerate(_NAME.split(path)))
