"""What is taken from one side of an exchange for the other: the request's body, and the answer, as the route says."""

from __future__ import annotations

from collections.abc import AsyncIterable
from typing import NamedTuple

from aiohttp import web

from sidecar.errors import Direction, RequestFault, RequestRefused
from sidecar.proxy.absolute_urls import own_urls
from sidecar.proxy.account import Account
from sidecar.proxy.headers import BodyFate, response_fields
from sidecar.proxy.passage import Passage, Sources
from sidecar.proxy.relay import RequestBody
from sidecar.proxy.routes import BodyMode, RequestPolicy
from sidecar.proxy.scanning import Scanner, format_of_request
from sidecar.proxy.streaming import BodySource
from sidecar.proxy.upstream import Answer

_SENT_AT_ONCE = 64 * 1024  # bytes: a shorter opaque answer goes out in one write


async def take_request(
    scanner: Scanner, request: web.BaseRequest, body: RequestBody, account: Account, scope: str, source: Sources | None
) -> tuple[bytes | AsyncIterable[bytes] | None, BodyFate]:
    """Return what goes upstream for the request's body, and how it differs from what came.

    ``source`` fetches the text of annotations: those are carried over on routes that pass all else unscanned, too.
    """
    policy = account.admitted_route.request_policy
    if not body.exists:
        return None, BodyFate.NONE
    body.check_announced()
    if policy is RequestPolicy.PASS and source is None:
        await body.ask_for_it()
        return body.chunks(), BodyFate.SAME
    format_of_request(request.headers, account.admitted_route.body)  # before the client is asked for it
    await body.ask_for_it()
    data = await body.read()
    if not data:
        return None, BodyFate.NONE
    passage = Passage(Direction.REQUEST, source)
    if policy is RequestPolicy.PASS:
        return await scanner.translate_request(data, request.headers, account, passage), BodyFate.REWRITTEN
    rewritten = await scanner.rewrite_request(data, request.headers, account, scope, passage)
    if policy is RequestPolicy.REFUSE and rewritten.entities:
        raise RequestRefused(RequestFault.PERSONAL_DATA)
    return rewritten.body, BodyFate.REWRITTEN


class Taken(NamedTuple):
    """The response for the client: complete, or a head alone where the body is streamed from ``body``."""

    response: web.StreamResponse
    body: BodySource


async def take_answer(
    scanner: Scanner,
    request: web.BaseRequest,
    answer: Answer,
    account: Account,
    scope: str,
    source: Sources | None,
    upstream_host: str,
) -> Taken:
    """Return what goes to the client, the header fields without what they must not tell."""
    route = account.admitted_route
    urls = own_urls(route.absolute_urls, request.headers.get("Host"), (upstream_host, route.fixed_host))
    if route.body is BodyMode.OPAQUE:
        fields = response_fields(answer.fields, BodyFate.SAME)
        await scanner.clean_fields(fields, request.raw_path, account, scope)
        urls.clean_fields(fields)
        if request.method == "HEAD" or not 0 <= answer.announced <= _SENT_AT_ONCE:
            return Taken(web.StreamResponse(status=answer.status, headers=fields), answer)
        whole = await answer.read(_SENT_AT_ONCE, account.share)
        return Taken(web.Response(status=answer.status, headers=fields, body=whole), answer)
    passage = Passage(Direction.RESPONSE, source, urls)
    stream = scanner.stream_answer(request.method, answer, account, scope, passage)
    rewritten = None if stream else await scanner.rewrite_answer(request.method, answer, account, scope, passage)
    fields = response_fields(answer.fields, BodyFate.REWRITTEN if rewritten or stream else BodyFate.NONE)
    await scanner.clean_fields(fields, request.raw_path, account, scope)
    urls.clean_fields(fields)
    if stream or request.method == "HEAD":
        return Taken(web.StreamResponse(status=answer.status, headers=fields), stream or answer)
    body = rewritten.body if rewritten else b""
    return Taken(web.Response(status=answer.status, headers=fields, body=body), answer)
