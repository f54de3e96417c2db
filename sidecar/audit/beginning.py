"""From a folder to something that writes to the log in it, and what the log has to say of its own opening. Edge."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256

from sidecar.audit.anchors.verdict import Answer
from sidecar.audit.appender import Appender, LogKeys
from sidecar.audit.folder import LogFolder
from sidecar.audit.note import parse_checkpoint
from sidecar.audit.opening import Opening, open_log
from sidecar.audit.record import Action, Event
from sidecar.audit.scribe import Scribe
from sidecar.audit.settings import AuditSettings


@dataclass(frozen=True, slots=True)
class Begun:
    """A log that is open. ``events`` are to be its next records."""

    scribe: Scribe
    events: tuple[Event, ...]


def begin(
    settings: AuditSettings,
    keys: LogKeys,
    known: Sequence[Answer],
    clock: Callable[[], datetime],
    patience_seconds: float = 0.0,
) -> Begun:
    """Lock and verify the log. Blocks. Raises ConfigError that names what is wrong with it.

    ``known`` is what anchors hold of it; ``patience_seconds`` is how long another process may still hold the lock.
    """
    folder = LogFolder(settings.folder, patience_seconds)
    opening = open_log(folder, keys, settings.start_check, known)
    appender = Appender(folder, opening.head, opening.signed, keys, settings.pace, opening.introducer)
    return Begun(Scribe(appender, clock, settings.rhythm), tuple(_opened(opening, keys)))


def _opened(opening: Opening, keys: LogKeys) -> Iterator[Event]:
    """What is recorded at every start: on which checkpoint the log stands (A12), and what is not as it was before."""
    for size in opening.torn_sizes:  # first: by the number of the record it is known whether it was told
        yield Event(Action.LOG_RECOVERED, reason="torn_line", count=size)
    if opening.signed is None:
        yield Event(Action.LOG_OPENED)
    else:
        checkpoint = parse_checkpoint(opening.signed.text)
        yield Event(Action.LOG_OPENED, checkpoint_size=checkpoint.size, checkpoint_root=checkpoint.root.hex())
    if opening.introducer is not None:
        yield Event(Action.KEY_ROTATED, signing_key=sha256(keys.signer.verifier.public).hexdigest())
