"""P60, P42, P35: canaries in every position of a JSON body never come out; what holds none comes out byte for byte."""

from __future__ import annotations

import asyncio
import json
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from sidecar.payloads.presets import parse_field_map
from tests.proxy.rewriting import Parts

FIELDS = parse_field_map(
    {
        "namespace": "canary",
        "conversations": [{"root": "$", "id": "id"}, {"root": "$.items[]", "id": "id"}],
        "messages": [{"each": "$..messages[]", "text": ["text", "content[].text"], "speaker": "who"}],
        "known": {"$.customer.name": "PERSON", "$.customer.email": "EMAIL"},
        "drop": ["$..drop"],
        "hash": ["$..hash"],
        "keys": ["$..people"],
    },
    "test",
)
NAME = "Quirinia Zzolnay"
EMAIL = "quirinia.zzolnay@canary.example"
CARD = "4929123456789014"
CANARIES = (NAME, NAME.upper(), "Zzolnay", EMAIL, CARD, "4929 1234 5678 9014", f"<{EMAIL}>", f"card {CARD}.")
TRACES = ("quirinia", "zzolnay", "canary.example", "49291234", "4929 1234")

words = st.sampled_from(
    ["", "hello", "order", "status", "é", '"', "\\", "\n", "\u2028", "😀", "[", "{", "[PERSON_9]", "null", "7"]
)
texts = st.lists(words | st.sampled_from(CANARIES), max_size=4).map(" ".join)
names = st.sampled_from([
    "id", "text", "who", "messages", "content", "items", "drop", "hash", "people", "customer", "name", "email", "a b",
]) | st.sampled_from([EMAIL, NAME, "zzolnay", CARD])  # fmt: skip
scalars = texts | st.sampled_from([int(CARD), 1795485561, 3, 1.5, True, None, CARD])


def nested(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    lists = st.lists(inner, max_size=3)
    objects = st.dictionaries(names, inner, max_size=4)
    in_strings = st.builds(json.dumps, lists | objects, ensure_ascii=st.booleans())
    cut_short = in_strings.map(lambda text: text[:-1])
    return lists | objects | in_strings | cut_short


bodies = st.recursive(scalars, nested, max_leaves=12)


def written(body: Any, *, ascii_only: bool) -> str:
    customer = {"name": NAME, "email": EMAIL}
    return json.dumps({"customer": customer, "items": [body], "messages": [{"text": body}]}, ensure_ascii=ascii_only)


def undone(body: bytes) -> str:
    """The body with escapes undone again and again: nothing hides behind ``\\u0040``."""
    text = body.decode()
    seen = [text]
    for _ in range(5):
        text = text.replace("\\\\", "\\")
        text = "".join(_unescaped(text))
        seen.append(text)
    return "\n".join(seen).casefold()


def _unescaped(text: str) -> list[str]:
    parts = text.split("\\u")
    return [parts[0], *(chr(int(part[:4], 16)) + part[4:] if _is_hex(part[:4]) else "\\u" + part for part in parts[1:])]


def _is_hex(text: str) -> bool:
    return len(text) == 4 and all(digit in "0123456789abcdefABCDEF" for digit in text)


@settings(max_examples=300, deadline=None)
@given(body=bodies, ascii_only=st.booleans())
def test_P60_no_canary_survives_and_P42_twice_is_once(body: Any, ascii_only: bool) -> None:
    parts = Parts()
    text = written(body, ascii_only=ascii_only)
    once = asyncio.run(parts.rewrite(text, FIELDS)).body
    left = [trace for trace in TRACES if trace in undone(once)]
    assert not left
    json.loads(once)
    twice = asyncio.run(parts.rewrite(once.decode(), FIELDS)).body
    assert twice == once


# No numbers of thirteen to nineteen digits here: one in ten of them may be a card.
clean_words = st.sampled_from(["", "hello", "order", "é", '"', "\\", "\n", "😀", "[", "null", "7", "[PERSON_9]"])
clean = st.recursive(
    st.lists(clean_words, max_size=3).map(" ".join)
    | st.integers(-(10**11), 10**11)
    | st.integers(10**24, 10**40)
    | st.floats(-1e6, 1e6)
    | st.none(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["a", "b c", "é"]), inner, max_size=3)
        | st.builds(json.dumps, st.lists(inner, max_size=3), ensure_ascii=st.booleans())
    ),
    max_leaves=10,
)


@given(body=clean, ascii_only=st.booleans(), indent=st.sampled_from([None, 1]))
def test_P35_what_holds_nothing_comes_out_byte_for_byte_beside_what_does(
    body: Any, ascii_only: bool, indent: int | None
) -> None:
    before = json.dumps(body, ensure_ascii=ascii_only, indent=indent)
    text = f'{{"a": {before}, "n": 1.50, "t": "a@b.cc", "z": {before}}}'
    done = asyncio.run(Parts().rewrite(text, FIELDS)).body
    assert done.decode() == text.replace("a@b.cc", "[EMAIL_1]")
