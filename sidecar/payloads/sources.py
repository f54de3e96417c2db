"""Where the text is that a payload's annotations speak of, when it is not in the payload itself (X6). Pure.

``POST /api/tasks/7/annotations`` speaks of the text of ``GET /api/tasks/7``. Templates of such paths are matched at the
end of a target, so that they hold below any prefix. What stands for a name in them is one plain segment: nothing in a
request can lead elsewhere. Only what the upstream itself goes by may say which text it is: another would have its words
written beside a text that they do not belong to, where nobody would know them for what they are.
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
_TEMPLATE = re.compile(r"(?:/(?:[A-Za-z0-9._-]+|\{[a-z][a-z0-9_]*\}))+/?")

Bindings = Mapping[str, str]


class BadTemplate(ValueError):
    """Not a template. Its text is the operator's own, so it may be shown."""


@dataclass(frozen=True)
class Template:
    """A path with names in braces: ``/api/tasks/{task}/drafts/{draft}``."""

    source: str

    def __post_init__(self) -> None:
        if not _TEMPLATE.fullmatch(self.source):
            raise BadTemplate("not a path with names in braces, such as /api/tasks/{task}")

    @property
    def names(self) -> frozenset[str]:
        return frozenset(_NAME.findall(self.source))

    @cached_property
    def _path(self) -> re.Pattern[str]:
        pieces = enumerate(_NAME.split(self.source.rstrip("/")))
        parts = [f"(?P<{piece}>{_VALUE.pattern})" if at % 2 else re.escape(piece) for at, piece in pieces]
        return re.compile("(?P<_prefix>(?:/[A-Za-z0-9._~-]+)*)" + "".join(parts) + "/?")

    def match(self, path: str) -> Bindings | None:
        """Return what stands for each name in a request's path, and its prefix as ``_prefix``; None if it doesn't."""
        found = self._path.fullmatch(path)
        return None if found is None else found.groupdict()

    def fill(self, bound: Bindings) -> str:
        return bound.get("_prefix", "") + _NAME.sub(lambda found: bound[found[1]], self.source)


@dataclass(frozen=True)
class SourceRule:
    """The text for payloads of ``when`` is in the answer to GET ``at``.

    Where the names of ``at`` are not all in ``when``, they are at the places of ``names``: in the answer to GET
    ``ask``, or else in the payload itself.
    """

    when: Template
    at: Template
    ask: Template | None = None
    names: Mapping[str, PathPattern] = field(default_factory=lambda: MappingProxyType({}))


def is_plain(value: str) -> bool:
    """Whether a value may stand in a path."""
    return _VALUE.fullmatch(value) is not None
