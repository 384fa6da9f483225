"""What the Compose renderer takes, and what it does not, stands on its page, and what the page shows is right."""

import re
from pathlib import Path

import pytest
import yaml

from trueup.model.application import Application, ApplicationDocument, ApplicationSpec, Render
from trueup.renderers.compose import compose
from trueup.renderers.compose.project import ComposeOptions
from trueup.renderers.compose.schema import NEWER
from trueup.renderers.compose.unsupported import _BUILD, _DEPLOY, _FIELDS
from trueup.testing.trees import FolderTree


@pytest.fixture
def text(root: Path) -> str:
    return (root / "docs" / "renderers" / "compose.md").read_text(encoding="utf-8")


def shown(text: str) -> list[str]:
    return re.findall(r"```yaml\n(.*?)```", text, re.DOTALL)


def test_every_option_is_documented(text: str) -> None:
    names = [field.alias or name for name, field in ComposeOptions.model_fields.items()]
    assert not [name for name in names if f"| `{name}` |" not in text]


def test_everything_that_is_not_supported_is_named(text: str) -> None:
    part = text.partition("## What is not supported")[2]
    names = [*_FIELDS, *(f"deploy.{name}" for name in _DEPLOY), *_BUILD, *NEWER]
    assert not [name for name in names if f"`{name}`" not in part]


def test_the_declaration_that_is_shown_is_one(text: str) -> None:
    declared = ApplicationDocument.model_validate(yaml.safe_load(shown(text)[0]))
    assert ComposeOptions.model_validate(declared.spec.render.options).variables == {"TAG": "1.4"}


def test_the_compose_file_that_is_shown_renders(text: str) -> None:
    tree = FolderTree({"compose.yaml": shown(text)[1].encode(), "conf/a": b"", "site/a": b""})
    application = Application("r", "shop", ApplicationSpec(target="docker", render=Render()), "trueup.yaml", 1)
    service = compose.render(application, tree)[-1].body["spec"]
    assert service["x-trueup"] == {"change": "restart", "state": "running"}
    assert service["volumes"][0]["x-trueup"] == {"change": {"signal": "SIGHUP"}}
    assert [each["content"] for each in service["volumes"]] == ["/conf", "/site"]
