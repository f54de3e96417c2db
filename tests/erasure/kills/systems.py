"""The systems of lives, each as real as there is one, with what must hold at the end whatever was killed."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator, Collection, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from functools import partial
from pathlib import Path
from typing import Final

from sidecar.audit.reader import read_records
from sidecar.erasure.receipt import key_id, receipt_digest, verify_receipt
from sidecar.targets.target import Target
from tests.audit.samples import check as check_log
from tests.audit.samples import keys_of
from tests.erasure.kills.kinds import KINDS, SUCCESS, Kind, MakeKind
from tests.erasure.kills.lives import DUMPS, Given, KeptClock
from tests.erasure.kills.trials import Receiver, Systems, Trial, receiving
from tests.erasure.world import CANARY, ID, SIGNING_KEY, START, World, http_target, world
from tests.services import fresh_postgresql
from tests.targets.rig import ANNA, BERT
from tests.targets.sql_rig import Shop, sql_target, sqlite_shop
from tests.targets.upstream import Upstream, running_upstream, target_mapping


def crm(url: str, folder: Path) -> Target:
    return http_target("crm", target_mapping(url), KeptClock(folder / "time"))


@asynccontextmanager
async def looking(trial: Trial) -> AsyncIterator[World]:
    clock = KeptClock(trial.given.folder / "time")
    async with world(trial.given.state, [crm("https://crm.example", trial.given.folder)], clock) as w:
        yield w


async def check_ended(trial: Trial, w: World, outcomes: Collection[str] = SUCCESS) -> None:
    """Every task well ended, the receipt good and in the audit log, the log whole; no identity in anything of ours."""
    assert set((await w.outcomes()).values()) <= set(outcomes), await w.outcomes()
    receipt = await w.stores.requests.receipt(ID)
    assert receipt is not None
    public = SIGNING_KEY.public_key()
    verify_receipt(receipt, {key_id(public): public})
    report = check_log(trial.given.folder / "audit")
    assert report.intact, report
    signed = digests(trial.given.folder / "audit")
    assert receipt_digest(receipt) in signed, "the final receipt is not in the audit log"
    for path in trial.given.folder.rglob("*"):
        ours = "systems" not in path.parts and not path.name.startswith("shop.")
        if path.is_file() and ours:
            assert CANARY.encode() not in path.read_bytes(), path


def digests(log: Path) -> list[str]:
    found = [dict(one.members).get("receipt_sha256") for one in read_records(log, keys_of().provider)]
    return [str(one) for one in found if one]


def cut_off(trial: Trial, call: str) -> bool:
    """Tell whether it was killed after such a call was made, and before its result was recorded."""
    if trial.number is None:
        return False
    before = trial.effects[: trial.number]
    made = [number for number, effect in enumerate(before) if effect.startswith(call)]
    return bool(made) and RECORD not in before[made[-1] :]


@asynccontextmanager
async def http(life: str, empty: Path | None, folder: Path) -> AsyncIterator[Systems]:
    if empty is not None:
        shutil.copy(empty, folder / "state.db")
    (folder / "dumps").mkdir()
    (folder / "dumps" / START.strftime(DUMPS)).touch()
    async with running_upstream() as upstream, receiving() as receiver:
        upstream.customers[CANARY] = 1
        given = Given(
            life, folder, f"sqlite:///{folder / 'state.db'}", (partial(crm, upstream.url, folder),), receiver.url
        )
        yield Systems(given, partial(_check_http, upstream, receiver))


async def _check_http(upstream: Upstream, receiver: Receiver, trial: Trial) -> None:
    async with looking(trial) as w:
        await check_ended(trial, w)
        assert await w.state() == "ended_with_exceptions"  # no system is asked about the other identities
        assert upstream.customers == {}
        due = 2 if trial.given.life == "replayed" else 1
        asked = upstream.count("DELETE")
        assert asked == due + cut_off(trial, "call:DELETE"), f"{asked} deletions for {due}"
    assert sorted(dict(receiver.got).values()) == TOLD[trial.given.life], receiver.got


RECORD: Final = "commit sidecar.stores.erasure_tasks:ErasureTasks._record"
TOLD: Final = {
    "erased": ["begun", "ended"],
    "replayed": ["begun", "begun", "ended", "ended"],
    "whole": ["begun", "ended", "interim"],
    "changed": ["begun", "cancelled", "ended", "ended", "extended", "held", "released"],
}


@asynccontextmanager
async def of_kind(make: MakeKind, empty: Path, folder: Path) -> AsyncIterator[Systems]:
    """A life on one system of a kind, in which somebody else is, too."""
    (folder / "systems").mkdir()
    async with AsyncExitStack() as stack:
        state = stack.enter_context(fresh_state(empty, folder, postgresql=make is KINDS["postgresql"]))
        kind = await stack.enter_async_context(make(folder / "systems"))
        for person in (ANNA, BERT):
            await kind.put(person)
        given = Given(kind.life, folder, state, (kind.make,))
        yield Systems(given, partial(_check_kind, kind, await kind.left(BERT)), kind.whole)


async def _check_kind(kind: Kind, berts: int, trial: Trial) -> None:
    async with looking(trial) as w:
        await check_ended(trial, w, kind.outcomes)
    assert await kind.left(ANNA) == 0
    assert await kind.left(BERT) == berts
    await kind.whole()
    await kind.finally_()


@contextmanager
def fresh_state(empty: Path, folder: Path, *, postgresql: bool) -> Iterator[str]:
    if postgresql:
        with fresh_postgresql() as url:
            yield url
    else:
        shutil.copy(empty, folder / "state.db")
        yield f"sqlite:///{folder / 'state.db'}"


@asynccontextmanager
async def restored_shop(empty: Path, folder: Path) -> AsyncIterator[Systems]:
    """A life on a database that is put back to an older state meanwhile."""
    with fresh_state(empty, folder, postgresql=False) as state, sqlite_shop(folder) as url:
        shop = Shop(url)
        for person in (ANNA, BERT):
            shop.put(person)

        async def check(trial: Trial) -> None:
            async with looking(trial) as w:
                await check_ended(trial, w)
                assert await w.epoch_store.quarantines() == ()
            assert (shop.left(ANNA), shop.left(BERT)) == (0, 2)

        yield Systems(Given("restored", folder, state, (partial(sql_target, url),), restorable=url), check)
        shop.engine.dispose()
