"""What the lives of ``guarded`` are lived on, with what must hold at their end."""

from __future__ import annotations

import json
import sqlite3
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from functools import partial
from pathlib import Path
from typing import Final

import pytest
from sqlalchemy import select

from sidecar.errors import KeyMaterialError
from sidecar.stores.database import Database, DatabaseSettings
from sidecar.stores.erasure_suppressions import suppression_keys
from sidecar.stores.subject_keys import SubjectFenced, SubjectKeyTable
from sidecar.subject_keys.kms import KeyStatus
from tests.erasure.kills.guarded import Notes, keys_of_people, subject
from tests.erasure.kills.kinds import paper
from tests.erasure.kills.lives import Given, KeptClock
from tests.erasure.kills.systems import check_ended, fresh_state, looking
from tests.erasure.kills.trials import Receiver, Systems, Trial, receiving, said
from tests.erasure.world import World
from tests.targets.rig import ANNA, BERT
from tests.targets.sql_rig import Shop, sql_target, sqlite_shop

TOLD: Final = {
    "begun": 1, "interim": 2, "ended": 2, "late_writer": 1,
    "deadline 50": 1, "deadline 75": 1, "deadline 90": 1, "deadline 100": 1,
}  # fmt: skip


@asynccontextmanager
async def late_shop(empty: Path, folder: Path) -> AsyncIterator[Systems]:
    """A shop that people are written back into, and a file of paper that nobody looks at in time."""
    (folder / "systems").mkdir()
    with fresh_state(empty, folder, postgresql=False) as state, sqlite_shop(folder / "systems") as url:
        shop = Shop(url)
        for person in (ANNA, BERT):
            shop.put(person)
        async with receiving() as receiver:
            given = Given("come_back", folder, state, (partial(sql_target, url), paper), receiver.url)
            yield Systems(given, partial(_check_late, shop, receiver))
        shop.engine.dispose()


async def _check_late(shop: Shop, receiver: Receiver, trial: Trial) -> None:
    async with looking(trial) as w:
        await check_ended(trial, w)
        hashes = await w.database.read(lambda connection: connection.execute(select(suppression_keys)).all())
        assert not hashes, "kept after what they protect could not be repeated any more"
    assert (shop.left(ANNA), shop.left(BERT)) == (0, 2)
    told = Counter(dict(receiver.got).values())
    assert told == TOLD, told  # whatever came again came by the same id


@asynccontextmanager
async def keyed_people(empty: Path, folder: Path) -> AsyncIterator[Systems]:
    """Keys of two people, of whom one is erased."""
    (folder / "systems" / "kms").mkdir(parents=True)
    with fresh_state(empty, folder, postgresql=False) as state:
        yield Systems(Given("keyed", folder, state, ()), _check_keys)


async def _check_keys(trial: Trial) -> None:
    folder, notes = trial.given.folder, Notes(trial.given.folder)
    async with looking(trial) as w:
        await check_ended(trial, w)
        keys = keys_of_people(folder, w.database, w.clock)
        assert len(notes.read("gone")) == 2
        with pytest.raises(SubjectFenced):
            await keys.key(subject(keys, ANNA))
        await keys.key(subject(keys, BERT))
        await _check_wrapping_keys(trial, w)
    await _opens_nothing(trial, "before the first.db")
    await _opens_nothing(trial, "before the second.db")
    assert "taken back" not in said(trial.given), "an alarm for what nobody did"


async def _check_wrapping_keys(trial: Trial, w: World) -> None:
    """The current one stands; all that came before are gone, and it is on record since when."""
    kms = keys_of_people(trial.given.folder, w.database, w.clock)._kms
    *before, current = await SubjectKeyTable(w.database).epochs()
    assert len(before) >= 2
    assert (await kms.state(current.wrapping_key)).status is KeyStatus.ENABLED
    for one in before:
        assert one.ordered_at is not None, f"nobody notes that the end of epoch {one.number} was ordered"
        assert (await kms.state(one.wrapping_key)).status is KeyStatus.DESTROYED
    for path in (trial.given.folder / "systems" / "kms").iterdir():
        assert path.stat().st_size == 0 or json.loads(path.read_text())


async def _opens_nothing(trial: Trial, name: str) -> None:
    """What stands in an old copy of the table stands nowhere in the database of now, and nothing unwraps it."""
    folder = trial.given.folder
    copy = folder / "systems" / name
    clock = KeptClock(folder / "time")
    with closing(sqlite3.connect(copy)) as old:
        rows = old.execute("SELECT subject, wrapped FROM subject_keys WHERE wrapped IS NOT NULL").fetchall()
    assert len(rows) == 2
    now = b"".join(path.read_bytes() for path in folder.glob("state.db*"))
    database = Database(DatabaseSettings(f"sqlite:///{copy}"))
    await database.start()
    kms = keys_of_people(folder, database, clock)._kms
    (*_, epoch) = await SubjectKeyTable(database).epochs()
    for whose, wrapped in rows:
        assert wrapped not in now
        with pytest.raises(KeyMaterialError):
            await kms.unwrap(epoch.wrapping_key, wrapped, whose)
    await database.stop()
