"""A Transit engine as Vault's documentation describes it, behind a real socket, for tests."""

from __future__ import annotations

import json
import os
import threading
from base64 import b64decode, b64encode
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

TOKEN = "s.auditor"


class Transit:
    """One key with versions. ``down`` answers 503 to everything; ``stop`` ends it so that nobody listens."""

    def __init__(self) -> None:
        self.keys = [AESGCM(AESGCM.generate_key(256))]
        self.oldest = 1
        self.down = False
        self.said: bytes | None = None  # in place of any answer
        self.calls: list[str] = []
        transit = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                transit.calls.append(self.path)
                status, answer = transit.answer(self.path, self.headers.get("X-Vault-Token", ""), json.loads(body))
                data = json.dumps(answer).encode() if transit.said is None else transit.said
                self.send_response(status)
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def rotate(self) -> None:
        self.keys.append(AESGCM(AESGCM.generate_key(256)))

    def answer(self, path: str, token: str, asked: dict[str, str]) -> tuple[int, dict[str, Any]]:
        if self.down:
            return 503, {"errors": ["Vault is sealed"]}
        if token != TOKEN:
            return 403, {"errors": ["permission denied"]}
        bound = b64decode(asked.get("associated_data", ""))
        match path:
            case "/v1/transit/encrypt/audit":
                nonce = os.urandom(12)
                made = nonce + self.keys[-1].encrypt(nonce, b64decode(asked["plaintext"]), bound)
                return 200, {"data": {"ciphertext": f"vault:v{len(self.keys)}:{b64encode(made).decode()}"}}
            case "/v1/transit/decrypt/audit":
                return self._decrypt(asked["ciphertext"], bound)
        return 404, {"errors": []}

    def _decrypt(self, text: str, bound: bytes) -> tuple[int, dict[str, Any]]:
        version = int(text.split(":")[1][1:])
        try:
            raw = b64decode(text.split(":")[2], validate=True)
            if not self.oldest <= version <= len(self.keys):
                raise InvalidTag
            plain = self.keys[version - 1].decrypt(raw[:12], raw[12:], bound)
        except (InvalidTag, ValueError):
            return 400, {"errors": ["cipher: message authentication failed"]}
        return 200, {"data": {"plaintext": b64encode(plain).decode()}}
