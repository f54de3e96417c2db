"""Figures from results, and how they are printed."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks.load import Result


@dataclass(frozen=True)
class Figures:
    """One case: requests per second (the median of its rounds), latencies of all rounds in milliseconds.

    ``cpu_ms``: processor time of the server for one request, with all its processes; ``load_cpu_ms``: of the generator
    and the upstream. What else the machine does moves them less than anything else here.
    """

    name: str
    per_second: float
    p50: float
    p99: float
    errors: int
    first_error: str = ""
    cpu_ms: float = math.nan
    load_cpu_ms: float = math.nan


def figures(name: str, results: Sequence[Result]) -> Figures:
    """Sum up the rounds of one case."""
    latencies = sorted(value for result in results for value in result.milliseconds)
    answered = max(1, sum(result.answered for result in results))
    return Figures(
        name=name,
        per_second=statistics.median(len(result.milliseconds) / result.seconds for result in results),
        p50=percentile(latencies, 0.50),
        p99=percentile(latencies, 0.99),
        errors=sum(result.errors for result in results),
        first_error=next((result.first_error for result in results if result.first_error), ""),
        cpu_ms=1000 * sum(result.cpu_seconds for result in results) / answered,
        load_cpu_ms=1000 * sum(result.load_cpu_seconds for result in results) / answered,
    )


def percentile(ordered: Sequence[float], share: float) -> float:
    """Return the smallest value that at least ``share`` of all are not above (nearest rank); NaN of none."""
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)] if ordered else math.nan


def highest_rates(rows: Sequence[Figures]) -> str:
    """Return the table of the cases at their highest rate; the first is what the others are compared with."""
    bare = rows[0]
    lines = [
        "| at its highest rate | requests/s | of bare | CPU ms/request | p50 ms | p99 ms | errors |",
        "|---|--:|--:|--:|--:|--:|--:|",
    ]
    for row in rows:
        ratio = row.per_second / bare.per_second if bare.per_second else math.nan
        lines.append(
            f"| {row.name} | {row.per_second:.0f} | {ratio:.2f} | {row.cpu_ms:.2f} "
            f"| {row.p50:.2f} | {row.p99:.2f} | {row.errors} |"
        )
    return "\n".join(lines)


def budget(aim: float, bare: Figures, row: Figures, cores: int) -> str:
    """Return what a share of the bare proxy's rate leaves the sidecar of the machine's time, and what it takes.

    The best case: the cores have nothing else to do, and share all work evenly.
    """
    rate = aim * bare.per_second
    whole = 1000 * cores / rate
    return (
        f"{row.name}: {aim:g} of the bare proxy is {rate:.0f} requests/s, which leave {whole:.2f} ms of {cores} cores "
        f"for each; generator and upstream take {row.load_cpu_ms:.2f}, so the sidecar may take "
        f"{whole - row.load_cpu_ms:.2f}, and takes {row.cpu_ms:.2f}."
    )


def at_rate(rate: float, rows: Sequence[Figures]) -> str:
    """Return the table of the cases at one common rate, with what each adds to the first."""
    bare = rows[0]
    lines = [
        f"| at {rate:.0f} requests/s | p50 ms | p99 ms | added p50 | added p99 | errors |",
        "|---|--:|--:|--:|--:|--:|",
    ]
    for row in rows:
        added50, added99 = row.p50 - bare.p50, row.p99 - bare.p99
        lines.append(f"| {row.name} | {row.p50:.2f} | {row.p99:.2f} | {added50:.2f} | {added99:.2f} | {row.errors} |")
    return "\n".join(lines)
