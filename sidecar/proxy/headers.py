"""Which header fields pass, which are replaced, and which no longer hold. Pure: fields in, fields out.

Requests and responses are judged apart, because the parser is strict with the first and lax with the second: what an
upstream sends is validated here before any of it is relayed (P19).
"""

from __future__ import annotations

import re
from enum import StrEnum
from functools import cache, lru_cache
from typing import NamedTuple

from multidict import CIMultiDict, CIMultiDictProxy

from sidecar.access import Proof
from sidecar.errors import PayloadFault, PayloadRefused, RequestFault, RequestRefused, UpstreamFailed, UpstreamFault
from sidecar.payloads.media_type import media_type_of
from sidecar.proxy.codings import narrowed
from sidecar.proxy.routes import AuthorizationPolicy, BodyMode, HostPolicy, Route

EXCHANGE_ID = "X-Exchange-Id"
SERVER = "privacy-sidecar"
STRICT_TRANSPORT_SECURITY = "max-age=63072000"  # two years (P57)

_HOP_BY_HOP = frozenset({
    "connection", "keep-alive", "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade",
})  # fmt: skip
_HOP_BY_HOP_PREFIX = "proxy-"
# A Connection header that names one of these wants to take away framing, identity or meaning (P16).
_NOT_CONNECTION_OPTIONS = frozenset({
    "authorization", "content-encoding", "content-length", "content-type", "cookie", "host", "set-cookie",
})  # fmt: skip

# Fields of requests that we alone write, and fields that make a server take a request for another one (P18).
_NEVER_FORWARDED = frozenset({
    "cf-connecting-ip", "client-cert", "client-cert-chain", "client-ip", "content-length", "expect", "fastly-client-ip",
    "forwarded", "host", "http2-settings", "proxy", "ssl-client-cert", "ssl-client-s-dn",
    "ssl-client-verify", "true-client-ip", "via", "x-accel-redirect", "x-authenticated-user", "x-client-cert",
    "x-client-dn", "x-client-ip", "x-cluster-client-ip", "x-exchange-id", "x-forwarded", "x-host", "x-http-method",
    "x-http-method-override", "x-method-override", "x-original-host", "x-original-uri", "x-original-url",
    "x-originating-ip", "x-real-ip", "x-rewrite-url", "x-sendfile", "x-ssl-client-cert", "x-ssl-client-dn",
})  # fmt: skip
# Whom the client is, as proxies tell servers that believe them: of CGI, Authelia and Kubernetes (remote), Grafana
# (webauth), oauth2-proxy, Envoy, AWS, Google, Cloudflare, Azure, authentik, Pomerium, Vouch, Kong (consumer) …
_DROPPED_PREFIXES = (
    "x-forwarded-", "x-auth-request-", "x-amzn-oidc-", "x-envoy-", "x-goog-authenticated-user-", "x-goog-iap-",
    "cf-access-", "x-ms-client-principal", "remote-", "x-remote-", "x-webauth-", "x-authentik-", "x-pomerium-",
    "x-vouch-", "x-consumer-", "tailscale-", _HOP_BY_HOP_PREFIX,
)  # fmt: skip
# What a client would ask of a representation that it never sees (P25, P26).
_OF_THE_ORIGINAL = frozenset({"accept-encoding", "if-range", "range"})
_CONDITIONS = frozenset({"if-match", "if-modified-since", "if-none-match", "if-unmodified-since"})
_SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
# What describes bytes that are no longer those (P24).
_OF_THE_BYTES = frozenset({
    "content-digest", "content-encoding", "content-length", "content-md5", "content-range", "digest",
    "repr-digest", "signature", "signature-input", "x-content-md5", "x-signature",
})  # fmt: skip
_OF_THE_REPRESENTATION = _OF_THE_BYTES | {"accept-ranges", "etag", "last-modified"}
# Alt-Svc leads clients around the sidecar; the others are ours to say.
_NEVER_RELAYED = _HOP_BY_HOP | {"alt-svc", "alt-used", "server", "strict-transport-security", "x-exchange-id"}
_NEVER_RELAYED_OF_OTHER_BYTES = _NEVER_RELAYED | _OF_THE_REPRESENTATION
_SINGLE = frozenset({
    "content-disposition", "content-encoding", "content-length", "content-location", "content-range", "content-type",
    "location", "transfer-encoding",
})  # fmt: skip
# Types that know no charset.
_UTF8_ALWAYS = frozenset({"application/json", "application/x-www-form-urlencoded"})

_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # RFC 9110 section 5.6.2
_NOT_A_VALUE = re.compile(r"[\x00-\x08\x0a-\x1f\x7f\ud800-\udfff]")
_DIGITS = re.compile(r"[0-9]{1,15}")
_FILE_KIND = re.compile(
    r"\.(?:csv|docx?|gz|html?|jpe?g|jsonl?|log|md|mp3|ndjson|odt|parquet|pdf|png|pptx?|tsv|txt|wav|xlsx?|xml|yaml|zip)"
    r"(?=\"?[ \t]*(?:;|\Z))",
    re.IGNORECASE,
)


class BodyFate(StrEnum):
    """What becomes of the body that the fields describe."""

    NONE = "none"
    SAME = "same"  # the same bytes
    REWRITTEN = "rewritten"  # other bytes, in UTF-8, without coding


def is_token(text: str) -> bool:
    """Say whether a text is a token, as names of fields and of protocols are."""
    return _TOKEN.fullmatch(text) is not None


@lru_cache(maxsize=1024)
def plain_name(name: str) -> str:
    """Return a request field's name as CGI and WSGI see it, who can't tell these apart."""
    return name.lower().replace("_", "-")


@lru_cache(maxsize=1024)
def _lower(name: str) -> str:
    """Return a response field's name in lower case. Raises ``UpstreamFailed`` for one that is none."""
    if not _TOKEN.fullmatch(name):
        raise UpstreamFailed(UpstreamFault.BAD_RESPONSE)
    return name.lower()


class Hop(NamedTuple):
    """The two sides of one exchange: who asks, under which name, and whom we ask."""

    client_address: str
    host: str | None
    upstream_host: str
    upstream_origin: str


def request_fields(
    fields: CIMultiDictProxy[str], method: str, route: Route, hop: Hop, body: BodyFate, proof: Proof
) -> CIMultiDict[str]:
    """Return the fields for the upstream, or raise ``RequestRefused`` (P14, P16, P18, P25, P26, P28)."""
    dropped = _dropped_from_request(fields, method, route, body)
    if proof is Proof.TOKEN or route.authorization is AuthorizationPolicy.STRIP:
        dropped |= {"authorization"}
    out: CIMultiDict[str] = CIMultiDict()
    for name, value in fields.items():
        plain = plain_name(name)
        if plain in dropped or plain.startswith(_DROPPED_PREFIXES):
            continue
        if _NOT_A_VALUE.search(value):
            raise RequestRefused(RequestFault.HEADER, "a value that is no text")
        out.add(name, value)
    _name_hosts(out, route, hop)
    if route.body is not BodyMode.OPAQUE:
        # On loopback, where plain http goes, a coding costs more than it saves.
        near = hop.upstream_origin.startswith("http://")
        out["Accept-Encoding"] = "identity" if near else narrowed(fields.get("Accept-Encoding", ""))
    if body is BodyFate.REWRITTEN:
        _say_utf8(out)
    elif body is BodyFate.SAME and "Content-Length" in fields:
        out["Content-Length"] = fields["Content-Length"]
    return out


def _dropped_from_request(fields: CIMultiDictProxy[str], method: str, route: Route, body: BodyFate) -> frozenset[str]:
    dropped = _never_forwarded(route.body is BodyMode.OPAQUE, method in _SAFE_METHODS, body)
    if "Connection" in fields:
        options = connection_options(fields)
        if options & (_NOT_CONNECTION_OPTIONS | _NEVER_FORWARDED):
            raise RequestRefused(RequestFault.HEADER, "Connection names a field that is not its own")
        dropped |= options
    return dropped


@cache
def _never_forwarded(is_opaque: bool, is_safe: bool, body: BodyFate) -> frozenset[str]:
    dropped = _HOP_BY_HOP | _NEVER_FORWARDED
    if not is_opaque:
        dropped |= _OF_THE_ORIGINAL
        # On a write a condition guards against a lost update; there it can't lead to a 304.
        if is_safe:
            dropped |= _CONDITIONS
    if body is BodyFate.REWRITTEN:
        dropped |= _OF_THE_BYTES
    return dropped


def _name_hosts(out: CIMultiDict[str], route: Route, hop: Hop) -> None:
    """Write Host, Origin, Referer and X-Forwarded-* (X1).

    Only an Origin that is ours is translated: a foreign one is what the upstream's protection against forged
    requests must see.
    """
    host, origin = hop.upstream_host, hop.upstream_origin
    if route.host is HostPolicy.KEEP and hop.host:
        host, origin = hop.host, f"https://{hop.host}"
    elif route.host is HostPolicy.FIXED:
        host, origin = route.fixed_host, f"{hop.upstream_origin.partition('://')[0]}://{route.fixed_host}"
    ours = f"https://{hop.host}"
    if out.get("Origin") == ours:
        out["Origin"] = origin
    referer = out.get("Referer", "")
    if referer == ours or referer.startswith(f"{ours}/"):
        out["Referer"] = origin + referer[len(ours) :]
    out["Host"] = host
    out["X-Forwarded-For"] = hop.client_address
    out["X-Forwarded-Proto"] = "https"
    if hop.host:
        out["X-Forwarded-Host"] = hop.host


def response_fields(fields: CIMultiDictProxy[str], body: BodyFate) -> CIMultiDict[str]:
    """Return the fields for the client (P15, P17, P24). ``validate_response`` has seen them before."""
    dropped = _NEVER_RELAYED if body is BodyFate.SAME else _NEVER_RELAYED_OF_OTHER_BYTES
    if "Connection" in fields:
        dropped |= connection_options(fields) - _NOT_CONNECTION_OPTIONS
    out: CIMultiDict[str] = CIMultiDict()
    for name, value in fields.items():
        lower = _lower(name)
        if lower not in dropped and not lower.startswith(_HOP_BY_HOP_PREFIX):
            out.add(name, value)
    if body is BodyFate.REWRITTEN:
        _say_utf8(out)
    elif body is BodyFate.NONE and "Content-Type" in out:
        out["Content-Type"] = media_type_of(out["Content-Type"]).name  # its parameters would come through unread
    return out


def add_own_fields(out: CIMultiDict[str], exchange_id: str) -> None:
    """Write the fields that every response of ours carries."""
    out["Server"] = SERVER
    out["Strict-Transport-Security"] = STRICT_TRANSPORT_SECURITY
    out[EXCHANGE_ID] = exchange_id


def validate_response(status: int, reason: str | None, fields: CIMultiDictProxy[str]) -> None:
    """Raise ``UpstreamFailed`` for a head that could be read in two ways or split another response (P19)."""
    validate_fields(fields)
    if not 200 <= status <= 599 or _NOT_A_VALUE.search(reason or ""):
        raise UpstreamFailed(UpstreamFault.BAD_RESPONSE)
    _validate_framing(fields)


def validate_fields(fields: CIMultiDictProxy[str]) -> None:
    """Raise ``UpstreamFailed`` for fields that are malformed, or given twice where there can be one."""
    seen: set[str] = set()
    for name, value in fields.items():
        if _NOT_A_VALUE.search(value):
            raise UpstreamFailed(UpstreamFault.BAD_RESPONSE)
        lower = _lower(name)
        if lower in _SINGLE:
            if lower in seen:
                raise UpstreamFailed(UpstreamFault.BAD_RESPONSE)
            seen.add(lower)


def _validate_framing(fields: CIMultiDictProxy[str]) -> None:
    length, transfer = fields.get("Content-Length"), fields.get("Transfer-Encoding")
    if length is not None and (transfer is not None or not _DIGITS.fullmatch(length)):
        raise UpstreamFailed(UpstreamFault.BAD_RESPONSE)
    if transfer is not None and transfer.lower() != "chunked":
        raise UpstreamFailed(UpstreamFault.BAD_RESPONSE)


def connection_options(fields: CIMultiDictProxy[str]) -> frozenset[str]:
    """Return the options of all Connection fields, lower case (RFC 9110 section 7.6.1)."""
    values = ",".join(fields.getall("Connection", ()))
    return frozenset(option.strip().lower() for option in values.split(",") if option.strip())


def drop_fields_with_hits(out: CIMultiDict[str], hits: frozenset[str]) -> None:
    """Take away the fields named in ``hits``. Raise ``PayloadRefused`` where the client can't do without (P20).

    A Content-Disposition loses its parameters; of the file's name what kind of file it is stays.
    """
    for name in hits:
        if name.lower() == "location":
            raise PayloadRefused(PayloadFault.HEADER)
        if name.lower() == "content-disposition":
            kind = _FILE_KIND.search(out[name])
            plain = "inline" if out[name].lower().startswith("inline") else "attachment"
            out[name] = f'{plain}; filename="redacted{kind[0].lower()}"' if kind else plain
        else:
            out.popall(name, None)


def _say_utf8(out: CIMultiDict[str]) -> None:
    """Declare what a rewritten body is: its media type, in UTF-8. Other parameters described other bytes."""
    declared = out.get("Content-Type")
    if declared is None:
        return
    kind = media_type_of(declared)
    if kind.boundary is not None:
        out["Content-Type"] = f'{kind.name}; boundary="{kind.boundary}"'
    elif kind.name in _UTF8_ALWAYS or kind.name.endswith("+json"):
        out["Content-Type"] = kind.name
    else:
        out["Content-Type"] = f"{kind.name}; charset=utf-8"
