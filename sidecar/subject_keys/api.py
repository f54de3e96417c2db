"""People's keys on the admin listener, for applications that don't embed the library."""

from __future__ import annotations

from base64 import b64encode
from http import HTTPStatus
from typing import Final

from aiohttp import web

from sidecar.access import Identity, Role
from sidecar.admin.route import SUBJECT, AdminRoute, Handler
from sidecar.audit.record import Action
from sidecar.erasure.answers import error_response, invalid, read_body, unavailable
from sidecar.erasure.reading import RequestInvalid
from sidecar.erasure.request import parse_identity
from sidecar.errors import StoreUnavailable
from sidecar.stores.subject_keys import Subject, SubjectFenced
from sidecar.subject_keys.keeper import SubjectKeys

PATH: Final = "/v1/subject-keys"
_USERS: Final = frozenset({Role.KEY_USER})
_OFFICERS: Final = frozenset({Role.PRIVACY_OFFICER})


def subject_key_routes(keys: SubjectKeys) -> tuple[AdminRoute, ...]:
    """Return the endpoints, with who may call each."""

    async def subject_of(request: web.Request) -> Subject:
        identity = parse_identity(await read_body(request))
        subject = keys.subject(identity.type.value, identity.value)
        request[SUBJECT] = subject.current
        return subject

    async def key(request: web.Request, _identity: Identity) -> web.StreamResponse:
        name, secret = await keys.named_key(await subject_of(request))
        request[SUBJECT] = name
        body = {"subject": name, "key": b64encode(secret).decode("ascii")}
        return web.json_response(body, headers={"Cache-Control": "no-store"})

    async def authorise(request: web.Request, _identity: Identity) -> web.StreamResponse:
        subject = await subject_of(request)
        authorised, name = await keys.authorise(subject), await keys.name(subject)
        request[SUBJECT] = name
        return web.json_response({"subject": name, "authorised": authorised})

    return (
        AdminRoute("POST", PATH, _USERS, Action.SUBJECT_KEY, _guarded(key)),
        AdminRoute("POST", f"{PATH}/authorisations", _OFFICERS, Action.SUBJECT_KEY, _guarded(authorise)),
    )


def _guarded(handler: Handler) -> Handler:
    async def answer(request: web.Request, identity: Identity) -> web.StreamResponse:
        try:
            return await handler(request, identity)
        except RequestInvalid as error:
            return invalid(error.problems)
        except SubjectFenced:
            return error_response(
                HTTPStatus.GONE, "destroyed", "the key of this person was destroyed; another one must be authorised"
            )
        except StoreUnavailable:
            return unavailable()

    return answer
