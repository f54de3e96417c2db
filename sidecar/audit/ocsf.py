"""Rows as events of the Open Cybersecurity Schema Framework, version 1.4.0 (schema.ocsf.io). Pure.

What passes through is Datastore Activity (6005), what is asked of the admin listener API Activity (6003), what happens
to the sidecar itself Application Lifecycle (6002). What has no place in the schema stands under ``unmapped``.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from sidecar import __version__
from sidecar.audit.query import Row
from sidecar.audit.record import Action, Decision

SCHEMA_VERSION = "1.4.0"
APPLICATION = 6
LIFECYCLE, API, DATASTORE = 6002, 6003, 6005
OTHER = 99

_CLASS_NAMES = {LIFECYCLE: "Application Lifecycle", API: "API Activity", DATASTORE: "Datastore Activity"}
_METHODS = {"GET": 1, "HEAD": 1, "OPTIONS": 1, "PUT": 2, "PATCH": 2, "POST": 5, "DELETE": 7}  # Read, Update, Write …
_API_ACTIVITIES = {
    Action.ADMIN_READ: 2, Action.AUDIT_READ: 2, Action.AUDIT_SEARCH: 2, Action.AUDIT_EXPORT: 2, Action.AUDIT_VERIFY: 2,
    Action.AUDIT_CANDIDATE: 2, Action.ERASURE_READ: 2, Action.ERASURE_SUBMIT: 1,
}  # fmt: skip
_STARTS = {Action.START: 3, Action.STOP: 4}
_STATUSES = {Decision.COMPLETED: (1, "Success"), Decision.PENDING: (0, "Unknown")}
_MAPPED = frozenset({
    "seq", "time", "end_seq", "end_time", "actor", "decision", "reason", "status", "exchange_id", "duration_us",
    "method",
})  # fmt: skip


def event_of(row: Row, origin: str) -> Mapping[str, object]:
    """Return a row of a log as one event. ``unmapped`` holds keyed hashes and counts, as the record does."""
    members = row.members
    action = str(members.get("action", ""))
    class_uid, activity = _class_of(action, str(members.get("method", "")))
    status_id, status = _status_of(members)
    product = {"name": "privacy-sidecar", "vendor_name": "privacy-sidecar", "version": __version__}
    event: dict[str, object] = {
        "category_uid": APPLICATION, "category_name": "Application Activity",
        "class_uid": class_uid, "class_name": _CLASS_NAMES[class_uid],
        "activity_id": activity, "type_uid": class_uid * 100 + activity,
        "severity_id": 1 if status_id in (0, 1) else 3,
        "status_id": status_id, "status": status,
        "time": _milliseconds(str(members["time"])), "start_time": _milliseconds(str(members["time"])),
        "end_time": _milliseconds(str(members["end_time"])),
        "metadata": {
            "version": SCHEMA_VERSION, "product": product, "log_name": origin, "sequence": members["seq"],
            "uid": f"{origin}#{members['seq']}", "original_time": members["time"],
            **({"correlation_uid": members["exchange_id"]} if "exchange_id" in members else {}),
        },
        "unmapped": {
            **{name: value for name, value in members.items() if name not in _MAPPED},
            "record_hashes": [one.record.hash for one in row.records],
        },
    }  # fmt: skip
    if activity == OTHER:
        event["activity_name"] = action
    return event | _details(class_uid, action, members)


def _class_of(action: str, method: str) -> tuple[int, int]:
    if action == Action.PROXY:
        return DATASTORE, _METHODS.get(method, OTHER)
    if action == Action.ERASURE_STEP:
        return DATASTORE, 7  # Delete
    if action in _API_ACTIVITIES:
        return API, _API_ACTIVITIES[Action(action)]
    return LIFECYCLE, _STARTS.get(Action(action), OTHER) if action in set(Action) else OTHER


def _details(class_uid: int, action: str, members: Mapping[str, object]) -> dict[str, object]:
    """Return what the class asks for beyond what all events have."""
    details: dict[str, object] = {}
    actor = str(members.get("actor", "privacy-sidecar"))
    if class_uid == LIFECYCLE:
        details["app"] = {"name": "privacy-sidecar", "vendor_name": "privacy-sidecar", "version": __version__}
    else:
        details["actor"] = {"user": {"name": actor, "type_id": 3, "type": "System"}}
        details["src_endpoint"] = {"name": actor}  # addresses are not recorded
    if class_uid == API:
        details["api"] = {"operation": action}
    if class_uid == DATASTORE:
        details["database"] = {"name": str(members.get("route", "sidecar")), "type_id": OTHER, "type": "Chat service"}
    for name, where in (("method", "http_request"), ("status", "http_response")):
        if name in members and class_uid != LIFECYCLE:
            details[where] = {"http_method": members[name]} if name == "method" else {"code": members[name]}
    if "reason" in members:
        details["status_detail"] = members["reason"]
    if isinstance(members.get("duration_us"), int):
        details["duration"] = int(str(members["duration_us"])) // 1000
    return details


def _status_of(members: Mapping[str, object]) -> tuple[int, str]:
    decision = members.get("decision")
    if decision is None:
        return (2, "Failure") if members.get("action") == Action.RELOAD_FAILED else (1, "Success")
    known = {one.value: one for one in Decision}.get(str(decision))
    return _STATUSES.get(known, (2, "Failure")) if known else (OTHER, "Other")


def _milliseconds(time: str) -> int:
    moment = datetime.fromisoformat(time)
    return int(moment.timestamp()) * 1000 + moment.microsecond // 1000
