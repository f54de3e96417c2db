"""Reads secrets from where the configuration says. Their values never show in an error."""

from __future__ import annotations

import os
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from sidecar.config.model import EarlierKeyConfig, KeysConfig
from sidecar.errors import ConfigError, Problem
from sidecar.keys import MASTER_BYTES, MasterKey, Purpose
from sidecar.targets.form import SecretSource


def read_master_key(config: KeysConfig | EarlierKeyConfig, where: str = "keys") -> MasterKey:
    """Return a master key, or raise ``ConfigError``."""
    if config.master_file is not None:
        where, text = f"{where}.master_file", _read_file(config.master_file, f"{where}.master_file")
    else:
        where, text = f"{where}.master_env", _read_env(config.master_env or "", f"{where}.master_env")
    try:
        secret = bytes.fromhex(text)
    except ValueError:
        secret = b""
    if len(secret) != MASTER_BYTES:
        remedy = "Make one with: openssl rand -hex 32"
        raise ConfigError((Problem(where, f"does not hold {MASTER_BYTES} bytes as hex digits", remedy),))
    return MasterKey(secret, config.version)


def receipt_key(master: MasterKey) -> Ed25519PrivateKey:
    """Return the key that signs erasure receipts (Ed25519, RFC 8032)."""
    return Ed25519PrivateKey.from_private_bytes(master.derive(Purpose.RECEIPT_SIGNING))


def epoch_key(master: MasterKey) -> Ed25519PrivateKey:
    """Return the key that signs the marks of epochs in other systems."""
    return Ed25519PrivateKey.from_private_bytes(master.derive(Purpose.EPOCH_SIGNING))


def read_secret(config: SecretSource, where: str) -> str:
    """Return a secret, prefix included."""
    text = _read_file(config.file, where) if config.file is not None else _read_env(config.env or "", where)
    return config.prefix + text


def _read_file(path: Path, where: str) -> str:
    try:
        return path.read_text(encoding="ascii").strip()
    except OSError as error:
        message = f"can't read {path} ({error.strerror})"
        raise ConfigError((Problem(where, message, "Check its path and rights"),)) from None
    except UnicodeDecodeError:
        raise ConfigError((Problem(where, f"{path} holds more than ASCII", "Write the secret as text"),)) from None


def _read_env(name: str, where: str) -> str:
    value = os.environ.get(name, "").strip()
    if not value:
        raise ConfigError((Problem(where, f"the variable {name} is not set", "Set it for the sidecar's process"),))
    return value
