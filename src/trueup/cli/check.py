"""``trueup check``: declarations and manifests as they lie on disk, validated without any target."""

from pathlib import Path

import click

from trueup.cli.layout import text
from trueup.cli.session import Session
from trueup.cli.shapes import fault_list
from trueup.cli.verb import argument, verb
from trueup.engine.discover import is_declaration
from trueup.engine.requests import Engine
from trueup.model.errors import DeclarationError, Fault, UsageError
from trueup.toolkit.git.clone import discover_clone
from trueup.toolkit.git.working_tree import WorkingTree


@verb("check", outputs=("text", "json"))
@argument(
    "folder",
    "The folder of a repository, or one in it; left out: where you stand.",
    metavar="[PATH]",
    default=".",
    type=click.Path(path_type=Path),
)
def command(session: Session, folder: Path) -> int:
    """Validate the declarations and manifests below PATH, as they lie on disk, without any target. Every fault is told with file and line.

    Exits with 1 when there are any.
    """
    return session.run_alone(lambda engine: _check(session, engine, folder.absolute()))


async def _check(session: Session, engine: Engine, folder: Path) -> int:
    if not folder.is_dir():  # noqa: ASYNC240  (one look at a folder of this machine)
        raise UsageError(f"{folder} is no folder", hint="name the folder of a repository, or leave it out to check where you stand")
    clone = await discover_clone(folder)
    root = clone.root if clone else folder
    path = folder.resolve().relative_to(root.resolve()).as_posix()  # noqa: ASYNC240
    below = "" if path == "." else path
    tree = await WorkingTree.open(root)
    try:
        faults: list[Fault] = await engine.check(tree, below)
    except DeclarationError as error:
        faults = list(error.faults)
    if session.output == "json":
        session.views.show_document(fault_list(faults))
    if faults:
        session.views.tell_faults(faults)
    elif any(is_declaration(each) for each in tree.walk(below)):
        session.views.tell([text("no faults found")])
    else:
        session.views.tell([text(f"nothing is declared in {folder}: there is no trueup.yaml and no *.trueup.yaml")])
    return int(bool(faults))
