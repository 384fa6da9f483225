"""One project of the corpus in ``tests/cases/compose``: what our loader makes of it, and what the real Compose does.

``case.yaml`` in its folder holds the renderer's options and, as ``faults``, what is to be told of it; with ``compared`` it is understood
all the same. It is no part of the project.
"""

import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.testbed.docker.compose import run
from trueup.model.application import Application, ApplicationSpec, Render
from trueup.renderers.compose import Compose
from trueup.renderers.compose.files import Files
from trueup.renderers.compose.located import Faults
from trueup.renderers.compose.project import project_in
from trueup.testing.ground import OURS
from trueup.testing.trees import FolderTree
from trueup.toolkit.documents import read

CORPUS = Path(__file__).parents[1] / "cases" / "compose"
FOLDER = "shop"
_RATES = {"Path": "path", "Rate": "rate", "Weight": "weight"}
"""Compose prints the fields of block devices in its own language's case, which it does not read itself."""


@dataclass(frozen=True)
class Case:
    """A project, by the name of its folder."""

    name: str

    @property
    def told(self) -> dict[str, Any]:
        """What stands in its ``case.yaml``."""
        file = CORPUS / self.name / "case.yaml"
        body = read(file.read_bytes(), "case.yaml")[0].body if file.exists() else {}
        assert isinstance(body, dict)
        return body

    @property
    def faults(self) -> list[str]:
        """What is to be told of it."""
        return list(self.told.get("faults", []))

    @property
    def options(self) -> Mapping[str, Any]:
        """The renderer's options."""
        return {name: value for name, value in self.told.items() if name not in ("faults", "compared")}

    @property
    def files(self) -> dict[str, bytes]:
        """A repository with the project in a folder of its own."""
        folder = CORPUS / self.name
        found = {path: path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file() and path.name != "case.yaml"}
        return {f"{FOLDER}/{name}": path.read_bytes() for path, name in found.items()}

    @property
    def application(self) -> Application:
        """The application that is the project."""
        return application_of(self.options)

    @property
    def is_understood(self) -> bool:
        """Whether our model of it can be compared."""
        return not self.faults or bool(self.told.get("compared"))

    def loaded(self) -> dict[str, Any]:
        """Our model of it, before it becomes manifests."""
        return loaded(self.files, self.options, with_faults=bool(self.faults))

    def judged(self, folder: Path) -> dict[str, Any]:
        """The real Compose's model of it, with paths from the repository's root."""
        shutil.copytree(CORPUS / self.name, folder / FOLDER, ignore=shutil.ignore_patterns("case.yaml"))
        return judged(folder, self.options)


def application_of(options: Mapping[str, Any]) -> Application:
    """The application in the folder ``shop``, with these options."""
    render = Render.model_validate({"with": "compose", **options})
    return Application(OURS, "shop", ApplicationSpec(target="somewhere", render=render), f"{FOLDER}/trueup.yaml", 1)


def loaded(files: Mapping[str, bytes], options: Mapping[str, Any], with_faults: bool = False) -> dict[str, Any]:
    """Our model of the project in a repository's files."""
    faults = Faults()
    project = project_in(application_of(options), Files(FolderTree(files), faults), faults)
    assert project
    assert with_faults or faults.found == []
    return project.canonical


def manifests(files: Mapping[str, bytes], options: Mapping[str, Any]) -> list[Any]:
    """What is rendered of the project in a repository's files."""
    return Compose().render(application_of(options), FolderTree(files))


def judged(folder: Path, options: Mapping[str, Any]) -> dict[str, Any]:
    """The real Compose's model of the project below a folder. Raises CalledProcessError when it refuses it."""
    arguments = [f"--file={file}" for file in options.get("files", [])]
    arguments += [f"--profile={profile}" for profile in options.get("profiles", [])]
    arguments += [f"--env-file={file}" for file in options.get("envFiles", [])]
    arguments += [f"--project-name={options['project']}"] if "project" in options else []
    printed = run([*arguments, "config", "--format=json"], folder / FOLDER, options.get("variables"))
    content: dict[str, Any] = _ours(json.loads(printed), f"{folder}/")
    return content


def _ours(value: Any, root: str) -> Any:
    """What Compose prints is a Compose file again, in which a dollar sign is written twice and paths are those of its machine."""
    if isinstance(value, dict):
        return {_RATES.get(name, name): _ours(each, root) for name, each in value.items()}
    if isinstance(value, list):
        return [_ours(each, root) for each in value]
    return value.replace("$$", "$").removeprefix(root) if isinstance(value, str) else value
