"""What anchors say about a log (A10, A11, A13)."""

from __future__ import annotations

import pytest

from sidecar.audit.anchors.anchor import Held
from sidecar.audit.anchors.verdict import Answer, Judgement, Reach, Standing, Verdict, judge
from sidecar.audit.note import Note
from tests.audit.anchors.stands import LOG, ORIGIN, WITNESS, checkpoint, offer


def judged(note: Note | None, size: int = 10, salt: bytes = b"") -> Judgement:
    """Judge by a log of so many records."""
    answer = Answer("a", Reach.ANSWERED, Held("a", note) if note else None)
    return judge(answer, ORIGIN, [LOG.verifier], size, lambda count: checkpoint(count, salt).root)


@pytest.mark.parametrize(
    ("note", "size", "salt", "standing"),
    [
        (offer(7).note, 10, b"", Standing.HELD),
        (offer(10).note, 10, b"", Standing.HELD),
        (offer(11).note, 10, b"", Standing.MISSING),  # a cut tail
        (offer(11).note, 0, b"", Standing.MISSING),  # the whole log
        (offer(7).note, 10, b"rewritten", Standing.REWRITTEN),  # of the same length, with all hashes anew
        (offer(7, origin="another").note, 10, b"", Standing.FOREIGN),
        (checkpoint(7).signed_by(WITNESS), 10, b"", Standing.FOREIGN),
        (Note("7\n"), 10, b"", Standing.FOREIGN),
        (Note("7\n").signed(LOG.sign("7\n")), 10, b"", Standing.FOREIGN),
        (None, 10, b"", Standing.NOTHING),
    ],
)
def test_a_log_is_judged_by_what_an_anchor_holds_a10_a11(
    note: Note | None, size: int, salt: bytes, standing: Standing
) -> None:
    assert judged(note, size, salt).standing is standing


def test_an_anchor_that_does_not_answer_says_nothing() -> None:
    judgement = judge(Answer("a", Reach.UNREACHABLE), ORIGIN, [LOG.verifier], 5, lambda _: b"")
    assert judgement == Judgement("a", Standing.UNREACHABLE)


def test_the_verdict_separates_anchored_unanchored_and_broken_a13() -> None:
    sound = Verdict(10, (judged(offer(4).note), judged(offer(7).note), judged(None)))
    assert (sound.anchored, sound.unanchored, sound.broken) == (7, 3, ())
    broken = Verdict(10, (judged(offer(4).note), judged(offer(12).note)))
    assert (broken.anchored, broken.unanchored) == (4, 6)
    assert [one.standing for one in broken.broken] == [Standing.MISSING]
    assert Verdict(10, ()).unanchored == 10


def test_the_logs_own_copy_anchors_nothing_and_breaks_it_like_any_other_a13() -> None:
    """Whoever rewrites the log with its key writes that copy anew, too."""

    def own(size: int) -> Judgement:
        answer = Answer("copy", Reach.OWN, Held("copy", offer(size).note))
        return judge(answer, ORIGIN, [LOG.verifier], 10, lambda count: checkpoint(count).root)

    verdict = Verdict(10, (own(7), own(12)))
    assert (verdict.anchored, verdict.unanchored) == (0, 10)
    assert [one.standing for one in verdict.judgements] == [Standing.OWN, Standing.MISSING]
    assert [one.standing for one in verdict.broken] == [Standing.MISSING]


def test_what_was_dropped_is_shown_by_a_newer_checkpoint_from_elsewhere_alone_a13() -> None:
    dropped = Judgement("a", Standing.DROPPED, 5)
    assert Verdict(10, (dropped,)).unshown == (dropped,)
    assert Verdict(10, (dropped, Judgement("b", Standing.HELD, 4))).unshown == (dropped,)
    assert Verdict(10, (dropped, Judgement("copy", Standing.OWN, 10))).unshown == (dropped,)
    assert Verdict(10, (dropped, Judgement("b", Standing.HELD, 5))).unshown == ()
