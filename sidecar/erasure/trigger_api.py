"""The endpoint that a chatbot calls with messages: who asks to be forgotten is filed, for a person to look at."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from http import HTTPStatus
from typing import Final

from aiohttp import web

from sidecar.access import Identity, Role
from sidecar.admin.route import SUBJECT, AdminRoute
from sidecar.audit.record import Action
from sidecar.erasure.answers import guarded, read_body
from sidecar.erasure.attempt import Clock
from sidecar.erasure.intake import Intake
from sidecar.erasure.recognition import asks_to_be_forgotten
from sidecar.erasure.trigger import filed, parse_message
from sidecar.erasure.trigger_signature import SIGNED_AT, SignedSenders
from sidecar.keys import Pseudonymizer
from sidecar.metrics import Metrics

PATH: Final = "/v1/erasure-triggers"
_INTAKE: Final = frozenset({Role.INTAKE})


def trigger_routes(
    intake: Intake,
    pseudonyms: Sequence[Pseudonymizer],
    intents: Collection[str],
    metrics: Metrics,
    clock: Clock,
    senders: SignedSenders | None = None,
) -> tuple[AdminRoute, ...]:
    """Return the endpoint. 200: the message asks for nothing; 202: a request waits for confirmation.

    ``pseudonyms`` make the request's id: by the current master key, and by those before it, for what was filed already.
    ``senders``: who may sign in place of a token or certificate.
    """

    async def take(request: web.Request, _identity: Identity) -> web.StreamResponse:
        message = parse_message(await read_body(request))
        if not asks_to_be_forgotten(message.text, message.intent, intents):
            return web.json_response({"recognised": False})
        day = (request.get(SIGNED_AT) or clock()).date()
        wanted, *former = (filed(message, day, one) for one in pseudonyms)
        request[SUBJECT] = intake.subject(wanted)
        accepted = await intake.accept(await intake.kept_of(former) or wanted)
        request[SUBJECT] = accepted.view.subject
        if accepted.new:
            metrics.erasure_requests.inc()
        said = {"recognised": True, "id": accepted.view.id, "state": accepted.view.accepted_state}
        return web.json_response(said, status=HTTPStatus.ACCEPTED)

    signer = senders.identify if senders else None
    return (AdminRoute("POST", PATH, _INTAKE, Action.ERASURE_SUBMIT, guarded(take), signer),)
