"""A project for tests, from the text of its files."""

from typing import Any

from trueup.model.application import Application, ApplicationSpec, Render
from trueup.model.errors import DeclarationError
from trueup.model.manifest import Manifest
from trueup.renderers.compose import compose
from trueup.testing.trees import FolderTree


def application(**options: Any) -> Application:
    """The application in the folder ``app``."""
    render = Render.model_validate({"with": "compose", **options})
    return Application("repository", "shop", ApplicationSpec(target="docker", render=render), "app/trueup.yaml", 1)


def rendered(files: dict[str, str], **options: Any) -> dict[str, Manifest]:
    """The manifests, by key."""
    tree = FolderTree({path: text.encode() for path, text in files.items()})
    return {str(manifest.key): manifest for manifest in compose.render(application(**options), tree)}


def service(text: str, files: dict[str, str] | None = None, **options: Any) -> dict[str, Any]:
    """The spec of the service ``web`` of a Compose file that has these lines below it."""
    lines = "".join(f"    {line}\n" for line in text.splitlines())
    found = rendered({"app/compose.yaml": f"services:\n  web:\n    image: web\n{lines}", **(files or {})}, **options)
    spec: dict[str, Any] = found["Service/shop/web"].body["spec"]
    return spec


def faults(files: dict[str, str], **options: Any) -> list[str]:
    """What is wrong, with its place; nothing when nothing is."""
    try:
        rendered(files, **options)
    except DeclarationError as error:
        return [str(fault) for fault in error.faults]
    return []
