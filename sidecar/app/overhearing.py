"""Wires the look for erasure requests in traffic: from a route's key to the erasure intake, by its audited path."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from typing import Final
from uuid import uuid4

from sidecar.audit.intending import intend
from sidecar.audit.record import Action, AuditWriter, Decision, Intent, Outcome
from sidecar.config.traffic import ErasureTriggerConfig
from sidecar.erasure.intake import Intake
from sidecar.erasure.plan import PlanTooLarge
from sidecar.erasure.request import ErasureRequest
from sidecar.erasure.trigger import overheard
from sidecar.errors import AuditUnavailable, ConfigError, Problem, StoreUnavailable
from sidecar.keys import Pseudonymizer
from sidecar.metrics import Metrics
from sidecar.payloads.askings import AskingRule
from sidecar.payloads.paths import BadPath, PathPattern, parse_path, path_problem
from sidecar.proxy.overhearing import Asked, Filed
from sidecar.proxy.routes import ErasureTrigger
from sidecar.stores.erasures import IdTaken

_ACTOR: Final = "overhearing"


class ChatFiling:
    """Files who asks in a chat, once for a conversation. What can't be recorded is not filed.

    ``pseudonyms`` make requests' ids: by the current master key, and by those before it, for what was filed already.
    """

    def __init__(
        self,
        intake: Intake,
        pseudonyms: Sequence[Pseudonymizer],
        audit: AuditWriter,
        metrics: Metrics,
    ) -> None:
        self._intake = intake
        self._pseudonyms = tuple(pseudonyms)
        self._audit = audit
        self._metrics = metrics

    async def file(self, asked: Asked) -> Filed:
        """As ``Filing``. Requests that are there already are let be, and leave no record."""
        by_key = (overheard(asked.identities, asked.namespace, asked.regulation, one) for one in self._pseudonyms)
        wanted = [one for one in by_key if one is not None]
        if not wanted:
            return Filed.UNIDENTIFIED
        try:
            if await self._intake.kept_of(wanted) is not None:
                return Filed.KNOWN
            return await self._recorded(wanted[0], asked.route)
        except (StoreUnavailable, AuditUnavailable):
            return Filed.FAILED

    async def _recorded(self, wanted: ErasureRequest, route: str) -> Filed:
        """Put the two records around it that the endpoint has around a submission."""
        subject, began = self._intake.subject(wanted), time.monotonic_ns()
        intent = Intent(uuid4().hex, Action.ERASURE_SUBMIT, _ACTOR, "none", route=route, subject=subject)
        await intend(self._audit, intent)
        filed, decision, reason = Filed.FAILED, Decision.ABORTED, None
        try:
            filed, decision, reason = await self._accepted(wanted)
        finally:
            spent = (time.monotonic_ns() - began) // 1000
            await self._audit.conclude(
                Outcome(intent.exchange_id, intent.action, decision, reason, subject=subject, duration_us=spent)
            )
        return filed

    async def _accepted(self, wanted: ErasureRequest) -> tuple[Filed, Decision, str | None]:
        try:
            accepted = await self._intake.accept(wanted)
        except IdTaken:  # another replica read the same conversation, with fewer or more identifiers
            return Filed.KNOWN, Decision.COMPLETED, None
        except StoreUnavailable:
            return Filed.FAILED, Decision.FAILED, "store_unavailable"
        except PlanTooLarge:
            return Filed.FAILED, Decision.FAILED, None
        if accepted.new:
            self._metrics.erasure_requests.inc()
        return (Filed.FILED if accepted.new else Filed.KNOWN), Decision.COMPLETED, None


def trigger_of(config: ErasureTriggerConfig, where: str) -> ErasureTrigger:
    """Return what a route looks for, or raise ``ConfigError`` with every path that can't be one."""
    problems: list[Problem] = []

    def path(source: str, place: str) -> PathPattern | None:
        try:
            pattern = parse_path(source)
        except BadPath as error:
            problems.append(path_problem(place, source, error))
            return None
        if not pattern.segments:
            problems.append(path_problem(place, source, BadPath("it names the payload, and no value in it")))
        return pattern

    def identities() -> Iterator[tuple[str, PathPattern]]:
        for kind, sources in sorted(config.identities.items()):
            for index, source in enumerate(sources):
                if (pattern := path(source, f"{where}.identities.{kind.value}[{index}]")) is not None:
                    yield kind.value, pattern

    found = tuple(identities())
    intent = None if config.intent is None else path(config.intent.path, f"{where}.intent.path")
    if problems:
        raise ConfigError(tuple(problems))
    intents = frozenset() if config.intent is None else config.intent.values
    return ErasureTrigger(AskingRule(found, intent, intents), config.phrases, config.regulation.value)
