"""P20: which pieces of a response's fields are read."""

from __future__ import annotations

from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.proxy.header_texts import pieces_of, texts_of, texts_of_target

IBAN = "DE89370400440532013000"
CODED = "amFuZS5yb2VAZXhhbXBsZS5jb20"
"""Base64 of jane.roe@example.com, without its padding."""
UUID = "8a7c6a0e-94b0-4f5b-8f0e-1b2c3d4e5f60"


def texts(name: str, value: str, target: str = "/") -> list[str]:
    return [text for _, text in texts_of({name: value}, frozenset({"set-cookie"}), target)]


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("Location", "/customers/jane.roe%40canary.example", ["customers", "jane.roe@canary.example"]),
        ("Location", "https://host.example/c/Jane%20Roe?x=1", ["Jane Roe"]),
        ("Location", "//host.example/c/Jane+Roe", ["Jane+Roe", "Jane Roe"]),
        ("Location", "/x?next=%2Fc%2FJane%2520Roe", ["Jane Roe"]),
        ("Location", "https://jane.roe:pw@host.example/", ["https:", "jane.roe:pw@host.example"]),
        ("Location", "/a?jane.roe@canary.example=1", ["jane.roe@canary.example"]),
        ("Link", f'<https://h/c/{UUID}?page=2>; rel="next"', []),
        (
            "Content-Disposition",
            "attachment; filename*=UTF-8''Jane%20Roe.pdf",
            ["Jane Roe.pdf", "Jane Roe pdf"],
        ),
        ("Content-Disposition", "attachment; filename*=iso-8859-1'en'Jos%E9%20Roe", ["José Roe"]),
        ("Link", "<https://h/x>; title*=UTF-8'de'Jane%20Roe", ["Jane Roe"]),
        ("Content-Disposition", 'attachment; filename="=?UTF-8?B?SmFuZSBSb2U=?="', ["Jane Roe"]),
        ("Content-Disposition", "attachment; filename==?iso-8859-1?Q?Jos=E9_Roe?=", ["José Roe"]),
        ("Content-Disposition", 'attachment; filename="=?x-none?B?SmFuZSBSb2U=?="', ["Jane Roe"]),
        ("Content-Disposition", 'attachment; filename="jane_roe.pdf"', ["jane_roe.pdf", "jane roe pdf"]),
        (
            "Content-Disposition",
            'attachment; filename="project-1-at-2026-11-24-01-49-24df7355.json"',
            ["project-1-at-.json", "project 1 at json"],
        ),
        (
            "Content-Disposition",
            'attachment; filename="2026-11-24-01-49-60155501.json"',
            ["-60155501.json", " 60155501 json"],
        ),
        ("Content-Disposition", 'attachment; filename="chat-2026-11-24.json"', ["chat-.json", "chat json"]),
        (
            "Content-Disposition",
            'attachment; filename="chat-1987-03-14.json"',
            ["chat-1987-03-14.json", "chat 1987 03 14 json"],
        ),
        ("Link", '<https://h/x?cursor=abc123&page=2>; rel="next", <https://h/x?after=eyJpZCI6M30%3D>; rel="prev"', []),
        ("Link", '<https://h/x?cursor=marta&after=jane.roe%40b.cc>; rel="next"', ["marta", "jane.roe@b.cc"]),
        ("Link", '<https://h/x?after=48601555014&name=abc123>; rel="next"', ["48601555014", "abc123"]),
        ("X-Customer", "Jane Roe", ["Jane Roe"]),
        ("X-Phone", "+49 30 901820", ["+49 30 901820", "49 30 901820"]),
        ("X-Card", "4111111111111111", ["4111111111111111"]),
        ("Refresh", "5; url=/c/Jane%20Roe", ["Jane Roe"]),
        ("X-4111111111111111", "1", ["X-4111111111111111"]),
        ("X-jane.roe.canary.example", "on", ["X-jane.roe.canary.example", "on"]),
        ("Vary", "Jane Roe", ["Jane Roe"]),
        ("Cache-Control", "no-store, u=Jane Roe", ["no-store", "Jane Roe"]),
        ("Retry-After", "4111111111111111", ["4111111111111111"]),
    ],
)
def test_what_could_be_a_person_is_read(name: str, value: str, expected: list[str]) -> None:
    assert texts(name, value) == expected


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("Content-Type", "application/json"),
        ("Expires", "Sat, 28 Nov 2026 20:37:53 GMT"),
        ("Cache-Control", "max-age=31536000, must-revalidate, stale-while-revalidate=60"),
        ("Content-Security-Policy", "default-src self; upgrade-insecure-requests; style-src self data:"),
        ("ETag", '"65d3f1b2-12345678901234567890-gzip"'),
        ("Set-Cookie", "session=jane"),
        ("Location", "/login?next=/projects/1"),
        ("Location", f"https://host.example/api/{UUID}?page=2&per_page=50"),
        (
            "Location",
            "/oauth2/authorize?client_id=web&state=Zx9q8w7e6r&redirect_uri=https%3A%2F%2Fapp.example%2Fcallback",
        ),
        ("X-Request-Id", UUID),
        ("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"),
        ("X-Total-Count", "1250"),
        ("X-Process-Time", "0.0123"),
        ("Location", "/static/index.html"),
    ],
)
def test_machinery_is_not(name: str, value: str) -> None:
    assert texts(name, value) == []


def test_a_redirect_may_repeat_what_the_client_said() -> None:
    target = "/c/Jane%20Roe?mail=jane%40canary.example"
    assert texts("Location", "/login?next=%2Fc%2FJane%2520Roe", target) == []
    assert texts("Location", "/c/Jane%20Roe/?mail=jane@canary.example", target) == []
    assert texts("Location", "/c/John%20Doe", target) == ["John Doe"]
    assert texts("X-Customer", "Jane Roe", target) == ["Jane Roe"], "that would confirm a guess"


SECRETS = st.text(alphabet="abcXYZ @.é", min_size=3, max_size=20).map(str.strip).filter(lambda text: len(text) > 2)


@given(SECRETS, st.integers(min_value=0, max_value=2), st.sampled_from(["/c/{}", "/c?name={}", "/x?next=/c/{}#a"]))
def test_no_depth_of_percent_coding_hides_a_value(secret: str, depth: int, place: str) -> None:
    coded = secret
    for _ in range(depth + 1):
        coded = quote(coded, safe="")
    assert secret in pieces_of(place.format(coded))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("Vary", "jane.roe@example.com"),
        ("Cache-Control", 'private="Jane Roe 212-555-0143"'),
        ("Retry-After", "212-555-0143"),
        ("Location", "/cb?state=jane.roe@example.com"),
        ("Location", "/cb?state=jane.roe%40example.com"),
        ("Location", "/cb?code=212-555-0143"),
    ],
)
def test_P20_fields_and_parameters_of_machines_are_read_where_they_hold_something_else(name: str, value: str) -> None:
    said = " ".join(text for _, text in texts_of({name: value}, frozenset(), "/"))
    assert "jane.roe@example.com" in said or "212-555-0143" in said


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("Vary", "Accept-Encoding, Origin"),
        ("Cache-Control", "private, max-age=31536000"),
        ("Date", "Tue, 24 Nov 2026 11:07:24 GMT"),
        ("ETag", '"33a64df551425fcc55e4d42a148795d9f25f89d4"'),
        ("Location", "/cb?state=af0ifjsldkj&code=SplxlOBeZQQYbYS6WxSbIA"),
    ],
)
def test_P20_what_is_of_machines_is_passed_over(name: str, value: str) -> None:
    assert not [text for _, text in texts_of({name: value}, frozenset(), "/") if text != "cb"]


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("X-User", f"{CODED}=", [CODED]),
        ("X-User", f"{CODED}=, {CODED}=", [CODED, CODED]),
        ("X-User", "amFuZSByb2UgMQ==", ["amFuZSByb2UgMQ"]),
        ("X-User", "TWFydGEgS293YWxjenlr?x=1", ["TWFydGEgS293YWxjenlr"]),
        ("Location", f"/x?{CODED}=&{CODED}=1", [CODED, CODED]),
        ("X-Balances", f"{IBAN}=120.50, GB82WEST12345698765432=7", [IBAN, "GB82WEST12345698765432"]),
        ("X-Phones", "tel_447911123456=work", ["tel_447911123456", "work"]),
        ("Content-Disposition", f"attachment; {IBAN}=x", [IBAN]),
        ("Content-Disposition", f'attachment; filename="{IBAN}=.pdf"', [IBAN, ".pdf", " pdf"]),
        ("Location", f"/x?next=%2Fy%3F{IBAN}%3D1", [IBAN]),
    ],
)
def test_P20_a_name_that_could_be_data_is_read(name: str, value: str, expected: list[str]) -> None:
    assert texts(name, value) == expected


def test_P20_base64_is_read_in_whole_where_a_slash_is_one_of_its_letters() -> None:
    coded = "4oCTIGphbmUucm9lQGV4YW1wbGUuY29tIG/igJM="
    assert coded in texts("X-User", coded)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("Location", "/login?next=&error_description=&lang="),
        ("Location", "/login?redirect_uri=%2F&post_logout_redirect_uri=%2F&code_challenge_method=1"),
        ("Content-Disposition", 'attachment; filename=""'),
        ("WWW-Authenticate", 'Next="1", domain="", nonce=""'),
        ("Refresh", "0; url=/home"),
        ("Refresh", "0;url=https://host.example/home"),
    ],
)
def test_P20_names_of_parameters_are_passed_over_with_or_without_a_value(name: str, value: str) -> None:
    assert not [text for text in texts(name, value) if text != "Next"]


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("Link", '<tel://+447911123456>; rel="contact"', "+447911123456"),
        ("X-Call", "whatsapp://+447911123456", "+447911123456"),
        ("X-Call", "whatsapp:%2F%2F%2B447911123456", "+447911123456"),
        ("Location", "tel://+447911123456", "+447911123456"),
        ("Location", "contact://jane_roe/x", "jane_roe"),
        ("Location", "xhttps://jane_roe/x", "jane_roe"),
        ("Location", "//+447911123456/x", "+447911123456"),
        ("Location", "https://447911123456/x", "447911123456"),
        ("Location", "https://447911123456:8443/x", "447911123456:8443"),
        ("Location", "http://447.911.123.456/x", "447.911.123.456"),
        ("Location", "https://٤٤٧٩١١١٢٣٤٥٦/x", "٤٤٧٩١١١٢٣٤٥٦"),
        ("Location", f"https://{IBAN}/x", IBAN),
        ("X-User", "//jane.roe%40example.com", "jane.roe@example.com"),
        ("Location", "/c//Jane+Roe/x", "Jane Roe"),
    ],
)
def test_P20_what_is_no_host_is_read(name: str, value: str, said: str) -> None:
    assert said in texts(name, value)


@pytest.mark.parametrize(
    "origin",
    [
        "https://host.example",
        "HTTPS://host-12345678.example:8443",
        "wss://host.example",
        "//host.example",
        "http://127.0.0.1:8080",
        "https://192.168.100.200",
        "http://[2001:470:1:18::119]:8080",
        "https://bücher.example",
    ],
)
def test_P20_hosts_are_passed_over(origin: str) -> None:
    assert texts("Location", f"{origin}/home") == []
    assert texts("Link", f"<{origin}>; rel=next") == []


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("Content-Language", IBAN, [IBAN]),
        ("Vary", f"Origin, {IBAN.lower()}", ["Origin", IBAN.lower()]),
        ("ETag", f'"{IBAN}"', [IBAN]),
        ("Content-Language", f"{CODED}=", [CODED]),
        ("Vary", f"Origin, {CODED}", ["Origin", CODED]),
        ("Location", f"/cb?state={IBAN}", ["cb", IBAN]),
        ("Link", f"<https://h/x?cursor={IBAN}>", [IBAN]),
    ],
)
def test_P20_an_iban_and_base64_of_a_text_are_no_tokens(name: str, value: str, expected: list[str]) -> None:
    assert texts(name, value) == expected


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("ETag", '"D41D8CD98F00B204E9800998ECF8427E"'),
        ("ETag", 'W/"ab12cd34ef56ab12cd34ef56ab12cd34"'),
        ("ETag", '"q2XzJPuhXJmSDhX+bIYpVQ=="'),
        ("Content-Language", "de-DE, en-GB"),
        ("Content-Type", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"),
        ("Content-Type", "multipart/mixed; boundary=----WebKitFormBoundary7MA4YWxkTrZu0gW"),
        ("Access-Control-Allow-Headers", "X-Requested-With, Content-Type, Authorization, If-Modified-Since"),
        ("Access-Control-Expose-Headers", "X-RateLimit-Remaining, Content-Disposition, X-Request-Id"),
        ("Content-Security-Policy", "script-src 'sha256-B2yPHKaXnvFWtRChIbabYmUBFZdVfKKXHbWtWidDVF8='"),
        ("Referrer-Policy", "strict-origin-when-cross-origin"),
    ],
)
def test_P20_hashes_and_long_tokens_are_no_data(name: str, value: str) -> None:
    assert texts(name, value) == []


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        (f"/x?{IBAN}=1&{CODED}=", [IBAN, CODED]),
        ("/x?a=//447911123456", ["447911123456"]),
        ("/x?a=tel://+447911123456", ["tel:", "+447911123456", "447911123456"]),
        ("/x//+447911123456/y", ["+447911123456", "447911123456"]),
        ("/login?next=&lang=", []),
        ("http://sidecar.example/home?page=2", []),
    ],
)
def test_P20_targets_are_read_as_fields_are(target: str, expected: list[str]) -> None:
    assert texts_of_target(target) == expected


@pytest.mark.parametrize(
    "value",
    [
        "a" * 200_000,
        '"' + "a" * 200_000,
        '"1' * 100_000,
        "aa" + " " * 200_000,
        "//a" * 70_000,
        "https:" * 40_000,
        "a=" * 100_000,
        "a1" * 16 + "=" + "a" * 200_000,
        "DE89" * 50_000,
        "=?utf-8?q?" * 20_000,
    ],
    ids=lambda value: value[:10],
)
@pytest.mark.parametrize("name", ["Vary", "Content-Disposition", "X-A"])
def test_no_field_takes_time_that_grows_with_its_square(name: str, value: str) -> None:
    assert all(text.strip() for text in texts(name, value))


@pytest.mark.parametrize(
    ("value", "is_read"),
    [
        ("Accept Origin", True),
        ("x1 Jane\tRoe", True),
        ("Origin, a bc", False),
        ("ab c", False),
        ("1ab  cd", True),
        ('"ab"', True),
        ('"1 a', False),
        ('"12"', False),
        ('""ab"', True),
    ],
)
def test_P20_words_apart_and_in_quotes_are_no_tokens(value: str, is_read: bool) -> None:
    assert bool(list(texts("Vary", value))) is is_read
