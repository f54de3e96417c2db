"""What one fsync takes: every exchange waits for at least one, because it is recorded before it happens."""

from __future__ import annotations

import os
import statistics
import time
from pathlib import Path

_TIMES = 200
_BYTES = 1100  # of an audit record


def fsync_milliseconds(folder: Path) -> float:
    """Return the median time of making one audit record durable in a folder."""
    file = folder / "fsync"
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    times = []
    try:
        for _ in range(_TIMES):
            began = time.perf_counter()
            os.write(descriptor, b"x" * _BYTES)
            os.fsync(descriptor)
            times.append(time.perf_counter() - began)
    finally:
        os.close(descriptor)
        file.unlink()
    return statistics.median(times) * 1000
