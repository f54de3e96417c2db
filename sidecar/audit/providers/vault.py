"""HashiCorp Vault's (or OpenBao's) Transit engine wraps the keys. Edge; blocking.

The key must be of type ``aes256-gcm96`` (the default): its associated data binds a wrapped key to log and segment. The
token needs ``update`` on ``<mount>/encrypt/<key>`` and ``<mount>/decrypt/<key>``, and nothing else. It is read anew for
each call, as an agent renews it. See https://developer.hashicorp.com/vault/api-docs/secret/transit.
"""

from __future__ import annotations

import http.client
import json
import re
import ssl
from base64 import b64decode, b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

from sidecar.audit.keyring import KeyProviderUnavailable, WrapContext, Wrapped
from sidecar.errors import KeyMaterialError

ANSWER_LIMIT = 1 << 20  # bytes
_TOKEN = re.compile(r"[!-~]+")
_CIPHERTEXT = re.compile(r"vault:v([0-9]{1,9}):[A-Za-z0-9+/=]+")


@dataclass(frozen=True, slots=True)
class VaultSettings:
    """Where the engine is. ``ca`` holds who vouches for it, where it is not one of the system's authorities."""

    url: str
    key: str
    token_file: Path
    mount: str = "transit"
    namespace: str | None = None
    ca: Path | None = None
    timeout_seconds: float = 3.0


class VaultKeys:
    """Implements ``KeyProvider``. A key is called ``vault:<mount>/<key>/v<version>``."""

    def __init__(self, settings: VaultSettings) -> None:
        self._settings = settings
        self._key_id = ""
        self._tls = ssl.create_default_context(cafile=settings.ca) if settings.url.startswith("https:") else None

    @property
    def key_id(self) -> str:
        """Name the version that wraps now; Vault tells it with what it wraps."""
        return self._key_id or self.wrap(bytes(32), WrapContext("none", 0)).key_id

    def wrap(self, key: bytes, context: WrapContext) -> Wrapped:
        text = self._ask("encrypt", "ciphertext", {"plaintext": _text(key), "associated_data": _text(context.bound)})
        match = _CIPHERTEXT.fullmatch(text)
        if match is None:
            raise KeyProviderUnavailable("vault: the answer holds no ciphertext")
        self._key_id = f"vault:{self._settings.mount}/{self._settings.key}/v{match[1]}"
        return Wrapped(self._key_id, text.encode())

    def unwrap(self, wrapped: Wrapped, context: WrapContext) -> bytes:
        if not wrapped.key_id.startswith(f"vault:{self._settings.mount}/{self._settings.key}/"):
            raise KeyMaterialError(f"segment {context.segment} needs the key {wrapped.key_id}, which was not given")
        asked = {"ciphertext": wrapped.data.decode("latin-1"), "associated_data": _text(context.bound)}
        try:
            return b64decode(self._ask("decrypt", "plaintext", asked), validate=True)
        except ValueError:
            raise KeyProviderUnavailable("vault: the answer holds no key") from None

    def _ask(self, act: str, member: str, asked: Mapping[str, str]) -> str:
        """Return one member of what Vault answers. Nothing of the answer to a failure is repeated."""
        path = f"/v1/{quote(self._settings.mount)}/{act}/{quote(self._settings.key, safe='')}"
        try:
            status, body = self._post(path, json.dumps(asked).encode())
        except (OSError, http.client.HTTPException, UnicodeError):  # the last of a host that can have no address
            raise KeyProviderUnavailable("vault: can't be reached") from None
        if status in (400, 404):
            raise KeyMaterialError(f"vault: {act} was refused ({status}): the key is gone, or wrapped something else")
        if status != 200:
            raise KeyProviderUnavailable(f"vault: {act} was answered by {status}")
        try:
            answer: Any = json.loads(body)
        except (ValueError, RecursionError):
            answer = None
        match answer:
            case {"data": {**members}} if isinstance(members.get(member), str):
                return str(members[member])
        raise KeyProviderUnavailable("vault: the answer is not that of the Transit engine")

    def _token(self) -> str:
        """Nothing else may reach the HTTP client: it quotes what is no header in an error that nobody expects."""
        try:
            token = self._settings.token_file.read_text(encoding="ascii").strip()
        except (OSError, ValueError):
            raise KeyProviderUnavailable("vault: the token file can't be read") from None
        if _TOKEN.fullmatch(token) is None:
            raise KeyProviderUnavailable("vault: the token file holds no token")
        return token

    def _post(self, path: str, body: bytes) -> tuple[int, bytes]:
        settings, parts = self._settings, urlsplit(self._settings.url)
        headers = {"X-Vault-Token": self._token(), "Content-Type": "application/json"}
        if settings.namespace is not None:
            headers["X-Vault-Namespace"] = settings.namespace
        connection: http.client.HTTPConnection
        if self._tls is not None:
            connection = http.client.HTTPSConnection(parts.netloc, timeout=settings.timeout_seconds, context=self._tls)
        else:
            connection = http.client.HTTPConnection(parts.netloc, timeout=settings.timeout_seconds)
        try:
            connection.request("POST", parts.path.rstrip("/") + path, body, headers)
            answer = connection.getresponse()
            return answer.status, answer.read(ANSWER_LIMIT)
        finally:
            connection.close()


def _text(data: bytes) -> str:
    return b64encode(data).decode()
