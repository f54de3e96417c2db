"""Values of structured fields are found wherever they turn up (D3)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.detection.known_values import KnownValueRecognizer, is_one_typo_apart
from sidecar.detection.recognizer import KnownValue, Message

KNOWN = (
    KnownValue("PERSON", "Johnathan van der Smithers"),
    KnownValue("PERSON", "May Lee"),
    KnownValue("PERSON", "José Ñúñez"),
    KnownValue("EMAIL", "jon.smithers@example.com"),
    KnownValue("PHONE", "+1 (415) 555-2671"),
    KnownValue("ORDER_ID", "ORD-99812-X"),
    KnownValue("ACCOUNT_ID", "00453312"),
    KnownValue("ADDRESS", "12 Maple Ave, Springfield, IL 62704"),
    KnownValue("PERSON", "n/a"),
    KnownValue("ORDER_ID", "5"),
    KnownValue("PERSON", ""),
)

FOUND = [
    ("hi im JOHNATHAN", ["JOHNATHAN"]),
    ("smithers here", ["smithers"]),
    ("johnathan van der smithers", ["johnathan van der smithers"]),
    ("Smithers, Johnathan", ["Smithers, Johnathan"]),
    ("johnathansmithers", ["johnathansmithers"]),
    ("its smihters", ["smihters"]),
    ("its smitherss", ["smitherss"]),
    ("its smthers", ["smthers"]),
    ("jose nunez", ["jose nunez"]),
    ("JOSÉ", ["JOSÉ"]),
    ("thx, May Lee", ["May Lee"]),
    ("Dear May,", ["May"]),
    ("may", ["may"]),
    ("jon.smithers@example.com", ["jon.smithers@example.com"]),
    ("jonsmithersexamplecom", ["jonsmithersexamplecom"]),
    ("jon smithers at", ["jon smithers"]),
    ("415.555.2671", ["415.555.2671"]),
    ("4155552671", ["4155552671"]),
    ("555-2671", ["555-2671"]),
    ("ord 99812 x", ["ord 99812 x"]),
    ("order 99812", ["99812"]),
    ("acct 0045 3312", ["0045 3312"]),
    ("ship to 12 maple ave", ["12 maple ave"]),
    ("zip 62704", ["62704"]),
    ("Јоhnathan", ["Јоhnathan"]),
]

KEPT = [
    "may i ask something",
    "May i ask something",
    "i may be late",
    "johnathanville",
    "smith was here",
    "n/a",
    "i want 5 of them",
    "order 998123",
    "the maple tree",
    "an order of 12",
    "sleeves",
]


def _covered(text: str, known: tuple[KnownValue, ...] = KNOWN) -> list[str]:
    spans = list(KnownValueRecognizer().find(Message(text, known=known)))
    outermost = [s for s in spans if not any(o != s and o.start <= s.start and s.end <= o.end for o in spans)]
    return list(dict.fromkeys(text[s.start : s.end] for s in outermost))


@pytest.mark.parametrize(("text", "values"), FOUND)
def test_known_values_are_found_d3(text: str, values: list[str]) -> None:
    assert _covered(text) == values


@pytest.mark.parametrize("text", KEPT)
def test_other_text_is_kept_d11(text: str) -> None:
    assert _covered(text) == []


@pytest.mark.parametrize(
    ("name", "text", "values"),
    [
        ("李小龙", "我是李小龙。", ["李小龙"]),
        ("김 민수", "저는 김민수입니다, 민수", ["김민수", "민수"]),
        ("สมชาย", "ผมชื่อสมชายครับ", ["สมชาย"]),
        ("李小龙", "我是李小", []),
    ],
)
def test_names_are_found_where_words_stand_without_spaces_d3(name: str, text: str, values: list[str]) -> None:
    assert _covered(text, (KnownValue("PERSON", name),)) == values


@pytest.mark.parametrize(
    ("name", "text", "values"),
    [
        ("Bo Yu", "bo went to BO", ["bo", "BO"]),
        ("Xi Li", "ask xi", ["xi"]),
        ("An Do", "an order, do it", []),
    ],
)
def test_names_of_two_letters_are_found_unless_they_are_words_d3(name: str, text: str, values: list[str]) -> None:
    assert _covered(text, (KnownValue("PERSON", name),)) == values


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("Tu", "tu es la?"),
        ("Du", "bist du da"),
        ("Ja", "ja gut"),
        ("Si", "si claro"),
        ("Vi", "vi fixar det"),
        ("Ni", "har ni tid"),
        ("Wo", "wo ist das paket"),
        ("Ma", "ma foi, c'est ma commande"),
        ("Al", "llego al hotel"),
        ("Di", "il numero di ordine"),
        ("Om", "het gaat om een pakket"),
        ("Så", "så bra"),
        ("Já", "já chegou"),
        ("Og", "navn og adresse"),
        ("Zu", "das ist zu teuer"),
        ("Tu Nguyen", "tu as raison"),
    ],
)
def test_function_words_of_other_languages_are_no_names_d11(name: str, text: str) -> None:
    assert _covered(text, (KnownValue("PERSON", name),)) == []


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("Tu", "please ask Tu about it"),
        ("Tu", "tu"),
        ("Bo", "bo is here"),
        ("Xi", "it was xi"),
        ("Ed", "ed called"),
        ("Jo", "tell jo"),
        ("Li", "from li"),
        ("Ng", "mr ng"),
    ],
)
def test_two_letters_written_as_a_name_or_that_are_little_else_are_found_d3(name: str, text: str) -> None:
    assert [value.capitalize() for value in _covered(text, (KnownValue("PERSON", name),))] == [name]


def test_values_that_end_in_each_other_give_one_span_for_each_place_d17() -> None:
    known = tuple(KnownValue("ORDER_ID", "1" * length) for length in range(4, 104))
    spans = list(KnownValueRecognizer().find(Message("1 " * 500, known=known)))
    assert len(spans) <= 500
    assert (min(s.start for s in spans), max(s.end for s in spans)) == (0, 999)


def test_no_known_values_find_nothing() -> None:
    assert _covered("anything", ()) == []


@pytest.mark.parametrize("other", ["smihters", "smithers1"[:-1] + "z", "mithers", "ssmithers", "smitherz"])
def test_one_typo(other: str) -> None:
    assert is_one_typo_apart("smithers", other)


@pytest.mark.parametrize("other", ["smithers", "smthrs", "smithersxx", "htimsers", "mister"])
def test_not_one_typo(other: str) -> None:
    assert not is_one_typo_apart("smithers", other)


@given(st.from_regex(r"[a-z]{6,12}", fullmatch=True), st.data())
def test_any_value_is_found_in_any_case_and_with_one_letter_dropped_d3(name: str, data: st.DataObject) -> None:
    known = (KnownValue("PERSON", f"{name} Qwertzuiop"),)
    assert f"X{name.upper()}"[1:] in _covered(f"well {name.upper()} it is", known) or name in {"please"}
    place = data.draw(st.integers(0, len(name) - 1))
    dropped = name[:place] + name[place + 1 :]
    if dropped != name and len(dropped) >= 5:
        assert _covered(f"ok {dropped} ok", known) == [dropped]


@given(st.text(alphabet=st.characters(), min_size=1, max_size=40), st.text(alphabet=st.characters(), max_size=80))
def test_any_value_and_text_give_spans_in_range_d12(value: str, text: str) -> None:
    known = (KnownValue("PERSON", value), KnownValue("ADDRESS", value), KnownValue("PHONE", value))
    for span in KnownValueRecognizer().find(Message(text, known=known)):
        assert 0 <= span.start < span.end <= len(text)
