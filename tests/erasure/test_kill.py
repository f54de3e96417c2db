"""kill -9 between every two steps, as real processes; the next start brings it to the end (E1, E13).

Nobody keeps a table of places by hand: a life is lived once to see every effect that outlives the process, and once
more for each of them, killed before it; of one that comes again and again in a life its first and its last time, and
each time with ``EVERY_KILL=1``. The last test holds what was killed against the source: every commit, file operation
and call in the product's own modules must have been among them.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from tests.erasure.kills import guarded_systems, systems
from tests.erasure.kills.kinds import BUCKETS_AT, KINDS
from tests.erasure.kills.places import EFFECTS_ELSEWHERE, places_in_source
from tests.erasure.kills.trials import (
    at_places,
    effects_of,
    empty_state,
    every_kill,
    from_the_first_start,
    in_the_target,
    killed_before,
    since,
)
from tests.targets.bucket_rig import object_store

pytestmark = pytest.mark.timeout(1800)  # hundreds of processes, on a machine that may be busy
SEEN: set[str] = set()


RAN: list[int] = []


def see(effects: list[str]) -> None:
    SEEN.update(effects)
    RAN.append(len(effects))


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return empty_state(tmp_path_factory.mktemp("empty"))


@pytest.fixture(scope="module", autouse=True)
def buckets() -> Iterator[None]:
    with object_store() as endpoint:
        BUCKETS_AT[:] = [endpoint]
        yield


async def test_E1_E13_from_the_first_start_to_the_end(tmp_path: Path) -> None:
    see(await every_kill(partial(systems.http, "erased", None), tmp_path, from_the_first_start))


@pytest.mark.parametrize("life", ["whole", "changed"])
async def test_E13_killed_anywhere_in_a_life(empty: Path, tmp_path: Path, life: str) -> None:
    see(await every_kill(partial(systems.http, life, empty), tmp_path))


async def test_E13_E39_killed_anywhere_in_a_replay(empty: Path, tmp_path: Path) -> None:
    make = partial(systems.http, "replayed", empty)
    see(await every_kill(make, tmp_path, since(":ErasureTasks.replay")))


async def test_E13_E39_killed_anywhere_after_a_restore(empty: Path, tmp_path: Path) -> None:
    make = partial(systems.restored_shop, empty)
    see(await every_kill(make, tmp_path, since(":ErasureEpochs.quarantine")))


async def test_E13_E15_E27_killed_anywhere_while_people_are_kept_from_coming_back(empty: Path, tmp_path: Path) -> None:
    make = partial(guarded_systems.late_shop, empty)
    # Each time: a pass that takes nobody over comes first and last.
    see(await every_kill(make, tmp_path, at_places("ErasureAlerts.", "ErasureSuppressions."), each_time=True))


async def test_E13_E42_killed_anywhere_while_keys_of_people_are_made_and_destroyed(empty: Path, tmp_path: Path) -> None:
    make = partial(guarded_systems.keyed_people, empty)
    see(await every_kill(make, tmp_path, at_places("SubjectKeyTable.", "sidecar.subject_keys.")))


async def test_E13_killed_again_while_it_recovers(empty: Path, tmp_path: Path) -> None:
    make = partial(systems.http, "erased", empty)
    effects = await effects_of(make, tmp_path / "first")
    leased = [number for number, effect in enumerate(effects) if effect.startswith("checkpoint:leased")]
    again = partial(killed_before, make, leased[1])
    see(await every_kill(again, tmp_path, from_the_first_start))


@pytest.mark.parametrize("at", ["replace sidecar.targets.rewriting:", "rmdir sidecar.targets.folder:"])
async def test_E13_killed_again_over_what_a_killed_run_left_in_a_folder(empty: Path, tmp_path: Path, at: str) -> None:
    make = partial(systems.of_kind, KINDS["files"], empty)
    effects = await effects_of(make, tmp_path / "first")
    first = next(number for number, effect in enumerate(effects) if effect.startswith(at))
    over = {"replace": "rewriting:clear_leftovers", "rmdir": "folder:remove_empty"}[at.partition(" ")[0]]
    again = partial(killed_before, make, first)
    see(await every_kill(again, tmp_path, at_places(over)))


@pytest.mark.parametrize("kind", sorted(KINDS))
async def test_E13_killed_anywhere_in_a_system_of_each_kind(empty: Path, tmp_path: Path, kind: str) -> None:
    see(await every_kill(partial(systems.of_kind, KINDS[kind], empty), tmp_path, in_the_target))


def test_E13_every_place_in_the_source_was_among_them() -> None:
    """Reads what the tests above have seen: without all of them it is skipped."""
    if len(RAN) < 10 + len(KINDS):
        pytest.skip("PLACES NOT COMPARED: some of the other tests of this module did not run, or failed")
    seen = {effect.partition(" ")[2] for effect in SEEN}
    source = places_in_source()
    assert not source - seen - EFFECTS_ELSEWHERE.keys(), sorted(source - seen - EFFECTS_ELSEWHERE.keys())
    assert EFFECTS_ELSEWHERE.keys() <= source
