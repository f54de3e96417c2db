"""What the endpoints say about a request. Pure: closed words, counts and dates, never an identity."""

from __future__ import annotations

from datetime import datetime

from sidecar.erasure.intake import Accepted
from sidecar.erasure.receipt import timestamp
from sidecar.stores.erasure_views import RequestView, TaskView


def accepted_body(accepted: Accepted) -> dict[str, object]:
    """Say what was said when the request was first accepted, however it stands by now (E2)."""
    view = accepted.view
    return {
        "id": view.id,
        "state": view.accepted_state,
        "regulation": view.regulation,
        "received_time": timestamp(view.received_at),
        "legal_deadline": timestamp(view.from_receipt_at),
        "internal_deadline": timestamp(accepted.internal),
        "clock": view.clock.value,
        "unused_identity_types": list(view.unused_types),
        "receipt_salt": accepted.salt,
    }


def status_body(view: RequestView, now: datetime) -> dict[str, object]:
    """Say how a request stands. While its clock stands still it has no legal deadline but the one from receipt (E7)."""
    return {
        "id": view.id,
        "state": view.state_at(now).value,
        "regulation": view.regulation,
        "origin": view.origin,
        "received_time": timestamp(view.received_at),
        "clock": "paused" if view.paused else "running",
        "legal_deadline": None if view.paused else timestamp(view.legal_at),
        "legal_deadline_from_receipt": timestamp(view.from_receipt_at),
        "internal_deadline": None if view.paused else timestamp(view.internal_at),
        "extension": _extension(view),
        "verified_by": view.verified_by,
        "round": view.round,
        "second_look_time": _optional(view.second_look_at),
        "cancelled_time": _optional(view.cancelled_at),
        "ended_time": _optional(view.ended_at),
        "identities_kept_until": timestamp(view.forget_at) if view.forget_at and view.sealed else None,
        "identities_destroyed": not view.sealed,
        "unused_identity_types": list(view.unused_types),
        "targets": [_task(task) for task in view.tasks],
    }


def _task(task: TaskView) -> dict[str, object]:
    return {
        "task": task.id,
        "target": task.target,
        "outcome": task.outcome.value,
        "attempts": task.attempts,
        "fault": task.fault,
        "detail": task.detail,
        "found_count": task.found,
        "claimed_deleted_count": task.deleted,
        "claimed_counts": task.parts,
        "remaining_count": task.remaining,
        "verified_time": _optional(task.verified_at),
        "until_time": _optional(task.until_at),
        "ground": task.ground,
    }


def _extension(view: RequestView) -> dict[str, object] | None:
    if view.extended_at is None:
        return None
    return {
        "ground": view.extension_ground,
        "extended_time": timestamp(view.extended_at),
        "legal_deadline_before": _optional(view.unextended_at),
    }


def _optional(moment: datetime | None) -> str | None:
    return timestamp(moment) if moment else None
