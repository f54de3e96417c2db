"""What a chatbot sends about a message of somebody who may ask to be forgotten. Pure.

Its text decides and is kept nowhere. The request's id is made from person and day, so that a chatbot may send every
message: whoever asks ten times in a day has asked once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from uuid import UUID

from sidecar.erasure.deadlines import Regulation
from sidecar.erasure.reading import Json, Problems, RequestInvalid, mapping, parse_json
from sidecar.erasure.request import (
    ErasureRequest,
    IdentityType,
    Origin,
    SubjectIdentity,
    read_identities,
    read_value,
)
from sidecar.keys import Pseudonymizer

_FIELDS = ("text", "intent", "regulation", "subject")


@dataclass(frozen=True, slots=True)
class ChatMessage:
    """One message: what was written, or what the chatbot made of it, by whom, under which law."""

    identities: tuple[SubjectIdentity, ...] = field(repr=False)
    text: str | None = field(repr=False)
    intent: str | None
    regulation: Regulation


def parse_message(body: bytes) -> ChatMessage:
    """Return the message, or raise ``RequestInvalid``."""
    problems = Problems()
    fields = mapping(parse_json(body), "body", _FIELDS, problems)
    text, intent = _text(fields.get("text"), "text", problems), _text(fields.get("intent"), "intent", problems)
    if text is None and intent is None and not problems.found:
        problems.add("text", "and intent are missing", "Give what was written, or what you made of it")
    law = next((one for one in Regulation if fields.get("regulation", Regulation.GDPR.value) == one.value), None)
    if law is None:
        problems.add("regulation", "is not known", f"Known are {', '.join(Regulation)}")
    identities = read_identities(fields.get("subject"), "subject", problems)
    if problems.found or law is None:
        raise RequestInvalid(tuple(problems.found))
    return ChatMessage(identities, text, intent, law)


def filed(message: ChatMessage, day: date, pseudonyms: Pseudonymizer) -> ErasureRequest:
    """Return the request that waits for somebody to say that the person is who they say: never a deletion by itself."""
    # In one order, or the same person named in another one would be another body under the same id.
    people = tuple(sorted(message.identities, key=lambda one: (one.type, one.value)))
    return ErasureRequest(
        id=_id(people, message.regulation, day, pseudonyms),
        regulation=message.regulation,
        identities=people,
        origin=Origin.CHAT,
    )


def overheard(
    identities: Sequence[tuple[str, str]], namespace: str, regulation: str, pseudonyms: Pseudonymizer
) -> ErasureRequest | None:
    """Return the request of somebody who asks in a chat that is read; None where no value could be an identifier.

    A chat is read again and again: its id makes the request's id, whatever else is read later, or where a chat has
    none, who asks. ``namespace`` tells chats with the same id apart.
    """
    problems = Problems()
    pairs = sorted((IdentityType(kind), value) for kind, value in identities)
    read = [read_value(kind, value, kind.value, problems) for kind, value in pairs]
    people = tuple(one for one in read if one is not None)
    if not people:
        return None
    rows = [f"{one.type.value}\x00{one.value}" for one in people]
    chats = [f"{one.type.value}\x00{one.value}" for one in people if one.type is IdentityType.CONVERSATION_ID]
    digest = pseudonyms.digest("overheard", regulation, namespace, *(chats or rows))
    request_id = str(UUID(bytes=digest[:16], version=4))
    return ErasureRequest(id=request_id, regulation=Regulation(regulation), identities=people, origin=Origin.CHAT)


def _id(identities: Sequence[SubjectIdentity], law: Regulation, day: date, pseudonyms: Pseudonymizer) -> str:
    rows = [f"{one.type.value}\x00{one.value}" for one in identities]
    digest = pseudonyms.digest("chat-request", law.value, day.isoformat(), *rows)
    return str(UUID(bytes=digest[:16], version=4))


def _text(value: Json, path: str, problems: Problems) -> str | None:
    if value is None or isinstance(value, str):
        return value
    problems.add(path, "is no text", "Give a string, or leave it out")
    return None
