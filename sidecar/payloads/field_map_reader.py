"""Reads a field map from plain data (YAML, JSON), and reports everything that is wrong with it at once."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from difflib import get_close_matches
from types import MappingProxyType
from typing import Any, TypeVar

from sidecar.detection.entity_types import ENTITY_TYPES
from sidecar.detection.recognizer import AGENT, CUSTOMER
from sidecar.errors import ConfigError, Problem
from sidecar.payloads.annotation_rules import AnnotationRule, Quotes
from sidecar.payloads.delta_rules import Condition, DeltaRule, Hold, Onto
from sidecar.payloads.field_map import ConversationRule, FieldMap, KnownRule, MessageRule, Order
from sidecar.payloads.offsets import Unit
from sidecar.payloads.paths import BadPath, PathPattern, parse_path, parse_relative, path_problem
from sidecar.payloads.sources import BadTemplate, SourceRule, Template

KEYS = (
    "namespace", "description", "conversations", "messages", "known", "drop", "terms", "keep", "hash", "keys", "html",
    "annotations", "sources", "deltas",
)  # fmt: skip
_CONVERSATION_KEYS = ("root", "id")
_MESSAGE_KEYS = ("each", "text", "speaker", "speakers", "order")
_ANNOTATION_KEYS = ("each", "start", "end", "start_in", "end_in", "quote", "text", "unit", "quotes")
_SOURCE_KEYS = ("when", "at", "ask", "names")
_DELTA_KEYS = ("text", "channel", "name", "when", "ends", "speaker", "hold", "onto")
_ONTO_KEYS = ("within", "steps", "value")
_ANYTHING = "*"
_NAMESPACE = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")
NO_PATH = PathPattern("", ())
"""Stands in for a path that could not be read, so that reading goes on to the next problem."""

_T = TypeVar("_T")


def parse_field_map(mapping: Mapping[str, Any], where: str) -> FieldMap:
    """Return the field map. ``where`` is the path that problems begin with. Raises ``ConfigError`` with all of them."""
    reader = _Reader()
    fields = reader.field_map(mapping, where)
    if reader.problems:
        raise ConfigError(tuple(reader.problems))
    return fields


class _Reader:
    """Collects problems while it reads; what it returns is of use only when there were none."""

    def __init__(self) -> None:
        self.problems: list[Problem] = []

    def field_map(self, mapping: Any, where: str) -> FieldMap:
        given = self._table(mapping, where, KEYS)
        default = FieldMap()
        return FieldMap(
            namespace=self._namespace(given.get("namespace", default.namespace), f"{where}.namespace"),
            conversations=tuple(self._each(given, where, "conversations", self._conversation)) or default.conversations,
            messages=tuple(self._each(given, where, "messages", self._message)),
            known=tuple(self._known(given.get("known", {}), f"{where}.known")),
            drop=tuple(self._each(given, where, "drop", self._path)),
            terms=tuple(self._each(given, where, "terms", self._path)),
            keep=tuple(self._each(given, where, "keep", self._path)),
            hash=tuple(self._each(given, where, "hash", self._path)),
            keys=tuple(self._each(given, where, "keys", self._path)),
            html=tuple(self._each(given, where, "html", self._path)),
            annotations=tuple(self._each(given, where, "annotations", self._annotation)),
            sources=tuple(self._each(given, where, "sources", self._source)),
            deltas=tuple(self._each(given, where, "deltas", self._delta)) if "deltas" in given else default.deltas,
        )

    def _conversation(self, item: Any, where: str) -> ConversationRule:
        given = self._table(item, where, _CONVERSATION_KEYS, needed=("root",))
        ids = self._one_or_more(given.get("id", []), f"{where}.id", self._relative)
        return ConversationRule(self._path(given.get("root", "$"), f"{where}.root"), ids)

    def _message(self, item: Any, where: str) -> MessageRule:
        given = self._table(item, where, _MESSAGE_KEYS, needed=("each", "text"))
        return MessageRule(
            each=self._path(given.get("each", "$"), f"{where}.each"),
            texts=self._one_or_more(given.get("text", "$"), f"{where}.text", self._relative),
            speaker=self._one_or_more(given.get("speaker", []), f"{where}.speaker", self._relative),
            speakers=self._speakers(given.get("speakers", {}), f"{where}.speakers"),
            order=Order(self._choice(given.get("order", Order.OLDEST_FIRST), f"{where}.order", tuple(Order))),
        )

    def _annotation(self, item: Any, where: str) -> AnnotationRule:
        given = self._table(item, where, _ANNOTATION_KEYS, needed=("each", "start", "end", "text"))
        if ("start_in" in given) != ("end_in" in given):
            self._report(where, "gives one of start_in and end_in", "Give both, or neither")

        def maybe(key: str) -> PathPattern | None:
            return self._relative(given[key], f"{where}.{key}") if key in given else None

        return AnnotationRule(
            each=self._path(given.get("each", "$"), f"{where}.each"),
            start=self._relative(given.get("start", "$"), f"{where}.start"),
            end=self._relative(given.get("end", "$"), f"{where}.end"),
            texts=self._one_or_more(given.get("text", "$"), f"{where}.text", self._relative),
            start_in=maybe("start_in"),
            end_in=maybe("end_in"),
            quote=maybe("quote"),
            unit=Unit(self._choice(given.get("unit", Unit.CODE_POINTS), f"{where}.unit", tuple(Unit))),
            quotes=Quotes(self._choice(given.get("quotes", Quotes.RESTORE), f"{where}.quotes", tuple(Quotes))),
        )

    def _source(self, item: Any, where: str) -> SourceRule:
        given = self._table(item, where, _SOURCE_KEYS, needed=("when", "at"))
        names = given.get("names", {})
        if not isinstance(names, Mapping):
            self._report(f"{where}.names", "is no mapping", "Write e.g. {task: $.task}")
            names = {}
        if "ask" in given and not names:
            self._report(where, "asks, but not for what", "Give names, e.g. {task: $.task}")
        rule = SourceRule(
            when=self._template(given.get("when", "/"), f"{where}.when"),
            at=self._template(given.get("at", "/"), f"{where}.at"),
            ask=self._template(given["ask"], f"{where}.ask") if "ask" in given else None,
            names=MappingProxyType({str(n): self._path(p, f"{where}.names.{n}") for n, p in names.items()}),
        )
        asked = rule.ask.names if rule.ask else frozenset()
        for missing in sorted((rule.at.names - rule.names.keys() | asked) - rule.when.names):
            self._report(where, f"does not say what {{{missing}}} is", "Name it in when, or under names")
        return rule

    def _delta(self, item: Any, where: str) -> DeltaRule:
        given = self._table(item, where, _DELTA_KEYS, needed=("text",))
        return DeltaRule(
            texts=self._one_or_more(given.get("text", "$"), f"{where}.text", self._path),
            channel=self._one_or_more(given.get("channel", []), f"{where}.channel", self._path),
            name=str(given.get("name", "")),
            when=self._conditions(given.get("when", {}), f"{where}.when"),
            ends=self._conditions(given.get("ends", {}), f"{where}.ends"),
            speaker=self._choice(given["speaker"], f"{where}.speaker", (CUSTOMER, AGENT))
            if "speaker" in given
            else None,
            hold=Hold(self._choice(given.get("hold", Hold.TAIL), f"{where}.hold", tuple(Hold))),
            onto=self._onto(given["onto"], f"{where}.onto") if "onto" in given else None,
        )

    def _onto(self, item: Any, where: str) -> Onto:
        given = self._table(item, where, _ONTO_KEYS, needed=_ONTO_KEYS)
        onto = Onto(*(self._path(given.get(key, "$"), f"{where}.{key}") for key in _ONTO_KEYS))
        for key, pattern in zip(_ONTO_KEYS, (onto.within, onto.steps, onto.value), strict=True):
            if not pattern.has_fixed_length:
                self._report(f"{where}.{key}", "can't hold '..'", "Write e.g. $.changes[]")
        return onto

    def _conditions(self, item: Any, where: str) -> tuple[Condition, ...]:
        if not isinstance(item, Mapping):
            self._report(where, "is no mapping", f'Write e.g. {{$.type: [message, error], $.done: "{_ANYTHING}"}}')
            return ()
        return tuple(
            Condition(self._path(path, f"{where}.{path}"), frozenset() if value == _ANYTHING else _words(value))
            for path, value in item.items()
        )

    def _template(self, item: Any, where: str) -> Template:
        try:
            return Template(str(item))
        except BadTemplate as error:
            self._report(where, f"{str(item)!r} is {error}", "Write e.g. /api/tasks/{task}/annotations")
            return Template("/-")

    def _speakers(self, item: Any, where: str) -> Mapping[str, str]:
        if not isinstance(item, Mapping):
            self._report(where, "is no mapping", "Write e.g. {user: customer, bot: agent}")
            return {}
        read = {str(k).casefold(): self._choice(v, f"{where}.{k}", (CUSTOMER, AGENT)) for k, v in item.items()}
        return MappingProxyType(read)

    def _known(self, item: Any, where: str) -> Sequence[KnownRule]:
        if not isinstance(item, Mapping):
            self._report(where, "is no mapping", "Write e.g. {$.customer.name: PERSON}")
            return ()
        return [
            KnownRule(self._path(path, f"{where}.{path}"), self._choice(label, f"{where}.{path}", ENTITY_TYPES))
            for path, label in item.items()
        ]

    def _table(self, item: Any, where: str, keys: Sequence[str], needed: Sequence[str] = ()) -> Mapping[str, Any]:
        if not isinstance(item, Mapping):
            self._report(where, "is no mapping", f"Give it some of these keys: {', '.join(keys)}")
            return {}
        for key in item:
            if key not in keys:
                close = get_close_matches(str(key), keys, n=1)
                remedy = f"Did you mean {close[0]}?" if close else f"Remove it; known here: {', '.join(keys)}"
                self._report(f"{where}.{key}", "is not a known key", remedy)
        for key in needed:
            if key not in item:
                self._report(f"{where}.{key}", "is missing", "Add it; docs/payloads.md shows how")
        return item

    def _each(self, given: Mapping[str, Any], where: str, key: str, read: Callable[[Any, str], _T]) -> list[_T]:
        items = given.get(key, ())
        if not isinstance(items, list | tuple):
            self._report(f"{where}.{key}", "is no list", "Write each entry after a dash")
            return []
        return [read(item, f"{where}.{key}[{index}]") for index, item in enumerate(items)]

    def _one_or_more(self, item: Any, where: str, read: Callable[[Any, str], _T]) -> tuple[_T, ...]:
        if isinstance(item, list | tuple):
            return tuple(read(one, f"{where}[{index}]") for index, one in enumerate(item))
        return (read(item, where),)

    def _path(self, item: Any, where: str) -> PathPattern:
        return self._parsed(item, where, parse_path)

    def _relative(self, item: Any, where: str) -> PathPattern:
        return self._parsed(item, where, parse_relative)

    def _parsed(self, item: Any, where: str, parse: Callable[[str], PathPattern]) -> PathPattern:
        try:
            return parse(str(item))
        except BadPath as error:
            self.problems.append(path_problem(where, str(item), error))
            return NO_PATH

    def _choice(self, item: Any, where: str, options: Sequence[str]) -> str:
        if item in options:
            return str(item)
        self._report(where, f"{str(item)!r} is not one of the choices", f"Use one of: {', '.join(options)}")
        return options[0]

    def _namespace(self, item: Any, where: str) -> str:
        if not isinstance(item, str) or not _NAMESPACE.fullmatch(item):
            self._report(where, "is no plain name", "Use lower-case letters, digits and dashes, 63 at most")
        return str(item)

    def _report(self, where: str, message: str, remedy: str) -> None:
        self.problems.append(Problem(where, message, remedy))


def _words(value: Any) -> frozenset[str]:
    """Return one value or several as they are spelled in JSON."""
    values = value if isinstance(value, list | tuple) else (value,)
    return frozenset(str(one).lower() if isinstance(one, bool) else str(one) for one in values)
