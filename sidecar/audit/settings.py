"""How a log is kept. Plain values, which can be told to another process."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from sidecar.audit.appender import Pace
from sidecar.audit.opening import StartCheck
from sidecar.audit.retention import Retention
from sidecar.audit.scribe import Rhythm


@dataclass(frozen=True, slots=True)
class AuditSettings:
    """``deadline_seconds`` bounds every wait (A5)."""

    folder: Path
    deadline_seconds: float = 5.0
    start_check: StartCheck = StartCheck.WHOLE
    rhythm: Rhythm = field(default_factory=Rhythm)
    pace: Pace = field(default_factory=Pace)
    retention: Retention = field(default_factory=Retention)
