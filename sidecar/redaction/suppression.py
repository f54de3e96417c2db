"""Marks what belongs to an erased person among what was found in a text (E27). Pure, but for what it counts.

Stale caches and late writers bring erased people back. Whatever detection finds is compared by keyed hash with the
identifiers of those who asked to be forgotten; a hit takes another type, ``ERASED``, which every policy replaces in
whole, by the same words for everybody: nothing is kept of it, numbered or hashed anew.

Names are not compared: they are shared by too many, and are replaced anyway. Short identifiers neither: "17" is
somebody's customer number and everybody's number of items.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import Final

from sidecar.detection.entity_types import ERASED
from sidecar.detection.recognizer import Message
from sidecar.detection.span import Span
from sidecar.keys import Pseudonymizer
from sidecar.redaction.canonical import canonical

KEY_BYTES: Final = 16
_SHORTEST: Final = {"EMAIL": 5, "PHONE": 7, "OTHER_ID": 5}
_AS_EMAIL: Final = ("EMAIL",)
_AS_PHONE: Final = ("PHONE", "OTHER_ID")  # a customer number may be taken for a telephone number
_AS_ID: Final = ("OTHER_ID",)
_FORMS: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        "EMAIL": _AS_EMAIL,
        "PHONE": _AS_PHONE,
        **dict.fromkeys(
            ("USERNAME", "ORDER_ID", "ACCOUNT_ID", "OTHER_ID", "NATIONAL_ID", "PASSPORT", "TRACKING_NUMBER"), _AS_ID
        ),
    }
)
_IDENTITIES: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {"email": _AS_EMAIL, "phone": _AS_PHONE, "customer_id": _AS_ID, "account_id": _AS_ID, "username": _AS_ID}
)


def suppression_keys(kind: str, value: str, keys: Pseudonymizer) -> tuple[bytes, ...]:
    """Return what stands for an identity of a request, by its type's word; nothing for one that is not compared."""
    return _keys(_IDENTITIES.get(kind, ()), value, keys)


class Suppression:
    """Who is erased, in memory: 16 bytes of a keyed hash for each form of an identifier, and whose request it is.

    ``former``: of master keys from before a rotation. A value is hashed by those alone that made a hash of the set.
    """

    def __init__(self, keys: Pseudonymizer, former: Sequence[Pseudonymizer] = ()) -> None:
        self._keys = (keys, *former)
        self._in_use = self._keys
        self._requests: Mapping[bytes, str] = {}
        self._hits: Counter[str] = Counter()
        self._generation = 0

    @property
    def generation(self) -> int:
        """How often the set has changed: what was worked out under another one may not hold."""
        return self._generation

    def load(self, requests: Mapping[bytes, str], versions: Collection[int | None] = (None,)) -> None:
        """Replace the whole set: from the key of an identifier to the id of the request.

        ``versions``: of the master keys that made the set; None among them: nobody noted of which.
        """
        self._in_use = tuple(one for one in self._keys if None in versions or one.version in versions)
        if requests != self._requests:
            self._requests = requests
            self._generation += 1

    def take_hits(self) -> Mapping[str, int]:
        """Return how often each request's person turned up since the last call."""
        hits, self._hits = self._hits, Counter()
        return hits

    def marked(self, messages: Sequence[Message], found: list[tuple[Span, ...]]) -> list[tuple[Span, ...]]:
        """Return what was found, with what belongs to an erased person called so."""
        if not self._requests:
            return found
        return [
            tuple(self._marked(message.text, span) for span in spans) if spans else spans
            for message, spans in zip(messages, found, strict=True)
        ]

    def _marked(self, text: str, span: Span) -> Span:
        forms = _FORMS.get(span.label)
        if forms is None:
            return span
        value = text[span.start : span.end]
        for keys in self._in_use:
            for key in _keys(forms, value, keys):
                request = self._requests.get(key)
                if request is not None:
                    self._hits[request] += 1
                    return replace(span, label=ERASED, score=1.0)
        return span


def _keys(forms: Sequence[str], value: str, keys: Pseudonymizer) -> tuple[bytes, ...]:
    written = ((form, canonical(form, value)) for form in forms)
    return tuple(keys.digest(form, one)[:KEY_BYTES] for form, one in written if len(one) >= _SHORTEST[form])
