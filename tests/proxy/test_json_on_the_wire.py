"""P35, X5 over real sockets, through the real redaction: JSON as it should not be written, and untouched bytes."""

from __future__ import annotations

import ssl

import pytest

from sidecar.payloads.field_map import FieldMap
from sidecar.proxy.routes import BodyMode
from tests.proxy.rig import answering
from tests.proxy.test_streaming import rigged

Contexts = tuple[ssl.SSLContext, ssl.SSLContext]
EMAIL = "jane.roe@canary.example"
ESCAPED = "jane.roe\\u0040canary.example"
DOUBLY = "jane.roe\\\\u0040canary.example"
ANSWERS: dict[str, tuple[str, str | None]] = {
    "escapes": (f'{{"t":"{ESCAPED}","u":"\\u00e9\\/"}}', '{"t":"[EMAIL_1]","u":"\\u00e9\\/"}'),
    "every letter escaped": (
        '{"t":"' + "".join(f"\\u{ord(one):04X}" for one in EMAIL) + '"}', '{"t":"[EMAIL_1]"}',
    ),
    "the same name twice": (f'{{"t":"{EMAIL}","t":"x","t":"{EMAIL}"}}', '{"t":"[EMAIL_1]","t":"x","t":"[EMAIL_1]"}'),
    "numbers as they are spelt": (
        f'{{"a":12345678901234567890123456789,"b":1.0,"c":-0.0,"d":1E+2,"t":"{EMAIL}"}}',
        '{"a":12345678901234567890123456789,"b":1.0,"c":-0.0,"d":1E+2,"t":"[EMAIL_1]"}',
    ),
    "white space and order": (f'[ {{"z" :1 ,\n"a":"{EMAIL}"}}\t]\n', '[ {"z" :1 ,\n"a":"[EMAIL_1]"}\t]\n'),
    "a byte order mark": (f'\ufeff{{"t":"{EMAIL}"}}', '{"t":"[EMAIL_1]"}'),
    "an address as a name": (f'{{"{EMAIL}":{{"n":1.0}}}}', '{"[EMAIL_1]":{"n":1.0}}'),
    "JSON in a string (X5)": (
        f'{{"s":"{{\\"n\\": 1.0, \\"t\\": \\"{DOUBLY}\\"}}"}}',
        '{"s":"{\\"n\\": 1.0, \\"t\\": \\"[EMAIL_1]\\"}"}',
    ),
    "JSON in a string that is cut short (X5)": (
        f'{{"s":"{{\\"t\\": \\"to {EMAIL} an"}}', '{"s":"{\\"t\\": \\"to [EMAIL_1] an"}',
    ),
    "NaN": (f'{{"t":"{EMAIL}","n":NaN}}', None),
    "Infinity": (f'{{"t":"{EMAIL}","n":-Infinity}}', None),
    "10,000 levels": ("[" * 10_000 + f'"{EMAIL}"' + "]" * 10_000, None),
    "cut short": (f'{{"t":"{EMAIL}', None),
    "something behind it": (f'{{"t":"{EMAIL}"}} {{}}', None),
    "a comment": (f'{{"t":"{EMAIL}"/* x */}}', None),
    "a line feed in a string": (f'{{"t":"{EMAIL}\n"}}', None),
    "single quotes": (f"{{'t':'{EMAIL}'}}", None),
}  # fmt: skip


@pytest.mark.parametrize("name", ANSWERS)
async def test_P35_X5_json_is_redacted_or_refused_and_untouched_bytes_stay(name: str, contexts: Contexts) -> None:
    given, expected = ANSWERS[name]
    async with rigged(answering(given.encode()), contexts, body=BodyMode.JSON, fields=FieldMap()) as one:
        answered = await one.rig.get("/api/chat")
        assert b"canary" not in answered.whole
        if expected is None:
            assert answered.status == 502
            assert (await one.outcome()).decision == "refused"
        else:
            assert (answered.status, answered.body.decode()) == (200, expected)


async def test_P35_lines_of_json_without_a_last_line_end(contexts: Contexts) -> None:
    lines = f'{{"n":1.0}}\n\n{{"t":"{ESCAPED}"}}'.encode()
    kind = ("Content-Type: application/x-ndjson",)
    async with rigged(answering(lines, kind), contexts, body=BodyMode.AUTO, fields=FieldMap()) as one:
        assert (await one.rig.get("/api/chat")).body == b'{"n":1.0}\n\n{"t":"[EMAIL_1]"}'


async def test_X5_cells_of_a_table_that_hold_json(contexts: Contexts) -> None:
    table = f'id,meta\r\n7,"{{""t"":""{ESCAPED}"",""n"":1.0}}"\r\n'.encode()
    async with rigged(
        answering(table, ("Content-Type: text/csv",)), contexts, body=BodyMode.AUTO, fields=FieldMap()
    ) as one:
        answered = await one.rig.get("/api/chat")
        assert answered.body == b'id,meta\r\n7,"{""t"":""[EMAIL_1]"",""n"":1.0}"\r\n'
