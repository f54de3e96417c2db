"""Turns values into asks: keyed hashes of a value, of its shorter forms, and of what it can't be. Pure.

Which asks are one entity is decided on those hashes alone, in ``book``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

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


@dataclass(frozen=True, slots=True)
class People:
    """The known names of a conversation, found by their forms: made once, asked for every mention."""

    keys: frozenset[str] = field(repr=False)
    by_shorter_form: Mapping[str, Mapping[str, str]] = field(repr=False)  # form -> key of the whole name -> name


def people_of(names: Iterable[str]) -> People:
    """Return the people of these names."""
    keys: set[str] = set()
    forms: dict[str, dict[str, str]] = {}
    for name in names:
        known = person_name(plainly(name))
        keys.add(known.key)
        for form in known.shorter_forms:
            forms.setdefault(form, {})[known.key] = name
    return People(frozenset(keys), forms)


def full_name(value: str, people: People) -> str:
    """Return the one known name that ``value`` is a short form of, else ``value``.

    A form that fits two people fits nobody.
    """
    key = person_name(plainly(value)).key
    fitting = people.by_shorter_form.get(key, {})
    return next(iter(fitting.values())) if key not in people.keys and len(fitting) == 1 else value
