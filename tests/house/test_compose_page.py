"""What a target of the Compose runtime and its operator may say stands on its page."""

import re
from pathlib import Path

import pytest
from pydantic import BaseModel

from trueup.runtimes.compose.grants import Grants
from trueup.runtimes.compose.target import Allowed, Registry, Specification


@pytest.mark.parametrize("model", [Specification, Allowed, Grants, Registry], ids=lambda each: each.__name__)
def test_every_option_is_documented(root: Path, model: type[BaseModel]) -> None:
    text = (root / "docs" / "runtimes" / "compose.md").read_text(encoding="utf-8")
    names = [field.alias or name for name, field in model.model_fields.items()]
    assert not [name for name in names if not re.search(rf"[`{{ ]{name}[` ]", text)]
