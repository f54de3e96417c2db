"""The example package, installed by pip as an operator would, but to a folder of its own."""

from __future__ import annotations

import asyncio
import importlib
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from functools import cache
from pathlib import Path
from shutil import copytree, ignore_patterns
from tempfile import mkdtemp
from typing import Any

from sidecar.targets.plugins import PluginTarget, PluginTargetSettings
from tests.targets.rig import Person, Rig

SOURCE = Path(__file__).parents[2] / "docs" / "plugins" / "address-list"


@cache
def site() -> Path:
    folder = Path(mkdtemp(prefix="address-list-"))
    source = copytree(SOURCE, folder / "source", ignore=ignore_patterns("build", "*.egg-info"))
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-build-isolation", "--no-index"]
    done = subprocess.run([*command, "--target", folder / "site", source], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return folder / "site"


@contextmanager
def on_path(folder: Path) -> Iterator[None]:
    sys.path.insert(0, str(folder))
    importlib.invalidate_caches()
    try:
        yield
    finally:
        sys.path.remove(str(folder))


def plugin_settings(plugin: str = "address-list", **settings: Any) -> PluginTargetSettings:
    mapping = {"name": "newsletter", "type": "plugin", "plugin": plugin, "settings": settings}
    return PluginTargetSettings.model_validate(mapping)


@asynccontextmanager
async def plugin_rig(folder: Path) -> AsyncIterator[Rig]:
    path = folder / "addresses.txt"
    path.touch()

    def put(person: Person) -> None:
        with path.open("a", encoding="utf-8") as file:
            file.write(f"{person.email}\n")

    def left(person: Person) -> int:
        return path.read_text(encoding="utf-8").splitlines().count(person.email)

    with on_path(site()):
        yield Rig(
            target=PluginTarget(plugin_settings(file=str(path)), "erasure.targets[0]"),
            absent=PluginTarget(plugin_settings(file=str(folder / "nowhere.txt")), "erasure.targets[0]"),
            put=lambda person: asyncio.to_thread(put, person),
            left=lambda person: asyncio.to_thread(left, person),
        )
