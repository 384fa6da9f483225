"""sshd on a Docker host: who has the key reaches its `/var/run/docker.sock`, as on a host somewhere else."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.components import require
from tests.testbed.docker.engine import Engine, listens, wait_until

CONFIGURATION = """ListenAddress {address}:22
HostKey {folder}/host
AuthorizedKeysFile {folder}/key.pub
StrictModes no
PidFile none
PasswordAuthentication no
KbdInteractiveAuthentication no
UsePAM no
PermitRootLogin prohibit-password
"""


@dataclass(frozen=True, slots=True)
class Ssh:
    """How to get in."""

    url: str
    """Such as `ssh://root@10.213.1.2`."""
    key_file: Path
    known_hosts: Path
    programs: Path
    """A folder for PATH with an `ssh` that uses the key and knows the host, as a user's own configuration would have it."""


@contextmanager
def ssh_of(engine: Engine, folder: Path) -> Iterator[Ssh]:
    """sshd on the engine's host. ``folder`` takes its keys."""
    program = require("sshd", "openssh-server")
    client = require("ssh", "openssh-client")
    folder.mkdir(mode=0o700)
    for name in ("host", "key"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / name)], check=True)
    known_hosts = folder / "known_hosts"
    known_hosts.write_text(f"{engine.address} {(folder / 'host.pub').read_text(encoding='utf-8')}", encoding="utf-8")
    (folder / "sshd_config").write_text(CONFIGURATION.format(address=engine.address, folder=folder), encoding="utf-8")
    (folder / "config").write_text(f"IdentityFile {folder}/key\nUserKnownHostsFile {known_hosts}\n", encoding="utf-8")
    (folder / "programs").mkdir()
    (folder / "programs/ssh").write_text(f'#!/bin/sh\nexec {client} -F {folder}/config "$@"\n', encoding="utf-8")
    (folder / "programs/ssh").chmod(0o755)
    process = engine.run_on_host(str(program), "-D", "-e", "-f", str(folder / "sshd_config"))
    try:
        wait_until(lambda: process.poll() is not None or listens(engine.address, 22), "sshd did not start")
        assert process.poll() is None, process.communicate()[0].decode()
        yield Ssh(f"ssh://root@{engine.address}", folder / "key", known_hosts, folder / "programs")
    finally:
        process.kill()
        process.communicate()
