"""The manifests hold what docs/deploy.md promises. Read from the files: nothing here needs a cluster."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from sidecar.config import Config, load_config
from sidecar.tls.dev_certs import make_dev_certificates
from tests.tls.authority import NOW

DEPLOY = Path(__file__).parents[2] / "deploy"
DOCUMENTS: list[dict[str, Any]] = list(yaml.safe_load_all((DEPLOY / "pod.yaml").read_text()))


def one(kind: str, name: str | None = None) -> dict[str, Any]:
    (found,) = [d for d in DOCUMENTS if d["kind"] == kind and name in (None, d["metadata"]["name"])]
    return found


POD: dict[str, Any] = one("StatefulSet")["spec"]["template"]["spec"]
(SIDECAR,) = POD["initContainers"]
(CHATBOT,) = POD["containers"]


@pytest.fixture
def config(tmp_path: Path) -> Config:
    """The configuration of the ConfigMap, with every path that it mounts moved to where there are files."""
    certificates = make_dev_certificates(tmp_path / "certs", NOW)
    key = tmp_path / "master.key"
    key.write_text("ab" * 32)
    text = one("ConfigMap")["data"]["config.yaml"]
    for mounted, real in {
        "/etc/sidecar/tls/tls.crt": certificates.server[0],
        "/etc/sidecar/tls/tls.key": certificates.server[1],
        "/etc/sidecar/client-ca/ca.crt": certificates.ca,
        "/etc/sidecar/keys/master.key": key,
        "/var/lib/sidecar": tmp_path,
    }.items():
        assert mounted in text
        text = text.replace(mounted, str(real))
    file = tmp_path / "config.yaml"
    file.write_text(text)
    return load_config(file)


def test_the_configuration_is_sound_and_fits_the_pod(config: Config) -> None:
    ports = {port["name"]: port["containerPort"] for port in SIDECAR["ports"]}
    assert ports == {"proxy": config.listeners.data.port, "admin": config.listeners.admin.port}
    assert config.listeners.data.tls.client_auth.value == "required"
    assert config.listeners.admin.tls is not None
    assert [str(upstream.url).rstrip("/") for upstream in config.upstreams.values()] == ["http://127.0.0.1:8080"]


def test_every_path_of_the_configuration_is_mounted() -> None:
    text = one("ConfigMap")["data"]["config.yaml"]
    mounts = {mount["mountPath"] for mount in SIDECAR["volumeMounts"]}
    paths = re.findall(r"(?<!/)/(?:etc|var)/[\w./-]+", text.replace("sqlite:////", "sqlite: /"))
    assert len(paths) >= 8
    for path in paths:
        assert any(path.startswith(f"{mount}/") for mount in mounts), path
    volumes = {volume["name"] for volume in POD["volumes"]}
    claims = {claim["metadata"]["name"] for claim in one("StatefulSet")["spec"]["volumeClaimTemplates"]}
    for container in (SIDECAR, CHATBOT):
        assert {mount["name"] for mount in container["volumeMounts"]} <= volumes | claims


def test_the_sidecar_is_a_native_one() -> None:
    assert SIDECAR["restartPolicy"] == "Always"
    assert "sidecar" not in [container["name"] for container in POD["containers"]]


@pytest.mark.parametrize("probe", ["startupProbe", "readinessProbe", "livenessProbe"])
def test_probes_speak_https_to_the_admin_port(probe: str) -> None:
    get = SIDECAR[probe]["httpGet"]
    assert (get["port"], get["scheme"]) == ("admin", "HTTPS")
    assert get["path"] == ("/readyz" if probe == "readinessProbe" else "/healthz")  # trap 6


@pytest.mark.parametrize("container", [SIDECAR, CHATBOT], ids=["sidecar", "chatbot"])
def test_containers_meet_the_restricted_standard(container: dict[str, Any]) -> None:
    context = container["securityContext"]
    assert context["allowPrivilegeEscalation"] is False
    assert context["readOnlyRootFilesystem"] is True
    assert context["capabilities"] == {"drop": ["ALL"]}
    assert not {"privileged", "runAsUser", "seccompProfile"} & context.keys()  # set for the pod, weakened nowhere
    assert "memory" in container["resources"]["limits"]
    assert not re.search(r":latest$|^[^:]+$", container["image"])


def test_the_pod_meets_the_restricted_standard() -> None:
    context = POD["securityContext"]
    assert context["runAsNonRoot"] is True
    assert context["runAsUser"] > 10_000
    assert context["seccompProfile"] == {"type": "RuntimeDefault"}
    assert POD["automountServiceAccountToken"] is False
    assert POD["shareProcessNamespace"] is False
    assert not {"hostNetwork", "hostPID", "hostIPC"} & POD.keys()
    assert all("hostPath" not in volume for volume in POD["volumes"])


def test_secrets_are_mounted_for_the_group_only_and_written_nowhere() -> None:
    for volume in POD["volumes"]:
        if "secret" in volume:
            assert volume["secret"]["defaultMode"] == 0o440
    assert [document for document in DOCUMENTS if document["kind"] == "Secret"] == []
    for mount in SIDECAR["volumeMounts"]:
        assert "subPath" not in mount  # such a file never changes when its secret does (P53)
        assert mount.get("readOnly", False) is (mount["name"] not in ("state", "sidecar-tmp"))
    assert {mount["name"] for mount in CHATBOT["volumeMounts"]} == {"chatbot-tmp"}


def test_nothing_leads_to_the_chatbot_but_the_sidecar() -> None:
    """The bypass hole: the containers of a pod share its addresses."""
    assert {"name": "HOST", "value": "127.0.0.1"} in CHATBOT["env"]
    assert "ports" not in CHATBOT
    tools, admin = one("Service", "chatbot"), one("Service", "chatbot-admin")
    assert [port["targetPort"] for port in tools["spec"]["ports"]] == ["proxy"]
    assert [port["targetPort"] for port in admin["spec"]["ports"]] == ["admin"]
    assert sum(document["kind"] == "Service" for document in DOCUMENTS) == 2
    policy = one("NetworkPolicy")["spec"]
    assert policy["podSelector"]["matchLabels"] == one("StatefulSet")["spec"]["selector"]["matchLabels"]
    assert policy["policyTypes"] == ["Ingress"]
    assert [[port["port"] for port in rule["ports"]] for rule in policy["ingress"]] == [[8443], [9443]]
    assert all(rule["from"] for rule in policy["ingress"])


def test_selectors_meet_the_pod() -> None:
    labels = one("StatefulSet")["spec"]["template"]["metadata"]["labels"]
    for name in ("chatbot", "chatbot-admin"):
        assert one("Service", name)["spec"]["selector"].items() <= labels.items()


def test_one_writer_for_state_and_audit_log() -> None:
    workload = one("StatefulSet")["spec"]
    assert workload["replicas"] == 1
    (claim,) = workload["volumeClaimTemplates"]
    assert claim["spec"]["accessModes"] == ["ReadWriteOncePod"]


def test_p49_the_grace_outlasts_the_chatbots_pause_and_the_drain(config: Config) -> None:
    data = config.listeners.data
    pause = CHATBOT["lifecycle"]["preStop"]["sleep"]["seconds"]
    assert POD["terminationGracePeriodSeconds"] > pause + data.drain_delay_seconds + data.drain_seconds
