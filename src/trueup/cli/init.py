"""``trueup init``: a repository that works at once."""

import asyncio
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path

import click

from trueup.cli.layout import text
from trueup.cli.program import VERBS
from trueup.cli.verb import Verb, argument
from trueup.cli.views import Views
from trueup.model.errors import UsageError
from trueup.toolkit.git.clone import discover_clone
from trueup.toolkit.git.program import Git


@click.command("init", cls=Verb, short_help=VERBS["init"])
@argument(
    "folder", "The folder, which may be new; left out: where you stand.", metavar="[DIR]", default=".", type=click.Path(path_type=Path)
)
@click.option("--debug", is_flag=True, expose_value=False, help="Print the traceback of an error.")
def command(folder: Path) -> int:
    """Write a target, an application and a README into DIR, ready to be committed and applied. Nothing that is there is overwritten."""
    starter = _contents(files("trueup.cli") / "starter")
    there = [name for name in starter if (folder / name).exists() or (folder / name).is_symlink()]
    if there:
        raise UsageError(f"{there[0]} is there already", where=str(folder), hint="name another folder, or move what is there away")
    for name, content in starter.items():
        _write(folder / name, content)
    asyncio.run(_make_repository(folder))
    views = Views()
    views.show([text(str(folder / name)) for name in starter])
    stand = "" if folder == Path() else f"cd {folder} && "
    views.tell([text(), text(f'next: {stand}git add . && git commit -m "the first declaration" && trueup apply')])
    return 0


def _contents(folder: Traversable, prefix: str = "") -> dict[str, bytes]:
    """Every file below a folder of the package, by its path."""
    found: dict[str, bytes] = {}
    for each in sorted(folder.iterdir(), key=lambda entry: entry.name):
        name = prefix + each.name
        found |= _contents(each, f"{name}/") if each.is_dir() else {name: each.read_bytes()}
    return found


def _write(file: Path, content: bytes) -> None:
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
    except OSError as error:
        raise UsageError(f"it cannot be written: {error.strerror}", where=str(file), hint="name a folder that you may write") from error


async def _make_repository(folder: Path) -> None:
    if await discover_clone(folder) is None:
        await Git().run("-C", str(folder), "init", "--quiet")
