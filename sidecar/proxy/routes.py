"""Which path leads where, who may go there, and what is done with what passes.

A route is chosen by the longest prefix of the raw path. What an upstream might read out of the same bytes (percent
codes, path parameters, doubled slashes) must lead to the same route, or the request is refused: otherwise a path
could carry the roles of one route to the resources of another (P59).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from urllib.parse import unquote_to_bytes

from sidecar.access import Role
from sidecar.errors import ConfigError, Problem, RequestFault, RequestRefused
from sidecar.payloads.askings import AskingRule
from sidecar.payloads.field_map import FieldMap
from sidecar.payloads.socketio import Binary
from sidecar.redaction.policy import Policy

METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


class BodyMode(StrEnum):
    """What the responses of a route hold, and its requests where they are scanned."""

    JSON = "json"  # scanned and rewritten; anything else is refused
    SSE = "sse"  # event streams, rewritten event by event as they come; any other type is JSON
    NDJSON = "ndjson"  # lines of JSON, rewritten line by line as they come; JSON types are read in whole
    AUTO = "auto"  # any format that can be scanned, by its media type and its looks; anything else is refused
    SOCKETIO = "socketio"  # engine.io's polling, whatever its media type
    OPAQUE = "opaque"  # responses are free of personal data by the operator's word: streamed as they are


class RequestPolicy(StrEnum):
    """What is done with request bodies."""

    REDACT = "redact"
    PASS = "pass"  # noqa: S105 - a policy, no password
    REFUSE = "refuse"  # a request that holds personal data is answered 422


class MessageKind(StrEnum):
    """What the text messages of a WebSocket are. One that is not ends the connection."""

    JSON = "json"
    TEXT = "text"
    SOCKETIO = "socketio"


@dataclass(frozen=True, slots=True)
class WebsocketRules:
    """What may pass over the WebSockets of a route, both ways. ``origins``: foreign ones that may open them."""

    messages: MessageKind = MessageKind.JSON
    binary: Binary = Binary.REFUSE
    max_message_bytes: int = 1024 * 1024
    origins: frozenset[str] = frozenset()


class HostPolicy(StrEnum):
    """What the upstream sees as Host, and as Origin and Referer of pages that we served (X1)."""

    KEEP = "keep"
    REWRITE = "rewrite"  # the upstream's own
    FIXED = "fixed"


class UrlPolicy(StrEnum):
    """What becomes of absolute URLs of the upstream in responses: they lead around the sidecar (X2)."""

    KEEP = "keep"
    REWRITE = "rewrite"  # to the sidecar, by the name that the client called it by
    REFUSE = "refuse"


class TargetPolicy(StrEnum):
    """What is done with personal data in the path and query of a request. They are never logged."""

    PASS = "pass"  # noqa: S105 - a policy, no password
    REFUSE = "refuse"  # answered 422


class SuppressionPolicy(StrEnum):
    """What is done where data of an erased person turn up. Either way they are not shown, and it is reported (E27)."""

    REDACT = "redact"
    REFUSE = "refuse"  # nothing of the payload passes


class AuthorizationPolicy(StrEnum):
    """What becomes of a token that was meant for the upstream. One that proved an identity to us never leaves."""

    STRIP = "strip"
    FORWARD = "forward"


@dataclass(frozen=True, slots=True)
class ErasureTrigger:
    """How customers who ask to be forgotten are known in the bodies of a route: by the chatbot's intent, by phrases.

    ``languages``: whose phrases count, none if empty; ``regulation``: the law that the request is filed under.
    """

    rule: AskingRule = field(repr=False)
    languages: frozenset[str]
    regulation: str


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds of one exchange. Sizes are bytes of decoded body; streamed responses have no size limit, but time."""

    request_body_bytes: int = 1024 * 1024
    response_body_bytes: int = 16 * 1024 * 1024
    request_body_seconds: float = 60.0
    rewrite_seconds: float = 30.0
    exchange_seconds: float = 300.0  # until the first response byte
    client_stall_seconds: float = 60.0  # for one write that the client does not read
    hold_back_characters: int = 160  # of a text that comes in pieces, until it is decided on


@dataclass(frozen=True, slots=True)
class Route:
    """One path prefix. ``fixed_host`` is the authority that ``HostPolicy.FIXED`` shows the upstream.

    ``unscanned_headers`` names response headers (lower case) that hold no personal data by the operator's word.
    """

    name: str
    path_prefix: str
    methods: frozenset[str]
    upstream: str
    roles: frozenset[Role]
    fields: FieldMap = field(repr=False)
    policy: Policy = field(default_factory=Policy, repr=False)
    body: BodyMode = BodyMode.JSON
    request_policy: RequestPolicy = RequestPolicy.REDACT
    host: HostPolicy = HostPolicy.REWRITE
    fixed_host: str = ""
    authorization: AuthorizationPolicy = AuthorizationPolicy.STRIP
    unscanned_headers: frozenset[str] = frozenset({"set-cookie"})
    absolute_urls: UrlPolicy = UrlPolicy.REWRITE
    target_policy: TargetPolicy = TargetPolicy.PASS
    suppression: SuppressionPolicy = SuppressionPolicy.REDACT
    websocket: WebsocketRules | None = None  # None: upgrades are refused
    erasure_trigger: ErasureTrigger | None = None
    limits: Limits = Limits()


# A path that has none of these reads the same to everybody.
_READ_DIFFERENTLY = re.compile(r"[%;\\]|//|/\.")
_STREAMED = frozenset({BodyMode.SSE, BodyMode.NDJSON})
_TARGET = re.compile(r"/[\x21\x22\x24-\x7e]*")  # printable ASCII without "#" (RFC 9112 section 3.2 has no fragments)
_DOTS = frozenset({".", ".."})
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
# Old ways to write a character: %uXXXX, and UTF-8 that is longer than it has to be. Who still reads them sees others.
# Of bytes as Latin-1: to ignore case would take other bytes for these.
_ODD_CODING = re.compile(r"%[uU][0-9a-fA-F]{4}|[\xc0\xc1][\x80-\xbf]|\xe0[\x80-\x9f]|\xf0[\x80-\x8f]")
_DEEPEST_CODING = 3
_AFTER_A_STEM = frozenset({"", "/", ".", " ", "?", "#"})  # the last two: once they were decoded


class RouteTable:
    """Every route, longest prefix first."""

    def __init__(self, routes: Sequence[Route]) -> None:
        """Raise ``ConfigError`` with everything that is wrong with the table."""
        problems = tuple(_problems(routes))
        if problems:
            raise ConfigError(problems)
        self.routes = tuple(sorted(routes, key=lambda route: -len(_stem(route.path_prefix))))
        self._by_stem: dict[str, list[Route]] = {}
        for route in self.routes:
            self._by_stem.setdefault(_stem(route.path_prefix), []).append(route)
        self._stems = tuple((stem, f"{stem}/") for stem in self._by_stem)
        self._folded_stems = tuple(stem.casefold() for stem in self._by_stem)

    def match(self, method: str, raw_path: str) -> Route:
        """Return the route of an origin-form path without its query, or raise ``RequestRefused``.

        Of the longest prefix alone: a method that it does not admit is never handed to a shorter one.
        """
        prefix = self._prefix(raw_path)
        readings = tuple(_readings(raw_path)) if _READ_DIFFERENTLY.search(raw_path) else ()
        if any(self._prefix(reading) != prefix for reading in readings) or any(
            self._may_be_another(reading, prefix) for reading in (raw_path, *readings)
        ):
            raise RequestRefused(RequestFault.TARGET, "the path can be read as another route's")
        if prefix is None:
            raise RequestRefused(RequestFault.NO_ROUTE)
        candidates = self._by_stem[prefix]
        for route in candidates:
            if method in route.methods:
                return route
        raise RequestRefused(RequestFault.METHOD, allowed=frozenset().union(*(route.methods for route in candidates)))

    def _prefix(self, path: str) -> str | None:
        for stem, folder in self._stems:
            if path == stem or path.startswith(folder):
                return stem
        return None

    def _may_be_another(self, path: str, prefix: str | None) -> bool:
        """Whether a server that ignores case, endings (``.json``) and blanks, or decodes early, may see another."""
        folded = path.casefold()
        for stem in self._folded_stems:
            if folded.startswith(stem) and folded[len(stem) : len(stem) + 1] in _AFTER_A_STEM:
                return prefix is None or stem != prefix.casefold()
        return False


def split_target(raw_target: str, host: str | None) -> tuple[str, str]:
    """Return the origin-form target and its path from a request line's target, byte for byte (P21).

    An absolute-form target must name the host that the Host header names, and never decides where a request goes (P8).
    """
    target = raw_target
    if not target.startswith("/"):
        scheme, separator, rest = target.partition("://")
        authority, slash, path = rest.partition("/")
        if scheme.lower() not in ("http", "https") or not separator or authority.lower() != (host or "").lower():
            raise RequestRefused(RequestFault.TARGET, "not a path on this host")
        target = slash + path or "/"
    if not _TARGET.fullmatch(target):
        raise RequestRefused(RequestFault.TARGET, "bytes that a target can't hold")
    return target, target.partition("?")[0]


def _stem(prefix: str) -> str:
    return prefix.rstrip("/")


def _readings(path: str) -> Iterator[str]:
    """Yield what servers are known to make of a path. Raise ``RequestRefused`` for one that climbs."""
    for _ in range(_DEEPEST_CODING):
        plain = path.replace("\\", "/")
        segments = [segment.partition(";")[0] for segment in plain.split("/")]
        if _DOTS.intersection(segments) or _CONTROL.search(plain):
            raise RequestRefused(RequestFault.TARGET, "dot segments or control characters")
        if _ODD_CODING.search(plain):
            raise RequestRefused(RequestFault.TARGET, "characters in a coding that is none")
        yield "/" + "/".join(segment for segment in segments if segment)
        decoded = unquote_to_bytes(path.encode("latin-1")).decode("latin-1")
        if decoded == path:
            return
        path = decoded
    raise RequestRefused(RequestFault.TARGET, "percent codes within percent codes")


def _problems(routes: Sequence[Route]) -> Iterator[Problem]:
    names: set[str] = set()
    claims: dict[tuple[str, str], str] = {}
    for index, route in enumerate(routes):
        path = f"routes[{index}]"
        if route.name in names:
            yield Problem(f"{path}.name", f"{route.name} is the name of another route", "Give each route its own name")
        names.add(route.name)
        yield from _problems_of(route, path)
        for method in sorted(route.methods):
            owner = claims.setdefault((_stem(route.path_prefix), method), route.name)
            if owner != route.name:
                yield Problem(
                    f"{path}.path_prefix", f"{method} there is claimed by {owner}", "Change the prefix or the methods"
                )


def _problems_of(route: Route, path: str) -> Iterator[Problem]:
    if not _TARGET.fullmatch(route.path_prefix) or _READ_DIFFERENTLY.search(route.path_prefix):
        yield Problem(
            f"{path}.path_prefix", "not a plain path", "Begin with / and leave out %, ;, \\, //, ?, # and dot segments"
        )
    if not route.methods or not route.methods <= METHODS:
        yield Problem(f"{path}.methods", "empty, or with methods that are never proxied", f"Use {sorted(METHODS)}")
    if not route.roles:
        yield Problem(f"{path}.roles", "empty, so that nobody may use the route", "Name at least one role")
    if route.body in _STREAMED and route.fields.deltas is None:
        yield Problem(
            f"{path}.body",
            f"{route.body.value}, but the field map does not say which texts come in pieces",
            "Give it deltas ([] if every event is complete in itself), or a preset that has them",
        )
    if (route.websocket or route.body is BodyMode.SOCKETIO) and route.fields.deltas is None:
        yield Problem(
            f"{path}.websocket",
            "the field map does not say which texts come in pieces, over many messages",
            "Give it deltas ([] if every message is complete in itself), or a preset that has them",
        )
    if route.erasure_trigger is not None and route.body is BodyMode.OPAQUE:
        yield Problem(f"{path}.erasure_trigger", "on a route whose bodies are not read", "Remove it, or change body")
    if route.host is HostPolicy.FIXED and not route.fixed_host:
        yield Problem(f"{path}.host", "fixed, but no host is given", "Give the host that the upstream expects")
