"""Lives that are killed anywhere. Their assertions say what they found, as those of a test module do."""

import pytest

pytest.register_assert_rewrite(f"{__name__}.systems", f"{__name__}.kinds")
