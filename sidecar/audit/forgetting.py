"""Makes the links of a person's records unreadable, and leaves every proof as it is (A24). Edge; blocking.

Order: the segment that is written ends → all records before are searched, once for all who ask (``link_searches``) →
for each that goes, a record says so, by its number, and repeats what it linked to besides → the keys of its links are
destroyed. After a crash in between the call is made again, as erasures do, and finds the same records.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import Any

from sidecar.audit.keyfile import lock_keys, unlock_keys
from sidecar.audit.keyring import KeyProvider, WrapContext
from sidecar.audit.keytree import KeyTree
from sidecar.audit.link_searches import Aim, Search
from sidecar.audit.reader import Stored, read_records
from sidecar.audit.record import Action, Event, Phase
from sidecar.audit.sealing import SegmentKeys
from sidecar.audit.segment import parse_header
from sidecar.audit.store import INDEX_PATTERN, key_path, read_lines, segment_path
from sidecar.disk import sync_folder, write_whole


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


class Findings:
    """What one reading of the log finds for several who ask.

    What is forgotten for one of them is not counted for another; but what it links to besides will be repeated in a
    marker, so that counts for whom it names.
    """

    def __init__(self, searches: Iterable[Search], end: int) -> None:
        """``end``: the first segment from which nothing is forgotten, as it is being written."""
        self.links: list[Linked] = []
        self.counts = dict.fromkeys(searches, 0)
        self._end = end
        self._forgotten = frozenset(chain.from_iterable(of for aim, of in self.counts if aim is Aim.FORGET))
        self._wanted = frozenset(chain.from_iterable(of for _, of in self.counts))

    def read(self, folder: Path, keys: KeyProvider, go_on: Callable[[], None] = lambda: None) -> Findings:
        """Read the whole log. ``go_on`` is asked at each record, and raises what breaks it off.

        Both records of an exchange go if one does: the path that the intent names may be the conversation that the
        outcome does. A path is repeated nowhere.
        """
        begun: dict[str, Stored] = {}
        for stored in read_records(folder, keys):
            go_on()
            facts = stored.facts.members if stored.facts else {}
            exchange_id = str(facts.get("exchange_id", ""))
            match facts.get("phase"):
                case Phase.INTENT:
                    begun[exchange_id] = stored
                case Phase.OUTCOME if exchange_id in begun:
                    self._take(begun.pop(exchange_id), stored)
                case _:
                    self._take(stored)
        for intent in begun.values():  # left alone by a crash, or concluded later
            self._take(intent)
        return self

    def _take(self, *pair: Stored) -> None:
        links = [dict(one.links.members) if one.links else {} for one in pair]
        named = self._wanted.intersection(chain.from_iterable(map(_values, links)))
        if named:
            for stored, members in zip(pair, links, strict=True):
                if members:
                    self._note(stored, members, named)

    def _note(self, stored: Stored, members: Mapping[str, Any], named: frozenset[str]) -> None:
        goes = stored.segment < self._end and not named.isdisjoint(self._forgotten)
        if goes:
            self.links.append(_linked(stored, members, self._forgotten))
        left = named - self._forgotten if goes else named
        for search in self.counts:
            if search.aim is Aim.FORGET:
                self.counts[search] += goes and not named.isdisjoint(search.pseudonyms)
            else:
                self.counts[search] += not left.isdisjoint(search.pseudonyms)


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


def _linked(stored: Stored, members: Mapping[str, Any], forgotten: frozenset[str]) -> Linked:
    talks = [*members.get("conversations", ()), *([members["conversation"]] if "conversation" in members else ())]
    others = tuple(dict.fromkeys(one for one in talks if one not in forgotten))
    subject = members.get("subject")
    return Linked(stored.segment, stored.index, others, None if subject in forgotten else subject)


def _values(members: Mapping[str, Any]) -> Iterator[str]:
    for value in members.values():
        yield from value if isinstance(value, list) else (str(value),)
