"""Podman, whose service answers as a Docker engine does, on a host of its own."""

from collections.abc import Mapping
from pathlib import Path

from tests.components import require
from tests.testbed.docker.engine import Engine

PODMAN = {
    "dockerd": [
        "podman",
        "--root={folder}/data/storage",
        "--runroot=/run/containers/storage",
        "--tmpdir=/run/libpod",
        "--cgroup-manager=cgroupfs",
        "--runtime=runc",  # crun refuses machines with both versions of control groups
        "--events-backend=file",
        "system",
        "service",
        "--time=0",
        "unix://{folder}/docker.sock",
    ]
}


class Podman(Engine):
    """Where there is no systemd it does no health checks, and it imports no image that asks for them."""

    @classmethod
    def serving(cls, folder: Path) -> Engine:
        """Start it, and wait until it answers."""
        require("podman", "podman")
        require("/usr/lib/podman/netavark", "netavark")
        require("/usr/lib/podman/aardvark-dns", "aardvark-dns")
        return cls.start(folder, commands=PODMAN)

    def image(self, name: str, *instructions: str, files: Mapping[str, str] | None = None) -> str:
        """Make an image, without its health check."""
        return super().image(name, *(one for one in instructions if not one.startswith("HEALTHCHECK")), files=files)
