"""Wires what reads the audit log and carries it elsewhere: auditors' endpoints, anchors, sinks, notes of readings."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from sidecar.admin.audit_api import SCRATCH, AuditParts, audit_routes
from sidecar.admin.route import AdminRoute
from sidecar.app.audit_elsewhere import anchor_of, sink_of
from sidecar.app.auditing import audit_of, log_keys_of, origin_of
from sidecar.app.settings import Settings
from sidecar.audit.anchors.anchor import Anchor
from sidecar.audit.anchors.cosigned import cosigned_checkpoint
from sidecar.audit.anchors.publishing import AnchorPublishing, Pace, ask, opened
from sidecar.audit.anchors.verdict import Answer
from sidecar.audit.anchors.witness import WitnessAnchor
from sidecar.audit.forwarding import Forwarding
from sidecar.audit.log import AuditLog
from sidecar.audit.note import Note
from sidecar.audit.reading import AuditReading
from sidecar.audit.reads import ReadsCollecting
from sidecar.audit.source import LogSource
from sidecar.config import load_config
from sidecar.config.model import Config
from sidecar.erasure.request import IdentityType, SubjectIdentity, subject_pseudonym
from sidecar.errors import PayloadFault, PayloadRefused
from sidecar.keys import MasterKey, Purpose
from sidecar.metrics import Metrics

SINKS = "sinks"
"""The folder, beside the log, that says how far each sink has come."""


@dataclass(frozen=True, slots=True)
class Auditing:
    """The audit log, started, with all that reads it."""

    log: AuditLog
    routes: tuple[AdminRoute, ...]
    reading: AuditReading
    anchored: Callable[[], bool]  # False once an anchor contradicts the log
    cosigned: Callable[[], Awaitable[Note | None]]


def anchors_of(config: Config) -> tuple[Anchor, ...]:
    """Return the anchors. Raises ``ConfigError``."""
    folder = config.audit.folder
    return tuple(anchor_of(one, f"audit.anchors[{index}]", folder) for index, one in enumerate(config.audit.anchors))


def ask_anchors(path: Path) -> tuple[Answer, ...]:
    """Return what the anchors of a configuration hold of its log. Raises ``ConfigError``."""
    config = load_config(path)
    anchors = anchors_of(config)

    async def asked() -> tuple[Answer, ...]:
        async with opened(anchors):
            return await ask(anchors, origin_of(config), config.audit.anchor_patience_seconds)

    return asyncio.run(asked())


async def started_auditing(stack: AsyncExitStack, settings: Settings, metrics: Metrics) -> Auditing:
    """Start the log, held against what anchors know of it (A12), and then what reads it.

    Stopped in reverse, but for one thing: the log's last checkpoint is brought to the anchors after it has closed.
    """
    config = settings.config.audit
    anchors = anchors_of(settings.config)
    await stack.enter_async_context(opened(anchors))
    log_keys = log_keys_of(settings)
    keys, signers = log_keys.provider, (log_keys.signer, *log_keys.earlier)
    reading = AuditReading(config.folder, keys)
    publishing = AnchorPublishing(
        anchors, reading, [one.verifier for one in signers], metrics, Pace(config.anchor_interval_seconds)
    )
    stack.push_async_callback(reading.stop)
    stack.push_async_callback(publishing.conclude)
    log = audit_of(settings, metrics)
    await asyncio.to_thread(_clear_scratch, config.folder)
    await log.start(await ask(anchors, origin_of(settings.config), config.anchor_patience_seconds))
    stack.push_async_callback(log.stop)
    sinks = [sink_of(one, f"audit.sinks[{index}]") for index, one in enumerate(config.sinks)]
    source = LogSource(config.folder, keys, lambda: log.size)
    for part in (
        reading,
        publishing,
        Forwarding(sinks, source, config.folder / SINKS, metrics),
        ReadsCollecting(config.folder, log),
    ):
        await part.start()
        stack.push_async_callback(part.stop)
    masters = (*settings.earlier_masters, settings.master)
    parts = AuditParts(reading, partial(candidate_pseudonyms, masters), config.folder)
    witnesses = [one for one in anchors if isinstance(one, WitnessAnchor)]
    cosigned = partial(cosigned_checkpoint, witnesses, origin_of(settings.config))
    return Auditing(log, audit_routes(parts), reading, lambda: publishing.sound, cosigned)


def _clear_scratch(folder: Path) -> None:
    """Remove what a crash left of exports: records in clear."""
    for left in folder.glob(f"{SCRATCH}*"):
        shutil.rmtree(left, ignore_errors=True)


def candidate_pseudonyms(masters: Sequence[MasterKey], candidate: Mapping[str, object]) -> frozenset[str]:
    """Return what a candidate would be called in the log, under each key: a conversation, or a person (A21, A22).

    A person is all identities of one erasure request, as rows of type and value.
    """
    match candidate:
        case {"conversation": str(name)} if name and len(candidate) == 1:
            labels = [one.pseudonymizer(Purpose.AUDIT_PSEUDONYM) for one in masters]
            return frozenset(one.label("conversation", name) for one in labels)
        case {"subject": [_, *_] as rows} if len(candidate) == 1:
            subject = tuple(_identity(row) for row in rows)
            return frozenset(
                subject_pseudonym(subject, one.pseudonymizer(Purpose.ERASURE_PSEUDONYM)) for one in masters
            )
    raise PayloadRefused(PayloadFault.NOT_PARSEABLE, "give a conversation, or a subject as rows of type and value")


def _identity(row: object) -> SubjectIdentity:
    match row:
        case [str(kind), str(value)] if kind in set(IdentityType) and value.strip():
            return SubjectIdentity(IdentityType(kind), value.strip())
    raise PayloadRefused(PayloadFault.NOT_PARSEABLE, "a row of the subject is no identity")
