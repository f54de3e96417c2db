"""How fast "who saw conversation X between A and B?" is answered from a long audit log, with and without the index.

``python -m benchmarks.audit_query [--records N] [--folder DIR]``. The log is written for the occasion (10⁶ records:
about 1.1 GB) and removed. Each answer is read from the log and proven to the signed checkpoint. Times are of one core;
beside the answers stands what reading the same span of time without the index takes.
"""

from __future__ import annotations

import argparse
import math
import random
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

from benchmarks.audit_log import START, LogFolder
from sidecar.audit.index import INDEX_NAME, AuditIndex
from sidecar.audit.leaf import instant
from sidecar.audit.lookup import AuditLookup
from sidecar.audit.note import parse_checkpoint
from sidecar.audit.query import Question
from sidecar.audit.record import Action, Decision, Entry, Intent, Outcome

EXCHANGES_OF_A_CONVERSATION = 20
QUESTIONS = 50
SPANNED = 0.1  # of the log's time


def exchanges(count: int, conversations: int) -> Iterator[Entry]:
    """Yield an intent and an outcome for each exchange, with conversations in no order."""
    draw = random.Random(7)
    intent = Intent("", Action.PROXY, "", "certificate", "ab" * 32, "TLSv1.3 TLS_AES_256_GCM_SHA384", "chat", "GET")
    outcome = Outcome("", Action.PROXY, Decision.COMPLETED, status=200, entities={"PERSON": 3, "EMAIL": 1},
                      bytes_sent=2048, duration_us=12_345, policy="default", detector="rules ner")  # fmt: skip
    for number in range(count):
        name = f"{number:032x}"
        yield intent._replace(exchange_id=name, actor=f"trainer-{number % 20}")
        yield outcome._replace(exchange_id=name, conversations=(label(draw.randrange(conversations)),))


def label(number: int) -> str:
    return f"k1:{number * 0x9E3779B97F4A7C15 % (1 << 128):032x}"


def timed(act: Callable[[], object]) -> float:
    """Return the seconds that something takes."""
    began = time.perf_counter()
    act()
    return time.perf_counter() - began


def main() -> int:
    parser = argparse.ArgumentParser(description="Times questions to a long audit log.")
    parser.add_argument("--records", type=int, default=1_000_000)
    parser.add_argument("--folder", type=Path, default=None, help="where to write the log; default: a temporary folder")
    args = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="audit-query-", dir=args.folder))
    try:
        measure(LogFolder(folder, step=timedelta(milliseconds=100)), args.records)
    finally:
        shutil.rmtree(folder)
    return 0


def measure(log: LogFolder, records: int) -> None:
    """Write, index, ask, and print a line for each."""
    conversations = max(1, records // 2 // EXCHANGES_OF_A_CONVERSATION)
    writing = timed(lambda: log.write(exchanges(records // 2, conversations)))
    print(f"log: {records} records, {megabytes(log.folder, '*.segment'):.0f} MB, written at {records / writing:.0f}/s")
    index = AuditIndex(log.folder / INDEX_NAME)
    lookup = AuditLookup(log.folder, log.keys, index)
    indexing = timed(lookup.catch_up)
    print(f"index: made at {records / indexing:.0f} records/s, {megabytes(log.folder, INDEX_NAME + '*'):.0f} MB")
    note = lookup.checkpoint()
    if note is None:
        raise SystemExit("the log has no checkpoint")
    checkpoint, draw, found = parse_checkpoint(note.text), random.Random(11), []
    times = []
    for _ in range(QUESTIONS):
        question = asked(draw, records, log.step, label(draw.randrange(conversations)))

        def answer(question: Question = question) -> None:
            rows = list(lookup.find(question))
            found.append(len(rows))
            for row in rows:
                for one in row.records:
                    lookup.prove(one, checkpoint)

        times.append(timed(answer))
    times.sort()
    median, worst = (one * 1000 for one in (statistics.median(times), times[-1]))
    print(f"answers: {QUESTIONS} questions, {statistics.mean(found):.1f} rows each, all read and proven: ", end="")
    print(f"median {median:.1f} ms, worst {worst:.1f} ms")
    whole = Question(pseudonyms=frozenset({label(1)}))
    print(f"all time: {timed(lambda: list(lookup.find(whole))) * 1000:.1f} ms for {len(list(lookup.find(whole)))} rows")
    span = asked(draw, records, log.step, label(1))
    scan = timed(lambda: [row for row in lookup.find(replace(span, pseudonyms=None)) if span.admits(row)])
    print(f"without the index the same span takes {scan:.1f} s: {scan / statistics.median(times):.0f} times as long")


def asked(draw: random.Random, records: int, step: timedelta, pseudonym: str) -> Question:
    first = draw.randrange(math.ceil(records * (1 - SPANNED)))
    since, until = (instant(START + step * at) for at in (first, first + int(records * SPANNED)))
    return Question(since, until, pseudonyms=frozenset({pseudonym}))


def megabytes(folder: Path, pattern: str) -> float:
    return sum(path.stat().st_size for path in folder.glob(pattern)) / 1e6


if __name__ == "__main__":
    sys.exit(main())
