"""Which route a path leads to (P59), and which tables are refused."""

from __future__ import annotations

from urllib.parse import quote, unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.errors import ConfigError, RequestFault, RequestRefused
from sidecar.proxy.routes import HostPolicy, RouteTable, split_target
from tests.proxy.rig import route

TABLE = RouteTable(
    [
        route("root", "/", methods=frozenset({"GET"})),
        route("api", "/api", methods=frozenset({"GET", "POST"})),
        route("admin", "/api/admin/", methods=frozenset({"GET"})),
        route("admin writes", "/api/admin", methods=frozenset({"PUT"})),
    ]
)


@pytest.mark.parametrize(
    ("method", "path", "name"),
    [
        ("GET", "/", "root"),
        ("GET", "/other", "root"),
        ("GET", "/apix", "root"),
        ("GET", "/api", "api"),
        ("GET", "/api/", "api"),
        ("POST", "/api/administrator", "api"),
        ("GET", "/api/admin", "admin"),
        ("GET", "/api/admin/x", "admin"),
        ("PUT", "/api/admin/x", "admin writes"),
        ("GET", "/api/x%2Fy", "api"),
        ("GET", "/.well-known/x", "root"),
        ("GET", "/api/a;b=c/d", "api"),
    ],
)
def test_longest_prefix_with_whole_segments(method: str, path: str, name: str) -> None:
    assert TABLE.match(method, path).name == name


@pytest.mark.parametrize(
    "path",
    [
        "/api%2Fadmin", "/api/%61dmin", "/api//admin", "/api/admin;x/y", "/%61pi", "//api", "/api\\admin",
        "/api/%2561dmin", "/api;x/admin", "/API/x", "/api/Admin", "/api.json", "/api/admin%2ejson", "/api/admin%20/x",
        "/api/admin%3fx", "/api/admin%23", "/api%253Fx", "/api/%u0061dmin",
        "/api/%25U0061dmin", "/api/%c0%ae%c0%ae/admin", "/api/x%c0%afadmin", "/api/%e0%80%ae./admin",
        "/api/%f0%80%80%ae./admin", "/api/%25c1%25a1dmin",
    ],
)  # fmt: skip
def test_paths_that_an_upstream_might_read_as_another_routes(path: str) -> None:
    with pytest.raises(RequestRefused) as refused:
        TABLE.match("GET", path)
    assert refused.value.fault is RequestFault.TARGET


@pytest.mark.parametrize("word", ["Ёлка", "Їжак", "việt", "ไทย", "हिन्दी", "ქართული", "é", "日本", "😀"])
def test_words_of_any_script_are_no_odd_coding_p59(word: str) -> None:
    assert TABLE.match("GET", f"/api/{quote(word)}").name == "api"
    assert TABLE.match("GET", f"/api/{quote(word).lower()}").name == "api"


def test_method_is_not_looked_for_under_a_shorter_prefix() -> None:
    with pytest.raises(RequestRefused) as refused:
        TABLE.match("POST", "/api/admin/x")
    assert refused.value.fault is RequestFault.METHOD
    assert refused.value.allowed == {"GET", "PUT"}


def test_no_route() -> None:
    with pytest.raises(RequestRefused) as refused:
        RouteTable([route("api", "/api")]).match("GET", "/other")
    assert refused.value.fault is RequestFault.NO_ROUTE


@given(st.text(alphabet="/.%2e5cF;\\aB", max_size=12))
def test_no_spelling_of_a_climb_gets_through(tail: str) -> None:
    """Whatever matches has no dot segment in any reading that a server could make of it."""
    path = "/api/" + tail
    try:
        TABLE.match("GET", path)
    except RequestRefused:
        return
    for _ in range(4):
        segments = [segment.split(";")[0] for segment in path.replace("\\", "/").split("/")]
        assert not {".", ".."}.intersection(segments)
        path = unquote(path)


@pytest.mark.parametrize(
    ("target", "host", "expected"),
    [
        ("/a?b", "h", ("/a?b", "/a")),
        ("/a?", "h", ("/a?", "/a")),
        ("http://h/a?b", "h", ("/a?b", "/a")),
        ("https://H", "h", ("/", "/")),
    ],
)
def test_targets(target: str, host: str, expected: tuple[str, str]) -> None:
    assert split_target(target, host) == expected


@pytest.mark.parametrize("target", ["*", "ftp://h/a", "http://other/a", "h:443", "/a b", "/a#b", "/é", "/a\x7f", ""])
def test_P8_targets_that_are_no_path_on_this_host(target: str) -> None:
    with pytest.raises(RequestRefused) as refused:
        split_target(target, "h")
    assert refused.value.fault is RequestFault.TARGET


def test_every_problem_of_a_table_is_told() -> None:
    with pytest.raises(ConfigError) as error:
        RouteTable(
            [
                route("a", "/x"),
                route("a", "/x/"),
                route("b", "/y/../z"),
                route("c", "y"),
                route("d", "/d", methods=frozenset({"TRACE"})),
                route("e", "/e", roles=frozenset()),
                route("f", "/f", host=HostPolicy.FIXED),
            ]
        )
    paths = [problem.path for problem in error.value.problems]
    for expected in ("routes[1].name", "routes[2].path_prefix", "routes[3].path_prefix", "routes[4].methods"):
        assert expected in paths
    assert {"routes[5].roles", "routes[6].host"} <= set(paths)
