"""docs/erasure.md can't drift: it names every word on the wire, and its example of a target parses."""

from __future__ import annotations

import re
from pathlib import Path
from typing import cast

import pytest
import yaml

from sidecar.app.overhearing import trigger_of
from sidecar.audit.reading import AuditReading
from sidecar.config.traffic import ErasureTriggerConfig
from sidecar.erasure.api import erasure_routes
from sidecar.erasure.deadlines import Regulation
from sidecar.erasure.epoch import WENT_BACK
from sidecar.erasure.outcomes import Outcome, RequestState
from sidecar.erasure.proof_api import proof_routes
from sidecar.erasure.quarantine_api import quarantine_routes
from sidecar.erasure.request import IdentityType, parse_request
from sidecar.erasure.resolution_api import ResolutionParts, resolution_routes
from sidecar.stores.erasure_resolutions import ResolutionGround, Resolutions
from sidecar.subject_keys.api import subject_key_routes
from sidecar.subject_keys.keeper import SubjectKeys
from sidecar.targets.http_settings import parse_http_target
from sidecar.targets.target import GoneBy
from tests.erasure.test_api import parts_of
from tests.erasure.world import one_target

DOCS = (Path(__file__).parents[2] / "docs" / "erasure.md").read_text(encoding="utf-8")
WORDS = sorted(
    {
        one.value
        for kind in (Outcome, RequestState, Regulation, IdentityType, WENT_BACK, GoneBy, ResolutionGround)
        for one in kind
    }
)


@pytest.mark.parametrize("word", WORDS)
def test_the_documentation_names_it(word: str) -> None:
    assert re.search(rf"(?<![\w-]){re.escape(word)}(?![\w-])", DOCS)


async def test_the_documentation_names_every_endpoint_with_its_roles(tmp_path: Path) -> None:
    async with one_target(tmp_path) as (w, _):
        for route in (
            *erasure_routes(parts_of(w)),
            *proof_routes(w.stores.requests, cast(AuditReading, None)),
            *quarantine_routes(w.epoch_store, w.watch),
            *subject_key_routes(cast(SubjectKeys, None)),
            *resolution_routes(ResolutionParts(cast(Resolutions, None), w.worker.wake, w.clock)),
        ):
            assert f"{route.method} {route.path}`" in DOCS


def fenced(language: str, nth: int = 1) -> str:
    return DOCS.split(f"```{language}\n")[nth].partition("```")[0]


def test_the_example_of_a_request_parses() -> None:
    assert parse_request(fenced("json").encode()).verified_by == "account_login"


def test_the_example_of_a_route_that_looks_for_requests_parses() -> None:
    given = yaml.safe_load(fenced("yaml"))["routes"][0]["erasure_trigger"]
    trigger = trigger_of(ErasureTriggerConfig.model_validate(given), "docs")
    assert [kind for kind, _ in trigger.rule.identities] == ["conversation_id", "conversation_id", "email"]


def test_the_example_of_a_target_parses() -> None:
    target = yaml.safe_load(fenced("yaml", 2))["erasure"]["targets"][0]
    name = target.pop("name")
    assert target.pop("type") == "http"
    del target["headers"]
    assert parse_http_target(name, target, {}, "docs").required == {IdentityType.CUSTOMER_ID}
