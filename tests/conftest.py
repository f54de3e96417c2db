"""For all tests."""

from __future__ import annotations

import os

from hypothesis import HealthCheck, settings

# No test is timed: an example that a busy machine is slow with says nothing about what it tests.
settings.register_profile("untimed", deadline=None, suppress_health_check=[HealthCheck.too_slow])
# A failure in continuous integration must be one that comes again; everywhere else each run looks at new examples.
settings.register_profile("ci", settings.get_profile("untimed"), derandomize=True)
settings.load_profile("ci" if os.environ.get("CI") else "untimed")
