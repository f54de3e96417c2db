"""Lets calls that strangers asked for go to public hosts only (E18).

A controller names the URL that it wants to be called at, and so could have us call what only we can reach: the pod's
neighbours, a cloud's metadata. So names are resolved once, here, every address is judged, and the connection is made to
those that were judged: a name that answers otherwise a moment later gains nothing.
"""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from aiohttp.abc import AbstractResolver, ResolveResult

from sidecar.erasure.receiver_names import ReceiverNames

Networks = tuple[ipaddress.IPv4Network | ipaddress.IPv6Network, ...]


class PrivateHost(OSError):
    """The host is, or resolves to, an address that must not be called. Names neither."""


@dataclass(frozen=True, slots=True)
class HostRules:
    """``hosts``: the only names that may be called, if any are given. ``networks``: private ones that may."""

    hosts: frozenset[str] = frozenset()
    networks: Networks = ()

    def admits_url(self, url: str) -> bool:
        """Tell whether a URL may be tried: its name is admitted, and if it is an address, so is that."""
        host = (urlsplit(url).hostname or "").lower().rstrip(".")
        if self.hosts and host not in self.hosts:
            return False
        try:
            ipaddress.ip_address(host)
        except ValueError:
            # Systems read 127.1 and 0x7f000001 as addresses; a name never ends in a number.
            return not host.rpartition(".")[2][:1].isdigit() and not host.startswith("0x")
        return self.admits_address(host)

    def admits_address(self, address: str) -> bool:
        """Tell whether an address is public, or one of those that may be called all the same."""
        parsed = ipaddress.ip_address(address.partition("%")[0])
        if isinstance(parsed, ipaddress.IPv6Address) and parsed.ipv4_mapped is not None:
            parsed = parsed.ipv4_mapped
        if any(parsed.version == one.version and parsed in one for one in self.networks):
            return True
        if not parsed.is_global or parsed.is_multicast:
            return False
        if isinstance(parsed, ipaddress.IPv4Address):
            return not any(parsed in one for one in _NOT_PUBLIC)
        return parsed in _UNICAST and not any(parsed in one for one in _NOT_UNICAST)


_NOT_PUBLIC = tuple(map(ipaddress.IPv4Network, ("192.0.0.0/24", "192.88.99.0/24")))
_UNICAST = ipaddress.IPv6Network("2000::/3")
"""What is given out for hosts (IANA, IPv6 address space). Outside lie site-local addresses, and all that may stand for
an IPv4 address which nobody has judged: compatible and translated ones, NAT64 with its local prefix."""
_NOT_UNICAST = tuple(map(ipaddress.IPv6Network, ("2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20")))
"""Inside: Teredo and other protocols, 6to4, documentation. Not every Python knows all of these."""


class PublicResolver(AbstractResolver):
    """Resolves names to addresses that were judged, all of them or none."""

    def __init__(self, rules: HostRules, resolver: Callable[[], AbstractResolver] = ReceiverNames) -> None:
        self._rules = rules
        self._resolver = resolver()

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        found: Sequence[ResolveResult] = await self._resolver.resolve(host, port, family)
        if not found or not all(self._rules.admits_address(one["host"]) for one in found):
            raise PrivateHost("a callback's host has an address that must not be called")
        return list(found)

    async def close(self) -> None:
        await self._resolver.close()
