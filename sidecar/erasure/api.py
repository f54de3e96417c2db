"""The HTTP face of erasure: submit, confirm, read, receipt, replay. Errors have the shape of OpenDSR's.

No answer depends on whether a person is known anywhere: only on the request and on what was submitted before (E6).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final
from uuid import UUID

from aiohttp import web
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from sidecar.access import Identity, Role
from sidecar.admin.route import SUBJECT, AdminRoute, Handler
from sidecar.audit.record import Action
from sidecar.erasure.attempt import Clock, utc_now
from sidecar.erasure.intake import Accepted, Intake
from sidecar.erasure.outcomes import ENDED_STATES, RequestState, request_state
from sidecar.erasure.plan import PlanTooLarge
from sidecar.erasure.receipt import key_id, timestamp
from sidecar.erasure.request import MAX_BODY_BYTES, RequestInvalid, parse_request, parse_verification
from sidecar.errors import Problem, StoreUnavailable
from sidecar.metrics import Metrics
from sidecar.stores.erasure_tasks import ErasureTasks
from sidecar.stores.erasures import ErasureRequests, IdTaken, RequestView

PATH: Final = "/v1/erasures"
_RETRY_AFTER_S: Final = "30"
_READERS: Final = frozenset({Role.INTAKE, Role.PRIVACY_OFFICER, Role.AUDITOR})
_SUBMITTERS: Final = frozenset({Role.INTAKE})
_CONFIRMERS: Final = frozenset({Role.INTAKE, Role.PRIVACY_OFFICER})
_OFFICERS: Final = frozenset({Role.PRIVACY_OFFICER})


@dataclass(frozen=True, slots=True)
class ErasureParts:
    """What the endpoints stand on. ``wake`` tells the worker that there is something new."""

    intake: Intake
    requests: ErasureRequests
    tasks: ErasureTasks
    receipt_keys: tuple[Ed25519PublicKey, ...]
    metrics: Metrics
    wake: Callable[[], None]
    clock: Clock = utc_now


def erasure_routes(parts: ErasureParts) -> tuple[AdminRoute, ...]:
    """Return the endpoints, with who may call each."""
    api = _Api(parts)
    one = PATH + "/{id}"
    return (
        AdminRoute("POST", PATH, _SUBMITTERS, Action.ERASURE_SUBMIT, _guarded(api.submit)),
        AdminRoute("GET", one, _READERS, Action.ERASURE_READ, _guarded(api.status)),
        AdminRoute("POST", f"{one}/verification", _CONFIRMERS, Action.ERASURE_SUBMIT, _guarded(api.confirm)),
        AdminRoute("GET", f"{one}/receipt", _READERS, Action.ERASURE_READ, _guarded(api.receipt)),
        AdminRoute("POST", "/v1/erasure-replays", _OFFICERS, Action.ERASURE_SUBMIT, _guarded(api.replay)),
        AdminRoute("GET", "/v1/erasure-receipt-keys", _READERS, None, _guarded(api.keys)),
    )


class _Api:
    def __init__(self, parts: ErasureParts) -> None:
        self._parts = parts

    async def submit(self, request: web.Request, _identity: Identity) -> web.StreamResponse:
        parsed = parse_request(await _read_body(request))
        request[SUBJECT] = self._parts.intake.subject(parsed)
        accepted = await self._parts.intake.accept(parsed)
        if accepted.new:
            self._parts.metrics.erasure_requests.inc()
            self._parts.wake()
        location = {"Location": f"{PATH}/{accepted.view.id}"}
        return web.json_response(_accepted_body(accepted), status=HTTPStatus.ACCEPTED, headers=location)

    async def confirm(self, request: web.Request, _identity: Identity) -> web.StreamResponse:
        verified_by = parse_verification(await _read_body(request))
        view = await self._parts.requests.confirm(_request_id(request), verified_by, self._parts.clock())
        if view is None:
            return _not_found()
        self._parts.wake()
        return self._status(request, view)

    async def status(self, request: web.Request, _identity: Identity) -> web.StreamResponse:
        view = await self._parts.requests.find(_request_id(request))
        return _not_found() if view is None else self._status(request, view)

    async def receipt(self, request: web.Request, _identity: Identity) -> web.StreamResponse:
        view = await self._parts.requests.find(_request_id(request))
        if view is None:
            return _not_found()
        request[SUBJECT] = view.subject
        data = await self._parts.requests.receipt(view.id)
        if data is None:
            return error_response(HTTPStatus.CONFLICT, "not_ended", "the request has not ended, so there is no receipt")
        return web.Response(body=data, content_type="application/json")

    async def replay(self, _request: web.Request, _identity: Identity) -> web.StreamResponse:
        replayed = await self._parts.tasks.replay(self._parts.clock())
        self._parts.wake()
        return web.json_response({"requests": replayed}, status=HTTPStatus.ACCEPTED)

    async def keys(self, _request: web.Request, _identity: Identity) -> web.StreamResponse:
        keys = [{"key_id": key_id(key), "public_key": _pem(key)} for key in self._parts.receipt_keys]
        return web.json_response({"keys": keys})

    def _status(self, request: web.Request, view: RequestView) -> web.Response:
        request[SUBJECT] = view.subject
        state = request_state(
            view.outcomes,
            view.unused_types,
            subject_verified=view.verified_at,
            legal=view.overdue_at,
            now=self._parts.clock(),
        )
        if state in ENDED_STATES and view.ended_at is None:
            state = (
                RequestState.IN_PROGRESS
            )  # the receipt is still to be signed: whoever reads "completed" can fetch it
        return web.json_response(_status_body(view, state.value))


def _guarded(handler: Handler) -> Handler:
    """Return the handler with what it may raise turned into answers."""

    async def answer(request: web.Request, identity: Identity) -> web.StreamResponse:
        try:
            return await handler(request, identity)
        except RequestInvalid as invalid:
            return _invalid(invalid.problems)
        except PlanTooLarge as large:
            return _invalid((Problem("subject.identities", str(large), "Split the request"),))
        except IdTaken:
            return error_response(
                HTTPStatus.CONFLICT, "id_taken", "this id belongs to a request with another body; choose another id"
            )
        except StoreUnavailable:
            return _unavailable()

    return answer


async def _read_body(request: web.Request) -> bytes:
    if request.content_type != "application/json":
        problem = Problem("body", "is not application/json", "Send JSON with Content-Type: application/json")
        raise RequestInvalid((problem,))
    body = await request.content.read(MAX_BODY_BYTES + 1)
    while len(body) <= MAX_BODY_BYTES and not request.content.at_eof():
        body += await request.content.read(MAX_BODY_BYTES + 1 - len(body))
    if len(body) > MAX_BODY_BYTES:
        raise RequestInvalid((Problem("body", f"is longer than {MAX_BODY_BYTES} bytes", "Split the request"),))
    return body


def _request_id(request: web.Request) -> str:
    """Return the id of the path, or one that no request has: whatever is no UUID is simply not there."""
    try:
        return str(UUID(request.match_info["id"]))
    except ValueError:
        return ""


def _accepted_body(accepted: Accepted) -> dict[str, object]:
    """Say what was said when the request was first accepted, however it stands by now (E2)."""
    view = accepted.view
    return {
        "id": view.id,
        "state": view.accepted_state,
        "regulation": view.regulation,
        "received_time": timestamp(view.received_at),
        "legal_deadline": timestamp(view.legal_at),
        "internal_deadline": timestamp(view.internal_at),
        "unused_identity_types": list(view.unused_types),
        "receipt_salt": accepted.salt,
    }


def _status_body(view: RequestView, state: str) -> dict[str, object]:
    return {
        "id": view.id,
        "state": state,
        "regulation": view.regulation,
        "received_time": timestamp(view.received_at),
        "legal_deadline": timestamp(view.legal_at),
        "internal_deadline": timestamp(view.internal_at),
        "verified_by": view.verified_by,
        "round": view.round,
        "ended_time": timestamp(view.ended_at) if view.ended_at else None,
        "identities_kept_until": timestamp(view.forget_at) if view.forget_at and view.sealed else None,
        "identities_destroyed": not view.sealed,
        "unused_identity_types": list(view.unused_types),
        "targets": [
            {
                "target": task.target,
                "outcome": task.outcome.value,
                "attempts": task.attempts,
                "claimed_deleted_count": task.deleted,
                "remaining_count": task.remaining,
                "verified_time": timestamp(task.verified_at) if task.verified_at else None,
                "until_time": timestamp(task.until_at) if task.until_at else None,
            }
            for task in view.tasks
        ],
    }


def error_response(status: HTTPStatus, reason: str, message: str, more: Sequence[Problem] = ()) -> web.Response:
    """Return an error in OpenDSR's shape (section 6.2 of the specification). Texts are ours alone (E5)."""
    errors = [{"domain": "Validation", "reason": problem.path, "message": str(problem)} for problem in more]
    body = {"error": {"code": status.value, "reason": reason, "message": message, "errors": errors}}
    return web.json_response(body, status=status.value)


def _invalid(problems: Sequence[Problem]) -> web.Response:
    return error_response(HTTPStatus.BAD_REQUEST, "invalid", "the request can't be used", problems)


def _not_found() -> web.Response:
    return error_response(HTTPStatus.NOT_FOUND, "not_found", "there is no such request")


def _unavailable() -> web.Response:
    response = error_response(
        HTTPStatus.SERVICE_UNAVAILABLE, "unavailable", "nothing was accepted or changed; send the same request again"
    )
    response.headers["Retry-After"] = _RETRY_AFTER_S
    return response


def _pem(key: Ed25519PublicKey) -> str:
    return key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode("ascii")
