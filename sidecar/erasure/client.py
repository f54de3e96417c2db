"""Talks to the erasure endpoints of a running sidecar, for the command line. Blocking; TLS is verified.

Identities go in the body only, and only there: not in a URL, which ends up in logs, and not in an argument, which every
user of the machine can see.
"""

from __future__ import annotations

import http.client
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import urlsplit

from sidecar.errors import ConfigError, Problem, SidecarError, UpstreamFault
from sidecar.targets.form import is_loopback

MAX_ANSWER_BYTES: Final = 4 * 1024 * 1024
_TIMEOUT_S: Final = 30.0


class Refused(SidecarError):
    """The sidecar answered, and not with what was asked for. ``said`` is its body, which holds no identity (E5)."""

    def __init__(self, status: int, said: str) -> None:
        super().__init__(f"the sidecar answered {status}: {said}")
        self.status = status


class NoAnswer(SidecarError):
    """The sidecar could not be asked, or what answered is none."""

    def __init__(self, fault: UpstreamFault) -> None:
        super().__init__(f"{fault.value}: {_REMEDIES[fault]}")


_REMEDIES: Final[Mapping[UpstreamFault, str]] = {
    UpstreamFault.UNREACHABLE: "nobody listens at --url; check it, and that the sidecar runs",
    UpstreamFault.TIMED_OUT: f"no answer within {_TIMEOUT_S:g} seconds; try again",
    UpstreamFault.CLOSED_EARLY: "the connection was closed before the answer; try again",
    UpstreamFault.TLS: "the listener's certificate can't be verified, or ours is refused; see --ca and --certificate",
    UpstreamFault.BAD_RESPONSE: "what answers at --url is no admin listener of a sidecar",
}


@dataclass(frozen=True, slots=True)
class Connection:
    """Where the admin listener is, how it is trusted, and as whom to call."""

    url: str
    tls: ssl.SSLContext | None
    token: str | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        try:
            parts = urlsplit(self.url)
            strange = parts.port == 0 or parts.path.strip("/") or parts.query or parts.fragment or "@" in parts.netloc
            (parts.hostname or "").encode("idna")  # as sockets do: an empty or long label is no name
        except ValueError:
            raise _unusable("is no URL", "Write e.g. https://sidecar.internal:9443") from None
        plain = self.url.isascii() and self.url.isprintable() and " " not in self.url
        if parts.scheme not in {"http", "https"} or not parts.hostname or strange or not plain:
            raise _unusable("is not the URL of a listener", "Write e.g. https://sidecar.internal:9443")
        if parts.scheme == "http" and not is_loopback(parts.hostname):
            raise _unusable("is plain HTTP to another machine", "Use https://, and --ca for its authority")

    def call(self, method: str, path: str, body: bytes | None = None) -> bytes:
        """Return the body of a 2xx answer. Raises ``Refused`` or ``NoAnswer``."""
        connection = self._open()
        try:
            connection.request(method, path, body=body, headers=self._headers(body))
            response = connection.getresponse()
            data = response.read(MAX_ANSWER_BYTES)
        except ssl.SSLError:
            raise NoAnswer(UpstreamFault.TLS) from None
        except TimeoutError:
            raise NoAnswer(UpstreamFault.TIMED_OUT) from None
        except OSError:
            raise NoAnswer(UpstreamFault.UNREACHABLE) from None
        except http.client.HTTPException:
            raise NoAnswer(UpstreamFault.BAD_RESPONSE) from None
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
