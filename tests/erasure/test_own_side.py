"""The sidecar forgets last: until no other system has the person, traffic writes its hashes anew (E48)."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sidecar.keys import Purpose
from sidecar.redaction.linking import ask_for, scope_key
from sidecar.stores.database import Database, DatabaseSettings
from sidecar.stores.placeholders import StoredPlaceholders
from sidecar.targets.placeholders import PlaceholderTarget
from sidecar.targets.target import Target
from tests.erasure.world import CANARY, ID, MASTER, Clock, World, body, http_target, receipt_body, world
from tests.targets.upstream import Mode, Upstream, running_upstream, target_mapping

KEYS = MASTER.pseudonymizer(Purpose.PLACEHOLDER)
SCOPE = scope_key("chat 1", KEYS)
ASK = ask_for("EMAIL", CANARY, KEYS)


@dataclass
class Reading:
    """A sidecar whose trainers read a chat of the person while one upstream system has it."""

    path: Path
    upstream: Upstream
    store: StoredPlaceholders
    clock: Clock

    def sidecar(self, *crm: dict[str, Any]) -> Any:
        """A process with the sidecar's own target first, so that only what is due keeps the order."""
        own: list[Target] = [PlaceholderTarget(self.store, KEYS)]
        crms = [http_target("crm", mapping, self.clock) for mapping in crm or (target_mapping(self.upstream.url),)]
        return world(self.path, [*own, *crms], self.clock)

    async def read_the_chat(self) -> None:
        await self.store.assign(SCOPE, [ASK], [])

    async def kept(self) -> int:
        return await self.store.count([ASK.key])


@asynccontextmanager
async def reading(path: Path) -> AsyncIterator[Reading]:
    database = Database(DatabaseSettings(f"sqlite:///{path / 'state.db'}"))
    await database.start()
    async with running_upstream() as upstream:
        upstream.customers[CANARY] = 1
        yield Reading(path / "state.db", upstream, StoredPlaceholders(database), Clock())
    await database.stop()


async def test_E48_hashes_that_a_reader_brings_back_meanwhile_are_gone_at_the_end(tmp_path: Path) -> None:
    async with reading(tmp_path) as r, r.sidecar() as w:
        await r.read_the_chat()
        r.upstream.mode = Mode.FAIL
        await w.submit()
        await w.settle()
        await r.read_the_chat()  # the chatbot still has it
        assert await w.outcomes() == {"sidecar": "pending", "crm": "retryable_failure"}
        assert await r.kept() == 1
        r.upstream.mode = Mode.GOOD
        w.clock.advance(hours=1)
        await w.settle()
        assert await w.state() == "completed"
        assert await w.outcomes() == {"sidecar": "verified_erased", "crm": "verified_erased"}
        assert await r.kept() == 0


async def test_E48_a_system_that_a_person_must_mend_does_not_keep_the_sidecar_from_forgetting(tmp_path: Path) -> None:
    by_phone = phone_mapping("https://crm.example")
    async with reading(tmp_path) as r:
        await r.read_the_chat()
        async with r.sidecar(by_phone) as w:
            await w.submit()
            await w.settle()
            assert await w.outcomes() == {"sidecar": "verified_erased", "crm": "capability_unresolved"}
            assert await w.state() == "needs_attention"
        await r.read_the_chat()
        async with r.sidecar() as w:  # mended: and what was read since is forgotten, too
            await w.worker.recover()
            assert await w.outcomes() == {"sidecar": "pending", "crm": "pending"}
            await w.settle()
            assert await w.state() == "completed"
            assert await r.kept() == 0


async def test_E48_other_requests_under_way_hold_nobody_up(tmp_path: Path) -> None:
    async with reading(tmp_path) as r, r.sidecar() as w:
        await r.read_the_chat()
        await w.submit(body("7c9e6679-7425-40de-944b-e07fc1f90ae7", email="bert@example.org", verified_by=None))
        await w.submit()
        await w.settle()
        assert await w.state() == "completed"
        assert await r.kept() == 0


async def test_what_no_upstream_is_asked_about_is_named_and_is_not_completed(tmp_path: Path) -> None:
    both = [{"type": "customer_id", "value": "C-1007"}, {"type": "email", "value": CANARY}]
    async with reading(tmp_path) as r, r.sidecar() as w:
        accepted = await w.submit(body(subject={"identities": both}))
        assert accepted.view.unused_types == ("customer_id",)
        await w.settle()
        assert set((await w.outcomes()).values()) <= {"verified_erased", "verified_no_data"}
        assert await w.state() == "ended_with_exceptions"
        said = await receipt_of(w)
        assert said["unused_identity_types"] == ["customer_id"]
        assert said["state"] == "ended_with_exceptions"


async def test_what_is_asked_about_follows_the_targets_of_an_open_request(tmp_path: Path) -> None:
    both = [{"type": "phone", "value": "555-0143"}, {"type": "email", "value": CANARY}]
    async with reading(tmp_path) as r:
        r.upstream.mode = Mode.FAIL
        async with r.sidecar() as w:
            await w.submit(body(subject={"identities": both}))
            assert (await w.view()).unused_types == ("phone",)
        async with r.sidecar(phone_mapping(r.upstream.url)) as w:
            await w.worker.recover()
            assert (await w.view()).unused_types == ("email",)


def phone_mapping(url: str) -> dict[str, Any]:
    mapping: Any = target_mapping(url)
    for part in ("delete", "verify"):
        mapping[part]["url"] = mapping[part]["url"].replace("email", "phone")
    return dict(mapping)


async def receipt_of(w: World) -> dict[str, Any]:
    data = await w.stores.requests.receipt(ID)
    assert data is not None
    return receipt_body(data)
