"""Makes the links of a person's records unreadable, and leaves every proof as it is (A24). Edge; blocking.

Order: the segment that is written ends → all records before are searched → for each that goes, a record says so, by its
number, and repeats what it linked to besides → the keys of its links are destroyed. After a crash in between the call
is made again, as erasures do, and finds the same records.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sidecar.audit.keyfile import lock_keys, unlock_keys
from sidecar.audit.keyring import KeyProvider, WrapContext
from sidecar.audit.keytree import KeyTree
from sidecar.audit.reader import Stored, read_records
from sidecar.audit.record import Action, Event, Phase
from sidecar.audit.sealing import SegmentKeys
from sidecar.audit.segment import parse_header
from sidecar.audit.store import INDEX_PATTERN, key_path, read_lines, segment_path, sync_folder, write_whole


@dataclass(frozen=True, slots=True)
class Linked:
    """A record that links to somebody who is forgotten. ``conversations`` and ``subject`` are others', and stay."""

    segment: int
    seq: int
    conversations: tuple[str, ...] = field(default=(), repr=False)
    subject: str | None = field(default=None, repr=False)

    @property
    def marker(self) -> Event:
        """The record that tells of it."""
        return Event(
            Action.LINKS_ERASED,
            record=self.seq,
            segment=self.segment,
            conversations=self.conversations,
            subject=self.subject,
        )


def find_links(
    folder: Path,
    keys: KeyProvider,
    pseudonyms: Collection[str],
    end: int,
    go_on: Callable[[], None] = lambda: None,
) -> Iterator[Linked]:
    """Yield the records that link to any of the pseudonyms, from the segments before ``end``.

    ``go_on`` is asked at each record, and raises what breaks it off.

    Both records of an exchange go if one does: the path that the intent names may be the conversation that the outcome
    does. A path is repeated nowhere.
    """
    wanted, begun = frozenset(pseudonyms), dict[str, Stored]()
    for stored in read_records(folder, keys):
        go_on()
        if stored.segment >= end:
            return
        facts = stored.facts.members if stored.facts else {}
        exchange_id = str(facts.get("exchange_id", ""))
        pair = [stored]
        match facts.get("phase"):
            case Phase.INTENT:
                begun[exchange_id] = stored
                continue
            case Phase.OUTCOME if exchange_id in begun:
                pair = [begun.pop(exchange_id), stored]
        yield from _touched(pair, wanted)
    for intent in begun.values():
        yield from _touched([intent], wanted)


def forget_links(folder: Path, keys: KeyProvider, found: Iterable[Linked]) -> None:
    """Destroy the keys of the records' links, and the index, which may hold what they say."""
    by_segment: Mapping[int, list[int]] = defaultdict(list)
    for one in found:
        by_segment[one.segment].append(one.seq)
    for segment, seqs in sorted(by_segment.items()):
        _destroy(folder, keys, segment, seqs)
    for path in folder.glob(INDEX_PATTERN):
        path.unlink(missing_ok=True)
    sync_folder(folder)


def _destroy(folder: Path, keys: KeyProvider, segment: int, seqs: Collection[int]) -> None:
    header = parse_header(next(read_lines(segment_path(folder, segment)), b""))
    path, context = key_path(folder, segment), WrapContext(header.log, segment)
    had = unlock_keys(path.read_bytes(), keys, context)
    left = KeyTree(had.links).without(seq - header.first for seq in seqs)
    write_whole(path, lock_keys(SegmentKeys(had.facts, left.nodes), keys, context))


def _touched(pair: list[Stored], wanted: frozenset[str]) -> Iterator[Linked]:
    links = [dict(one.links.members) if one.links else {} for one in pair]
    if any(not wanted.isdisjoint(_values(one)) for one in links):
        for stored, members in zip(pair, links, strict=True):
            if members:
                yield _linked(stored, members, wanted)


def _linked(stored: Stored, members: Mapping[str, Any], wanted: frozenset[str]) -> Linked:
    talks = [*members.get("conversations", ()), *([members["conversation"]] if "conversation" in members else ())]
    others = tuple(dict.fromkeys(one for one in talks if one not in wanted))
    subject = members.get("subject")
    return Linked(stored.segment, stored.index, others, None if subject in wanted else subject)


def _values(members: Mapping[str, Any]) -> Iterator[str]:
    for value in members.values():
        yield from value if isinstance(value, list) else (str(value),)
