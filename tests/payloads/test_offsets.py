"""X6: offsets before and after redaction, either way, in both units."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.payloads.offsets import BadOffset, Shift, Unit, from_code_points, to_code_points
from sidecar.redaction.redact import Edit, apply_edits

#           0123456789…
ORIGINAL = "I am Marta Kowalczyk, call 555 now"
REDACTED = "I am [PERSON_1], call [PHONE_1] now"
SHOWN = Shift(ORIGINAL, REDACTED, ((5, 20), (27, 30)), ((5, 15), (22, 31)))


@pytest.mark.parametrize(
    ("words", "marks"),
    [
        ("I am", "I am"),
        ("[PERSON_1]", "Marta Kowalczyk"),
        ("PERSON", "Marta Kowalczyk"),
        ("am [PER", "am Marta Kowalczyk"),
        ("1], call", "Marta Kowalczyk, call"),
        (", call ", ", call "),
        ("SON_1], call [PH", "Marta Kowalczyk, call 555"),
        (" now", " now"),
    ],
)
def test_X6_what_is_marked_in_the_redacted_text_is_marked_in_the_original(words: str, marks: str) -> None:
    start = REDACTED.index(words)
    new_start, new_end = SHOWN.reversed().carry(start, start + len(words))
    assert ORIGINAL[new_start:new_end] == marks


@pytest.mark.parametrize(
    ("words", "shown"),
    [("Marta Kowalczyk", "[PERSON_1]"), ("Marta", "[PERSON_1]"), ("call 5", "call [PHONE_1]"), (" now", " now")],
)
def test_X6_what_is_marked_in_the_original_is_shown_in_the_redacted_text(words: str, shown: str) -> None:
    start = ORIGINAL.index(words)
    new_start, new_end = SHOWN.carry(start, start + len(words))
    assert REDACTED[new_start:new_end] == shown


def test_X6_a_caret_stays_between_and_becomes_the_whole_entity_within() -> None:
    assert SHOWN.carry(21, 21) == (16, 16)
    assert SHOWN.carry(7, 7) == (5, 15)
    dropped = Shift("ab", "a-b", ((1, 1),), ((1, 2),))
    assert dropped.carry(1, 1) == (2, 2)


@pytest.mark.parametrize(("start", "end"), [(-1, 2), (3, 2), (0, 35), (99, 99)])
def test_X6_offsets_outside_the_text_are_refused(start: int, end: int) -> None:
    with pytest.raises(BadOffset):
        SHOWN.carry(start, end)


def test_X6_an_emoji_is_two_units_of_utf16_and_one_code_point() -> None:
    text = "a😀b😀c"
    assert [from_code_points(text, at, Unit.UTF16) for at in range(6)] == [0, 1, 3, 4, 6, 7]
    assert [to_code_points(text, unit, Unit.UTF16) for unit in (0, 1, 3, 4, 6, 7)] == [0, 1, 2, 3, 4, 5]
    assert to_code_points(text, 3, Unit.CODE_POINTS) == 3
    for half in (2, 5, 8):
        with pytest.raises(BadOffset):
            to_code_points(text, half, Unit.UTF16)


@st.composite
def shifts(draw: st.DrawFn) -> Shift:
    """Any text with any replacements in it, longer, shorter or empty."""
    text = draw(st.text(max_size=40))
    cuts = sorted(draw(st.lists(st.integers(0, len(text)), max_size=8, unique=True)))
    pairs = list(zip(cuts[::2], cuts[1::2], strict=False))
    news = draw(st.lists(st.text(max_size=9), min_size=len(pairs), max_size=len(pairs)))
    wanted, places = apply_edits(text, [Edit(a, b, new) for (a, b), new in zip(pairs, news, strict=True)])
    return Shift(text, wanted, tuple(pairs), places)


@given(shifts(), st.data(), st.sampled_from(Unit))
def test_X6_any_span_of_the_redacted_text_marks_the_same_words_and_is_shown_there(
    shift: Shift, data: st.DataObject, unit: Unit
) -> None:
    """Written back and read again: the same words; of what was replaced the whole; nothing beside them."""
    redacted, back = shift.wanted, shift.reversed()
    start = data.draw(st.integers(0, len(redacted)))
    end = data.draw(st.integers(start, len(redacted)))
    sent = [from_code_points(redacted, at, unit) for at in (start, end)]
    assert [to_code_points(redacted, at, unit) for at in sent] == [start, end]

    original = back.carry(start, end)
    touched = {i for i, (a, b) in enumerate(shift.places) if a < end and start < b}
    if start < end:
        whole = range(*original)
        assert {i for i, (a, b) in enumerate(shift.replaced) if a in whole} >= touched
        for i, (a, b) in enumerate(shift.replaced):
            inside = set(range(a, b)) & set(whole)
            assert inside in (set(), set(range(a, b))), "all of an entity or nothing"
            if i in touched:
                assert inside == set(range(a, b))
        kept = [at for at in range(start, end) if not any(a <= at < b for a, b in shift.places)]
        assert "".join(redacted[at] for at in kept) == "".join(
            shift.given[at] for at in whole if not any(a <= at < b for a, b in shift.replaced)
        )
        shown = shift.carry(*original)
        assert shown[0] <= start <= end <= shown[1]
        assert back.carry(*shown) == original, "and again the same"
