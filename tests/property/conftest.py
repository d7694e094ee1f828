"""Property tests are bounded by their number of examples; the clock only ends what hangs."""

from pathlib import Path

import pytest

HERE = Path(__file__).parent
HANG_S = 120
"""A time limit that strikes inside an example is taken for a counterexample, and shrunk."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.parent == HERE and item.get_closest_marker("timeout") is None:
            item.add_marker(pytest.mark.timeout(HANG_S))
