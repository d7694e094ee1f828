"""The table of what went wrong elsewhere names tests that exist."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
NAMED = re.findall(r"`(tests/\S+?\.py)::(test_\w+)`", (ROOT / "docs/peers.md").read_text())


@pytest.mark.parametrize(("file", "name"), NAMED)
def test_a_named_test_exists(file: str, name: str) -> None:
    assert f"def {name}(" in (ROOT / file).read_text()


def test_each_row_names_one() -> None:
    rows = [r for r in (ROOT / "docs/peers.md").read_text().splitlines() if r.startswith("| ")]
    assert len(NAMED) == len(rows) - 2
