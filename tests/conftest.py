"""For all tests."""

from __future__ import annotations

import os

from hypothesis import settings

# A failure in continuous integration must be one that comes again; everywhere else each run looks at new examples.
settings.register_profile("ci", derandomize=True)
if os.environ.get("CI"):
    settings.load_profile("ci")
