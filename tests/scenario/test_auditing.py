"""The audit log as an auditor meets it, through the running program: anchors, sinks, endpoints, verifying alone."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import yaml

from sidecar.access import Role
from tests.audit.written import VERIFIER
from tests.scenario.world import World


def configure(world: World, **audit: Any) -> Path:
    """Change the audit section and start again; return the log's folder."""
    config = yaml.safe_load(world.setup.config.read_text())
    config.setdefault("audit", {}).update(audit)
    world.setup.config.write_text(yaml.safe_dump(config))
    world.stop_sidecar()
    world.start_sidecar()
    return Path(config["audit"]["folder"])


@contextmanager
def receiver(taken: list[dict[str, Any]]) -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            taken.extend(json.loads(line) for line in body.splitlines())
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/audit"
    server.shutdown()
    thread.join()
    server.server_close()


def until(holds: Callable[[], object]) -> None:
    deadline = time.monotonic() + 120
    while not holds():
        assert time.monotonic() < deadline, "not in time"
        time.sleep(0.05)


def verify(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-I", str(VERIFIER), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.mark.timeout(600)  # the program starts five times
def test_an_old_copy_put_back_is_refused_at_the_next_start_a10_a12(fresh_world: World, tmp_path: Path) -> None:
    world = fresh_world
    place = tmp_path / "elsewhere"
    place.mkdir()
    anchor = {"name": "share", "type": "file", "folder": str(place)}
    folder = configure(world, anchors=[anchor], anchor_interval_seconds=0.2)
    world.stop_sidecar()
    shutil.copytree(folder, tmp_path / "yesterday")
    world.start_sidecar()
    for _ in range(3):
        world.data("GET", "/api/conversations")
    world.stop_sidecar()  # brings the last checkpoint to the anchor
    kept = max(place.rglob("*.note"))
    vkey = json.loads((folder / "00000000.segment").read_bytes().split(b"\n")[0].split(b"\t")[1])["key"]
    done = verify("log", folder, "--key", vkey, "--checkpoint", kept)
    assert done.returncode == 0, done.stdout
    assert "unanchored tail: 0" in done.stdout
    shutil.rmtree(folder)
    shutil.copytree(tmp_path / "yesterday", folder)
    assert verify("log", folder, "--key", vkey).returncode == 0  # alone it looks well
    done = verify("log", folder, "--key", vkey, "--checkpoint", kept)
    assert done.returncode == 1
    assert "cut" in done.stdout
    command = [sys.executable, "-m", "sidecar", "run", "--config", str(world.setup.config)]
    refused = subprocess.run(command, capture_output=True, text=True, timeout=150, check=False)
    assert refused.returncode == 2, refused.stderr
    assert "share" in refused.stderr
    command = [sys.executable, "-m", "sidecar", "audit", "verify", str(folder), "--anchors", str(world.setup.config)]
    told = subprocess.run(command, capture_output=True, text=True, timeout=150, check=False)
    assert told.returncode == 1
    assert "MISSING" in told.stdout


@pytest.mark.timeout(600)
def test_an_auditor_asks_exports_and_verifies_and_the_log_says_so_a36(fresh_world: World, tmp_path: Path) -> None:
    world = fresh_world
    taken: list[dict[str, Any]] = []
    with receiver(taken) as url:
        sink = {"name": "siem", "type": "http", "url": url}
        folder = configure(world, sinks=[sink], checkpoint={"records": 1, "seconds": 1})
        chat = world.chats()[0]["id"]
        assert world.data("GET", f"/api/conversations/{chat}").status == 200
        found = world.admin("POST", "/v1/audit/candidates", {"conversation": chat}, Role.AUDITOR).json
        assert found["found"]
        (pseudonym, *_) = found["pseudonyms"]
        path = f"/v1/audit/records?pseudonym={pseudonym}&reason=CASE-2026-17"
        page = world.admin("GET", path, None, Role.AUDITOR).json
        assert [row["decision"] for row in page["records"] if row["action"] == "proxy"] == ["completed"]
        asked = {"question": {"pseudonyms": [pseudonym]}, "formats": ["ocsf"], "complete": True}
        export = world.admin("POST", "/v1/audit/exports?reason=CASE-2026-17", asked, Role.AUDITOR)
        assert export.status == 200
        (tmp_path / "export.tar").write_bytes(export.body)
        vkey = json.loads((folder / "00000000.segment").read_bytes().split(b"\n")[0].split(b"\t")[1])["key"]
        done = verify("bundle", tmp_path / "export.tar", "--key", vkey)
        assert done.returncode == 0, done.stdout
        assert "completeness: whole" in done.stdout
        for path in ("/v1/audit/records", "/v1/audit/checkpoint"):
            assert world.admin("GET", path, None, Role.PRIVACY_OFFICER).status == 403
            assert world.data("GET", path, role=Role.AUDITOR).status in (403, 404)
        until(lambda: any(one.get("action") == "audit_export" and one["phase"] == "outcome" for one in taken))
        world.stop_sidecar()
    actions = [one["action"] for one in taken if one.get("actor") == "auditor" or one.get("phase") == "intent"]
    assert {"audit_candidate", "audit_search", "audit_export"} <= set(actions)
    command = [sys.executable, "-m", "sidecar", "audit", "show", folder, "--config", world.setup.config, "--json"]
    shown = subprocess.run(
        [*map(str, command), "--conversation", pseudonym], capture_output=True, text=True, check=False
    )
    assert chat not in shown.stdout
    assert {json.loads(line)["action"] for line in shown.stdout.splitlines()} >= {"proxy", "audit_candidate"}
    seqs = [one["seq"] for one in taken]
    assert sorted(set(seqs)) == list(range(max(seqs) + 1))  # no gap
    assert pseudonym not in json.dumps(taken)
    customer = world.chats()[0]["customer"]
    for file, data in world.written():
        for name in ("email", "phone"):
            assert customer[name].encode() not in data, file
