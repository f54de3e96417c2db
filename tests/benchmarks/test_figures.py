"""What the benchmarks compute and send. The measuring itself is never a test."""

from __future__ import annotations

import asyncio
import contextlib
import json
import math
import ssl
import subprocess
import sys
from collections.abc import AsyncIterator
from dataclasses import asdict
from pathlib import Path

import pytest

from benchmarks.aims import OPAQUE, REREAD, aims, aims_table
from benchmarks.bare_proxy import BareProxy
from benchmarks.conversations import MESSAGES, canary, conversation
from benchmarks.load import Load, Result, answer_in
from benchmarks.processes import Serving, free_ports
from benchmarks.report import Figures, at_rate, budget, figures, highest_rates, percentile
from benchmarks.sidecar_setup import Scrape, write_configuration
from benchmarks.upstream import Upstream
from sidecar.config import load_config
from sidecar.tls.contexts import ClientAuth, ServerTls, server_context
from sidecar.tls.dev_certs import DevCertificates, make_dev_certificates
from tests.tls.authority import NOW


def test_conversations_are_all_new_and_always_the_same() -> None:
    texts = [m["text"] for n in range(20) for m in json.loads(conversation(n))["conversation"]["messages"]]
    assert len(texts) == len(set(texts)) == 20 * MESSAGES
    assert conversation(7) == conversation(7)
    assert canary(7) in conversation(7).decode()
    assert canary(7) not in conversation(8).decode()


@pytest.mark.parametrize(
    ("values", "share", "expected"),
    [([5.0], 0.99, 5.0), ([1, 2, 3, 4], 0.5, 2), (list(range(1, 101)), 0.99, 99), (list(range(1, 101)), 0.5, 50)],
)
def test_percentile_is_the_nearest_rank(values: list[float], share: float, expected: float) -> None:
    assert percentile(values, share) == expected


def test_no_answer_no_percentile() -> None:
    assert math.isnan(percentile([], 0.5))


def test_the_tables_compare_with_the_first_row() -> None:
    rounds = [
        Result(seconds=2, milliseconds=[1.0] * 200, answered=300, cpu_seconds=0.1),
        Result(seconds=2, milliseconds=[3.0] * 100, answered=100, cpu_seconds=0.3),
    ]
    bare = figures("bare", rounds)
    slow = figures("slow", [Result(seconds=2, milliseconds=[8.0] * 75, errors=2, first_error="status 502")])
    assert (bare.per_second, bare.p50, bare.p99) == (75, 1.0, 3.0)
    assert slow.first_error == "status 502"
    assert "| bare | 75 | 1.00 | 1.00 | 1.00 | 3.00 | 0 |" in highest_rates((bare, slow))
    assert "| slow | 38 | 0.50 | 0.00 | 8.00 | 8.00 | 2 |" in highest_rates((bare, slow))
    assert "| slow | 8.00 | 8.00 | 7.00 | 5.00 | 2 |" in at_rate(10, (bare, slow))


def test_the_budget_is_what_the_cores_leave_beside_the_load() -> None:
    bare = _row("bare", 1000, 1, 1)
    row = figures(
        "slow", [Result(milliseconds=[1.0], seconds=1, answered=10, cpu_seconds=0.03, load_cpu_seconds=0.005)]
    )
    assert "500 requests/s, which leave 4.00 ms of 2 cores" in budget(0.5, bare, row, 2)
    assert "upstream take 0.50, so the sidecar may take 3.50, and takes 3.00" in budget(0.5, bare, row, 2)


def test_a_quantile_comes_from_what_was_observed_in_between() -> None:
    def scrape(*counts: float) -> Scrape:
        edges = ("0.01", "0.1", "+Inf")
        return Scrape({("lag_bucket", frozenset({("le", le)})): n for le, n in zip(edges, counts, strict=True)})

    assert scrape(100, 102, 102).quantile_since(scrape(0, 2, 2), "lag") == 0.01
    assert scrape(100, 110, 110).quantile_since(scrape(0, 0, 0), "lag") == 0.1
    assert math.isnan(scrape(1, 1, 1).quantile_since(scrape(1, 1, 1), "lag"))


def test_the_configuration_is_one_that_the_sidecar_takes(tmp_path: Path) -> None:
    certificates = make_dev_certificates(tmp_path / "certs", NOW)
    config = load_config(write_configuration(tmp_path, certificates, 1, 2, 3, workers=2))
    assert [route.name for route in config.routes] == ["chats", "blobs"]
    assert config.detection.workers == 2


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc", (200, 3)),
        (b"HTTP/1.1 204 No Content\r\n\r\n", (204, 0)),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n", (200, 5)),
    ],
)
def test_answers_are_read_whole(raw: bytes, expected: tuple[int, int]) -> None:
    assert all(answer_in(raw[:end]) is None for end in range(len(raw)))
    assert answer_in(raw) == answer_in(raw + b"HTTP/1.1 500") == (*expected, len(raw))


@pytest.fixture
async def bare(tmp_path: Path) -> AsyncIterator[tuple[int, DevCertificates]]:
    certificates = make_dev_certificates(tmp_path / "certs", NOW)
    upstream_port, port = free_ports(2)
    proxy = BareProxy(upstream_port)
    runners: list[Serving] = [await Upstream().start(upstream_port), await proxy.start(port, certificates)]
    yield port, certificates
    for runner in runners:
        await runner.cleanup()
    await proxy.stop()


async def _generate(load: Load) -> Result:
    """Run the generator as the benchmark does, as a process."""
    done = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-m", "benchmarks.load"],
        input=json.dumps(asdict(load)),
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return Result(**json.loads(done.stdout))


async def test_the_generator_measures_the_bare_proxy(bare: tuple[int, DevCertificates]) -> None:
    port, certificates = bare
    load = Load(port, str(certificates.folder), "/chats/", 30, 4, most_requests=60, repeat_after=5, warm_up_seconds=0)
    result = await _generate(load)
    assert (result.errors, result.first_error, len(result.milliseconds)) == (0, "", 60)
    assert result.bytes == 12 * sum(len(conversation(number)) for number in range(5))
    assert result.next_number == 60


async def test_the_generator_keeps_to_its_rate_and_time(bare: tuple[int, DevCertificates]) -> None:
    port, certificates = bare
    load = Load(port, str(certificates.folder), "/blobs/", 1, 4, requests_per_second=20, warm_up_seconds=0)
    result = await _generate(load)
    assert result.errors == 0
    assert 0 < len(result.milliseconds) <= 20


async def test_the_generator_counts_what_fails(bare: tuple[int, DevCertificates]) -> None:
    port, certificates = bare
    load = Load(port, str(certificates.folder), "/chats/no-number", 30, 1, most_requests=3, warm_up_seconds=0)
    result = await _generate(load)
    assert (result.errors, result.first_error, result.milliseconds) == (3, "status 404", [])


async def test_the_generator_counts_an_answer_that_is_cut(tmp_path: Path) -> None:
    certificates = make_dev_certificates(tmp_path / "certs", NOW)

    async def cut(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nab")
        writer.close()

    tls = server_context(ServerTls(*certificates.server, ClientAuth.REQUIRED, certificates.ca))
    async with await asyncio.start_server(cut, "127.0.0.1", 0, ssl=tls) as server:
        port = server.sockets[0].getsockname()[1]
        result = await _generate(Load(port, str(certificates.folder), "/chats/", 30, 2, warm_up_seconds=0))
    assert (result.errors, result.first_error, result.milliseconds) == (2, "EOFError", [])


async def test_the_bare_proxy_asks_for_client_certificates_as_the_sidecar_does(
    bare: tuple[int, DevCertificates],
) -> None:
    port, certificates = bare
    context = ssl.create_default_context(cafile=str(certificates.ca))
    reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context, server_hostname="localhost")
    writer.write(b"GET /chats/1 HTTP/1.1\r\nHost: localhost\r\n\r\n")
    with contextlib.suppress(ssl.SSLError, ConnectionError):
        assert await reader.read() == b""
    writer.close()


def _row(name: str, per_second: float, p50: float, p99: float) -> Figures:
    return Figures(name, per_second, p50, p99, errors=0)


@pytest.mark.parametrize(
    ("opaque", "reread", "lag", "growth", "met"),
    [
        ((80, 3.5, 9), (50, 9, 20), 0.02, 63.9, [True] * 6),
        ((79, 3.6, 9), (49, 9, 20.1), 0.03, 64.1, [False] * 6),
        ((100, 1, 1), (100, 1, 1), 0.001, None, [True] * 5 + [None]),
    ],
)
def test_aims_are_met_or_not_by_what_was_measured(
    opaque: tuple[float, float, float],
    reread: tuple[float, float, float],
    lag: float,
    growth: float | None,
    met: list[bool | None],
) -> None:
    rows = [_row("bare proxy", 100, 2, 10), _row(OPAQUE, *opaque), _row(REREAD, *reread)]
    found = aims(rows, rows, lag, growth)
    assert [aim.met for aim in found] == met
    table = aims_table(found)
    assert table.count("\n") == 7
    assert table.count("**not met**") == met.count(False)
