"""The subset of JSONPath, and matching it on paths."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.payloads.document import Path
from sidecar.payloads.matcher import PathMatcher
from sidecar.payloads.paths import (
    ANY,
    EACH,
    BadPath,
    PathPattern,
    Segment,
    Wild,
    parse_path,
    parse_relative,
    path_problem,
)


def matches(pattern: str, path: Path) -> bool:
    *_, whole = PathMatcher([parse_path(pattern)]).walk(path)
    return bool(whole)


@pytest.mark.parametrize(
    ("source", "segments"),
    [
        ("$", ()),
        ("$.a", (Segment("a"),)),
        ("$['a b'][0]", (Segment("a b"), Segment(0))),
        ('$["it\'s"]', (Segment("it's"),)),
        (r"$['it\'s \\']", (Segment("it's \\"),)),
        ("$.*[*][]", (Segment(ANY), Segment(ANY), Segment(EACH))),
        ("$..a..[*]..['b']..*", (Segment("a", True), Segment(ANY, True), Segment("b", True), Segment(ANY, True))),
        ("$.prénom_2", (Segment("prénom_2"),)),
        ("$['']", (Segment(""),)),
        ("$[ 'a' ]", (Segment("a"),)),
        ("$['llm.input_messages.0.message.content']", (Segment("llm.input_messages.0.message.content"),)),
    ],
)
def test_paths_are_read(source: str, segments: tuple[Segment, ...]) -> None:
    assert parse_path(source) == PathPattern(source, segments)


@pytest.mark.parametrize(
    "source",
    ["", "a", "$a", "$.", "$..", "$...a", "$.a-b", "$.0", "$[a]", "$[01]", "$[-1]", "$[0:2]", "$['a','b']", "$[?@.a]",
     "$['a", "$.['a']", "$.a b", "$ .a", "$.a.", "$[0", "$['a\\n']", "$*", "$.a*"],
)  # fmt: skip
def test_what_is_not_in_the_subset_is_refused(source: str) -> None:
    with pytest.raises(BadPath):
        parse_path(source)


def test_a_bad_path_becomes_a_problem_with_place_and_remedy() -> None:
    with pytest.raises(BadPath) as bad:
        parse_path("$.a-b")
    problem = path_problem("routes[0].fields.keep[2]", "$.a-b", bad.value)
    assert problem.path == "routes[0].fields.keep[2]"
    assert "character 4" in problem.message
    assert "['e-mail']" in problem.remedy


@pytest.mark.parametrize(("source", "count"), [("text", 1), ("content[*].text", 3), ("[1]", 1), ("$", 0), ("$.a", 1)])
def test_relative_paths_need_no_root(source: str, count: int) -> None:
    assert len(parse_relative(source).segments) == count


def test_relative_paths_have_a_length() -> None:
    with pytest.raises(BadPath):
        parse_relative("a..b")


@pytest.mark.parametrize(
    ("pattern", "path", "expected"),
    [
        ("$", (), True),
        ("$", ("a",), False),
        ("$.a", ("a",), True),
        ("$.a", ("a", "b"), False),
        ("$.a", ("A",), False),
        ("$[0]", (0,), True),
        ("$[0]", (1,), False),
        ("$['0']", ("0",), True),
        ("$['0']", (0,), False),
        ("$[0]", ("0",), False),
        ("$.*", ("x",), True),
        ("$.*", (3,), True),
        ("$[*].a", (3, "a"), True),
        ("$[*].a", ("b", "a"), True),
        ("$[].a", (3, "a"), True),
        ("$[].a", ("b", "a"), False),
        ("$[]", ("0",), False),
        ("$..[].a", ("x", "b", 4, "a"), True),
        ("$[][0]", (0, 0), True),
        ("$..a", ("a",), True),
        ("$..a", ("x", 1, "a"), True),
        ("$..a", ("x", 1, "a", "b"), False),
        ("$..a", ("a", "a"), True),
        ("$.x..a", ("a",), False),
        ("$..a.b", ("a", "a", "b"), True),
        ("$..a[*].b", ("a", 0, "a", 7, "b"), True),
        ("$..*", (), False),
        ("$..*", ("x", 0), True),
    ],
)
def test_patterns_match_paths(pattern: str, path: Path, expected: bool) -> None:
    assert matches(pattern, path) is expected


def test_walk_tells_of_every_prefix() -> None:
    matcher = PathMatcher([parse_path("$"), parse_path("$..a"), parse_path("$.a.b")])
    assert list(matcher.walk(("a", "b", "a"))) == [{0}, {1}, {2}, {1}]


def test_payloads_can_not_make_states_by_inventing_names() -> None:
    matcher = PathMatcher([parse_path("$..a[*].b"), parse_path("$.c[0]")])
    for number in range(2000):
        list(matcher.walk((f"name{number}", number, "a", number, f"other{number}")))
    assert len(matcher._states) < 20
    assert sum(len(state.following) for state in matcher._states.values()) < 100


parts = st.sampled_from(["a", "b", 0, 1])
segments = st.builds(Segment, st.sampled_from(["a", "b", 0, ANY, EACH]), st.booleans())


def selected(pattern: tuple[Segment, ...], path: tuple[Any, ...]) -> bool:
    """The definition, straight from RFC 9535: slow, and of one pattern at a time."""
    if not pattern:
        return not path
    first, rest = pattern[0], pattern[1:]
    starts = range(len(path)) if first.descends else range(min(1, len(path)))
    return any(chosen(first, path[at]) and selected(rest, path[at + 1 :]) for at in starts)


def chosen(segment: Segment, part: Any) -> bool:
    if isinstance(segment.selector, Wild):
        return segment.selector is ANY or isinstance(part, int)
    return (type(segment.selector), segment.selector) == (type(part), part)


@given(st.lists(st.lists(segments, max_size=4), min_size=1, max_size=4), st.lists(parts, max_size=6).map(tuple))
def test_all_patterns_at_once_match_as_one_by_one(patterns: list[list[Segment]], path: Path) -> None:
    matcher = PathMatcher([PathPattern("", tuple(pattern)) for pattern in patterns])
    for size, found in enumerate(matcher.walk(path)):
        assert found == {n for n, pattern in enumerate(patterns) if selected(tuple(pattern), path[:size])}
