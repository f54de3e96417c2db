"""Tokens against forged requests: random by definition, and no form of a page can be sent without them."""

from __future__ import annotations

import re

_NAMES = frozenset({
    "csrfmiddlewaretoken", "csrf-token", "csrf_token", "_csrf", "authenticity_token", "__requestverificationtoken",
    "_token",
})  # fmt: skip
_VALUE = re.compile(r"[A-Za-z0-9_+/=.-]{16,256}")


def is_forgery_token(name: str, text: str) -> bool:
    """Whether a field of this name with this value is such a token, of which nothing is scanned."""
    return name.lower() in _NAMES and _VALUE.fullmatch(text) is not None
