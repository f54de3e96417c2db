"""What the endpoints of erasure have in common: how a body is read, and what is answered when something is wrong.

Errors have the shape of OpenDSR's. No answer repeats what was sent.
"""

from __future__ import annotations

from collections.abc import Sequence
from http import HTTPStatus
from typing import Final
from uuid import UUID

from aiohttp import web

from sidecar.access import Identity
from sidecar.admin.route import BODY, Handler
from sidecar.erasure.plan import PlanTooLarge
from sidecar.erasure.reading import RequestInvalid
from sidecar.erasure.request import MAX_BODY_BYTES
from sidecar.errors import Problem, StoreUnavailable
from sidecar.stores.erasure_changes import NotExtendable, NotPending
from sidecar.stores.erasures import IdTaken

_RETRY_AFTER_S: Final = "30"


def guarded(handler: Handler) -> Handler:
    """Return the handler with what it may raise turned into answers."""

    async def answer(request: web.Request, identity: Identity) -> web.StreamResponse:
        try:
            return await handler(request, identity)
        except RequestInvalid as faulty:
            return invalid(faulty.problems)
        except PlanTooLarge as large:
            return invalid((Problem("subject.identities", str(large), "Split the request"),))
        except IdTaken:
            return error_response(
                HTTPStatus.CONFLICT, "id_taken", "this id belongs to a request with another body; choose another id"
            )
        except NotPending as begun:
            return error_response(HTTPStatus.CONFLICT, "not_pending", str(begun))
        except NotExtendable as refused:
            return error_response(HTTPStatus.CONFLICT, "not_extendable", str(refused))
        except StoreUnavailable:
            return unavailable()

    return answer


async def read_body(request: web.Request) -> bytes:
    if request.content_type != "application/json":
        problem = Problem("body", "is not application/json", "Send JSON with Content-Type: application/json")
        raise RequestInvalid((problem,))
    body = request.get(BODY)
    if body is None:
        body = await read_raw(request)
    if len(body) > MAX_BODY_BYTES:
        raise RequestInvalid((Problem("body", f"is longer than {MAX_BODY_BYTES} bytes", "Split the request"),))
    return body


async def read_raw(request: web.Request) -> bytes:
    """Return the body as it came; of one that is too long, so much that this shows."""
    body = await request.content.read(MAX_BODY_BYTES + 1)
    while len(body) <= MAX_BODY_BYTES and not request.content.at_eof():
        body += await request.content.read(MAX_BODY_BYTES + 1 - len(body))
    return body


def request_id(request: web.Request, part: str = "id") -> str:
    """Return the id of the path, or one that nothing has: whatever is no UUID is simply not there."""
    try:
        return str(UUID(request.match_info[part]))
    except ValueError:
        return ""


def error_response(status: HTTPStatus, reason: str, message: str, more: Sequence[Problem] = ()) -> web.Response:
    """Return an error in OpenDSR's shape (section 6.2 of the specification). Texts are ours alone (E5)."""
    errors = [{"domain": "Validation", "reason": problem.path, "message": str(problem)} for problem in more]
    body = {"error": {"code": status.value, "reason": reason, "message": message, "errors": errors}}
    return web.json_response(body, status=status.value)


def invalid(problems: Sequence[Problem]) -> web.Response:
    return error_response(HTTPStatus.BAD_REQUEST, "invalid", "the request can't be used", problems)


def not_found(what: str = "there is no such request") -> web.Response:
    return error_response(HTTPStatus.NOT_FOUND, "not_found", what)


def not_ended() -> web.Response:
    return error_response(HTTPStatus.CONFLICT, "not_ended", "the request has not ended, so there is no receipt")


def unavailable() -> web.Response:
    response = error_response(
        HTTPStatus.SERVICE_UNAVAILABLE, "unavailable", "nothing was accepted or changed; send the same request again"
    )
    response.headers["Retry-After"] = _RETRY_AFTER_S
    return response
