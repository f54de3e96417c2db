"""P28 to P31 without a network: what is decoded, what is refused, and how much memory a bomb takes."""

from __future__ import annotations

import gzip
import subprocess
import sys
import tracemalloc
import zlib
from collections.abc import Callable
from contextlib import suppress
from itertools import pairwise

import brotli
import pytest
from hypothesis import given
from hypothesis import strategies as st
from multidict import CIMultiDict, CIMultiDictProxy

from sidecar.access import Proof
from sidecar.errors import PayloadFault, PayloadRefused
from sidecar.proxy.codings import Uncompressing, narrowed, uncompress
from sidecar.proxy.headers import BodyFate, Hop, request_fields
from tests.proxy.rig import route
from tests.proxy.zstandard import zstd

CAP = 100_000
CODERS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "x-gzip": gzip.compress,
    "deflate": zlib.compress,
    "br": lambda data: brotli.compress(data, quality=5),
    "zstd": zstd.compress,
}
BEGINS = {"gzip": b"\x1f\x8b", "x-gzip": b"\x1f\x8b", "zstd": b"\x28\xb5\x2f\xfd"}
codings = st.sampled_from(sorted(CODERS))


@given(codings, st.binary(max_size=60_000))
def test_every_coding_is_undone(coding: str, plain: bytes) -> None:
    coded = CODERS[coding](plain)
    assert uncompress(coded, coding, CAP) == uncompress(coded, f" {coding.upper()} ", CAP) == plain


@given(st.sampled_from(["gzip", "zstd"]), st.lists(st.binary(max_size=200), min_size=1, max_size=4))
def test_P29_members_are_joined(coding: str, parts: list[bytes]) -> None:
    assert uncompress(b"".join(map(CODERS[coding], parts)), coding, CAP) == b"".join(parts)


def test_P29_skippable_frames_hold_nothing_that_is_passed_on() -> None:
    skipped = b"\x50\x2a\x4d\x18\x04\x00\x00\x00abcd"
    frame = zstd.compress(b"hello")
    assert uncompress(skipped + frame + skipped + frame, "zstd", CAP) == b"hellohello"


@given(codings, st.binary(min_size=1, max_size=300), st.data())
def test_P29_no_truncation_goes_unnoticed(coding: str, plain: bytes, data: st.DataObject) -> None:
    whole = CODERS[coding](plain)
    cut = data.draw(st.integers(min_value=1, max_value=len(whole) - 1))
    with pytest.raises(PayloadRefused):
        uncompress(whole[:cut], coding, CAP)


@given(codings, st.binary(max_size=100), st.binary(min_size=1, max_size=20))
def test_P29_trailing_bytes_are_refused(coding: str, plain: bytes, rest: bytes) -> None:
    if coding in BEGINS and rest.startswith(BEGINS[coding]):
        return
    with pytest.raises(PayloadRefused):
        uncompress(CODERS[coding](plain) + rest, coding, CAP)


@given(codings, st.binary(min_size=10, max_size=300), st.data())
def test_P29_flipped_bits_do_not_raise_anything_else(coding: str, plain: bytes, data: st.DataObject) -> None:
    coded = bytearray(CODERS[coding](plain))
    coded[data.draw(st.integers(min_value=0, max_value=len(coded) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    with suppress(PayloadRefused):
        assert len(uncompress(bytes(coded), coding, CAP)) <= CAP


@pytest.mark.parametrize("coding", CODERS)
@pytest.mark.parametrize("size", [0, CAP - 1, CAP])
def test_P30_up_to_the_cap(coding: str, size: int) -> None:
    assert uncompress(CODERS[coding](bytes(size)), coding, CAP) == bytes(size)


@pytest.mark.parametrize("coding", CODERS)
@pytest.mark.parametrize("plain", [bytes(CAP + 1), bytes(100_000_000)], ids=["one byte over", "100 MB"])
def test_P30_bombs_stop_at_the_cap(coding: str, plain: bytes) -> None:
    bomb = CODERS[coding](plain)
    tracemalloc.start()
    with pytest.raises(PayloadRefused) as refused:
        uncompress(bomb, coding, CAP)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert refused.value.fault is PayloadFault.TOO_LARGE
    assert peak < 10 * CAP + len(bomb)


@pytest.mark.parametrize("coding", ["gzip", "zstd"])
def test_P30_bombs_of_many_members(coding: str) -> None:
    for member, fault in ((bytes(CAP // 2), PayloadFault.TOO_LARGE), (b"", PayloadFault.CODING)):
        with pytest.raises(PayloadRefused) as refused:
            uncompress(CODERS[coding](member) * 20_000, coding, CAP)
        assert refused.value.fault is fault


_RESIDENT = """
import resource, sys
from sidecar.errors import PayloadRefused
from sidecar.proxy.codings import uncompress
bomb = sys.stdin.buffer.read()
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
try:
    uncompress(bomb, sys.argv[1], 100_000)
except PayloadRefused as refusal:
    print(refusal.fault, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


@pytest.mark.parametrize("coding", ["gzip", "br", "zstd"])
def test_P30_the_decoders_own_memory_is_bounded_too(coding: str) -> None:
    """Theirs is not Python's, so it is asked of the system, in a process of its own. In KiB: windows, not contents."""
    bomb = CODERS[coding](bytes(200_000_000))
    done = subprocess.run([sys.executable, "-c", _RESIDENT, coding], input=bomb, capture_output=True, check=True)
    fault, grown = done.stdout.decode().split()
    assert fault == "too_large"
    assert int(grown) < 40 * 1024


def test_P30_zstd_windows_are_bounded() -> None:
    coder = zstd.ZstdCompressor(options={zstd.CompressionParameter.window_log: 27})
    wide = coder.compress(b"abc" * 100, mode=coder.FLUSH_BLOCK) + coder.flush()
    with pytest.raises(PayloadRefused) as refused:
        uncompress(wide, "zstd", CAP)
    assert refused.value.fault is PayloadFault.CODING


@pytest.mark.parametrize("coding", ["aes", "gzip, br", "br,zstd", "gzip,gzip", "gzip gzip", "compress", "chunked"])
def test_P28_unknown_and_stacked(coding: str) -> None:
    with pytest.raises(PayloadRefused) as refused:
        uncompress(gzip.compress(b"x"), coding, CAP)
    assert refused.value.fault is PayloadFault.CODING


@pytest.mark.parametrize("coding", CODERS)
def test_P31_plain_bytes_that_claim_to_be_coded(coding: str) -> None:
    with pytest.raises(PayloadRefused) as refused:
        uncompress(b'{"plain": true}', coding, CAP)
    assert refused.value.fault is PayloadFault.CODING


def test_no_coding_at_all() -> None:
    assert [uncompress(b"x", name, CAP) for name in (None, "", "identity", "Identity")] == [b"x"] * 4


@pytest.mark.parametrize(
    ("accepted", "asked"),
    [
        ("gzip, deflate, br, zstd", "gzip, deflate, br, zstd"),
        ("GZip;q=0.5, br ; q=1.0, aes", "gzip;q=0.5, br;q=1.0"),
        ("gzip, identity;q=0", "gzip, identity;q=0"),
        ("aes", "identity"),
        ("*", "identity"),
        ("gzip;q=x, dcb", "identity"),
        ("", "identity"),
    ],
)
def test_P28_accept_encoding_is_narrowed(accepted: str, asked: str) -> None:
    assert narrowed(accepted) == asked
    fields = CIMultiDictProxy(CIMultiDict({"Accept-Encoding": accepted}))
    for origin, expected in (("https://archive.example", asked), ("http://127.0.0.1:1", "identity")):
        hop = Hop("1.2.3.4", "sidecar.example", "archive.example", origin)
        out = request_fields(fields, "GET", route(), hop, BodyFate.NONE, Proof.CERTIFICATE)
        assert out.getall("Accept-Encoding") == [expected]


@given(codings, st.lists(st.binary(max_size=300), max_size=5), st.lists(st.integers(0, 5_000), max_size=6))
def test_P33_a_coding_is_undone_as_its_bytes_come(coding: str, parts: list[bytes], cuts: list[int]) -> None:
    parts = parts if coding in ("gzip", "x-gzip", "zstd") else parts[:1]
    coded = b"".join(map(CODERS[coding], parts))
    places = [0, *sorted(cut % (len(coded) + 1) for cut in cuts), len(coded)]
    undoing = Uncompressing(coding, CAP)
    assert b"".join(undoing.feed(coded[start:end]) for start, end in pairwise(places)) == b"".join(parts)
    undoing.finish()


def test_P37_what_a_server_has_flushed_is_there_at_once() -> None:
    coder = zlib.compressobj(wbits=31)
    undoing = Uncompressing("gzip", CAP)
    for event in (b"data: 1\n\n", b"data: 2\n\n"):
        assert undoing.feed(coder.compress(event) + coder.flush(zlib.Z_SYNC_FLUSH)) == event
    with pytest.raises(PayloadRefused):
        undoing.finish()  # P29
    assert undoing.feed(coder.flush()) == b""
    undoing.finish()
    with pytest.raises(PayloadRefused):
        undoing.feed(b"trailing")


@pytest.mark.parametrize("coding", sorted(CODERS))
def test_P30_a_bomb_that_comes_in_pieces_is_stopped(coding: str) -> None:
    undoing = Uncompressing(coding, CAP)
    with pytest.raises(PayloadRefused) as refused:
        undoing.feed(CODERS[coding](bytes(10 * CAP)))
    assert refused.value.fault is PayloadFault.TOO_LARGE


@pytest.mark.parametrize("coding", ["gzip, br", "aes"])
def test_P28_an_unknown_coding_is_refused_before_any_byte_comes(coding: str) -> None:
    with pytest.raises(PayloadRefused):
        Uncompressing(coding, CAP)
