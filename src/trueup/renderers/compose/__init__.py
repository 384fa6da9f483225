"""Compose files -> manifests for a Docker host, by the Compose Specification.

The files are read as ``docker compose`` reads them, but for one thing: values come from the repository and the application's declaration,
never from the environment of whoever runs Trueup.
"""

from collections.abc import Sequence
from typing import Final

from pydantic import BaseModel

from trueup.model.application import Application
from trueup.model.contracts import Inputs, Tree
from trueup.model.errors import DeclarationError
from trueup.model.manifest import Manifest
from trueup.renderers.compose.files import Files
from trueup.renderers.compose.located import Faults
from trueup.renderers.compose.manifests import Manifests
from trueup.renderers.compose.project import NAMES, ComposeOptions, project_in

RUNTIME: Final = "compose"


class Compose:
    """A service becomes a ``Service``, a network that is used a ``Network``, a volume that is used a ``Volume``."""

    name = "compose"
    version = "1"
    Options: type[BaseModel] = ComposeOptions

    def claims(self, names: Sequence[str], runtime: str) -> bool:
        """A folder with a Compose file, for a Docker host."""
        return runtime == RUNTIME and any(name in names for name in NAMES)

    def inputs(self, application: Application, tree: Tree) -> Inputs:
        """Every file that the project is made of, and what is looked for in vain. Bind mounts and the like are named, not read."""
        files = Files(tree, Faults())
        _made(application, files, Faults())
        return files.inputs

    def render(self, application: Application, tree: Tree) -> list[Manifest]:
        """The manifests. All faults of all files are told together."""
        faults = Faults()
        manifests = _made(application, Files(tree, faults), faults)
        if faults.found:
            raise DeclarationError(list(dict.fromkeys(faults.found)))
        return manifests


def _made(application: Application, files: Files, faults: Faults) -> list[Manifest]:
    project = project_in(application, files, faults)
    if project is None:
        return []
    directory = ComposeOptions.model_validate(application.spec.render.options).directory
    return Manifests(project, directory, files, faults).all()


compose = Compose()
