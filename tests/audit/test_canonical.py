"""The quick canonical form against ``rfc8785``, which is what it must not be told from (A18)."""

from __future__ import annotations

from typing import Any

import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st

from sidecar.audit.canonical import canonical

_SCALARS = (
    st.text()
    | st.text(alphabet=st.characters(codec="utf-8", max_codepoint=0x2FF))
    | st.integers()
    | st.floats()
    | st.booleans()
    | st.none()
)
_NAMES = st.text(max_size=8)
VALUES = st.recursive(
    _SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_NAMES, inner, max_size=4), max_leaves=12
)
OBJECTS = st.dictionaries(_NAMES, VALUES, max_size=8)


def outcome_of(encode: Any, value: dict[str, Any]) -> Any:
    """What came out, or which kind of error."""
    try:
        return encode(value)
    except (rfc8785.CanonicalizationError, UnicodeEncodeError):
        return rfc8785.CanonicalizationError


@given(OBJECTS)
def test_A18_any_object_has_the_bytes_or_the_error_that_the_standard_gives_it(value: dict[str, Any]) -> None:
    assert outcome_of(canonical, value) == outcome_of(rfc8785.dumps, value)


@pytest.mark.parametrize(
    "value",
    [
        {"b": 1, "a": "x"},
        {"a": '\x00\x08\t\n\x0c\r\x1f "\\/\x7f\u2028é𝒳'},
        {"é": 1, "z": 2},
        {"\ufb33": 1, "\U0001f600": 2},  # UTF-16 order is not that of code points
        {"n": [2**53 - 1, -(2**53) + 1, 0]},
        {"n": {"t": True, "f": False}},
        {"n": [1.0, 1e21, -0.0]},
        {},
        {"n": [[], {}, [{"a": []}]]},
    ],
)
def test_A18_the_places_where_encoders_differ(value: dict[str, Any]) -> None:
    assert canonical(value) == rfc8785.dumps(value)


@pytest.mark.parametrize("value", [{"n": 2**53}, {"n": float("nan")}, {"n": "\ud800"}, {"\udfff": 1}])
def test_A18_what_has_no_canonical_form_is_refused(value: dict[str, Any]) -> None:
    with pytest.raises(rfc8785.CanonicalizationError):
        canonical(value)
