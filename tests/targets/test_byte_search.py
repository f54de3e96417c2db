"""An identity is found in bytes however a format writes it, and in nobody else's."""

from __future__ import annotations

import io
import json
from unicodedata import normalize

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.erasure.request import IdentityType
from sidecar.targets.byte_search import ByteSearch, count_in_stream, search_of

MAIL = "anna@example.org"
NAME = "Jürgen Groß"


def search(value: str) -> ByteSearch:
    found = search_of({IdentityType.NAME: value})
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("value", "data"),
    [
        (MAIL, json.dumps(f"write to\n{MAIL}\tor call")),
        (MAIL, json.dumps(f"write to\u2014{MAIL}")),
        (MAIL, json.dumps(json.dumps(f"in a letter:\n{MAIL}"))),
        (MAIL, r'{"mail":"Anna\u0040EXAMPLE.org"}'),
        ("pat.o'brien+x@example.org", r'{"mail":"pat.o\u0027brien\u002Bx@example.org"}'),  # as .NET writes it
        (NAME, "JÜRGEN GROSS"),
        (NAME, json.dumps("JÜRGEN GROSS").upper().replace("\\U", "\\u")),
        (NAME, normalize("NFD", NAME)),
        (normalize("NFD", NAME), NAME),
        ("Анна Каренина", "АННА КАРЕНИНА"),
        ('Ann "A" Lee', '"Ann ""A"" Lee";7'),
        ('Ann "A" Lee', '"{""name"": ""Ann \\""A\\"" Lee""}"'),
        ("C-1007/9", json.dumps("C-1007/9").replace("/", "\\/")),
    ],
)
def test_E28_is_found_in_every_spelling(value: str, data: str) -> None:
    assert search(value).found_in(data.encode())
    assert count_in_stream(io.BytesIO(data.encode()), search(value)) == 1


@pytest.mark.parametrize(
    "data", ["joanna@example.org", "anna@example.organic", "1anna@example.org", "anna@example,org"]
)
def test_is_not_found_in_somebody_elses(data: str) -> None:
    assert not search(MAIL).found_in(data.encode())


@given(
    st.text(st.sampled_from("\\\"/aAß😀\u0301e.u0022n '"), min_size=6, max_size=12), st.integers(0, 3), st.booleans()
)
def test_E28_is_found_in_json_in_json(value: str, depth: int, ascii_only: bool) -> None:
    text = value
    for _ in range(depth):
        text = json.dumps(text, ensure_ascii=ascii_only)
    assert search(value).found_in(f"<{text}>".encode())


@pytest.mark.parametrize("value", ["\\" * 512, '"' * 512, '\\"' * 256, '"\\' * 256])
def test_no_identity_makes_the_search_try_everything_twice(value: str) -> None:
    data = b"\\" * 3000 + b'"' * 3000 + b'\\"' * 2000 + b'\\\\\\"' * 1000
    search(value).found_in(data)  # it would not end


def test_is_found_once_wherever_windows_end() -> None:
    for place in (1024 * 1024 - 3, 1024 * 1024 - 128 * 1024 - 3, 2 * 1024 * 1024 - 128 * 1024 + 2):
        data = b" " * place + MAIL.encode() + b" " * 1024 * 1024
        assert count_in_stream(io.BytesIO(data), search(MAIL)) == 1
        data = b" " * (place - 1) + b"jo" + MAIL.encode() + b" " * 1024 * 1024
        assert count_in_stream(io.BytesIO(data), search(MAIL)) == 0


def test_short_identities_are_everywhere_by_chance() -> None:
    assert search_of({IdentityType.CUSTOMER_ID: "C-100"}) is None
