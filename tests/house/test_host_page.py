"""What a manifest of the host runtime may say stands on its page, and what the pages show is right."""

import re
from pathlib import Path

import pytest
import yaml
from pydantic import BaseModel

from trueup.model.manifest import Key, Manifest, Origin
from trueup.runtimes.host.manifests import (
    API_VERSION,
    DirectorySpec,
    FileSpec,
    JobSpec,
    Logs,
    Readiness,
    ServiceSpec,
    Stop,
    Use,
    objections,
)
from trueup.runtimes.host.target import Allowed, Specification


@pytest.fixture
def text(root: Path) -> str:
    return (root / "docs" / "runtimes" / "host.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    "model",
    [Specification, Allowed, DirectorySpec, FileSpec, ServiceSpec, JobSpec, Readiness, Stop, Logs, Use],
    ids=lambda each: each.__name__,
)
def test_every_field_is_documented(text: str, model: type[BaseModel]) -> None:
    names = [field.alias or name for name, field in model.model_fields.items()]
    assert not [name for name in names if not re.search(rf"\b{name}\b", text)]


def test_every_manifest_in_the_pages_is_right(root: Path) -> None:
    found = []
    for page in [*(root / "docs").rglob("*.md"), *root.glob("*.md")]:
        for block in re.findall(r"^```yaml\n(.*?)^```", page.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL):
            found += [(page, body) for body in yaml.safe_load_all(block) if body.get("apiVersion") == API_VERSION]
    assert {body["kind"] for _, body in found} == {"Directory", "File", "Service", "Job"}
    for page, body in found:
        manifest = Manifest(Key.of(body), body, Origin(page.name, 1, ""))
        assert not objections(manifest), f"{page}: {body['kind']}"
