"""The shipped detector on made-up dialogues of kinds that no labelled source has (D1, D2, D4, D6, D7, D11).

They were written after the generator, by hand, and are no measure of quality: the bounds are there to catch a pipeline
that has lost a whole kind of text. What detection is worth is measured by ``sidecar evaluate``.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from sidecar.detection.detector import Detector
from sidecar.training.evaluate import Parts, make_detector
from sidecar.training.measures import Judged, tally
from tests.training.marked_up import read_dialogues

PROBES = Path(__file__).parent / "probes"


@pytest.fixture(scope="module")
def detector() -> Detector:
    return make_detector(None, Parts.ALL)


@pytest.mark.parametrize(
    ("kind", "most_leaked", "most_needless"),
    [("shop", 0.03, 0.01), ("letters", 0.05, 0.01), ("speech", 0.10, 0.04), ("assistant", 0.15, 0.02)],
)
def test_little_leaks_and_little_is_touched_in_vain(
    detector: Detector, kind: str, most_leaked: float, most_needless: float
) -> None:
    labelled = list(read_dialogues(PROBES / f"{kind}.txt"))
    found = detector.detect([one.message for one in labelled])
    counted = tally(Judged(one, spans) for one, spans in zip(labelled, found, strict=True))
    assert counted.characters > 200
    assert counted.leak_rate <= most_leaked
    assert counted.over_redaction <= most_needless
