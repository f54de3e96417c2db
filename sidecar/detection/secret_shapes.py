"""Keys, tokens and private keys, by the shapes that their issuers publish (D7). Linear: bounded repetitions (D17)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Final

from sidecar.detection.scores import CERTAIN_SHAPE, CONTEXT
from sidecar.detection.span import Span
from sidecar.detection.view import View

_KNOWN: Final = re.compile(
    r"(?<![A-Za-z0-9])(?:"
    r"(?:AKIA|ASIA|AIDA|AROA|ABIA|ACCA)[A-Z0-9]{16}"  # AWS
    r"|gh[pousr]_[A-Za-z0-9]{36,255}|github_pat_[A-Za-z0-9_]{22,255}"  # GitHub
    r"|glpat-[\w-]{20,64}"  # GitLab
    r"|xox[abeoprs]-[A-Za-z0-9-]{10,200}|xapp-[A-Za-z0-9-]{10,200}"  # Slack
    r"|(?:sk|pk|rk)_(?:live|test)_[A-Za-z0-9]{10,247}|whsec_[A-Za-z0-9+/=]{20,100}"  # Stripe
    r"|sk-(?:proj-|ant-|svcacct-)?[\w-]{20,200}"  # model providers
    r"|AIza[\w-]{35}|ya29\.[\w-]{20,500}|GOCSPX-[\w-]{20,40}"  # Google
    r"|SG\.[\w-]{16,32}\.[\w-]{16,64}"  # SendGrid
    r"|SK[0-9a-f]{32}|AC[0-9a-f]{32}"  # Twilio
    r"|npm_[A-Za-z0-9]{36}|pypi-[\w-]{50,500}|hf_[A-Za-z0-9]{30,64}|dop_v1_[0-9a-f]{64}|shpat_[0-9a-f]{32}"
    r"|eyJ[\w-]{8,2000}\.eyJ[\w-]{8,8000}\.[\w-]{0,2000}"  # JWT (RFC 7519)
    r")(?![A-Za-z0-9])"
)
_PEM: Final = re.compile(r"-----BEGIN (?:[A-Z0-9]{1,20} ){0,4}PRIVATE KEY(?: BLOCK)?-----")
_PEM_END: Final = re.compile(r"-----END (?:[A-Z0-9]{1,20} ){0,4}PRIVATE KEY(?: BLOCK)?-----")
_LONGEST_PEM: Final = 20_000
_ASSIGNED: Final = re.compile(
    r"(?:api[ _-]?key|secret[ _-]?key|client[ _-]?secret|access[ _-]?token|auth[ _-]?token|bearer"
    r"|private[ _-]?key|license[ _-]?key|product[ _-]?key|activation[ _-]?(?:key|code)|secret|token)"
    r"['\"]?\s{0,3}(?::|=|is|are|\s)\s{0,3}['\"]?([\w+/=.~-]{12,512})"
)
_MARKS: Final = ("key", "secret", "token", "bearer", "activation")


def find_secrets(view: View) -> Iterable[Span]:
    text = view.text
    if len(text) >= 16:
        for match in _KNOWN.finditer(text):
            yield Span(*match.span(), "SECRET", CERTAIN_SHAPE, "secret")
    if "-----" in text:
        yield from _private_keys(text)
    if any(mark in view.lower for mark in _MARKS):
        yield from _assigned(view)


def _private_keys(text: str) -> Iterator[Span]:
    """A PEM block from BEGIN to END (RFC 7468); one whose end is cut off reaches to the end of its window."""
    reached = 0
    for match in _PEM.finditer(text):
        if match.start() < reached:
            continue
        end = _PEM_END.search(text, match.end(), match.end() + _LONGEST_PEM)
        reached = end.end() if end else min(len(text), match.end() + _LONGEST_PEM)
        yield Span(match.start(), reached, "SECRET", CERTAIN_SHAPE, "secret")


def _assigned(view: View) -> Iterator[Span]:
    """A value named as key, secret or token: letters and digits mixed, so that "token is invalid" stays."""
    for match in _ASSIGNED.finditer(view.lower):
        value = match.group(1)
        if any(c.isdigit() for c in value) and any(c.isalpha() for c in value):
            yield Span(*match.span(1), "SECRET", CONTEXT, "secret")
