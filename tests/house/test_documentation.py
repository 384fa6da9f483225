"""What people can meet is documented: errors, plug-ins, pages."""

import re
import tomllib
from collections.abc import Iterator
from importlib.metadata import entry_points
from pathlib import Path

import msgspec
import pytest
import yaml
from click.testing import CliRunner
from pydantic import BaseModel

from trueup.cli.program import program
from trueup.model import answer, errors, plan, run
from trueup.model.application import ApplicationDocument, TargetDocument
from trueup.settings import Identity, Limits, Log, Rendering, RepositorySettings, Retention, SecretSource, Settings, load

DOCUMENTS = {"Application": ApplicationDocument, "Target": TargetDocument}


def pages(root: Path) -> list[Path]:
    return sorted([*root.glob("*.md"), *(root / "docs").rglob("*.md")])


def fields(model: type[BaseModel]) -> Iterator[str]:
    for name, field in model.model_fields.items():
        yield field.alias or name
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            yield from fields(field.annotation)


def declarations(text: str) -> Iterator[dict[str, str]]:
    for block in re.findall(r"^```yaml\n(.*?)^```", text, re.MULTILINE | re.DOTALL):
        yield from (document for document in yaml.safe_load_all(block) if document.get("apiVersion") == "trueup.dev/v1")


def subclasses(error: type[errors.TrueupError]) -> set[type[errors.TrueupError]]:
    return {error}.union(*(subclasses(below) for below in error.__subclasses__()))


def test_every_error_is_documented(root: Path) -> None:
    rows = (root / "docs" / "reference" / "errors.md").read_text(encoding="utf-8").splitlines()
    told = {error for error in subclasses(errors.TrueupError) if error.__module__ == errors.__name__}
    for error in told - {errors.TrueupError, errors.RuntimeFault}:
        [row] = [row for row in rows if row.startswith(f"| `{error.__name__}` |")]
        assert row.endswith(f"| {error.exit_code} |"), row


@pytest.mark.parametrize("family", ["renderers", "runtimes", "forges"])
def test_every_built_in_has_a_page(root: Path, family: str) -> None:
    ours = [entry.name for entry in entry_points(group=f"trueup.{family}") if entry.dist and entry.dist.name == "trueup"]
    assert not [name for name in ours if not (root / "docs" / family / f"{name}.md").exists()]


def test_every_page_is_in_the_navigation(root: Path) -> None:
    navigation = tomllib.loads((root / "zensical.toml").read_text(encoding="utf-8"))["project"]["nav"]
    found = {page.relative_to(root / "docs").as_posix() for page in (root / "docs").rglob("*.md")}
    assert found == set(re.findall(r"[\w/-]+\.md", repr(navigation)))


def test_every_field_of_a_declaration_is_documented(root: Path) -> None:
    text = (root / "docs" / "reference" / "declarations.md").read_text(encoding="utf-8")
    for name in {*fields(ApplicationDocument), *fields(TargetDocument)} - {"apiVersion", "kind", "spec"}:
        assert re.search(rf"\b{name}\b", text), name


def test_every_setting_is_documented(root: Path) -> None:
    text = (root / "docs" / "reference" / "settings.md").read_text(encoding="utf-8")
    for model in (Settings, RepositorySettings, SecretSource, Limits, Rendering, Identity, Retention, Log):
        for name in model.model_fields:
            assert re.search(rf"`(\w+\.)?{name}`|^## .*\b{name}\b", text, re.MULTILINE), f"{model.__name__}: {name}"


def test_the_settings_in_the_pages_are_right(root: Path, tmp_path: Path) -> None:
    [block] = re.findall(
        r"^```toml\n(.*?)^```", (root / "docs" / "reference" / "settings.md").read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL
    )
    file = tmp_path / "trueup.toml"
    file.write_text(block, encoding="utf-8")
    assert load(file, {}, {}).repositories[0].url.endswith("shop.git")


@pytest.mark.parametrize("noun", [plan.Plan, run.Run, run.Status, answer.Why])
def test_every_key_of_a_shape_is_documented(root: Path, noun: type[msgspec.Struct]) -> None:
    text = (root / "docs" / "reference" / "shapes.md").read_text(encoding="utf-8")
    section = text.split(f"\n## {noun.__name__}\n")[1].split("\n## ")[0]
    for field in msgspec.structs.fields(noun):
        assert field.encode_name in ("apiVersion", "kind") or f"`{field.encode_name}`" in section, field.encode_name


def test_every_declaration_in_the_pages_is_right(root: Path) -> None:
    found = [document for page in pages(root) for document in declarations(page.read_text(encoding="utf-8"))]
    assert found
    for document in found:
        DOCUMENTS[document["kind"]].model_validate(document)


def help_of(*command: str) -> str:
    answer = CliRunner(env={"COLUMNS": "200"}).invoke(program, [*command, "--help"], prog_name="trueup")
    assert answer.exit_code == 0, answer.output
    return answer.output


def test_every_command_and_option_is_documented(root: Path) -> None:
    text = (root / "docs" / "reference" / "commands.md").read_text(encoding="utf-8")
    commands = re.findall(r"^  ([a-z-]+)  ", help_of().split("Commands:")[1], re.MULTILINE)
    assert commands
    for command in commands:
        assert f"trueup {command}" in text, command
        for option in set(re.findall(r"--[a-z][a-z-]+", help_of(command))) - {"--help"}:
            assert option in text, f"{command} {option}"
