"""URLs that lead around the sidecar, because the upstream wrote its own name into them (X2). Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import lru_cache

from multidict import CIMultiDict

from sidecar.errors import PayloadFault, PayloadRefused
from sidecar.proxy.routes import UrlPolicy

_SCHEMES = {"http": "https", "https": "https", "ws": "wss", "wss": "wss"}
_DEFAULT_PORT = re.compile(r":(?:80|443)\Z")
_AUTHORITY = r"""(https?|wss?)://([^/?#\\\s"'<>@,;]+)"""
_WHOLE = re.compile(rf"{_AUTHORITY}(?=[/?#]|\Z)\S*\Z", re.IGNORECASE)
_WITHIN = re.compile(rf"(?<![A-Za-z0-9.+-]){_AUTHORITY}(?=[/?#\s\"'<>,;]|\Z)", re.IGNORECASE)
_FIELDS = ("location", "content-location", "link", "refresh", "access-control-allow-origin")


@dataclass(frozen=True, slots=True)
class OwnUrls:
    """Replaces the authorities of one upstream by the one that the client called us by.

    ``ours`` is empty where the client named none (HTTP/1.0): then what is left is a path.
    """

    theirs: frozenset[str] = field(repr=False)
    ours: str = field(repr=False)
    policy: UrlPolicy = UrlPolicy.REWRITE
    decisive: str = field(init=False, repr=False)
    """All that decides what becomes of a payload's URLs, as one text."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "decisive", f"{self.policy.value} {self.ours} {' '.join(sorted(self.theirs))}")

    def is_one(self, value: str) -> bool:
        """Whether a string as a whole is a URL of the upstream, or of ours."""
        found = _WHOLE.match(value)
        return found is not None and _plain(found[2]) in self.theirs

    def rewritten(self, value: str) -> str:
        """Return a string that is a URL of the upstream as one of ours; any other string as it is.

        Raises ``PayloadRefused`` (absolute URL) where the route refuses such.
        """
        found = _WHOLE.match(value)
        return value if found is None else self._authority(found) + value[found.end(2) :] or "/"

    def clean_fields(self, out: CIMultiDict[str]) -> None:
        """The same for the URLs of header fields, anywhere within them."""
        for name in _FIELDS:
            for value in out.popall(name, ()) if name in out else ():
                out.add(name.title(), _WITHIN.sub(self._authority, value) or "/")

    def _authority(self, found: re.Match[str]) -> str:
        if self.policy is UrlPolicy.KEEP or _plain(found[2]) not in self.theirs:
            return found[0] if found.re is _WITHIN else found.string[: found.end(2)]
        scheme = _SCHEMES[found[1].lower()]
        own = f"{scheme}://{self.ours}" if self.ours else ""
        if self.policy is UrlPolicy.REFUSE and _plain(found[2]) != _plain(self.ours):
            raise PayloadRefused(PayloadFault.ABSOLUTE_URL)
        return own


@lru_cache(maxsize=64)
def own_urls(policy: UrlPolicy, host: str | None, authorities: tuple[str, ...]) -> OwnUrls:
    """Return what rewrites URLs with one of ``authorities``, or with ``host`` itself under a scheme in clear."""
    ours = host or ""
    theirs = frozenset(_plain(one) for one in (*authorities, ours) if one)
    return OwnUrls(theirs, ours, policy)


def _plain(authority: str) -> str:
    """Lower case and without a default port. Which scheme it is of does not matter: nobody serves both apart."""
    return _DEFAULT_PORT.sub("", authority.lower())
