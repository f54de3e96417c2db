"""Legal holds by item: only what is held is kept, nothing is deleted in doubt, and the rest goes on (E31, E32)."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from sidecar.access import Role
from sidecar.audit.record import Outcome
from sidecar.erasure.hold import Hold, HoldGround, HoldsUnknown, parse_hold, parse_hold_list
from sidecar.erasure.hold_api import hold_routes
from sidecar.erasure.hold_sources import FileHolds, HttpHolds
from sidecar.erasure.reading import RequestInvalid
from sidecar.erasure.request import IdentityType, SubjectIdentity
from sidecar.stores.erasure_attestations import Attestation, AttestationRefused, Attestations, Found
from sidecar.stores.erasure_holds import UnknownItem
from sidecar.targets.manual import ManualSettings, ManualTarget
from sidecar.tls.contexts import ClientAuth, ClientTls, ServerTls, client_context, server_context
from tests.erasure.test_api import listening
from tests.erasure.world import ID, Clock, World, body, bytes_on_disk, http_target, one_target, receipt_body, world
from tests.targets.upstream import Upstream, running_upstream, target_mapping
from tests.tls.authority import LOCALHOST, SERVER_USE, Authority

ANNA, HELD = "anna.canary@example.org", "anna.held@example.org"
CLAIMS = HoldGround.LEGAL_CLAIMS


def both(**changes: Any) -> bytes:
    identities = [{"type": "email", "value": one} for one in (ANNA, HELD)]
    return body(subject={"identities": identities}, **changes)


def by_phone(url: str) -> dict[str, Any]:
    """A system that is asked for a telephone number, which the requests here lack."""
    return json.loads(json.dumps(target_mapping(url)).replace("{email}", "{phone}"))  # type: ignore[no-any-return]


def item(value: str = HELD) -> SubjectIdentity:
    return SubjectIdentity(IdentityType.EMAIL, value)


async def receipt(w: World) -> dict[str, Any]:
    data = await w.stores.requests.receipt(ID)
    assert data is not None
    return receipt_body(data)


async def test_E31_only_the_held_item_is_kept_with_its_ground_and_erased_once_it_is_lifted(tmp_path: Path) -> None:
    async with one_target(tmp_path) as (w, upstream):
        upstream.customers |= {ANNA: 1, HELD: 1}
        await w.submit(both())
        until = w.clock() + timedelta(days=400)
        placed = await w.stores.holds.place(ID, Hold(CLAIMS, None, item(), until), w.clock())
        assert placed is not None
        assert (placed.held, placed.too_late) == (("crm",), ())
        await w.settle()
        assert upstream.customers == {HELD: 1}
        assert await w.state() == "ended_with_exceptions"
        kept = [one for one in (await receipt(w))["targets"] if one["outcome"] == "retained"]
        assert [(one["ground"], one["until_time"]) for one in kept] == [("17_3_e", "2026-04-05T12:00:00Z")]
        legal = (await w.view()).overdue_at

        w.clock.advance(days=100)  # far past the horizon: what is held can still be erased
        await w.settle()
        assert (await w.view()).sealed
        assert await w.stores.holds.release(ID, placed.id, w.clock())
        w.clock.advance(hours=1)
        await w.settle()
        assert upstream.customers == {}
        view = await w.view()
        assert (view.overdue_at, view.round) == (legal, 2)  # the original clock
        assert (await receipt(w))["late"] is True
        assert await w.state() == "completed"
        w.clock.advance(days=34)  # every backup until now holds it, so it can be repeated for a horizon of its own
        await w.settle()
        assert (await w.view()).sealed
        w.clock.advance(days=2)
        await w.settle()
        assert not (await w.view()).sealed
        assert upstream.count("DELETE") == 2
        assert HELD.encode() not in bytes_on_disk(tmp_path)


async def test_E31_a_hold_ends_by_itself_on_its_day(tmp_path: Path) -> None:
    async with one_target(tmp_path) as (w, upstream):
        await w.submit()
        await w.stores.holds.place(ID, Hold(CLAIMS, "crm", None, w.clock() + timedelta(days=3)), w.clock())
        await w.settle()
        assert upstream.calls == []
        w.clock.advance(days=3)
        await w.settle()
        assert await w.state() == "completed"


async def test_E31_of_several_holds_the_last_one_counts(tmp_path: Path) -> None:
    async with one_target(tmp_path) as (w, upstream):
        await w.submit()
        first = await w.stores.holds.place(ID, Hold(CLAIMS), w.clock())
        second = await w.stores.holds.place(ID, Hold(HoldGround.LEGAL_OBLIGATION), w.clock())
        assert first is not None
        assert second is not None
        await w.stores.holds.release(ID, first.id, w.clock())
        await w.settle()
        assert upstream.calls == []
        assert not await w.stores.holds.release(ID, first.id, w.clock())
        await w.stores.holds.release(ID, second.id, w.clock())
        await w.settle()
        assert await w.state() == "completed"


async def test_a_hold_says_what_it_came_too_late_for_and_refuses_what_is_not_there(tmp_path: Path) -> None:
    async with one_target(tmp_path) as (w, _):
        await w.submit()
        await w.settle()
        placed = await w.stores.holds.place(ID, Hold(CLAIMS), w.clock())
        assert placed is not None
        assert (placed.held, placed.too_late) == ((), ("crm",))
        for hold in (Hold(CLAIMS, "elsewhere"), Hold(CLAIMS, "CRM"), Hold(CLAIMS, None, item("bert@example.org"))):
            with pytest.raises(UnknownItem):
                await w.stores.holds.place(ID, hold, w.clock())
        assert await w.stores.holds.place("nobody", Hold(CLAIMS), w.clock()) is None


async def test_E31_where_nothing_could_be_done_a_hold_does_not_come_too_late(tmp_path: Path) -> None:
    clock = Clock()
    async with running_upstream() as upstream:
        crm = http_target("crm", target_mapping(upstream.url), clock)
        shop = http_target("shop", by_phone(upstream.url), clock)
        async with world(tmp_path / "state.db", [crm, shop], clock) as w:
            await w.submit()
            await w.settle()
            assert (await w.outcomes())["shop"] == "capability_unresolved"
            placed = await w.stores.holds.place(ID, Hold(CLAIMS), clock())
            assert placed is not None
            assert (placed.held, placed.too_late) == ((), ("crm",))


async def test_E31_what_was_deleted_and_not_looked_at_yet_is_too_late_and_never_called_kept(tmp_path: Path) -> None:
    async with one_target(tmp_path) as (w, upstream):
        await w.submit()
        await w.worker.pass_once()  # deleted; the look comes with the next pass
        assert (await w.outcomes(), upstream.customers) == ({"crm": "verifying"}, {})
        placed = await w.stores.holds.place(ID, Hold(CLAIMS), w.clock())
        assert placed is not None
        assert (placed.held, placed.too_late) == ((), ("crm",))
        upstream.customers[ANNA] = 1  # it was not gone after all, or comes back: what there is now is kept
        for _ in range(3):
            await w.settle()
            w.clock.advance(hours=1)
        assert (await w.outcomes(), upstream.customers) == ({"crm": "retained"}, {ANNA: 1})


async def test_a_replay_leaves_what_is_held(tmp_path: Path) -> None:
    async with one_target(tmp_path) as (w, upstream):
        upstream.customers |= {ANNA: 1, HELD: 1}
        await w.submit(both())
        await w.stores.holds.place(ID, Hold(CLAIMS, None, item()), w.clock())
        await w.settle()
        upstream.customers[ANNA] = 1
        await w.stores.tasks.replay(w.clock())
        await w.settle()
        assert upstream.customers == {HELD: 1}


async def test_E31_people_who_were_asked_to_delete_by_hand_are_stopped_by_a_hold(tmp_path: Path) -> None:
    settings = ManualSettings(type="manual", name="paper", instructions="Shred it.")
    async with world(tmp_path / "state.db", [ManualTarget(settings)]) as w:
        await w.submit()
        await w.settle()
        assert await w.outcomes() == {"paper": "manual_required"}
        placed = await w.stores.holds.place(ID, Hold(CLAIMS, "paper"), w.clock())
        assert placed is not None
        assert (placed.held, placed.too_late) == (("paper",), ())
        (task,) = (await w.view()).tasks
        people = Attestations(w.database, {"paper": 4})
        with pytest.raises(AttestationRefused):
            await people.attest(ID, task.id, Attestation("anton", Found.ERASED, "0" * 64), w.clock())
        await w.stores.holds.release(ID, placed.id, w.clock())
        await w.settle()
        assert await w.outcomes() == {"paper": "manual_required"}


@asynccontextmanager
async def held_by_file(folder: Path) -> AsyncIterator[tuple[World, Upstream, Path]]:
    clock, listed = Clock(), folder / "holds.json"
    async with running_upstream() as upstream:
        targets = [http_target("crm", target_mapping(upstream.url), clock)]
        async with world(folder / "state.db", targets, clock, hold_source=FileHolds(listed)) as w:
            upstream.customers |= {ANNA: 1, HELD: 1}
            yield w, upstream, listed


def holds_of(*values: str, **more: Any) -> str:
    rows = [{"identity": {"type": "email", "value": one}, "ground": "17_3_b", **more} for one in values]
    return json.dumps({"holds": rows})


@pytest.mark.parametrize(
    "content", [None, "", "{}", "[]", "nonsense", '{"holds": [{"ground": "whim"}]}', '{"holds": 0}']
)
async def test_E32_a_list_that_can_not_be_read_or_is_empty_stops_deletion_and_is_an_alarm(
    tmp_path: Path, content: str | None, caplog: pytest.LogCaptureFixture
) -> None:
    async with held_by_file(tmp_path) as (w, upstream, listed):
        if content is not None:
            listed.write_text(content)
        await w.submit(both())
        await w.settle()
        assert upstream.calls == []
        assert await w.outcomes() == {"crm": "retryable_failure"}
        assert "holds" in caplog.text or "held" in caplog.text
        assert ANNA not in caplog.text
        assert (w.metrics.registry.get_sample_value("sidecar_erasure_hold_failures_total") or 0) >= 2
        listed.write_text(holds_of())  # nothing is held: now that is said
        w.clock.advance(hours=1)
        await w.settle()
        assert upstream.customers == {}


async def test_E31_what_a_list_holds_is_asked_about_again_without_a_new_round_until_it_is_free(tmp_path: Path) -> None:
    async with held_by_file(tmp_path) as (w, upstream, listed):
        listed.write_text(holds_of(HELD))
        await w.submit(both())
        await w.settle()
        assert upstream.customers == {HELD: 1}
        for _ in range(4):
            w.clock.advance(hours=12)
            await w.settle()
        assert ((await w.view()).round, upstream.customers) == (1, {HELD: 1})
        listed.unlink()
        w.clock.advance(hours=12)
        await w.settle()
        assert upstream.customers == {HELD: 1}
        listed.write_text(holds_of(ANNA, target="elsewhere"))
        w.clock.advance(hours=12)  # within the day
        await w.settle()
        assert upstream.customers == {}
        assert await w.state() == "completed"


@dataclass
class Registry:
    """Stands in for the system of a legal department."""

    answer: str = holds_of()
    status: int = 200
    pieces: int = 1
    asked: list[Any] = field(default_factory=list)

    async def take(self, request: web.Request) -> web.StreamResponse:
        self.asked.append((request.headers["Authorization"], await request.json()))
        if self.pieces > 1:
            response = web.StreamResponse()
            await response.prepare(request)
            size = len(self.answer) // self.pieces
            for start in range(0, len(self.answer), size):
                await response.write(self.answer[start : start + size].encode())
                await asyncio.sleep(0.02)  # so that each is a piece of its own on the way
            return response
        return web.Response(text=self.answer, status=self.status, headers={"Location": "/elsewhere"})


async def test_E32_a_system_is_asked_over_tls_and_every_fault_is_closed(tmp_path: Path) -> None:
    authority = Authority(tmp_path, "ca")
    authority.write()
    issued = authority.issue("registry", LOCALHOST, SERVER_USE)
    registry, application = Registry(), web.Application()
    application.router.add_post("/holds", registry.take)
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    tls = server_context(ServerTls(issued.certificate, issued.key, client_auth=ClientAuth.NONE))
    await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls).start()
    url = f"https://localhost:{runner.addresses[0][1]}/holds"
    source = HttpHolds(url, {"Authorization": "Bearer x"}, client_context(ClientTls(ca=authority.file)))
    try:
        assert await source.holds("crm", [item()]) == ()
        assert registry.asked == [("Bearer x", {"target": "crm", "identities": [{"type": "email", "value": HELD}]})]
        registry.answer = holds_of(HELD)
        assert [one.ground for one in await source.holds("crm", [item()])] == [HoldGround.LEGAL_OBLIGATION]
        for status, answer in ((200, ""), (500, holds_of()), (302, holds_of()), (204, "")):
            registry.status, registry.answer = status, answer
            with pytest.raises(HoldsUnknown):
                await source.holds("crm", [item()])
        registry.status, registry.answer, registry.pieces = 200, holds_of(HELD), 3
        assert len(await source.holds("crm", [item()])) == 1  # a list comes in as many pieces as it likes
        with pytest.raises(HoldsUnknown):  # an authority that we do not know
            await HttpHolds(url, {}, client_context(ClientTls())).holds("crm", [item()])
    finally:
        await runner.cleanup()
    with pytest.raises(HoldsUnknown):
        await source.holds("crm", [item()])


async def test_the_endpoints_are_for_privacy_officers(tmp_path: Path) -> None:
    async with one_target(tmp_path) as (w, _):
        routes = hold_routes(w.stores.holds, w.worker.wake, w.clock)
        async with listening(w, routes) as caller:
            await caller.submit()
            path, said = f"/v1/erasures/{ID}/holds", json.dumps({"ground": "17_3_e", "target": "crm"}).encode()
            assert (await caller.call(Role.INTAKE, "POST", path, said)).status == 403
            placed = await caller.call(Role.PRIVACY_OFFICER, "POST", path, said)
            assert (placed.status, placed.json["held"]) == (201, ["crm"])
            unread = await caller.call(Role.PRIVACY_OFFICER, "POST", path, b'{"ground": "17_3_e", "until": "soon"}')
            assert [one["reason"] for one in unread.json["error"]["errors"]] == ["body.until"]
            over = b'{"ground": "17_3_e", "until": "2025-03-01T11:59:59Z"}'  # a hold that protects nothing
            refused = await caller.call(Role.PRIVACY_OFFICER, "POST", path, over)
            assert (refused.status, [one["reason"] for one in refused.json["error"]["errors"]]) == (400, ["body.until"])
            gone = await caller.call(Role.PRIVACY_OFFICER, "DELETE", f"{path}/nosuch")
            assert (gone.status, "hold" in gone.json["error"]["message"]) == (404, True)
            status = await caller.status()
            assert (status.json["targets"][0]["outcome"], status.json["targets"][0]["ground"]) == ("retained", "17_3_e")
            unknown = json.dumps({"ground": "17_3_e", "target": "elsewhere"}).encode()
            assert (await caller.call(Role.PRIVACY_OFFICER, "POST", path, unknown)).status == 409
            assert (await caller.call(Role.PRIVACY_OFFICER, "DELETE", f"{path}/{placed.json['hold']}")).status == 204
            assert (await caller.call(Role.PRIVACY_OFFICER, "DELETE", f"{path}/{placed.json['hold']}")).status == 404
            # Whose hold was placed and lifted is on record, as whose request was read.
            said_of = [one.subject for one in w.ledger.entries if isinstance(one, Outcome) and one.status in (201, 204)]
            assert said_of == [(await w.view()).subject] * 2


async def test_a_hold_that_can_be_none_is_not_there(database_url: str) -> None:
    """PostgreSQL refuses texts that hold a NUL."""
    async with running_upstream() as upstream:
        crm = http_target("crm", target_mapping(upstream.url), Clock())
        async with (
            world(database_url, [crm]) as w,
            listening(w, hold_routes(w.stores.holds, w.worker.wake, w.clock)) as caller,
        ):
            await caller.submit()
            for unknown in ("%00", "%C3", "a" * 4000):
                gone = await caller.call(Role.PRIVACY_OFFICER, "DELETE", f"/v1/erasures/{ID}/holds/{unknown}")
                assert gone.status == 404


@pytest.mark.parametrize(
    "said", [b"{}", b"[]", b'{"ground": "17_3_f"}', b'{"ground": "17_3_a", "until": "soon"}', b'{"ground": 1, "x": 2}']
)
def test_a_hold_that_can_not_be_read_is_refused(said: bytes) -> None:
    with pytest.raises(RequestInvalid):
        parse_hold(said, Clock()())


def test_a_list_speaks_of_people_not_of_everybody() -> None:
    with pytest.raises(HoldsUnknown):
        parse_hold_list(b'{"holds": [{"ground": "17_3_a"}]}')
