"""Fetches the text that the annotations of one exchange speak of, when it is not in the payload (X6).

It is read from the upstream with the fields of the request in hand, so with the caller's own credentials, and only by a
route that the caller may read by: what is fetched is not shown to anybody, but how it is redacted decides where the
annotations go. Without state: the same text is redacted the same way again, or the annotations will not fit.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from aiohttp import web

from sidecar.errors import Direction, PayloadFault, PayloadRefused, RequestRefused
from sidecar.payloads.document import Leaf, LeafKind
from sidecar.payloads.json_body import JsonBody
from sidecar.payloads.marking import SourceTexts, as_shown
from sidecar.payloads.matcher import PathMatcher
from sidecar.payloads.media_type import media_type_of
from sidecar.payloads.paths import PathPattern
from sidecar.payloads.sources import SourceRule, is_plain
from sidecar.proxy.account import Account
from sidecar.proxy.admission import Admission
from sidecar.proxy.body_budget import BodyShare
from sidecar.proxy.codings import uncompress
from sidecar.proxy.encoding import to_text
from sidecar.proxy.headers import BodyFate, Hop, request_fields
from sidecar.proxy.passage import Sources
from sidecar.proxy.routes import BodyMode, Route
from sidecar.proxy.scanning import Scanner
from sidecar.proxy.upstream import Answer, Upstream

_OF_A_BODY = ("Content-Type", "Content-Encoding", "Content-Language", "Content-Location", "Content-Disposition")
_JSON = JsonBody()
_OK = 200


@dataclass(frozen=True, slots=True)
class TextSourceParts:
    """What texts are fetched with."""

    admission: Admission
    upstreams: Mapping[str, Upstream]
    scanner: Scanner


class TextSource:
    """The texts for one exchange, fetched once at most: what was annotated and what is answered are the same text."""

    def __init__(self, parts: TextSourceParts, request: web.BaseRequest, path: str, account: Account) -> None:
        self._parts = parts
        self._request = request
        self._path = path
        self._account = account
        self._texts: SourceTexts | None = None

    @property
    def applies(self) -> bool:
        """Whether the route's field map says where the text for this path is."""
        return any(rule.when.match(self._path) is not None for rule in self._account.admitted_route.fields.sources)

    async def fetch(self, direction: Direction, leaves: Sequence[Leaf]) -> SourceTexts:
        """Return the texts as the author of such a payload sees them: of a request as shown, else as they are.

        Raises ``PayloadRefused`` (offsets) where there are none, ``AccessDenied`` where the caller may not read them,
        ``UpstreamFailed``.
        """
        if self._texts is None:
            self._texts = await self._fetch(leaves)
        return as_shown(self._texts) if direction is Direction.REQUEST else self._texts

    async def _fetch(self, leaves: Sequence[Leaf]) -> SourceTexts:
        route = self._account.admitted_route
        for rule in route.fields.sources:
            target = await self._address(rule, leaves)
            if target is not None:
                text, source = await self._get(target)
                return await self._parts.scanner.annotated_texts(text, source, f"{source.name} {target}", route.fields)
        raise PayloadRefused(PayloadFault.OFFSETS, "nothing says where the annotated text is")

    async def _address(self, rule: SourceRule, leaves: Sequence[Leaf]) -> str | None:
        bound = rule.when.match(self._path)
        if bound is None:
            return None
        if rule.ask is not None:
            text, _ = await self._get(rule.ask.fill(bound))
            leaves = _JSON.parse(text).leaves
        named = _named(leaves, rule.names)
        return rule.at.fill({**bound, **named}) if named.keys() == rule.names.keys() else None

    async def _get(self, target: str) -> tuple[str, Route]:
        account = self._account
        try:
            route = self._parts.admission.route_to_read(target, account.caller)
        except RequestRefused:
            raise PayloadRefused(PayloadFault.OFFSETS, "no route leads to the annotated text") from None
        if route.upstream != account.admitted_route.upstream or route.body is BodyMode.OPAQUE:
            raise PayloadRefused(PayloadFault.OFFSETS, "the route of the annotated text does not show it")
        upstream = self._parts.upstreams[route.upstream]
        request = self._request
        hop = Hop(request.remote or "unknown", request.headers.get("Host"), upstream.host, upstream.settings.origin)
        fields = request_fields(request.headers, "GET", route, hop, BodyFate.NONE, account.caller.proof)
        for name in _OF_A_BODY:
            fields.popall(name, None)
        answer = await upstream.send("GET", target, fields, None)
        try:
            return await _text_of(answer, route.limits.response_body_bytes, account.share), route
        finally:
            answer.close()


def sources_for(parts: TextSourceParts, request: web.BaseRequest, target: str, account: Account) -> Sources | None:
    """Return what fetches the text of annotations; None where the route's field map knows of none for this target."""
    if not account.admitted_route.fields.sources:
        return None
    source = TextSource(parts, request, target.partition("?")[0], account)
    return source.fetch if source.applies else None


async def _text_of(answer: Answer, cap: int, share: BodyShare) -> str:
    if answer.status != _OK:
        raise PayloadRefused(PayloadFault.OFFSETS, f"the annotated text can't be had: {answer.status}")
    data = uncompress(await answer.read(cap, share), answer.fields.get("Content-Encoding", "identity"), cap)
    return to_text(data, media_type_of(answer.fields.get("Content-Type", "application/json")).charset)


def _named(leaves: Sequence[Leaf], names: Mapping[str, PathPattern]) -> dict[str, str]:
    """Return the values at the places of names, where they may stand in a path."""
    found: dict[str, str] = {}
    if not names:
        return found
    matcher, order = PathMatcher(list(names.values())), list(names)
    for leaf in leaves:
        if leaf.kind in (LeafKind.STRING, LeafKind.NUMBER) and is_plain(leaf.text):
            *_, accepted = matcher.walk(leaf.path)
            found.update({order[index]: leaf.text for index in accepted})
    return found
