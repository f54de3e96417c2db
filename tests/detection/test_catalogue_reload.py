"""The catalogue is followed while running (D5): what is good comes into force, what is not leaves the old in force."""

from __future__ import annotations

import asyncio
import logging
import os
from pathlib import Path

import pytest

from sidecar.detection.assembly import CatalogueFile, read_catalogue, snapshot
from sidecar.detection.catalogue import Brands
from sidecar.detection.catalogue_reload import CatalogueLook, CatalogueReload
from sidecar.errors import ConfigError, Problem
from sidecar.metrics import Metrics

GOOD = "name,sku\nHalden Lamp,HL-1\n"
BETTER = "name,sku\nHalden Lamp,HL-1\nBirk Chair,BC-2\n"
BAD = (
    b"name,sku\nHalden \xff Lamp,HL-1\n",  # not UTF-8
    b'name,sku\n"Halden Lamp,HL-1\n',  # a quote that never ends
    b"name,sku\nHalden Lamp\n",  # a row cut short
    b"colour\nred\n",
    b"name\n",
    b"",
    b"\x00\x01\x02",
)


class Workers:
    """Takes every catalogue that it is given, or none."""

    def __init__(self) -> None:
        self.given: list[CatalogueFile] = []
        self.refusing = False

    async def swap(self, file: CatalogueFile) -> None:
        if self.refusing:
            raise ConfigError((Problem("detection.workers", "a detection worker can't be started", "Check memory"),))
        self.given.append(file)


class World:
    """A catalogue file that is followed."""

    def __init__(self, path: Path) -> None:
        path.write_text(GOOD)
        self.path, self.metrics, self.workers = path, Metrics(), Workers()
        self.reload = CatalogueReload(
            snapshot(CatalogueFile(path, Brands.KEEP)), self.workers.swap, self.metrics, poll_seconds=0.02
        )

    def count(self, outcome: str) -> float:
        return self.metrics.registry.get_sample_value("sidecar_catalogue_reloads_total", {"outcome": outcome}) or 0.0


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path / "products.csv")


async def test_a_file_that_does_not_change_is_left_alone(world: World) -> None:
    os.utime(world.path)  # touched, and still the same
    assert await world.reload.look() is CatalogueLook.UNCHANGED
    assert world.workers.given == []


async def test_a_good_change_is_swapped_in_once_with_its_content(world: World) -> None:
    """The content goes along: a worker that is replaced later must not find what the file says then."""
    world.path.write_text(BETTER)
    assert await world.reload.look() is CatalogueLook.SWAPPED
    assert await world.reload.look() is CatalogueLook.UNCHANGED
    (given,) = world.workers.given
    world.path.write_text("")
    assert [product.name for product in read_catalogue(given).products] == ["Halden Lamp", "Birk Chair"]
    assert given.brands is Brands.KEEP
    assert (world.count("swapped"), world.count("kept")) == (1, 0)


@pytest.mark.parametrize("content", BAD)
async def test_a_bad_change_is_told_once_and_changes_nothing(
    world: World, content: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    world.path.write_bytes(content)
    with caplog.at_level(logging.ERROR):
        assert await world.reload.look() is CatalogueLook.KEPT
        assert await world.reload.look() is CatalogueLook.UNCHANGED
    assert world.workers.given == []
    assert (world.count("swapped"), world.count("kept")) == (0, 1)
    (record,) = caplog.records
    assert "stays in force" in record.getMessage()
    assert str(world.path) in record.getMessage()
    world.path.write_text(GOOD)  # mended to what was in force all along
    assert await world.reload.look() is CatalogueLook.UNCHANGED
    world.path.write_text(BETTER)
    assert await world.reload.look() is CatalogueLook.SWAPPED


async def test_a_missing_file_is_told_once_and_found_again(world: World, caplog: pytest.LogCaptureFixture) -> None:
    world.path.unlink()
    with caplog.at_level(logging.ERROR):
        assert [await world.reload.look() for _ in range(3)] == [CatalogueLook.KEPT] * 3
    assert len(caplog.records) == 1
    world.path.write_text(GOOD)
    assert await world.reload.look() is CatalogueLook.UNCHANGED
    world.path.unlink()
    with caplog.at_level(logging.ERROR):
        await world.reload.look()
    assert len(caplog.records) == 2


async def test_workers_in_trouble_are_tried_again(world: World) -> None:
    world.path.write_text(BETTER)
    world.workers.refusing = True
    assert await world.reload.look() is CatalogueLook.KEPT
    world.workers.refusing = False
    assert await world.reload.look() is CatalogueLook.SWAPPED
    assert (world.count("swapped"), world.count("kept")) == (1, 1)


async def test_a_file_that_is_being_written_is_left_for_the_next_look(tmp_path: Path) -> None:
    """Half a list is well-formed too; in force, it would let the other half of the products through."""
    path = tmp_path / "products.csv"
    path.write_text(GOOD)
    workers = Workers()
    reload = CatalogueReload(snapshot(CatalogueFile(path)), workers.swap, Metrics(), poll_seconds=0.3)
    path.write_text(BETTER)
    looking = asyncio.create_task(reload.look())
    await asyncio.sleep(0.1)
    path.write_text(BETTER + "Ada Desk,AD-3\n")
    assert await looking is CatalogueLook.UNCHANGED
    assert await reload.look() is CatalogueLook.SWAPPED
    assert [len(read_catalogue(given).products) for given in workers.given] == [3]


async def test_a_kubernetes_volume_swaps_a_link_to_the_whole_folder(tmp_path: Path) -> None:
    for name, content in (("..1", GOOD), ("..2", BETTER)):
        (tmp_path / name).mkdir()
        (tmp_path / name / "products.csv").write_text(content)
    (tmp_path / "..data").symlink_to("..1")
    (tmp_path / "products.csv").symlink_to("..data/products.csv")
    workers = Workers()
    file = snapshot(CatalogueFile(tmp_path / "products.csv"))
    reload = CatalogueReload(file, workers.swap, Metrics(), poll_seconds=0.02)
    assert await reload.look() is CatalogueLook.UNCHANGED
    (tmp_path / "..new").symlink_to("..2")
    (tmp_path / "..new").rename(tmp_path / "..data")
    assert await reload.look() is CatalogueLook.SWAPPED
    assert await reload.look() is CatalogueLook.UNCHANGED


async def test_it_looks_by_itself_until_it_is_stopped(world: World) -> None:
    await world.reload.start()
    world.path.write_text(BETTER)
    for _ in range(500):
        if world.workers.given:
            break
        await asyncio.sleep(0.01)
    assert len(world.workers.given) == 1
    await world.reload.stop()
    await world.reload.stop()
    world.path.write_text(GOOD)
    await asyncio.sleep(0.1)
    assert len(world.workers.given) == 1


def test_a_file_beyond_all_reason_is_not_read_whole(tmp_path: Path) -> None:
    path = tmp_path / "huge.csv"
    with path.open("wb") as file:
        file.truncate(200 << 20)
    with pytest.raises(ConfigError, match="is larger than 64 MiB"):
        snapshot(CatalogueFile(path))
