"""A registry of images, open or one that asks who one is.

with Registry.serving(tmp_path, engine.gateway) as registry:
    engine.docker("push", registry.name("web:1"))
"""

import os
import socket
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.error import HTTPError

import yaml

from tests.components import require
from tests.testbed.kubernetes.keeper import end_with_parent

USER, PASSWORD = "builder", "swordfish-7"
HASHED = "$2b$04$AHFyO01emVRKmZ8w4ug79.OO7s6f2soapzh9uRi5KVPCOWzPvm3A6"  # the password, by bcrypt


@dataclass(frozen=True, slots=True)
class Registry:
    """Where it is."""

    address: str

    @classmethod
    @contextmanager
    def serving(cls, folder: Path, host: str, closed: bool = False) -> "Iterator[Registry]":
        """A registry at an address of this machine; a closed one lets in nobody but `USER`."""
        program = require("docker-registry", "docker-registry")
        folder.mkdir(parents=True, exist_ok=True)
        with socket.socket() as free:
            free.bind((host, 0))
            address = f"{host}:{free.getsockname()[1]}"
        configuration: dict[str, object] = {
            "version": "0.1",
            "log": {"level": "error"},
            "storage": {"filesystem": {"rootdirectory": str(folder / "images")}, "delete": {"enabled": True}},
            "http": {"addr": address},
        }
        if closed:
            (folder / "users").write_text(f"{USER}:{HASHED}\n", encoding="utf-8")
            configuration["auth"] = {"htpasswd": {"realm": "test", "path": str(folder / "users")}}
        (folder / "registry.yml").write_text(yaml.safe_dump(configuration), encoding="utf-8")
        with (folder / "registry.log").open("ab") as log:
            process = subprocess.Popen(
                [program, "serve", str(folder / "registry.yml")],
                env={"PATH": os.defpath},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                preexec_fn=end_with_parent,
            )
        try:
            _wait(address)
            yield cls(address)
        finally:
            process.terminate()
            process.wait()

    def name(self, image: str) -> str:
        """What an image of this registry is called."""
        return f"{self.address}/{image}"


def _wait(address: str) -> None:
    end = time.monotonic() + 90
    while time.monotonic() < end:
        with suppress(OSError):
            with suppress(HTTPError):
                urllib.request.urlopen(f"http://{address}/v2/", timeout=10).close()
            return
        time.sleep(0.05)
    raise RuntimeError(f"the registry at {address} did not answer")
