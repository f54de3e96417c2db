"""A customer is erased from everything there is; yesterday's base backup is put back over the live database.

PostgreSQL keeps dead rows in its files until they are vacuumed, so what is searched has been through VACUUM FULL and a
checkpoint; its write-ahead log keeps them until segments are recycled, and is not searched (docs/targets.md says so).
"""

from __future__ import annotations

import resource
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from sidecar.access import Role
from tests.restores.business import Business, Customer, running_business, wait_until

ANNA = Customer(1007, "anna.canary@quirinia-example.org", "Quirinia Zzolnay")
BERT = Customer(2001, "bert@other-example.org", "Bert Otherwise")
EVERYWHERE = {"database", "cache", "archive", "analytics"}


@pytest.fixture(scope="module")
def business(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Business]:
    with running_business(tmp_path_factory.mktemp("business")) as started:
        yield started


def readable(business: Business, customer: Customer) -> int:
    return business.world.data("GET", f"/api/conversations/{customer.chat}").status


def quarantines(business: Business) -> list[tuple[str, str, int]]:
    listed = business.world.admin("GET", "/v1/erasure-quarantines", role=Role.AUDITOR).json["quarantines"]
    return [(one["target"], one["reason"], one["waiting_count"]) for one in listed]


def test_E39_erased_restored_noticed_closed_off_erased_again_and_opened(business: Business) -> None:
    world = business.world
    for customer in (ANNA, BERT):
        business.add(customer)
    world.start_sidecar()  # raises the first mark
    for customer in (ANNA, BERT):
        shown = world.data("GET", f"/api/conversations/{customer.chat}")
        assert shown.status == 200
        assert customer.email.encode() not in shown.body
    assert business.holding(ANNA) == business.holding(BERT) == EVERYWHERE
    backup = business.backup
    business.cluster.back_up(backup)

    request_id = business.erase(ANNA)
    wait_until(lambda: business.status(request_id)["state"] == "live_erased", lambda: business.status(request_id))
    outcomes = {one["target"]: one for one in business.status(request_id)["targets"]}
    assert outcomes["chats/nightly"]["outcome"] == "awaiting_expiry"
    assert outcomes["chats/nightly"]["until_time"]
    live = {name: one["outcome"] for name, one in outcomes.items() if "/" not in name}
    assert live == dict.fromkeys(("chats", "cache", "archive", "analytics", "sidecar"), "verified_erased")
    assert business.holding(ANNA) == set()
    assert business.holding(BERT) == EVERYWHERE
    assert readable(business, ANNA) == 404

    assert world.sidecar is not None
    world.sidecar.send_signal(signal.SIGSTOP)  # so that it can't be done before we have looked
    business.cluster.restore(backup)
    assert business.holding(ANNA) == {"database"}
    with business.cluster.connect() as holder:
        holder.execute("LOCK TABLE messages IN SHARE MODE")  # nobody deletes while we look
        world.sidecar.send_signal(signal.SIGCONT)
        wait_until(lambda: readable(business, BERT) == 503)
        assert world.admin("GET", "/readyz").json == {"ready": True, "quarantined": ["chats"]}
        # It is closed before that is on record.
        wait_until(lambda: quarantines(business) == [("chats", "older", 1)], lambda: quarantines(business))
        assert readable(business, ANNA) == 503
    wait_until(lambda: readable(business, BERT) == 200, lambda: business.status(request_id))
    assert world.admin("GET", "/readyz").json == {"ready": True}
    assert readable(business, ANNA) == 404
    assert business.holding(ANNA) == set()
    assert business.metric('sidecar_erasure_restores_total{reading="older",target="chats"} 1.0')
    wait_until(lambda: business.status(request_id)["state"] == "live_erased", lambda: business.status(request_id))
    assert business.status(request_id)["round"] == 1  # it had not ended: its backups had not expired


def test_E41_no_trace_in_anything_that_the_sidecar_leaves(business: Business) -> None:
    world = business.world
    traces = (ANNA.email.encode(), ANNA.name.encode(), b"quirinia-example")
    written = dict(world.written())
    assert any(path.name == "state.db" for path in written)
    assert any("audit" in str(path) for path in written)
    assert not [path for path, data in written.items() if any(trace in data for trace in traces)]
    assert world.sidecar is not None
    for pid in (world.sidecar.pid, world.writing_process(), *world.detection_workers()):
        assert resource.prlimit(pid, resource.RLIMIT_CORE) == (0, 0)
    process = world.sidecar
    process.send_signal(signal.SIGABRT)  # would leave a core dump of everything in memory
    process.wait(60)
    world.sidecar = None
    left = [path for folder in (Path.cwd(), world.folder) for path in folder.glob("core*") if path.is_file()]
    assert not left
    assert not [path for path, data in world.written() if any(trace in data for trace in traces)]


def test_E39_a_restore_while_the_sidecar_is_down_is_closed_before_it_serves(business: Business) -> None:
    world = business.world
    business.cluster.restore(business.backup)
    assert business.holding(ANNA) == {"database"}
    with business.cluster.connect() as holder:
        holder.execute("LOCK TABLE messages IN SHARE MODE")
        world.start_sidecar()
        assert readable(business, ANNA) == 503
    wait_until(lambda: readable(business, BERT) == 200)
    assert business.holding(ANNA) == set()
    assert business.holding(BERT) == EVERYWHERE
