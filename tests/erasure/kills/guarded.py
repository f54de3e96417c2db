"""Lives of what keeps erased people from coming back, and of what tells in time: suppression, people's keys, alerts."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from datetime import timedelta
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Final

from sidecar.erasure.readiness import SHARES
from sidecar.erasure.request import IdentityType
from sidecar.erasure.suppressing import Suppressing
from sidecar.keys import Purpose
from sidecar.metrics import Metrics
from sidecar.redaction.suppression import Suppression
from sidecar.stores.database import Database
from sidecar.stores.erasure_attestations import Attestation, Attestations, Found
from sidecar.stores.subject_keys import Subject, SubjectFenced, SubjectKeyTable
from sidecar.subject_keys.keeper import SubjectKeys
from sidecar.subject_keys.kms import FileKms
from sidecar.targets.subject_keys import SubjectKeyTarget
from tests.erasure.test_suppressing import read, suppressing
from tests.erasure.world import ID, MASTER, Clock
from tests.targets.rig import ANNA, BERT, Person

if TYPE_CHECKING:
    from tests.erasure.kills.lives import Living

PENDING: Final = timedelta(hours=3)
OFFICERS: Final = ("anna.officer", "bert.officer")


async def come_back(one: Living) -> None:
    """Late until all time is used up; then a late writer brings the person back, and after the end a stale cache."""
    keeper, suppression = suppressing(one.w)
    await guard(one, keeper, suppression)
    await one.submit()
    await guard(one, keeper, suppression)
    view = await one.w.view()
    for percent in SHARES:
        left = (view.legal_at - view.received_at) * (100 - percent) / 100
        one.clock.move_to(view.legal_at - left + timedelta(minutes=1))
        await one.work()
    await attest(one)
    await one.work()
    write_back(one, "a late writer")
    await end(one)
    await guard(one, keeper, suppression)
    if (await one.w.view()).round == 1:
        write_back(one, "a stale cache")
        assert read(suppression, ANNA.email) == "ERASED"
        await keeper.pass_once()
        assert (await one.w.view()).round == 2
    await end(one)
    forget_at = (await one.w.view()).forget_at
    assert forget_at is not None
    one.clock.move_to(forget_at + timedelta(hours=1))
    await one.work()
    await guard(one, keeper, suppression)


async def guard(one: Living, keeper: Suppressing, suppression: Suppression) -> None:
    """Take over who is erased, as a start does before it serves: known from being asked for to being forgotten."""
    while await keeper.pass_once():
        pass
    view = await one.w.stores.requests.find(ID)
    over = view is None or (view.ended_at is not None and view.forget_at is not None and view.forget_at <= one.clock())
    assert read(suppression, ANNA.email) == ("EMAIL" if over else "ERASED")
    suppression.take_hits()  # the look was ours


async def attest(one: Living) -> None:
    """Two people say that they have deleted, wherever people are waited for."""
    tasks = {task.target: 4 for task in (await one.w.view()).tasks}
    store = Attestations(one.w.database, tasks)
    for task in await store.waiting():
        for who in OFFICERS:
            await store.attest(ID, task.id, Attestation(who, Found.ERASED, "ab" * 32), one.clock())


async def end(one: Living) -> None:
    """Let time pass, and people do what they are asked for, until the request has ended."""
    for _ in range(100):
        await one.work()
        await attest(one)
        if (await one.w.view()).ended_at is not None:
            break
        one.clock.move_to(one.clock() + timedelta(hours=1))
    await one.finish()


def write_back(one: Living, who: str) -> None:
    """Somebody who still has the person in memory writes them into the shop, once."""
    note = one.given.folder / who
    if note.exists():
        return
    with closing(sqlite3.connect(one.given.folder / "systems" / "shop.db")) as shop, shop:
        (number,) = shop.execute("SELECT coalesce(max(id), 0) + 1 FROM customers").fetchone()
        shop.execute("INSERT INTO customers VALUES (?, ?, ?, 'late')", (number, ANNA.email, ANNA.customer_id))
    note.touch()


def keys_of_people(folder: Path, database: Database, clock: Clock) -> SubjectKeys:
    kms = FileKms(folder / "systems" / "kms", PENDING, clock)
    return SubjectKeys(SubjectKeyTable(database), kms, MASTER.pseudonymizer(Purpose.SUBJECT_KEY), Metrics(), clock)


def key_target(keys: SubjectKeys) -> SubjectKeyTarget:
    return SubjectKeyTarget(keys, IdentityType.CUSTOMER_ID, PENDING + timedelta(hours=1))


def subject(keys: SubjectKeys, person: Person) -> Subject:
    return keys.subject("customer_id", person.customer_id)


async def keyed(one: Living) -> None:
    """Two people have keys; one's is destroyed, another one allowed, made, and destroyed as well."""
    keys, notes = keys_of_people(one.given.folder, one.w.database, one.clock), Notes(one.given.folder)
    await look(keys, notes)
    if await one.w.stores.requests.find(ID) is None:
        await keys.key(subject(keys, ANNA))
        await look(keys, notes)
        copy_table(one, "before the first.db")
    await one.submit()
    await one.finish()
    await look(keys, notes)
    if not notes.has("again"):
        await keys.authorise(subject(keys, ANNA))
        await keys.key(subject(keys, ANNA))
        await look(keys, notes)
        copy_table(one, "before the second.db")
        await one.w.stores.tasks.replay(one.clock())
        notes.write("again", [])
    await one.finish()
    await look(keys, notes)


class Notes:
    """What outsiders have seen of keys, by their digests. A crash does not make them forget."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder / "systems"

    def has(self, name: str) -> bool:
        return (self._folder / name).exists()

    def read(self, name: str) -> list[str]:
        found: list[str] = json.loads((self._folder / name).read_text()) if self.has(name) else []
        return found

    def write(self, name: str, digests: list[str]) -> None:
        (self._folder / name).write_text(json.dumps(digests))


async def look(keys: SubjectKeys, notes: Notes) -> None:
    """Ask for both keys, as applications do: one that was seen destroyed never comes back, the other one never goes."""
    bert = sha256(await keys.key(subject(keys, BERT))).hexdigest()
    assert notes.read("bert") in ([], [bert])
    notes.write("bert", [bert])
    held, gone = notes.read("held"), notes.read("gone")
    try:
        anna = sha256(await keys.key(subject(keys, ANNA))).hexdigest()
    except SubjectFenced:
        notes.write("gone", sorted({*gone, *held}))
    else:
        assert anna not in gone
        notes.write("held", sorted({*held, anna}))


def copy_table(one: Living, name: str) -> None:
    """Make a backup of the sidecar's own database."""
    source = one.given.state.removeprefix("sqlite:///")
    with (
        closing(sqlite3.connect(source)) as live,
        closing(sqlite3.connect(one.given.folder / "systems" / name)) as copy,
    ):
        live.backup(copy)
