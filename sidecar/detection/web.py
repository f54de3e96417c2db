"""URLs, network addresses, places on the globe and wallets (D7). Linear: every repetition is bounded (D17)."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Iterator
from hashlib import sha256
from typing import Final

from sidecar.detection.scores import CERTAIN_SHAPE, GRAMMAR, STRONG_GRAMMAR
from sidecar.detection.span import Span
from sidecar.detection.view import View

_URL: Final = re.compile(r"(?<![a-z0-9])(?:[a-z][a-z0-9+.-]{1,15}://|www\.)[^\s<>\"]{3,2048}")
_BARE_URL: Final = re.compile(
    r"(?<![\w@./-])(?:[a-z0-9](?:[a-z0-9-]{0,40}[a-z0-9])?\.){1,4}"
    r"(?:com|net|org|io|co|app|dev|info|uk|de|fr|es|it|nl|pl|pt|eu|us|in|ly|me|gov|edu)(?:/[^\s<>\"]{1,2048})"
)
_V4: Final = re.compile(r"(?<![\w.])(?:[0-9]{1,3}(?:\.|\[\.\])){3}[0-9]{1,3}(?![\w]|\.[0-9])")
_V6: Final = re.compile(
    r"(?<![\w:.])[0-9a-f]{0,4}(?::[0-9a-f]{0,4}){2,7}(?:(?:[0-9]{1,3}\.){3}[0-9]{1,3})?(?:%\w{1,15})?(?![\w:])"
)
_MAC: Final = re.compile(
    r"(?<![\w:-])[0-9a-f]{2}(?:([:-])[0-9a-f]{2})(?:\1[0-9a-f]{2}){4}(?![\w:-])|(?<!\w)(?:[0-9a-f]{4}\.){2}[0-9a-f]{4}(?!\w)"
)
_GEO: Final = re.compile(
    r"(?<![\w.])[-+]?[0-9]{1,3}\.[0-9]{3,12}\s?°?\s?[ns]?\s{0,2}[,;/ ]\s{0,2}"
    r"[-+]?[0-9]{1,3}\.[0-9]{3,12}(?:\s?°?\s?[ew](?!\w))?(?![\w])"
    r"|[0-9]{1,2}\s?°\s?[0-9]{1,2}\s?['][^\S\n]?(?:[0-9]{1,2}(?:\.[0-9]{1,6})?\s?(?:\"|''))?\s?[ns][, ]{1,3}"
    r"[0-9]{1,3}\s?°\s?[0-9]{1,2}\s?['][^\S\n]?(?:[0-9]{1,2}(?:\.[0-9]{1,6})?\s?(?:\"|''))?\s?[ew]"
)
_GRID: Final = re.compile(
    r"(?<![\w+])(?=[0-9+]{0,9}[a-z])[2-9cfghjmpqrvwx]{6,8}\+[2-9cfghjmpqrvwx]{2,3}(?!\w)"  # Open Location Code
    r"|(?<![/:\w])///[a-z]{3,20}\.[a-z]{3,20}\.[a-z]{3,20}(?!\w)"  # what3words
)
_WALLET: Final = re.compile(
    r"(?<!\w)(?:0x[0-9a-fA-F]{40}|(?:bc|tb)1[02-9ac-hj-np-z]{11,71}|[13][1-9A-HJ-NP-Za-km-z]{25,34}|"
    r"[48][0-9AB][1-9A-HJ-NP-Za-km-z]{93}|r[1-9A-HJ-NP-Za-km-z]{24,34})(?!\w)"
)
_BASE58: Final = {
    letter: value for value, letter in enumerate("123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz")
}
_TRAILING: Final = ".,;:!?'\")]}*_"


def find_urls(view: View) -> Iterable[Span]:
    if "://" not in view.lower and "www." not in view.lower and "/" not in view.lower:
        return
    for pattern in (_URL, _BARE_URL):
        for match in pattern.finditer(view.lower):
            end = match.end() - (len(match.group()) - len(match.group().rstrip(_TRAILING)))
            if end - match.start() > 4:
                yield Span(match.start(), end, "URL", CERTAIN_SHAPE, "url")


def find_network(view: View) -> Iterable[Span]:
    """IPv4 (not a version: "1.2.3.4.5", "v1.2.3.4"), IPv6 (RFC 4291), MAC (IEEE 802)."""
    lower = view.lower
    if lower.count(".") >= 3:
        for match in _V4.finditer(lower):
            if all(int(part) <= 255 for part in match.group().replace("[.]", ".").split(".")):
                yield Span(*match.span(), "IP", STRONG_GRAMMAR, "ip")
    if lower.count(":") >= 2:
        yield from _v6(lower)
    if ":" in lower or "-" in lower or "." in lower:
        for match in _MAC.finditer(lower):
            yield Span(*match.span(), "MAC", CERTAIN_SHAPE, "mac")


def _v6(lower: str) -> Iterator[Span]:
    for match in _V6.finditer(lower):
        written = match.group()
        if sum(c in "0123456789abcdef" for c in written) < 3:
            continue
        try:
            ipaddress.IPv6Address(written)
        except ipaddress.AddressValueError:
            continue
        yield Span(*match.span(), "IP", CERTAIN_SHAPE, "ip")


def find_places(view: View) -> Iterable[Span]:
    """Coordinates: decimal degrees with three or more places in range, degrees and minutes with N/S and E/W; and codes
    for a square of the map.
    """
    if "+" in view.lower or "///" in view.lower:
        for match in _GRID.finditer(view.lower):
            yield Span(*match.span(), "GEO_POINT", STRONG_GRAMMAR, "geo")
    if "." not in view.lower and "°" not in view.lower:
        return
    for match in _GEO.finditer(view.lower):
        numbers = [float(n) for n in re.findall(r"[-+]?[0-9]{1,3}(?:\.[0-9]{1,12})?", match.group())]
        if "°" in match.group() or (len(numbers) >= 2 and abs(numbers[0]) <= 90 and abs(numbers[1]) <= 180):
            yield Span(*match.span(), "GEO_POINT", GRAMMAR, "geo")


def find_wallets(view: View) -> Iterable[Span]:
    """Ethereum and bech32 by shape, Bitcoin base58 by its checksum, Monero and Ripple by shape."""
    for match in _WALLET.finditer(view.text):
        written = match.group()
        if written[0] in "13":
            if _base58_checks(written):
                yield Span(*match.span(), "CRYPTO_WALLET", CERTAIN_SHAPE, "wallet")
        elif any(c.isdigit() for c in written) and any(c.isalpha() for c in written[2:]):
            yield Span(*match.span(), "CRYPTO_WALLET", STRONG_GRAMMAR, "wallet")


def _base58_checks(written: str) -> bool:
    """Verify base58check: the last four bytes are the start of a double SHA-256 of the rest."""
    number = 0
    for letter in written:
        number = number * 58 + _BASE58[letter]
    data = number.to_bytes(25, "big") if number < 256**25 else b""
    return len(data) == 25 and sha256(sha256(data[:21]).digest()).digest()[:4] == data[21:]
