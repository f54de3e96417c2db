"""Brings the keys of all segments under the provider's present key (A26). Edge; blocking.

Only key files change: records, roots and proofs stay as they are. A crash in between leaves some files under the old
key and some under the new one, which is no harm; the next start goes on.
"""

from __future__ import annotations

from pathlib import Path

from sidecar.audit.keyfile import rewrap, wrapping_key_of
from sidecar.audit.keyring import KeyProvider, WrapContext
from sidecar.audit.store import key_path, numbers
from sidecar.disk import write_whole


def rewrap_all(folder: Path, log: str, keys: KeyProvider) -> int:
    """Return how many segments were wrapped with another key. Raises KeyMaterialError, KeyProviderUnavailable, OSError.

    An old key may be destroyed when this has run and no copy of the folder is needed any more.
    """
    changed = 0
    for number in numbers(folder):
        path, context = key_path(folder, number), WrapContext(log, number)
        if not path.exists():
            continue  # dropped, or lost: that shows when it is read
        data = path.read_bytes()
        if wrapping_key_of(data, context) != keys.key_id:
            write_whole(path, rewrap(data, keys, context))
            changed += 1
    return changed
