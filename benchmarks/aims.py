"""What is aimed at, and whether a run met it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from benchmarks.report import Figures

OPAQUE, REREAD = "sidecar, opaque body", "sidecar, chats read before"
SHARES = {OPAQUE: 0.8, REREAD: 0.5}
"""Of the bare proxy's requests/s."""


@dataclass(frozen=True)
class Aim:
    """One aim and what was measured for it. ``met`` is None where this run did not measure it."""

    what: str
    measured: str
    met: bool | None


def aims(
    highest: Sequence[Figures], paced: Sequence[Figures], lag_seconds: float, growth_mebibytes: float | None
) -> list[Aim]:
    """Return every aim of the data path. The first of each table is the bare proxy.

    Added latencies are those at one common rate; ``lag_seconds``: the 99th percentile while every message was new.
    """
    bare, at_bare = highest[0], paced[0]
    most, at_rate = _by_name(highest), _by_name(paced)
    added50 = at_rate[OPAQUE].p50 - at_bare.p50
    added99 = at_rate[REREAD].p99 - at_bare.p99
    return [
        _at_least(
            "Opaque body: of the bare proxy's requests/s", SHARES[OPAQUE], most[OPAQUE].per_second / bare.per_second
        ),
        _at_most("Opaque body: added p50, ms", 1.5, added50),
        _at_least(
            "Chats read before: of the bare proxy's requests/s",
            SHARES[REREAD],
            most[REREAD].per_second / bare.per_second,
        ),
        _at_most("Chats read before: added p99 at half of its highest rate, ms", 10.0, added99),
        _at_most("Every message new: event-loop lag p99, ms", 20.0, lag_seconds * 1000),
        _at_most("1 GiB to a slow reader: resident size grows by, MiB", 64.0, growth_mebibytes),
    ]


def aims_table(found: Sequence[Aim]) -> str:
    """Return the aims as a table."""
    words = {True: "met", False: "**not met**", None: "not measured"}
    rows = [f"| {aim.what} | {aim.measured} | {words[aim.met]} |" for aim in found]
    return "\n".join(["| aim | measured | |", "|---|--:|---|", *rows])


def _by_name(rows: Sequence[Figures]) -> Mapping[str, Figures]:
    return {row.name: row for row in rows}


def _at_least(what: str, aim: float, measured: float) -> Aim:
    return Aim(f"{what}, at least {aim:g}", f"{measured:.2f}", measured >= aim)


def _at_most(what: str, aim: float, measured: float | None) -> Aim:
    if measured is None:
        return Aim(f"{what}, at most {aim:g}", "", None)
    return Aim(f"{what}, at most {aim:g}", f"{measured:.2f}", measured <= aim)
