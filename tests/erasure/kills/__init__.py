"""Lives that are killed anywhere. Their assertions say what they found, as those of a test module do."""

import pytest

pytest.register_assert_rewrite(*(f"{__name__}.{one}" for one in ("systems", "kinds", "guarded", "guarded_systems")))
