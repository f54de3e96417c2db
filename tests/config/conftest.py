"""A configuration that is sound, to be changed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest


@pytest.fixture
def raw(tmp_path: Path) -> dict[str, Any]:
    for name in ("cert.pem", "key.pem", "ca.pem", "master.key"):
        (tmp_path / name).write_text("x")
    tls = {
        "certificate": str(tmp_path / "cert.pem"),
        "private_key": str(tmp_path / "key.pem"),
        "client_ca": str(tmp_path / "ca.pem"),
    }
    return {
        "listeners": {"data": {"port": 8443, "tls": tls}},
        "keys": {"master_file": str(tmp_path / "master.key")},
        "audit": {"folder": str(tmp_path / "audit")},
        "identities": [{"name": "tool", "roles": ["trainer"], "certificate": {"san": "URI:spiffe://x/tool"}}],
        "upstreams": {"chatbot": {"url": "http://127.0.0.1:8080"}},
        "routes": [
            {
                "name": "chats",
                "path_prefix": "/api",
                "methods": ["GET"],
                "upstream": "chatbot",
                "roles": ["trainer"],
                "preset": "generic-chat",
            }
        ],
    }
