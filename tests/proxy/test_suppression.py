"""Erased people who turn up in traffic are not shown, and that is recorded and counted; a route may refuse (E27)."""

from __future__ import annotations

import json
import ssl

import pytest

from sidecar.keys import Purpose
from sidecar.metrics import Metrics
from sidecar.payloads.field_map import FieldMap
from sidecar.proxy.rewriter import Rewriter
from sidecar.proxy.routes import SuppressionPolicy
from sidecar.redaction.policy import Operator, Policy, TypePolicy
from sidecar.redaction.redactor import Redactor
from sidecar.redaction.suppression import Suppression, suppression_keys
from sidecar.stores.placeholders import MemoryPlaceholders
from tests.proxy.rewriting import MASTER, PlainDetection
from tests.proxy.rig import CANARY, MemoryAudit, answering, route, running

Contexts = tuple[ssl.SSLContext, ssl.SSLContext]
KEEPS = Policy("keeps", {"EMAIL": TypePolicy(Operator.KEEP)})
CHAT = json.dumps({"messages": [{"text": f"i am {CANARY}, not bert@example.org"}]}).encode()


def knowing() -> tuple[Rewriter, Suppression]:
    """A rewriter on a route by whose policy addresses are shown; of one person they must not be."""
    keys = MASTER.pseudonymizer
    suppression = Suppression(keys(Purpose.SUPPRESSION))
    suppression.load(dict.fromkeys(suppression_keys("email", CANARY, keys(Purpose.SUPPRESSION)), "request-1"))
    own = keys(Purpose.PLACEHOLDER), keys(Purpose.OPERATOR)
    redactor = Redactor(PlainDetection(), MemoryPlaceholders(), *own, suppression=suppression)
    return Rewriter(redactor, keys(Purpose.AUDIT_PSEUDONYM)), suppression


async def test_E27_an_erased_person_is_not_shown_and_that_is_recorded(contexts: Contexts) -> None:
    rewriter, suppression = knowing()
    audit = MemoryAudit()
    chats = route(policy=KEEPS, fields=FieldMap())

    def real(_metrics: Metrics) -> tuple[MemoryAudit, Rewriter]:
        return audit, rewriter

    async with running(answering(CHAT), contexts, [chats], real=real) as rig:
        shown = await rig.get()
        assert shown.status == 200
        assert json.loads(shown.body)["messages"][0]["text"] == "i am [ERASED_1], not bert@example.org"
        await rig.exchange.settle()
        [outcome] = audit.outcomes
        assert (outcome.decision, outcome.reason, outcome.entities["ERASED"]) == ("completed", "suppressed", 1)
        sample = rig.metrics.registry.get_sample_value
        assert sample("sidecar_suppressed_total", {"route": chats.name}) == 1
        assert sample("sidecar_refusals_total", {"reason": "suppressed"}) is None
    assert suppression.take_hits() == {"request-1": 1}


@pytest.mark.parametrize(("method", "status"), [("GET", 502), ("POST", 422)])
async def test_E27_a_route_may_refuse_all_of_it_either_way(contexts: Contexts, method: str, status: int) -> None:
    rewriter, suppression = knowing()
    audit = MemoryAudit()
    chats = route(policy=KEEPS, fields=FieldMap(), suppression=SuppressionPolicy.REFUSE)

    def real(_metrics: Metrics) -> tuple[MemoryAudit, Rewriter]:
        return audit, rewriter

    async with running(answering(CHAT), contexts, [chats], real=real) as rig:
        answered = await (rig.get() if method == "GET" else rig.post(CHAT))
        assert answered.status == status
        assert b"i am" not in answered.body
        assert len(rig.upstream.requests) == (method == "GET")
        await rig.exchange.settle()
        assert (audit.outcomes[0].decision, audit.outcomes[0].reason) == ("refused", "suppressed")
    assert suppression.take_hits()
