"""Of what the keys of a log are made, in a form that can be told to another process, as a signing key can't. Edge."""

from __future__ import annotations

from dataclasses import dataclass, field

from sidecar.audit.appender import LogKeys
from sidecar.audit.keyring import KeyProvider, LocalKeys, signer_of
from sidecar.audit.providers.aws import KmsKeys, KmsSettings
from sidecar.audit.providers.vault import VaultKeys, VaultSettings
from sidecar.keys import MasterKey


@dataclass(frozen=True)
class KeyRecipe:
    """Makes the keys, in each process that needs them. ``provider`` None: the master key wraps the keys of segments.

    Earlier master keys open what they sealed, and introduce their successor.
    """

    origin: str
    provider: VaultSettings | KmsSettings | None
    master: MasterKey = field(repr=False)
    earlier_masters: tuple[MasterKey, ...] = field(default=(), repr=False)

    def __call__(self) -> LogKeys:
        """Raise ConfigError where the provider lacks something."""
        earlier = tuple(signer_of(one, self.origin) for one in self.earlier_masters)
        return LogKeys(self._provider(), signer_of(self.master, self.origin), earlier)

    def _provider(self) -> KeyProvider:
        match self.provider:
            case VaultSettings():
                return VaultKeys(self.provider)
            case KmsSettings():
                return KmsKeys(self.provider)
        return LocalKeys({one.version: one for one in (*self.earlier_masters, self.master)})
