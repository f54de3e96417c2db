"""The example plug-in against a real server that answers, hangs, errs and lies (D14)."""

from __future__ import annotations

import http.client
import json
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from shutil import copytree, ignore_patterns
from typing import Any, ClassVar

import pytest

from sidecar.detection.detector import Detector
from sidecar.detection.plugins import PluginSettings, load_plugins
from sidecar.detection.recognizer import AGENT, Message, Turn
from sidecar.detection.span import Span
from sidecar.errors import ConfigError, DetectionFailed, DetectionFault

SOURCE = Path(__file__).parents[2] / "docs" / "plugins" / "http-analyzer"
SECRET = "canary-6604"
PERSON = {"start": 3, "end": 6, "entity_type": "PERSON", "score": 0.85}


class Stub(BaseHTTPRequestHandler):
    """Answers with ``plan``: a status and a body, or one of the words in ``_act``."""

    protocol_version = "HTTP/1.1"
    plan: ClassVar[Any] = (200, b"[]")
    asked: ClassVar[list[tuple[str, Any, str | None]]] = []
    connections: ClassVar[set[Any]] = set()
    ended: ClassVar[threading.Event]

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.asked.append((self.path, json.loads(body), self.headers["Authorization"]))
        self.connections.add(self.client_address)
        if isinstance(self.plan, str):
            self._act(self.plan)
            self.close_connection = True
            return
        status, answer = self.plan
        self._send(status, answer, len(answer))

    def _act(self, plan: str) -> None:
        head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
        match plan:
            case "hang":
                self.ended.wait(30)
            case "drip head":
                self._drip(b"HTTP/1.1 200 OK\r\nX: ")
            case "drip body":
                self._drip(head + b"Content-Length: 1000000\r\n\r\n[")
            case "drip to the end":
                self._drip(head + b"Connection: close\r\n\r\n[]")
            case "cut":
                self.wfile.write(head + b"Content-Length: 500\r\n\r\n[]")
            case "close":
                pass
            case "noise":
                self.wfile.write(b"\x16\x03\x01 what?\r\n\r\n")
            case "redirect":
                self.wfile.write(
                    b"HTTP/1.1 307 Over There\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n"
                )
            case "endless":
                self._flood(head + b"Connection: close\r\n\r\n")

    def _drip(self, first: bytes) -> None:
        """Write a little again and again, so that no single read ever times out."""
        try:
            self.wfile.write(first)
            while not self.ended.wait(0.05):
                self.wfile.write(b" ")
        except OSError:
            return

    def _flood(self, first: bytes) -> None:
        try:
            self.wfile.write(first)
            while not self.ended.is_set():
                self.wfile.write(b" " * 1_000_000)
        except OSError:
            return

    def _send(self, status: int, body: bytes, length: int) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(length))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        return


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The package, installed by pip as an operator would, but to a folder of its own."""
    folder = tmp_path_factory.mktemp("http-analyzer")
    source = copytree(SOURCE, folder / "source", ignore=ignore_patterns("build", "*.egg-info"))
    target = folder / "site"
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-build-isolation", "--no-index"]
    done = subprocess.run([*command, "--target", target, source], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return target


@pytest.fixture
def server() -> Iterator[str]:
    Stub.plan, Stub.ended = (200, b"[]"), threading.Event()
    Stub.asked.clear()
    Stub.connections.clear()
    listening = ThreadingHTTPServer(("127.0.0.1", 0), Stub)
    listening.daemon_threads = True
    thread = threading.Thread(target=listening.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{listening.server_address[1]}/analyze"
    Stub.ended.set()
    listening.shutdown()
    listening.server_close()
    thread.join()


@pytest.fixture
def on_path(site: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(site)


def detector(url: str, **settings: object) -> Detector:
    return Detector(load_plugins([PluginSettings("http-analyzer", {"url": url, "timeout_seconds": 1, **settings})]))


def answers(*entries: object) -> None:
    Stub.plan = (200, json.dumps(entries).encode())


@pytest.mark.usefixtures("on_path")
class TestAsked:
    def test_it_is_asked_as_presidio_is_and_answers_in_our_types(self, server: str) -> None:
        answers(PERSON, {"start": 9, "end": 10, "entity_type": "DATE_TIME", "score": 1, "analysis_explanation": None})
        message = Message("hi Zoë 😀 x", AGENT, (Turn(AGENT, SECRET),))
        own = "plugin:http-analyzer"
        assert detector(server, language="de").detect([message]) == [
            (Span(3, 6, "PERSON", 0.85, own), Span(9, 10, "DATE", 1.0, own))
        ]
        assert Stub.asked == [("/analyze", {"text": "hi Zoë 😀 x", "language": "de"}, None)]

    def test_types_are_mapped_left_out_or_unknown_and_then_an_other_id(self, server: str) -> None:
        answers(
            {"start": 0, "end": 1, "entity_type": "WIZARD", "score": 0.9},
            {"start": 2, "end": 3, "entity_type": "FR_NIR", "score": 0.9},
            {"start": 4, "end": 5, "entity_type": "NRP", "score": 0.9},
        )
        found = detector(server, types={"FR_NIR": "NATIONAL_ID", "NRP": None}).detect([Message("a b c")])[0]
        assert [(span.start, span.label) for span in found] == [(0, "OTHER_ID"), (2, "NATIONAL_ID")]

    def test_empty_texts_are_not_sent(self, server: str) -> None:
        assert detector(server).detect([Message(""), Message(" \n")]) == [(), ()]
        assert Stub.asked == []

    def test_a_token_is_read_from_a_file_and_sent(self, server: str, tmp_path: Path) -> None:
        (tmp_path / "token").write_text(f"{SECRET}\n")
        detector(server, token_file=str(tmp_path / "token")).detect([Message("hi")])
        assert Stub.asked[0][2] == f"Bearer {SECRET}"

    def test_one_connection_serves_many_texts_and_is_opened_anew_when_the_server_closed_it(self, server: str) -> None:
        asking = detector(server)
        asking.detect([Message("one"), Message("two")])
        assert len(Stub.connections) == 1
        Stub.plan = "close"
        with pytest.raises(DetectionFailed):
            asking.detect([Message("three")])
        answers(PERSON)
        assert asking.detect([Message("hi jon")])[0]
        assert len(Stub.connections) == 3  # the one kept, the one tried instead of it, and a new one


@pytest.mark.usefixtures("on_path")
class TestFailing:
    @pytest.mark.parametrize(
        "plan",
        [
            "hang", "drip head", "drip body", "drip to the end", "cut", "close", "noise", "redirect", "endless",
            (500, b"[]"),
            (202, b"[]"),
            (200, b""),
            (200, b"{}"),
            (200, b'{"error": "No text provided"}'),
            (200, b"[[]]"),
            (200, b"\xff"),
            (200, b"[" * 100_000),
        ],
    )  # fmt: skip
    def test_no_usable_answer_fails_the_whole_detection_in_time(self, server: str, plan: Any) -> None:
        Stub.plan = plan
        asking = detector(server)
        before = time.monotonic()
        with pytest.raises(DetectionFailed) as caught:
            asking.detect([Message(f"my code is {SECRET}")])
        assert time.monotonic() - before < 20  # a hang would be for ever
        assert caught.value.fault is DetectionFault.RAISED
        assert str(caught.value) == "raised: recognizer 'plugin:http-analyzer': AnalyzerFailed"
        answers({"start": 0, "end": 2, "entity_type": "PERSON", "score": 0.85})
        assert [span.end for span in asking.detect([Message("jo")])[0]] == [2]  # nothing of the failure is left over

    @pytest.mark.parametrize(
        "change",
        [
            {"start": -1},
            {"end": 7},
            {"end": 3},
            {"start": 4, "end": 2},
            {"start": "3"},
            {"start": True},
            {"end": 5.0},
            {"end": None},
            {"score": 1.5},
            {"score": "high"},
            {"score": None},
            {"score": True},
            {"entity_type": None},
            {"entity_type": ["PERSON"]},
        ],
    )
    def test_a_lie_fails_the_whole_detection(self, server: str, change: dict[str, object]) -> None:
        answers(PERSON, {**PERSON, **change})
        with pytest.raises(DetectionFailed):
            detector(server).detect([Message("hi jon")])

    def test_nobody_there(self) -> None:
        with socket.socket() as unused:
            unused.bind(("127.0.0.1", 0))
            port = unused.getsockname()[1]
        with pytest.raises(DetectionFailed):
            detector(f"http://127.0.0.1:{port}/analyze").detect([Message("hi jon")])

    @pytest.mark.parametrize(
        ("settings", "place"),
        [
            ({"url": "http://analyzer.example/analyze"}, "url: would send messages over the network in clear"),
            ({"url": "ftp://127.0.0.1/"}, "url: is no http or https URL"),
            ({"url": "http://127.0.0.1:99999/"}, "url: is no http or https URL"),
            ({"url": None}, "url: is no http or https URL"),
            ({"timeout_seconds": 0}, "timeout_seconds: is no time"),
            ({"timeout_seconds": True}, "timeout_seconds: is no time"),
            ({"language": ""}, "language: is no language"),
            ({"types": ["PERSON"]}, "types: is no mapping"),
            ({"types": {"X": "NAME"}}, "types.X: is no entity type"),
            ({"token_file": "/nowhere/token"}, "token_file: holds no token"),
            ({"urll": "x"}, "urll: is not a known key"),
        ],
    )
    def test_settings_that_can_not_be_used_are_refused(self, settings: dict[str, object], place: str) -> None:
        with pytest.raises(ConfigError) as caught:
            load_plugins([PluginSettings("http-analyzer", {"url": "https://analyzer.example/analyze", **settings})])
        assert f"detection.plugins[http-analyzer].settings.{place}" in str(caught.value)


def test_the_stub_is_a_server(server: str) -> None:
    """Else every failure above would be one of the test's own making."""
    connection = http.client.HTTPConnection(server.split("/")[2], timeout=5)
    connection.request("POST", "/analyze", b"{}")
    assert connection.getresponse().read() == b"[]"
    connection.close()
