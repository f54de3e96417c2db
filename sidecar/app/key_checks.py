"""Whether the master keys are those that their versions stand for here.

People are known by keyed hashes that say which version made them. Another key under that version would know nobody
again: people who were erased would be shown, and those whose keys were destroyed be given others.
"""

from __future__ import annotations

from sidecar.app.settings import Settings
from sidecar.config.model import EarlierKeyConfig, KeysConfig
from sidecar.errors import ConfigError, Problem
from sidecar.keys import Purpose
from sidecar.stores.database import Database
from sidecar.stores.master_keys import MasterKeyTable

_CHECK_BYTES = 16


async def require_known_keys(settings: Settings, database: Database) -> None:
    """Raise ``ConfigError`` for keys that others were before, and note those of versions that are new here.

    Nothing is noted unless all are right. Raises ``StoreUnavailable``.
    """
    masters = (settings.master, *settings.earlier_masters)
    checks = {one.version: one.derive(Purpose.KEY_CHECK)[:_CHECK_BYTES] for one in masters}
    mistaken = await MasterKeyTable(database).mistaken(checks)
    if mistaken:
        places = _places(settings.config.keys)
        raise ConfigError(tuple(_problem(places[version], version) for version in mistaken))


def _places(config: KeysConfig) -> dict[int, str]:
    earlier = {one.version: _place(f"keys.previous[{index}]", one) for index, one in enumerate(config.previous)}
    return {config.version: _place("keys", config), **earlier}


def _place(where: str, config: KeysConfig | EarlierKeyConfig) -> str:
    return f"{where}.{'master_file' if config.master_file is not None else 'master_env'}"


def _problem(where: str, version: int) -> Problem:
    return Problem(
        where,
        f"this is not the key that was version {version} of the master key when this database was used before",
        f"Give that key; a new one gets a version that none has had, and version {version} goes under keys.previous",
    )
