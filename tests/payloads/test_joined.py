"""What is found in joined texts is written back into their pieces, whatever the pieces are."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.errors import PayloadRefused
from sidecar.payloads.document import LeafKind
from sidecar.payloads.joined import Change, JoinedDocument, Joiner, Reworded, applied, changes
from sidecar.payloads.spliced import DEFAULT_LIMITS, SplicedBuilder

words = st.lists(st.sampled_from(["a", "b", " ", "@", ".", "cc", "[P_1]", "\n", "é"]), max_size=12).map("".join)


@given(words, words)
def test_changes_make_the_one_text_from_the_other(old: str, new: str) -> None:
    found = changes(old, new)
    assert applied(old, found) == new
    assert all(one.end <= other.start for one, other in pairwise(found))


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("Contact marta@b.cc now", "Contact [EMAIL_1] now", [Change(7, 18, " [EMAIL_1]")]),
        ("John Smith lives", "[PERSON_1] lives", [Change(0, 10, "[PERSON_1]")]),
        ("4111 1111 1111 1234", "**** **** **** 1234", [Change(0, 14, "**** **** ****")]),
        ("said [P_1] b", "[P_2] [P_1] c", [Change(0, 4, "[P_2]"), Change(10, 12, " c")]),
        ("same", "same", []),
        ("x", "", [Change(0, 1, "")]),
    ],
)
def test_changes_are_of_whole_words(old: str, new: str, expected: list[Change]) -> None:
    assert changes(old, new) == expected


@pytest.mark.parametrize("between", ["!", "a b ", ". "])
def test_the_same_words_again_and_again_are_not_aligned_one_by_one(between: str) -> None:
    """It would take hours, and whoever writes a chat chooses what stands in it."""
    many = between * 50_000
    with pytest.raises(PayloadRefused):
        changes(f"jane@b.cc\n{many}joe@b.cc", f"[EMAIL_1]\n{many}[EMAIL_2]")


@pytest.mark.parametrize("between", ["!", "a b ", ". "])
@pytest.mark.parametrize("dropped", [True, False])
def test_where_the_changes_are_known_other_edits_within_the_same_run_hold_however_long_it_is(
    between: str, dropped: bool
) -> None:
    """A change that covered all between two others would bring back what another reading, or a field map, took away."""
    many = between * 50_000  # in the last piece of a run, which ends behind two thousand characters
    pieces = ["jane@b.cc ", between * 300, "secret", f"{many} joe@b.cc"]
    document = joined(pieces, LeafKind.STRING)
    whole = next(leaf for leaf in document.leaves if leaf.text == "".join(pieces))
    end = len(whole.text)
    new = f"[EMAIL_1]{whole.text[9 : end - 8]}[EMAIL_2]"
    edits = {
        whole.index: Reworded(new, [Change(0, 9, "[EMAIL_1]"), Change(end - 8, end, "[EMAIL_2]")]),
        2: None if dropped else Reworded("[NAME_1]", [Change(0, 6, "[NAME_1]")]),
    }
    assert document.leaves[2].text == "secret"
    expected = ["[EMAIL_1] ", pieces[1], "" if dropped else "[NAME_1]", f"{many} [EMAIL_2]"]
    assert document.render(edits).decode() == "|".join(expected)


def test_changes_of_another_text_than_the_reading_are_not_gone_by() -> None:
    document = joined(["Marta ", "Nowak"], LeafKind.STRING)
    whole = next(leaf for leaf in document.leaves if leaf.text == "Marta Nowak")
    of_another = Reworded("[PERSON_1]", [Change(0, 5, "[PERSON_1]")])
    assert "".join(document.render({whole.index: of_another}).decode().split("|")) == "[PERSON_1]"


@pytest.mark.parametrize(
    ("some", "expected"),
    [
        ([Change(0, 3, "X"), Change(3, 6, "Y")], "XY"),
        ([Change(0, 4, "X"), Change(2, 6, "Y")], "X"),
        ([Change(1, 2, "X"), Change(0, 5, "Y")], "Yf"),
        ([Change(0, 6, ""), Change(0, 6, "Y")], ""),
        ([], "abcdef"),
    ],
)
def test_of_changes_that_overlap_the_longest_holds(some: list[Change], expected: str) -> None:
    assert applied("abcdef", some) == expected


def joined(pieces: list[str], slots: LeafKind) -> JoinedDocument:
    text = "|".join(pieces)
    builder = SplicedBuilder(DEFAULT_LIMITS)
    joiner = Joiner(builder, slots)
    position = 0
    for number, piece in enumerate(pieces):
        joiner.text((number,), piece, position, position + len(piece), lambda new: new or "")
        position += len(piece) + 1
    joiner.finish()
    return JoinedDocument(text, builder, joiner.readings)


@given(
    st.lists(words.filter(str.strip), min_size=2, max_size=5), words, st.sampled_from([LeafKind.OTHER, LeafKind.STRING])
)
def test_an_edit_of_a_reading_is_what_the_pieces_say_together(pieces: list[str], new: str, slots: LeafKind) -> None:
    document = joined(pieces, slots)
    whole = next(leaf for leaf in document.leaves if leaf.text == "".join(pieces) and leaf.path == ())
    rendered = document.render({whole.index: new}).decode()
    assert rendered.replace("|", "") == new
    assert rendered.count("|") == len(pieces) - 1
    assert document.render({}) == "|".join(pieces).encode()


@given(st.lists(words.filter(lambda text: text.strip() and "[" not in text), min_size=2, max_size=4), st.data())
def test_what_one_reading_takes_away_no_other_brings_back(pieces: list[str], data: st.DataObject) -> None:
    document = joined(pieces, LeafKind.STRING)
    edits = {leaf.index: data.draw(st.sampled_from([leaf.text, "[P_1]", ""])) for leaf in document.leaves}
    whole = next(leaf.index for leaf in document.leaves if leaf.path == () and leaf.text == "".join(pieces))
    if edits[whole] in ("[P_1]", ""):
        left = document.render(edits).decode().replace("[P_1]", "").replace("|", "")
        assert left == ""
