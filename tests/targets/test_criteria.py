"""Conditions on answers (E16)."""

from __future__ import annotations

import pytest

from sidecar.targets.criteria import Answer, Criterion, CriterionInvalid, count_at, parse_condition

BODY = {"deleted": 2, "none": 0, "flag": True, "state": "gone", "rows": [{"id": 7}], "a/b": {"~": 1}, "n": None}


@pytest.mark.parametrize(
    ("text", "holds"),
    [
        ("/deleted >= 1", True),
        ("/deleted >= 3", False),
        ("/deleted > 1", True),
        ("/deleted < 2", False),
        ("/deleted <= 2", True),
        ("/none >= 1", False),
        ("/flag >= 1", False),
        ("/flag == 1", False),
        ("/flag == true", True),
        ("/flag != false", True),
        ('/state == "gone"', True),
        ('/state != "gone"', False),
        ("/state >= 1", False),
        ("/rows/0/id == 7", True),
        ("/rows/1/id == 7", False),
        ("/rows/1 absent", True),
        ("/rows/-1 absent", True),
        ("/rows == []", False),
        ("/a~1b/~0 == 1", True),
        ("/missing != 1", False),
        ("/missing absent", True),
        ("/missing present", False),
        ("/n present", True),
        ("/n == null", True),
        (" present", True),
    ],
)
def test_E16_conditions(text: str, holds: bool) -> None:
    assert parse_condition(text).holds(BODY) is holds


@pytest.mark.parametrize(
    "text", ["", "deleted >= 1", "/deleted", "/deleted => 1", "/deleted >= one", '/x > "1"', "/x > true"]
)
def test_what_can_not_be_meant_is_refused(text: str) -> None:
    with pytest.raises(CriterionInvalid):
        parse_condition(text)


@pytest.mark.parametrize(
    ("answer", "met"),
    [
        (Answer(200, is_html=False, is_json=True, body={"deleted": 1}), True),
        (Answer(200, is_html=True, is_json=True, body={"deleted": 1}), False),
        (Answer(200, is_html=False, is_json=False), False),
        (Answer(201, is_html=False, is_json=True, body={"deleted": 1}), False),
        (Answer(200, is_html=False, is_json=True, body={"deleted": 0}), False),
    ],
)
def test_E16_a_criterion_needs_status_and_body(answer: Answer, met: bool) -> None:
    assert Criterion(frozenset({200}), (parse_condition("/deleted >= 1"),)).met_by(answer) is met


def test_E16_no_page_of_html_meets_a_bare_criterion() -> None:
    assert Criterion(frozenset({200})).met_by(Answer(200, is_html=False, is_json=False))
    assert not Criterion(frozenset({200})).met_by(Answer(200, is_html=True, is_json=False))


@pytest.mark.parametrize(
    ("pointer", "count"),
    [("/deleted", 2), ("/none", 0), ("/flag", None), ("/rows", 1), ("/state", None), ("/missing", None)],
)
def test_counts(pointer: str, count: int | None) -> None:
    assert count_at(BODY, pointer) == count


def test_an_answer_shows_no_body() -> None:
    assert "gone" not in repr(Answer(200, is_html=False, is_json=True, body=BODY))
