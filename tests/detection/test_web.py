"""URLs, network addresses, coordinates, wallets (D7)."""

from __future__ import annotations

import pytest

from tests.detection.spotting import ask, spot

FOUND = [
    ("plus code 849VCWC8+R9", "GEO_POINT", "849VCWC8+R9"),
    ("at ///filled.count.soap now", "GEO_POINT", "///filled.count.soap"),
    ("see https://user:pw@shop.example/orders/8812?id=77.", "URL", "https://user:pw@shop.example/orders/8812?id=77"),
    ("www.example.com/me", "URL", "www.example.com/me"),
    ("example.com/track/1Z99", "URL", "example.com/track/1Z99"),
    ("from 192[.]0[.]2[.]44 today", "IP", "192[.]0[.]2[.]44"),
    ("from 192.0.2.44 today", "IP", "192.0.2.44"),
    ("2001:db8::8a2e:370:7334", "IP", "2001:db8::8a2e:370:7334"),
    ("mac 00:1B:44:11:3A:B7", "MAC", "00:1B:44:11:3A:B7"),
    ("mac 00-1b-44-11-3a-b7", "MAC", "00-1b-44-11-3a-b7"),
    ("i am at 48.858370, 2.294481", "GEO_POINT", "48.858370, 2.294481"),
    ("40°26'46\"N 79°58'56\"W", "GEO_POINT", "40°26'46\"N 79°58'56\"W"),
    ("send to 1BoatSLRHtKNngkdXEeobR76b53LETtpyT", "CRYPTO_WALLET", "1BoatSLRHtKNngkdXEeobR76b53LETtpyT"),
    ("0x52908400098527886E0F7030069857D2E4169EE7", "CRYPTO_WALLET", "0x52908400098527886E0F7030069857D2E4169EE7"),
    ("bc1qar0srrr7xfkvy5l643lydnw9re59gtzzwf5mdq", "CRYPTO_WALLET", "bc1qar0srrr7xfkvy5l643lydnw9re59gtzzwf5mdq"),
]

KEPT = [
    "version 1.2.3.4.5",
    "at 12:30:45 sharp",
    "and/or maybe",
    "ratio 3.5, 4.25",
    "300.1.2.3 is no address",
    "open 9:00-17:00",
    "///note.to.self",
]


@pytest.mark.parametrize(("text", "label", "value"), FOUND)
def test_found_d7(text: str, label: str, value: str) -> None:
    assert (label, value) in spot(ask(text))


@pytest.mark.parametrize("text", KEPT)
def test_kept_d11(text: str) -> None:
    assert spot(ask(text)) == []
