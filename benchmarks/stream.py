"""``python -m benchmarks.stream``: how much memory a long answer takes while its client reads slowly.

An opaque body of 1 GiB without a length goes through the sidecar. The client stops reading for a while every 64 MiB and
reads in small bites otherwise, so the upstream is always faster. What the sidecar grows by, at its largest, is printed.
"""

from __future__ import annotations

import argparse
import contextlib
import socket
import ssl
import sys
import threading
import time
from dataclasses import dataclass, field

from benchmarks.processes import resident_bytes
from benchmarks.stage import SIDECAR, Stage, stage
from sidecar.access import Role

MIB = 1024 * 1024
GROWTH_AIM = 64 * MIB
_BITE = 16 * 1024
_PAUSE_EVERY = 64 * MIB
_PAUSE_SECONDS = 0.5
_WARM_UP_MIB = 4


@dataclass
class _Watch:
    """Looks at a process's memory again and again, in a thread, until it is told to stop."""

    pid: int
    largest: int = 0
    done: threading.Event = field(default_factory=threading.Event)

    def run(self) -> None:
        while not self.done.wait(0.02):
            self.largest = max(self.largest, resident_bytes(self.pid))


def main() -> int:
    """Stream, print, and exit 1 where the sidecar grew by more than the aim."""
    options = _options()
    with stage(options) as up:
        growth = measure_growth(up, options.mebibytes)
    return 0 if growth < GROWTH_AIM else 1


def measure_growth(up: Stage, mebibytes: int) -> int:
    """Stream, print, and return by how many bytes the sidecar grew at most. Bytes that are missing end the run."""
    read_slowly(up, _WARM_UP_MIB)
    pid = up.servers[SIDECAR].pid
    watch, before, began = _Watch(pid), resident_bytes(pid), time.monotonic()
    thread = threading.Thread(target=watch.run)
    thread.start()
    try:
        size = read_slowly(up, mebibytes)
    finally:
        watch.done.set()
        thread.join()
    growth = watch.largest - before
    print(f"{size / MIB:.0f} MiB to a slow reader in {time.monotonic() - began:.1f} s; the sidecar held "
          f"{before / MIB:.1f} MiB before and grew by {growth / MIB:.1f} MiB at most\n", flush=True)  # fmt: skip
    if size < mebibytes * MIB:
        raise SystemExit(f"only {size} bytes of {mebibytes} MiB came")
    return growth


def read_slowly(up: Stage, mebibytes: int) -> int:
    """Return how many bytes came, the framing of chunks included. A stream that is cut ends without its last chunk."""
    context = ssl.create_default_context(cafile=str(up.certificates.ca))
    context.load_cert_chain(*up.certificates.client(Role.TRAINER))
    with contextlib.ExitStack() as stack:
        plain = stack.enter_context(socket.create_connection(("127.0.0.1", up.servers[SIDECAR].port), timeout=60))
        secure = stack.enter_context(context.wrap_socket(plain, server_hostname="localhost"))
        secure.sendall(f"GET /blobs/stream/{mebibytes} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        bite, end, total, next_pause = bytearray(_BITE), b"", 0, _PAUSE_EVERY
        while not end.endswith(b"\r\n0\r\n\r\n"):
            count = secure.recv_into(bite)
            if not count:
                raise SystemExit(f"the stream was cut after {total} bytes")
            total += count
            end = (end + bite[:count])[-7:]
            if total >= next_pause:
                next_pause += _PAUSE_EVERY
                time.sleep(_PAUSE_SECONDS)
        return total


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.stream", description=__doc__)
    parser.add_argument("--mebibytes", type=int, default=1024, help="to stream (default 1024)")
    parser.set_defaults(seconds=0.0, rounds=0, connections=1, workers=1, folder=None)
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
