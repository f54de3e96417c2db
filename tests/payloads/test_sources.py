"""X6: where annotated texts are fetched from. A request must not be able to lead that anywhere else."""

from __future__ import annotations

import pytest

from sidecar.payloads.sources import BadTemplate, Template


@pytest.mark.parametrize(
    ("when", "target", "filled"),
    [
        ("/api/tasks/{t}/annotations", "/api/tasks/7/annotations/", "/got/7"),
        ("/api/tasks/{t}/annotations", "/ls/api/tasks/a-7_B/annotations", "/ls/got/a-7_B"),
        ("/v1/projects/{p}/examples/{t}/spans", "/v1/projects/1/examples/7/spans", "/got/7"),
    ],
)
def test_X6_the_address_of_the_text(when: str, target: str, filled: str) -> None:
    bound = Template(when).match(target)
    assert bound is not None
    assert Template("/got/{t}").fill(bound) == filled


@pytest.mark.parametrize(
    ("when", "target"),
    [
        ("/api/tasks/{t}/annotations", "/api/tasks/7"),
        ("/api/tasks/{t}/annotations", "/api/tasks/7/annotations/3"),
        ("/api/tasks/{t}/annotations", "/api/tasks/7%2F8/annotations"),
        ("/api/tasks/{t}/annotations", "/api/tasks/../annotations"),
        ("/api/tasks/{t}/annotations", "/api/tasks//annotations"),
        ("/api/tasks/{t}/annotations", f"/api/tasks/{'7' * 65}/annotations"),
        ("/api/tasks/{t}/annotations", "/a%0d/api/tasks/7/annotations"),
    ],
)
def test_X6_what_is_no_plain_address_leads_nowhere(when: str, target: str) -> None:
    assert Template(when).match(target) is None


@pytest.mark.parametrize("source", ["", "api", "/a b", "/{A}", "/{a", "/a//b", "/a?b={c}", "//{a}"])
def test_X6_templates_that_are_none(source: str) -> None:
    with pytest.raises(BadTemplate):
        Template(source)
