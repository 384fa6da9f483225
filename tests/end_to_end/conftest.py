"""Fixtures of all end-to-end tests."""

from pathlib import Path

import pytest

from tests.end_to_end.estate import Estate


@pytest.fixture
def estate(tmp_path: Path) -> Estate:
    """An empty repository and an empty state folder."""
    return Estate(tmp_path)
