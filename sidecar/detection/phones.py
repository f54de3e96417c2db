"""Phone numbers, by the numbering plans of ``phonenumbers`` (D7).

Asked only of runs of seven to fifteen digits (E.164).
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

from phonenumbers import NumberParseException, PhoneMetadata, PhoneNumber, is_valid_number, parse

from sidecar.detection.digit_runs import DigitRun

PHONE_DIGITS: Final = range(7, 16)
_SHAPES: Final = frozenset(
    {(3, 3, 4), (1, 3, 3, 4), (3, 4), (2, 4, 4), (3, 4, 4), (5, 6), (5, 5), (4, 3, 3), (4, 3, 4), (3, 7)}
)


def is_grouped_like_phone(run: DigitRun) -> bool:
    """Say whether the groups are those in which people write phone numbers, such as 3-3-4."""
    return tuple(len(group.digits) for group in run.groups) in _SHAPES


def is_international(digits: str) -> bool:
    """Say whether "+" and these digits are a number of some country's plan."""
    return len(digits) in range(8, 16) and _valid(f"+{digits}", None)


def is_local(digits: str, regions: tuple[str, ...]) -> bool:
    """Say whether these digits, dialled inside one of the regions (ISO 3166-1), are a number of its plan."""
    return len(digits) in PHONE_DIGITS and any(
        _plan(region).fullmatch(digits) is not None and _valid(digits, region) for region in regions
    )


@lru_cache(maxsize=256)
def _plan(region: str) -> re.Pattern[str]:
    """Return the shape of a region's national numbers, with trunk prefix or without: ten times cheaper than a parse."""
    metadata = PhoneMetadata.metadata_for_region(region)
    if metadata is None or metadata.general_desc is None:
        return re.compile(r"(?!)")
    prefix = metadata.national_prefix_for_parsing or metadata.national_prefix or ""
    return re.compile(f"(?:{prefix})?(?:{metadata.general_desc.national_number_pattern})")


def is_region(code: str) -> bool:
    """Say whether there is a numbering plan for this ISO 3166-1 code."""
    return PhoneMetadata.metadata_for_region(code) is not None


@lru_cache(maxsize=2048)
def _valid(digits: str, region: str | None) -> bool:
    try:
        number: PhoneNumber = parse(digits, region, _check_region=False)
    except NumberParseException:
        return False
    return bool(is_valid_number(number))
