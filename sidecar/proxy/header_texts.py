"""What of a response's header fields is read for personal data (P20). Pure.

A redirect is a URL by nature and its parts are mostly words of machines. So fields are cut where URLs and parameters
are, percent-decoded, and read piece by piece. A redirect may repeat what the client's own request said; other fields
may not, or a guess in a query would be confirmed by the answer.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from email.errors import MessageError
from email.header import decode_header
from functools import lru_cache
from urllib.parse import unquote, unquote_plus

from sidecar.payloads.base64_texts import is_base64
from sidecar.payloads.names import is_data
from sidecar.payloads.urls import is_cursor

# Fields of tokens, numbers and dates. They are passed over unless their value holds what such values never do.
_STRUCTURAL = frozenset({
    "accept-patch", "accept-ranges", "access-control-allow-credentials", "access-control-allow-headers",
    "access-control-allow-methods", "access-control-allow-origin", "access-control-expose-headers",
    "access-control-max-age", "age", "allow", "cache-control", "content-encoding", "content-language", "content-length",
    "content-security-policy", "content-security-policy-report-only", "content-type", "cross-origin-embedder-policy",
    "cross-origin-opener-policy", "cross-origin-resource-policy", "date", "etag", "expires", "last-modified",
    "permissions-policy", "pragma", "referrer-policy", "retry-after", "vary", "x-content-type-options",
    "x-frame-options", "x-robots-tag", "x-xss-protection",
})  # fmt: skip

_UNLIKE_A_TOKEN = re.compile(r"@|%40|[0-9]{3}[-. ()]+[0-9]{3}|(?<![0-9A-Za-z-])[0-9]{11,}(?![0-9A-Za-z-])")
_WORDS_APART = re.compile(r"(?<![^\W\d_])[^\W\d_]{2,}+[ \t]++[^\W\d_]{2}")
_OF_WORDS_APART = frozenset({"content-security-policy", "content-security-policy-report-only", "permissions-policy"})
_LONG_TOKEN = re.compile(r"[A-Za-z0-9+/_-]{16,}")
_PLAIN_NAME = re.compile(r"[A-Za-z0-9_-]+")
_QUOTED = re.compile(r"\"[^\"A-Za-z]*+[A-Za-z][^\"]*+\"")
_MAY_BE_QUOTED = frozenset({"etag", "content-security-policy", "content-security-policy-report-only", "content-type"})

_IBAN = re.compile(r"(?<![0-9A-Za-z])[A-Za-z]{2}[0-9]{2}[0-9A-Za-z]{11,30}(?![0-9A-Za-z])")
_ORIGIN = re.compile(
    r"(?:(?<![\w+.-])(?:https?|wss?):|(?<![^\s<>\"=,;&(]))//([\w.:\[\]-]+)(?=[/?#\s<>\";,]|\Z)", re.IGNORECASE
)
"""Of the Web alone: what follows ``tel://`` is no host, and neither is what follows two slashes within a path."""
_ADDRESS = re.compile(
    r"(?:(?:(?:25[0-5]|2[0-4][0-9]|1?[0-9]?[0-9])(?:\.(?=[0-9])|(?![.0-9]))){4}|\[[0-9a-f.:]+\])(?::[0-9]{1,5})?",
    re.IGNORECASE,
)
"""A host that is an IP address."""
_DELIMITER = re.compile(r"([/?&=;,<>\"#])")
_PARAMETER = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,31}\*?")
_JOINT = re.compile(r"[_.+-]+")
_EXTENDED = re.compile(r"(utf-8|iso-8859-1)'[A-Za-z0-9-]*'", re.IGNORECASE)
"""What stands before the value of a parameter such as ``filename*`` (RFC 8187), and is no part of what it says."""
_ENCODED_WORD = re.compile(r"=\?[\w-]+(?:\*[\w-]*)?\?[bq]\?[^?\s]*\?=", re.IGNORECASE | re.ASCII)
"""RFC 2047: not for HTTP, and some servers write names of files like that."""
_STAMP = re.compile(
    r"(?<![0-9])20[0-9]{2}-[01][0-9]-[0-3][0-9]"
    r"(?:[-T_ ][0-2][0-9][-:_][0-5][0-9](?:[-:_][0-5][0-9])?Z?|(?<=202.......))"
    r"(?:-(?=[0-9]*[a-f])[0-9a-f]{8})?(?![0-9A-Za-z])"
)
"""When a file was made, and a digest, as in ``project-1-at-2026-11-24-01-49-24df7355.json``: no number of a person.

A day without a time counts from 2020 on: nobody who was born then is anybody's customer.
"""
_DEEPEST = 3  # URLs within parameters of URLs

# Random by definition, and the login fails without them (RFC 6749, RFC 7636, OpenID Connect Core, SAML bindings).
_PROTOCOL_PARAMETERS = frozenset({
    "client_id", "code", "code_challenge", "nonce", "relaystate", "samlrequest", "samlresponse", "session_state",
    "state",
})  # fmt: skip

# A value of those parameters that is one: long, or of digits and letters; never an address or a telephone number.
_RANDOM = re.compile(r"(?=.{20,}\Z|(?=.*[0-9])(?=.*[A-Za-z]))(?!.*%40)[A-Za-z0-9_.~%+/-]+")

# No person: short numbers (pages, sizes, milliseconds), UUIDs, W3C trace contexts. Anything longer is read.
_MACHINE = re.compile(
    r"[0-9]{1,6}(?:\.[0-9]{1,6})?(?:ms|s)?"
    r"|[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}"
    r"|[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}"
)
_REDIRECTS = frozenset({"location", "refresh"})
# Words of paths that stand alone, without the sentence from which a model could tell that they are no names.
_WEB_WORDS = frozenset({
    "account", "accounts", "admin", "annotations", "api", "app", "asc", "assets", "attachment", "auth", "authorize",
    "callback", "chat", "chats", "conversation", "conversations", "create", "csv", "dashboard", "data", "dataset",
    "datasets", "de", "desc", "doccano", "en", "export", "files", "fr", "gradio", "graphql", "health", "home",
    "html", "inbox", "index", "inline", "json", "label-studio", "lang", "last", "limit", "login", "logout", "main",
    "messages", "mlflow", "models", "new", "next", "none", "oauth", "oauth2", "offset", "openid", "page", "phoenix",
    "prev", "profile", "project", "projects", "runs", "saml", "saml2", "search", "session", "sessions", "settings",
    "signin", "signup", "sort", "spans", "sso", "static", "task", "tasks", "ticket", "tickets", "token", "traces",
    "ui", "upload", "user", "users", "web", "workspace", "workspaces",
})  # fmt: skip
_WEB_FILE = re.compile(r"(?:index|main|app)\.(?:html?|php|js|css)")


def texts_of(fields: Mapping[str, str], unscanned: frozenset[str], target: str) -> list[tuple[str, str]]:
    """Return (field name, text) for each piece of a response field that could hold personal data.

    ``target`` is the request's: what it says is left out of redirects.
    """
    found = list(_texts_in(fields, unscanned))
    said = frozenset(pieces_of(target)) if found else frozenset()
    return [(name, text) for name, text in found if name.lower() not in _REDIRECTS or text not in said]


def texts_of_target(target: str) -> list[str]:
    """Return each piece of a request's target that could hold personal data."""
    return [text for text in pieces_of(target) if not _is_machinery(text)]


def _texts_in(fields: Mapping[str, str], unscanned: frozenset[str]) -> Iterator[tuple[str, str]]:
    for name, value in fields.items():
        lower = name.lower()
        if _may_say_something(name):
            yield name, name
        if lower in unscanned or (lower in _STRUCTURAL and _is_known_structure(lower, value)):
            continue
        for text in pieces_of(_ENCODED_WORD.sub(_word, value)):
            if _is_machinery(text):
                continue
            yield from ((name, one) for one in (_readings(text) if lower == "content-disposition" else (text,)))


@lru_cache(maxsize=1024)
def _may_say_something(name: str) -> bool:
    """Whether the name of a field could be data: it has digits for an id, or signs that names don't have."""
    return is_data(name) or not _PLAIN_NAME.fullmatch(name)


def _word(found: re.Match[str]) -> str:
    """Decode an encoded word; one in a charset that nobody knows, as if it were in Latin 1."""
    try:
        [(data, charset)] = decode_header(found[0])
    except (MessageError, ValueError):
        return found[0]
    if isinstance(data, str):
        return found[0]
    try:
        decoded = data.decode(charset or "latin-1", errors="replace")
    except LookupError:
        decoded = data.decode("latin-1")
    return _DELIMITER.sub(" ", decoded)


def _readings(text: str) -> Iterator[str]:
    """A file's name without its stamp, also as words: jane_roe-contract.pdf is no text that a model would know."""
    plain = _STAMP.sub("", text)
    yield plain
    if (words := _JOINT.sub(" ", plain)) != plain:
        yield words


_known_structures: set[tuple[str, str]] = set()
"""What was found to be structure, so nobody's data: dates, types and lengths that come again and again."""
_MOST_STRUCTURES = 1024
_LONGEST_KNOWN = 200  # characters


def _is_known_structure(name: str, value: str) -> bool:
    """As ``_is_structure``, which takes longer than to look up what it said before."""
    if (name, value) in _known_structures:
        return True
    if not _is_structure(name, value):
        return False
    if len(_known_structures) >= _MOST_STRUCTURES:
        _known_structures.clear()
    if len(value) <= _LONGEST_KNOWN:
        _known_structures.add((name, value))
    return True


def _is_structure(name: str, value: str) -> bool:
    """Whether a field of tokens holds tokens: no address, no long number, no words in quotes or beside each other, and
    no text in base64.
    """
    quoted = name not in _MAY_BE_QUOTED and _QUOTED.search(value)
    apart = name not in _OF_WORDS_APART and _WORDS_APART.search(value)
    if quoted or apart or _UNLIKE_A_TOKEN.search(value) or _has_iban(value):
        return False
    return not any(is_base64(token) for token in _LONG_TOKEN.findall(value))


def _has_iban(text: str) -> bool:
    """Whether there is an IBAN by its check digits (ISO 13616): one hash in a thousand looks like one, and is read."""
    return any(int("".join(str(int(sign, 36)) for sign in one[4:] + one[:4])) % 97 == 1 for one in _IBAN.findall(text))


def pieces_of(value: str, depth: int = 0) -> Iterator[str]:
    """Yield the decoded pieces of a field or a request target, without hosts and names of parameters.

    A host with a user name before its ``@`` is not one of those: it stays, and so does one that is a number, and a
    name that could be data.
    """
    if "/" in value and is_base64(whole := value.strip()):
        yield whole
    parts = _DELIMITER.split(_ORIGIN.sub(_host, value))
    before = ""
    for index in range(0, len(parts), 2):
        piece = parts[index]
        after = parts[index + 1] if index + 1 < len(parts) else ""
        if after == "=" and _PARAMETER.fullmatch(piece.strip()):
            before = piece.strip().lower()
            if _is_more_than_a_name(parts, index):
                yield from _decoded(piece, depth)
            continue
        named = index and parts[index - 1] == "="
        extended = _EXTENDED.match(piece) if named and before.endswith("*") else None
        if extended is not None:
            yield unquote(piece[extended.end() :], encoding=extended[1].lower()).strip()
        elif not (named and _is_opaque(before, piece)):
            yield from _decoded(piece, depth)


def _host(found: re.Match[str]) -> str:
    """A host as it is read: not at all, but for an IBAN, and for what has no letter and is no address."""
    host = found[1]
    is_host = any(sign.isalpha() for sign in host) or _ADDRESS.fullmatch(host)
    return "" if is_host and not _has_iban(host) else found[0]


def _is_more_than_a_name(parts: Sequence[str], index: int) -> bool:
    """Whether what stands before an ``=`` could be data: it has digits for an id, or is base64 and the ``=`` its end.

    ``?lang=&next=`` has no values, and its names are names all the same; in ``X-User: …=`` nothing says so.
    """
    name = parts[index].strip()
    if is_data(name) or is_base64(name):
        return True
    is_one_of_many = index > 0 and parts[index - 1] in "?&;#"
    follows = parts[index + 3] if index + 3 < len(parts) else ""
    return not is_one_of_many and not parts[index + 2].strip() and follows in ("", "=", ",", ";", ">")


def _is_opaque(name: str, value: str) -> bool:
    if _has_iban(value):
        return False
    if name in _PROTOCOL_PARAMETERS:
        return _RANDOM.fullmatch(value) is not None
    return is_cursor(name, value)


def _decoded(piece: str, depth: int) -> Iterator[str]:
    plain = piece.strip()
    if len(plain) > 1:
        yield from _undone(plain, depth)
        if "+" in plain and (spaced := unquote_plus(plain).strip()) != unquote(plain).strip():
            yield from _undone(spaced, depth)


def _undone(text: str, depth: int) -> Iterator[str]:
    """Undo percent codes within percent codes, and cut what comes to light."""
    decoded = unquote(text).strip()
    if depth >= _DEEPEST or decoded == text:
        yield text
    elif _DELIMITER.search(decoded):
        yield from pieces_of(decoded, depth + 1)
    else:
        yield from _undone(decoded, depth + 1)


def _is_machinery(text: str) -> bool:
    return bool(_MACHINE.fullmatch(text)) or text.lower() in _WEB_WORDS or bool(_WEB_FILE.fullmatch(text.lower()))
