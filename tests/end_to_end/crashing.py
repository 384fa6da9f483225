"""Walks an application to a version, for a test that kills it meanwhile: ``python -m tests.end_to_end.crashing FOLDER MARK VERSION``."""

import asyncio
import sys
from pathlib import Path

from tests.end_to_end.machine import Machine, directory, file, job, service
from trueup.model.manifest import Body
from trueup.testing import FolderTree


def estate(mark: str, version: int) -> tuple[FolderTree, list[Body]]:
    """One object of each kind; all of them differ from version to version."""
    number = str(version)
    bodies = [
        directory("site"),
        file("settings", content=number),
        job("migrate", ["sh", "-c", f"echo {number} >> ledger"], uses=["File/settings"]),
        service("web", [sys.executable, "-c", "import time; time.sleep(1000)", f"{mark}-web", number], uses=["Directory/site"]),
    ]
    return FolderTree({"site/a": number.encode()}), bodies


async def main(folder: str, mark: str, version: str) -> None:
    """Walk there, for ever: whoever started this ends it."""
    machine = await Machine(Path(folder)).open()
    print("walks", flush=True)
    while True:
        machine.tree, bodies = estate(mark, int(version))
        await machine.apply(*bodies)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
