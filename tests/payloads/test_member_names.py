"""Names that come out alike stay apart, however many there are (P35)."""

from __future__ import annotations

from sidecar.payloads.json_body import JsonBody
from sidecar.payloads.member_names import keep_unique


def renamed(payload: str, *names: tuple[str, str]) -> list[str]:
    """Every member whose name is the first of a pair is called by the second; what the names are then, in order."""
    leaves = [leaf for leaf in JsonBody().parse(payload).leaves if leaf.kind.name == "KEY"]
    by_text = dict(names)
    wanted = {leaf.index: by_text[leaf.text] for leaf in leaves if leaf.text in by_text}
    unique = keep_unique(JsonBody().parse(payload).leaves, wanted)
    return [unique.get(leaf.index, leaf.text) for leaf in leaves]


def test_alike_is_numbered_and_equal_stays_equal() -> None:
    same = [("a", "x"), ("b", "x"), ("c", "x")]
    assert renamed('{"a":1,"b":2,"c":3,"a":4,"b":5}', *same) == ["x", "x~2", "x~3", "x", "x~2"]
    assert renamed('{"x":1,"a":2,"x~2":3,"b":4,"x~4":5,"c":6}', *same) == ["x", "x~3", "x~2", "x~5", "x~4", "x~6"]


def test_objects_have_numbers_of_their_own() -> None:
    assert renamed('[{"a":1,"b":2},{"b":3,"a":{"a":4}}]', ("a", "x"), ("b", "x")) == ["x", "x~2", "x", "x~2", "x"]


def test_a_hundred_thousand_names_that_come_out_alike() -> None:
    """Spellings of one address are one placeholder: to count up from one for each would take hours."""
    count = 100_000
    payload = "{" + ",".join(f'"{number:06}@x":1' for number in range(count)) + "}"
    names = [(f"{number:06}@x", "[EMAIL_1]") for number in range(count)]
    made = renamed(payload, *names)
    assert made[:2] == ["[EMAIL_1]", "[EMAIL_1]~2"]
    assert len(set(made)) == count
