"""Talks to the erasure endpoints of a running sidecar, for the command line. Blocking; TLS is verified.

Identities go in the body only, and only there: not in a URL, which ends up in logs, and not in an argument, which every
user of the machine can see.
"""

from __future__ import annotations

import http.client
import ssl
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import urlsplit

from sidecar.errors import ConfigError, Problem, SidecarError, UpstreamFailed, UpstreamFault
from sidecar.targets.form import is_loopback

MAX_ANSWER_BYTES: Final = 4 * 1024 * 1024
_TIMEOUT_S: Final = 30.0


class Refused(SidecarError):
    """The sidecar answered, and not with what was asked for. ``said`` is its body, which holds no identity (E5)."""

    def __init__(self, status: int, said: str) -> None:
        super().__init__(f"the sidecar answered {status}: {said}")
        self.status = status


@dataclass(frozen=True, slots=True)
class Connection:
    """Where the admin listener is, how it is trusted, and as whom to call."""

    url: str
    tls: ssl.SSLContext | None
    token: str | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        parts = urlsplit(self.url)
        if parts.scheme not in {"http", "https"} or not parts.hostname or parts.path.strip("/"):
            raise _unusable("is not the URL of a listener", "Write e.g. https://sidecar.internal:9443")
        if parts.scheme == "http" and not is_loopback(parts.hostname):
            raise _unusable("is plain HTTP to another machine", "Use https://, and --ca for its authority")

    def call(self, method: str, path: str, body: bytes | None = None) -> bytes:
        """Return the body of a 2xx answer. Raises ``Refused`` or ``UpstreamFailed``."""
        connection = self._open()
        try:
            connection.request(method, path, body=body, headers=self._headers(body))
            response = connection.getresponse()
            data = response.read(MAX_ANSWER_BYTES)
        except ssl.SSLError:
            raise UpstreamFailed(UpstreamFault.TLS) from None
        except TimeoutError:
            raise UpstreamFailed(UpstreamFault.TIMED_OUT) from None
        except OSError:
            raise UpstreamFailed(UpstreamFault.UNREACHABLE) from None
        except http.client.HTTPException:
            raise UpstreamFailed(UpstreamFault.BAD_RESPONSE) from None
        finally:
            connection.close()
        if not 200 <= response.status < 300:
            raise Refused(response.status, data.decode("utf-8", "replace"))
        return data

    def _open(self) -> http.client.HTTPConnection:
        parts = urlsplit(self.url)
        host = parts.hostname or ""
        if parts.scheme == "http":
            return http.client.HTTPConnection(host, parts.port, timeout=_TIMEOUT_S)
        return http.client.HTTPSConnection(host, parts.port, timeout=_TIMEOUT_S, context=self.tls)

    def _headers(self, body: bytes | None) -> dict[str, str]:
        headers = {"Accept": "application/json"}
        if self.token is not None:
            headers["Authorization"] = f"Bearer {self.token}"
        if body is not None:
            headers["Content-Type"] = "application/json"
        return headers


def _unusable(message: str, remedy: str) -> ConfigError:
    return ConfigError((Problem("--url", message, remedy),))
