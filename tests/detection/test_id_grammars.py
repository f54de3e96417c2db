"""Operators' own grammars for ids (D6), on an engine without backtracking (D17)."""

from __future__ import annotations

from time import process_time

import pytest

from sidecar.detection.id_grammars import IdGrammar, IdGrammarRule
from sidecar.detection.rules import RuleSettings, rule_recognizers
from sidecar.detection.scores import CONFIGURED, GUESS, STRONG_GRAMMAR
from sidecar.detection.view import look
from sidecar.detection.vocabulary import vocabulary
from sidecar.errors import ConfigError
from tests.detection.spotting import ask, raw

CLAIM = IdGrammar("claim", "OTHER_ID", r"[A-Z]{2}\d{4}", ("claim", "damage report"))
ORDER = IdGrammar("order", "ORDER_ID", r"ORD-\d{6}")
SETTINGS = RuleSettings(id_grammars=(CLAIM, ORDER))


def _scores(text: str, question: str | None = None) -> list[tuple[str, float]]:
    spans = raw(ask(text, question), SETTINGS)
    return [(text[s.start : s.end], s.score) for s in spans if s.recognizer.startswith("id-grammar")]


@pytest.mark.parametrize(
    ("text", "question", "expected"),
    [
        ("see ord-123456 ok", None, [("ord-123456", STRONG_GRAMMAR)]),
        ("my claim is ab1234", None, [("ab1234", CONFIGURED)]),
        ("ab1234 is the damage report", None, [("ab1234", CONFIGURED)]),
        ("ab1234", "What is your claim number?", [("ab1234", CONFIGURED)]),
        ("ab1234", None, [("ab1234", GUESS)]),
        ("xab1234", None, []),
        ("ab12345", None, []),
        ("ord-1234567", None, []),
        ("ＡＢ１２３４ is my claim", None, [("ＡＢ１２３４", CONFIGURED)]),
    ],
)
def test_grammars_match_whole_words_and_context_lifts_them_d6(
    text: str, question: str | None, expected: list[tuple[str, float]]
) -> None:
    assert _scores(text, question) == expected


def test_every_bad_pattern_is_named_with_its_remedy() -> None:
    grammars = (
        IdGrammar("look", "ORDER_ID", r"(?=a)b"),
        IdGrammar("bracket", "ORDER_ID", r"[a"),
        IdGrammar("empty", "ORDER_ID", r"\d*"),
        ORDER,
    )
    with pytest.raises(ConfigError) as caught:
        rule_recognizers(RuleSettings(id_grammars=grammars))
    assert [problem.path for problem in caught.value.problems] == [
        "id_grammars[look].pattern",
        "id_grammars[bracket].pattern",
        "id_grammars[empty].pattern",
    ]


def _seconds(rule: IdGrammarRule, text: str) -> float:
    view = look(ask(text), vocabulary(("en",)))
    started = process_time()
    list(rule(view))
    return process_time() - started


def test_a_match_costs_the_same_in_a_long_text_d17() -> None:
    """Forty times the text may take ten times as long for each character (D17's own bound)."""
    rule = IdGrammarRule((CLAIM,))
    short = min(_seconds(rule, "ab1234 " * 300) for _ in range(4))
    assert any(_seconds(rule, "ab1234 " * 12_000) < 10 * 40 * short for _ in range(3))
