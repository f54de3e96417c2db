"""Letters that look like Latin ones, folded to them before matching (D10). Pure data.

A small table of our own: the Cyrillic, Greek, Armenian and Cherokee letters that common fonts draw like Latin ones, and
Latin letters that NFKD leaves alone. Text truly in these scripts is folded too; nothing matched on it depends
on the difference, because known values and catalogues are folded by the same table.
"""

from __future__ import annotations

from typing import Final

_PAIRS: Final = (
    # Cyrillic
    ("аАвВеЕёЁкКмМнНоОрРсСтТуУхХ", "aABBeEeEkKmMHHoOpPcCtTyYxX"),
    ("іІїЇјЈѕЅһҺԁԛԝгпиь", "iIiIjJsShHdqwrnub"),
    # Greek
    ("αΑΒεΕΖηΗιΙκΚΜνΝοΟρΡτΤυΥχΧγωσς", "aABeEZnHiIkKMvNoOpPtTuYxXywoc"),
    # Armenian and Cherokee
    ("աօսոցհՕՍԼᎪᏴᏟᎠᎬᎻᎫᏦᏞᎷᏢᏒᏚᎢᏙᎳᏃ", "wounghOULABCDEHJKLMPRSTVWZ"),
    # Latin letters without a decomposition
    ("łŁøØđĐħĦıŧŦɑɡɩʀ", "lLoOdDhHitTagiR"),
)

_WIDE: Final = {"ß": "ss", "æ": "ae", "Æ": "AE", "œ": "oe", "Œ": "OE", "þ": "th", "Þ": "Th", "ð": "d", "Ð": "D"}


def _table() -> dict[str, str]:
    folded = dict(_WIDE)
    for originals, latin in _PAIRS:
        folded.update(zip(originals, latin, strict=True))
    return folded


CONFUSABLES: Final = _table()
"""One character to what it is read as (one or two ASCII letters)."""

PUNCTUATION: Final = {
    **dict.fromkeys("‐‑‒–—―−﹘﹣－", "-"),
    **dict.fromkeys("‘’‚‛′＇ʼ`´", "'"),
    **dict.fromkeys("“”„‟″", '"'),
    **dict.fromkeys("。．․", "."),
    **dict.fromkeys("＠﹫", "@"),
    **dict.fromkeys("∕⁄／", "/"),
    **dict.fromkeys("：∶", ":"),
}
