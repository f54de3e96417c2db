"""Cuts a payload's messages into batches for workers. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from sidecar.detection.recognizer import Message

MOST_MESSAGES: Final = 32
MOST_CHARACTERS: Final = 8_000


def batches(messages: Sequence[Message], workers: int) -> Iterator[list[Message]]:
    """Cut messages into batches: small enough for the budget, and spread over so many workers."""
    most = min(MOST_MESSAGES, max(1, -(-len(messages) // workers)))
    batch: list[Message] = []
    characters = 0
    for message in messages:
        if batch and (len(batch) >= most or characters + len(message.text) > MOST_CHARACTERS):
            yield batch
            batch, characters = [], 0
        batch.append(message)
        characters += len(message.text)
    if batch:
        yield batch
