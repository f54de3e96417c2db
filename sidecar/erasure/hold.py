"""Legal holds: why, until when and about which item something of a person is lawfully kept. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from sidecar.erasure.reading import Json, Problems, RequestInvalid, is_plain, mapping, parse_json, read_time
from sidecar.erasure.request import SubjectIdentity, read_identity
from sidecar.errors import SidecarError


class HoldGround(StrEnum):
    """The exceptions of GDPR Art. 17(3), by their letter."""

    EXPRESSION = "17_3_a"
    LEGAL_OBLIGATION = "17_3_b"
    PUBLIC_HEALTH = "17_3_c"
    ARCHIVING = "17_3_d"
    LEGAL_CLAIMS = "17_3_e"


class HoldsUnknown(SidecarError):
    """Nobody can say now whether something is held: so nothing is deleted (E32)."""


@dataclass(frozen=True, slots=True)
class Hold:
    """What is kept: everything, or what a target or one identity stands for. No ``until``: until it is lifted."""

    ground: HoldGround
    target: str | None = None
    identity: SubjectIdentity | None = field(default=None, repr=False)
    until: datetime | None = None

    def covers(self, target: str, identities: Sequence[SubjectIdentity]) -> bool:
        """Tell whether a task is held: by its target, and by one of the identities that it is about."""
        return self.target in (None, target) and (self.identity is None or self.identity in identities)


def parse_hold(body: bytes, now: datetime) -> Hold:
    """Return the hold of ``POST /v1/erasures/{id}/holds``, or raise ``RequestInvalid``.

    One that is over by ``now`` would protect nothing, and whoever placed it would believe that it does.
    """
    problems = Problems()
    hold = _read_hold(parse_json(body), "body", problems)
    if hold is not None and hold.until is not None and hold.until <= now:
        problems.add("body.until", "is over already", "Give a time to come, or leave it out to hold until it is lifted")
    if problems.found or hold is None:
        raise RequestInvalid(tuple(problems.found))
    return hold


def parse_hold_list(data: bytes) -> tuple[Hold, ...]:
    """Return the holds of ``{"holds": […]}``. Anything else, an empty answer too, is no list: ``HoldsUnknown`` (E32).

    Here a hold names an identity: a list speaks of people, not of requests.
    """
    problems = Problems()
    try:
        parsed = parse_json(data)
    except RequestInvalid:
        raise HoldsUnknown("the list of holds is no JSON") from None
    rows = parsed.get("holds") if isinstance(parsed, dict) else None
    if not isinstance(rows, list):
        raise HoldsUnknown("the list of holds has no holds in it, not even none")
    holds = [_read_hold(row, f"holds[{index}]", problems) for index, row in enumerate(rows)]
    found = tuple(one for one in holds if one is not None and one.identity is not None)
    if problems.found or len(found) != len(rows):
        raise HoldsUnknown("the list of holds has one that can't be read")
    return found


def _read_hold(row: Json, path: str, problems: Problems) -> Hold | None:
    fields = mapping(row, path, ("ground", "target", "identity", "until"), problems)
    ground = next((known for known in HoldGround if fields.get("ground") == known.value), None)
    if ground is None:
        problems.add(f"{path}.ground", "is not known", f"Known are {', '.join(HoldGround)}")
        return None
    target, said, until = fields.get("target"), fields.get("identity"), fields.get("until")
    if target is not None and not (isinstance(target, str) and is_plain(target)):
        problems.add(f"{path}.target", "is no name of a target", "Leave it out for every target")
        return None
    identity = None if said is None else read_identity(said, f"{path}.identity", problems)
    moment = read_time(until, problems, f"{path}.until") if until is not None else None
    return Hold(ground, target, identity, moment)
