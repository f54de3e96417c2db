"""What the turn before a message asks for, as one small token attribute that the model embeds (D2).

A convolution sees a few tokens to each side, so a question put in front of a long answer is out of its sight. Naming
the question's slot on every token of the answer costs nothing at run time. The set of cues is small and closed, so
neither the string store nor the embedding grows with the traffic.
"""

from __future__ import annotations

import re
from typing import Final

from sidecar.detection.recognizer import Message, Turn

_THINGS: Final = (
    "company|hotel|restaurant|venue|brand|product|model|manufacturer|maker|store|shop|school|bank|event|city"
)
"""What may be asked by name and is no person."""

_SLOTS: Final[tuple[tuple[str, str], ...]] = (
    ("org", rf"\bname of (?:the |your |this )?(?:\w+ )?(?:{_THINGS})|\b(?:{_THINGS})(?:'s)? name|manufacturer"),
    (
        "name",
        rf"(?<!user )(?<!user)(?<!screen )\bnames?\b(?! of (?:the |your |this )?(?:\w+ )?(?:{_THINGS}))"
        r"|who am i|who is this|speaking (?:with|to)",
    ),
    ("name", r"recipient|\bwho\b|addressed|spell"),
    ("user", r"user ?-?name|user ?id|log ?in|screen name|handle|nickname"),
    ("mail", r"e-?mail"),
    ("phone", r"phone|mobile|\bcell\b|telephone|contact (?:no|number)|number to (?:call|reach)|call you"),
    ("born", r"birth|\bdob\b|\bborn\b|how old"),
    ("pass", r"pass ?(?:word|code|phrase)|\bpin\b|security (?:question|answer|code)|\bcvv\b|\botp\b"),
    ("pass", r"maiden|first pet"),
    ("ssn", r"\bssn\b|social security|passport|licen[cs]e (?:no|number)|national (?:id|insurance)"),
    ("ssn", r"tax (?:id|number)|aadhaa?r"),
    ("card", r"\bcard\b|\biban\b|credit|debit"),
    (
        "acct",
        r"account|\bacc?t?\b(?: no| number)|customer (?:id|number)|member(?:ship)? (?:id|number)|policy|patient id",
    ),
    ("order", r"order|confirmation|booking|reservation|tracking|ticket|claim|reference|invoice|serial"),
    ("order", r"case (?:id|number)|(?<!flight )\bids?\b"),
    ("plate", r"\bplates?\b"),
    ("flight", r"\bflight (?:id|number|no)\b|\bwhich flight"),
    ("zip", r"\bzip\b|post ?code|postal"),
    ("addr", r"address|deliver|located|pick(?:ed)? (?:you )?up|drop|street|where do you live"),
    ("addr", r"(?:ship|send) (?:it|to|them|that)"),
    ("place", r"\bcity\b|\bstate\b|country|where|location|depart|destination"),
    ("item", r"item|product|brand|model|device|which one|purchase"),
    ("when", r"\bwhen\b|\bdate\b|what time|which day|what day|how long"),
    ("count", r"how (?:many|much)|quantity|size|colou?r"),
    ("why", r"reason|problem|issue|help you|assist you|anything else"),
    ("yes", r"^(?:is|are|do|did|would|was|were|have|has|can i|shall|should|could i)\b|correct\b|right\?"),
)
"""What a slot is called, and words that ask for it. Order is that of how well a slot identifies a person."""

_PATTERNS: Final = tuple((name, re.compile(pattern, re.IGNORECASE)) for name, pattern in _SLOTS)
_PART_OF_ADDRESS: Final = re.compile(r"\b(?:city|town|state|province|county|suburb)\b", re.IGNORECASE)
_RECENT: Final = 6
"""Turns in which an address that is given in parts was asked for."""
_LONGEST_TURN: Final = 400
_MOST_SLOTS: Final = 3
_LONGEST_NOD: Final = 12
"""Characters of a turn that only says "go on"."""

NO_CUE: Final = "none"


def cue(message: Message) -> str:
    """Who speaks and what was asked last: ``c:name+acct``, ``a:yes``, ``-:none``. One of a closed set.

    ``c~phone``: the last turn only nodded; the one before it was about a phone number.
    """
    speaker = (message.speaker or "-")[:1]
    turn = _last_turn(message)
    if turn is None:
        return f"{speaker}:{NO_CUE}"
    sign = ":" if turn.speaker != message.speaker else "="
    named = slots(turn.text)
    if not named and len(turn.text) <= _LONGEST_NOD:
        sign, named = "~", _named_before(message, turn)
    return f"{speaker}{sign}{'+'.join(named) or 'other'}"


def _named_before(message: Message, nod: Turn) -> tuple[str, ...]:
    """The slots of the latest turn before ``nod`` that names any: "okay" goes on about what was asked."""
    place = next(place for place, turn in enumerate(message.context) if turn is nod)
    return next(filter(None, (slots(turn.text) for turn in reversed(message.context[:place]))), ())


def asked_slots(name: str) -> frozenset[str]:
    """The slots that the other side asked for, of a cue."""
    return frozenset(name[2:].split("+")) if name[1:2] in {":", "~"} else frozenset()


def asks_for_town(message: Message) -> bool:
    """Say whether a town or state is asked for as a part of the address that was asked for shortly before (D4)."""
    recent = [turn for turn in message.context[-_RECENT:] if turn.speaker != message.speaker]
    if len(recent) < 2 or _PART_OF_ADDRESS.search(recent[-1].text[-_LONGEST_TURN:]) is None:
        return False
    return any(not {"addr", "zip"}.isdisjoint(slots(turn.text)) for turn in recent[:-1])


def slots(question: str) -> tuple[str, ...]:
    """The first three slots that a turn names. Reads only the end of it."""
    tail = question[-_LONGEST_TURN:]
    found = dict.fromkeys(name for name, pattern in _PATTERNS if pattern.search(tail))
    return tuple(found)[:_MOST_SLOTS]


def _last_turn(message: Message) -> Turn | None:
    """The last turn of the other side; without one, the last turn of all."""
    for turn in reversed(message.context):
        if turn.speaker != message.speaker:
            return turn
    return message.context[-1] if message.context else None
