"""Within what placeholders are numbered: a conversation, or what belongs to none."""

from __future__ import annotations

_OF_CONVERSATION = "conversation:"


def scope_of(namespace: str, conversation: str) -> str:
    """Return the scope of a conversation with an id."""
    return f"{_OF_CONVERSATION}{namespace}:{conversation}"


def scope_of_none(fallback_scope: str) -> str:
    """Return the scope of what belongs to no conversation with an id.

    The fallback is the scope of a conversation, or begins with the name of a route, which holds no colon.
    """
    return fallback_scope if fallback_scope.startswith(_OF_CONVERSATION) else f"payload:{fallback_scope}"
