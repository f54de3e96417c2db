"""Turns values into asks: keyed hashes of a value, of its shorter forms, and of what it can't be. Pure.

Which asks are one entity is decided on those hashes alone, in ``book``.
"""

from __future__ import annotations

from collections.abc import Iterable

from sidecar.keys import Pseudonymizer
from sidecar.redaction.canonical import canonical, plainly
from sidecar.redaction.person import person_name
from sidecar.redaction.scope import Ask


def ask_for(label: str, value: str, keys: Pseudonymizer) -> Ask:
    """Return the ask for a value. Its ``key`` is also what erasure looks for (E48)."""
    if label != "PERSON":
        return Ask(label, keys.digest(label, canonical(label, value)))
    name = person_name(plainly(value))
    return Ask(
        label,
        keys.digest(label, name.key or canonical(label, value)),
        tuple(keys.digest(label, form) for form in name.shorter_forms),
        tuple(keys.digest(label, form) for form in name.contradicting_forms),
    )


def scope_key(scope: str, keys: Pseudonymizer) -> bytes:
    """Return what stands for a conversation in stored state."""
    return keys.digest("scope", scope)


def full_name(value: str, names: Iterable[str]) -> str:
    """Return the one of ``names`` (known values of the conversation) that ``value`` is a short form of, else ``value``.

    A form that fits two people fits nobody.
    """
    key = person_name(plainly(value)).key
    fitting: dict[str, str] = {}
    for name in names:
        known = person_name(plainly(name))
        if known.key == key:
            return value
        if key in known.shorter_forms:
            fitting[known.key] = name
    return next(iter(fitting.values())) if len(fitting) == 1 else value
