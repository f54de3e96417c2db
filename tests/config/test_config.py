"""Every problem is reported with its path and remedy, all at once; nothing is ignored; no secret shows."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest

from sidecar.config import load_config, parse_config
from sidecar.config.source import read_yaml
from sidecar.errors import ConfigError


def problems(raw: dict[str, Any]) -> dict[str, str]:
    with pytest.raises(ConfigError) as caught:
        parse_config(raw)
    return {problem.path: f"{problem.message} {problem.remedy}" for problem in caught.value.problems}


ANY_KEY = "routes[0].erasure_trigger.identities.shoe.[key]"


def put(raw: dict[str, Any], path: str, value: Any) -> dict[str, Any]:
    out = copy.deepcopy(raw)
    here: Any = out
    *parents, last = [int(part) if part.isdigit() else part for part in path.split("/")]
    for part in parents:
        here = here[part]
    here[last] = value
    return out


def test_a_sound_configuration_is_frozen(raw: dict[str, Any]) -> None:
    config = parse_config(raw)
    with pytest.raises(ValueError, match="frozen"):
        config.routes[0].name = "other"  # type: ignore[misc]


@pytest.mark.parametrize(
    ("path", "value", "where", "says"),
    [
        ("listners", {}, "listners", "Did you mean listeners?"),
        ("routes/0/path_prefx", "/x", "routes[0].path_prefx", "Did you mean path_prefix?"),
        ("routes/0/upstream", "chatbto", "routes[0].upstream", "Defined are: chatbot."),
        ("routes/0/policy", "strict", "routes[0].policy", "no policy is called strict"),
        ("routes/0/path_prefix", "api", "routes[0].path_prefix", "match pattern"),
        ("routes/0/methods", ["TRACE"], "routes[0].methods[0]", "input should be"),
        ("routes/0/websocket", {"messages": "xml"}, "routes[0].websocket.messages", "input should be"),
        ("routes/0/websocket", {"origins": ["https://a.example/x"]}, "routes[0].websocket.origins[0]", "match pattern"),
        ("routes/0/erasure_trigger", {"identities": {}}, "routes[0].erasure_trigger.identities", "at least 1"),
        ("routes/0/erasure_trigger", {"identities": {"shoe": "$.x"}}, ANY_KEY, "input should be"),
        (
            "routes/0/erasure_trigger",
            {"identities": {"email": "$.x"}, "phrases": "none"},
            "routes[0].erasure_trigger",
            "nothing would ever be recognised",
        ),
        (
            "routes/0/erasure_trigger",
            {"identities": {"email": "$.x"}, "phrases": ["xx"]},
            "routes[0].erasure_trigger.phrases[0]",
            "has no phrases here",
        ),
        (
            "routes/0/erasure_trigger",
            {"identities": {"email": "$.x"}},
            "routes[0].erasure_trigger",
            "no erasure is configured",
        ),
        ("upstreams/chatbot/url", "http://chat.example.com", "upstreams.chatbot", "in clear"),
        ("upstreams/chatbot/url", "ftp://127.0.0.1", "upstreams.chatbot.url", "absolute http"),
        ("upstreams/chatbot/url", "https://u:p@chat.example.com", "upstreams.chatbot.url", "no user name"),
        ("listeners/admin", {"host": "0.0.0.0"}, "listeners.admin", "loopback"),
        ("listeners/data/tls/certificate", "/nowhere/cert.pem", "listeners.data.tls.certificate", "no file"),
        ("keys", {}, "keys", "exactly one of"),
        ("policies", {"default": {"PERSN": "mask"}}, "policies.default.PERSN.[key]", "is no entity type"),
        ("routes", [], "routes", "names no route"),
        ("audit/folder", "/nowhere/audit", "audit.folder", "no folder"),
        ("audit/folder", "/etc/hostname", "audit.folder", "is a file"),
        ("audit/file", "/var/lib/sidecar/audit.jsonl", "audit.file", "give audit.folder"),
        ("audit/origin", "with space", "audit.origin", "match pattern"),
        ("audit", False, "audit", "should be"),
        ("audit/enabled", False, "audit.enabled", "not a known key"),
        (
            "audit/holds",
            [{"name": "case-7", "since": "2026-02-01", "until": "2026-01-01"}],
            "audit.holds[0]",
            "after since",
        ),
        ("keys/previous", [{"version": 1, "master_env": "OLD"}], "keys", "lower than version"),
        ("identities/0/token_sha256", "a" * 64, "identities[0]", "exactly one of"),
    ],
)
def test_each_mistake_is_named_with_its_place_and_remedy(
    raw: dict[str, Any], path: str, value: Any, where: str, says: str
) -> None:
    found = problems(put(raw, path, value))
    assert where in found, found
    assert says.lower() in found[where].lower()


def test_all_problems_come_at_once_also_those_behind_a_faulty_part(raw: dict[str, Any]) -> None:
    raw["typo"] = 1
    raw["routes"].append({**raw["routes"][0], "name": "b", "path_prefix": "no-slash"})
    raw["routes"].append({**raw["routes"][0], "name": "c", "path_prefix": "/c", "upstream": "gone"})
    raw["keys"] = {"master_file": "/nowhere/key"}
    assert {"typo", "routes[1].path_prefix", "keys.master_file"} <= set(problems(raw))


def test_two_identities_with_one_proof_are_refused(raw: dict[str, Any]) -> None:
    raw["identities"].append({**raw["identities"][0], "name": "other"})
    assert "identities[1]" in problems(raw)


def test_secrets_in_the_wrong_place_are_not_echoed(raw: dict[str, Any]) -> None:
    found = problems(put(raw, "identities/0/token_sha256", "hunter2"))
    assert "hunter2" not in str(found)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("a: 1\na: 2\n", "given twice"),
        ("a: [1\n", ":2"),
        ("- 1\n", "does not hold a mapping"),
        ("a: !!python/object:os.system x\n", "could not determine a constructor"),
    ],
)
def test_yaml_that_hides_something_is_refused(tmp_path: Path, text: str, says: str) -> None:
    path = tmp_path / "config.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError) as caught:
        read_yaml(path)
    assert says in str(caught.value)


@pytest.mark.parametrize(
    "value",
    [
        "2026-02-30",
        "2026-02-20T25:00:00Z",
        "0b_",
        "0x_",
        "9" * 5000,
        "!!int many",
        "!!bool perhaps",
        "!!timestamp soon",
        "!!float much",
        "&a {b: *a}",
        "&a [{b: *a}]",
    ],
)
def test_a_value_that_yaml_itself_can_not_make_is_told_by_its_line(tmp_path: Path, value: str) -> None:
    file = tmp_path / "config.yaml"
    file.write_text(f"a: 1\nb: {value}\n")
    with pytest.raises(ConfigError, match=r"config\.yaml:2: .*\. Mend the YAML at this line"):
        read_yaml(file)


@pytest.mark.parametrize("text", ["a: " + "[" * 20_000 + "]" * 20_000, "a: " + "{b: " * 20_000 + "}" * 20_000])
def test_yaml_nested_without_end_is_refused(tmp_path: Path, text: str) -> None:
    file = tmp_path / "config.yaml"
    file.write_text(text)
    with pytest.raises(ConfigError, match="is nested too deeply"):
        read_yaml(file)


def test_a_missing_file_is_named() -> None:
    with pytest.raises(ConfigError, match="No such file"):
        load_config(Path("/nowhere/config.yaml"))


def test_a_websocket_needs_a_route_for_GET(raw: dict[str, Any]) -> None:
    route = {**raw["routes"][0], "websocket": {}}
    parse_config(put(raw, "routes/0", route))
    assert "opened by get" in problems(put(raw, "routes/0", {**route, "methods": ["POST"]}))["routes[0]"].lower()


def test_a_target_of_a_kind_that_is_not_known_is_told_by_its_place(raw: dict[str, Any]) -> None:
    raw["erasure"] = {"targets": [{"name": "x", "type": "sqll"}]}
    found = problems(raw)
    assert "http" in found["erasure.targets[0].type"]
    assert "sqll" not in str(found)


@pytest.mark.parametrize(
    ("erasure", "where", "says"),
    [
        ({"chat_intents": "delete"}, "erasure.chat_intents", "should be a list"),
        ({"journal": 5}, "erasure.journal", "should be a path"),
        ("yes", "erasure", "should be a section"),
        (
            {"notify": [{"name": "desk", "url": "https://desk.example", "secret": "whsec_canary"}]},
            "erasure.notify[0].secret",
            "{env: name_of_a_variable}",
        ),
        (
            {"notify": [{"name": "desk", "url": "http://desk.example", "secret": {"env": "X"}}]},
            "erasure.notify[0].url",
            "must be an https:// url",
        ),
        (
            {"trigger_webhooks": [{"name": "tool", "secret": {"env": "X"}}]},
            "identities and erasure.trigger_webhooks",
            "tool is defined 2 times",
        ),
        (
            {"targets": [{"name": "sidecar", "type": "manual", "instructions": "x"}]},
            "erasure.targets[0].name",
            "itself",
        ),
        (
            {
                "targets": [{"name": "subject-keys", "type": "manual", "instructions": "x"}],
                "subject_keys": {"folder": "."},
            },
            "erasure.targets[0].name",
            "itself",
        ),
        (
            {
                "targets": [
                    {
                        "name": "crm",
                        "type": "manual",
                        "instructions": "x",
                        "backups": [
                            {"name": "n", "type": "files", "folder": ".", "kept_days": 9, "time_format": "crm-%Q.dump"}
                        ],
                    }
                ]
            },
            "erasure.targets[0].backups[0].time_format",
            "strptime",
        ),
        (
            {
                "targets": [
                    {
                        "name": "x",
                        "type": "manual",
                        "due_days": 3,
                        "instructions": "x",
                        "backups": [
                            {"name": "n", "type": "files", "folder": ".", "kept_days": 9, "time_format": "%Y/%Y%m%d"}
                        ],
                    }
                ]
            },
            "erasure.targets[0].backups[0].time_format",
            "strptime",
        ),
    ],
)
def test_each_mistake_about_erasures_is_named_with_its_place_and_remedy(
    raw: dict[str, Any], erasure: Any, where: str, says: str
) -> None:
    found = problems(raw | {"erasure": erasure})
    assert where in found, found
    assert says in found[where].lower()
    assert "canary" not in str(found)


def test_a_mistake_in_a_target_is_told_by_its_place_whatever_its_kind(raw: dict[str, Any]) -> None:
    table = {"table": "t", "match": [{"column": "a", "value": "{email}", "compares": "exact"}]}
    raw["erasure"] = {"targets": [{"name": "x", "type": "sql", "url": {"env": "X"}, "tables": [table]}]}
    told = {"erasure.targets[0].tables[0].match[0].compares": "is not a known key Did you mean compare?"}
    assert problems(raw) == told
