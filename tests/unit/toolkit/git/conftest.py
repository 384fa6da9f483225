from pathlib import Path

import pytest

from tests.testbed.repositories import Workplace
from trueup.toolkit.git.mirror import Mirror
from trueup.toolkit.git.remote import remote


@pytest.fixture
def workplace(tmp_path: Path) -> Workplace:
    return Workplace(tmp_path)


@pytest.fixture
def mirror(workplace: Workplace, tmp_path: Path) -> Mirror:
    return Mirror(tmp_path / "mirrors", remote(str(workplace.origin)))
