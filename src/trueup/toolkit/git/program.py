"""The git program, called so that nothing of its surroundings leaks in and nothing of the credentials leaks out."""

import os
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from trueup.model.errors import SettingsError
from trueup.toolkit.git.remote import SCHEMES, Remote
from trueup.toolkit.process import Completed, Limits, run

# fmt: off
PASSED_ON = frozenset({
    "PATH", "HOME", "USER", "LOGNAME", "TMPDIR", "SSH_AUTH_SOCK", "GIT_SSH", "GIT_SSH_COMMAND",
    "XDG_CONFIG_HOME", "XDG_RUNTIME_DIR", "LD_LIBRARY_PATH",
    "http_proxy", "https_proxy", "all_proxy", "no_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY",
    "SSL_CERT_FILE", "SSL_CERT_DIR", "GIT_SSL_CAINFO", "GIT_SSL_CAPATH", "GIT_CONFIG_GLOBAL", "GIT_CONFIG_SYSTEM", "GIT_CONFIG_NOSYSTEM",
})
# fmt: on
"""What git gets of the surroundings. GIT_DIR and its kin, set wherever a hook runs, would send it into another repository."""

SETTINGS = {
    "core.hooksPath": os.devnull,
    "core.askPass": "",
    "http.lowSpeedLimit": "1000",
    "http.lowSpeedTime": "60",
    "fetch.unpackLimit": "1",  # a pack is there as a whole or not at all; loose objects of a broken fetch are a commit without its files
    "push.gpgSign": "false",
    "transfer.credentialsInUrl": "allow",
    "advice.pushUpdateRejected": "false",
}

# Git hands it the host that asks, and asks it only for the one it was written down for: after a redirect no other host learns the token,
# as one would from an extra header. The function swallows the argument that git appends. `printf` is the shell's own, no process.
_HELPER = '!trueup() { test "$1" = get && printf "username=%s\\npassword=%s\\n" "$TRUEUP_GIT_USERNAME" "$TRUEUP_GIT_PASSWORD"; }; trueup'


def surroundings(environment: Mapping[str, str]) -> dict[str, str]:
    """What of an environment git may see, in English and without a question to anybody."""
    kept = {name: value for name, value in environment.items() if name in PASSED_ON}
    return {
        **kept,
        "LC_ALL": "C",
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_ASKPASS": "",
        "GIT_ALLOW_PROTOCOL": ":".join(sorted(SCHEMES)),
        "GIT_OPTIONAL_LOCKS": "0",
        "GIT_NO_REPLACE_OBJECTS": "1",
    }


@dataclass(frozen=True, slots=True)
class Git:
    """The git program for one repository on disk; ``directory`` is left out where there is none yet."""

    directory: Path | None = None
    environment: Mapping[str, str] = field(default_factory=lambda: surroundings(os.environ), repr=False)

    async def run(self, *arguments: str, limits: Limits = Limits(), folder: Path | None = None) -> Completed:  # noqa: B008
        """Run one of its commands. Raises SettingsError when there is no git; what it says is the caller's to read."""
        repository = [f"--git-dir={self.directory}"] if self.directory else []
        return await run(["git", *repository, *arguments], environment=configured(self.environment, SETTINGS), folder=folder, limits=limits)

    def knowing(self, remote: Remote) -> "Git":
        """The same, with what it takes to get into a remote. Raises SettingsError when a key file is not there."""
        if remote.scheme == "ssh":
            return Git(self.directory, {**self.environment, **_ssh(remote)})
        if remote.scheme in ("http", "https"):
            return Git(self.directory, _http(self.environment, remote))
        return self


def configured(environment: Mapping[str, str], settings: Mapping[str, str]) -> dict[str, str]:
    """The environment with settings of git added: they win over every file, and no process list shows them."""
    count = int(environment.get("GIT_CONFIG_COUNT", "0"))
    added: dict[str, str] = {}
    for number, (key, value) in enumerate(settings.items(), start=count):
        added |= {f"GIT_CONFIG_KEY_{number}": key, f"GIT_CONFIG_VALUE_{number}": value}
    return {**environment, **added, "GIT_CONFIG_COUNT": str(count + len(settings))}


def trusting(remote: Remote, environment: Mapping[str, str], file: Path) -> dict[str, str]:
    """The environment in which git reads a local remote that belongs to another user; ``file`` is written for it.

    Git believes ``safe.directory`` only from a global file and hands no other setting on to its serving half, so the file includes what
    the operator has there.
    """
    if remote.scheme != "file":
        return dict(environment)
    home = environment.get("HOME", "~")
    own = environment.get("GIT_CONFIG_GLOBAL")
    included = [own] if own else [f"{environment.get('XDG_CONFIG_HOME', f'{home}/.config')}/git/config", f"{home}/.gitconfig"]
    lines = [f"[include]\n\tpath = {_quoted(path)}\n" for path in included]
    lines += [f"[safe]\n\tdirectory = {_quoted(path)}\n" for path in _local_folders(remote)]
    text = "".join(lines)
    if not file.exists() or file.read_text() != text:
        file.write_text(text)
    return {**environment, "GIT_CONFIG_GLOBAL": str(file)}


def _quoted(value: str) -> str:
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'


def _local_folders(remote: Remote) -> Iterator[str]:
    """As written and with links resolved, bare or with a work tree."""
    for path in dict.fromkeys((remote.url, os.path.realpath(remote.url))):
        yield from (path, f"{path}/.git")


def _http(environment: Mapping[str, str], remote: Remote) -> dict[str, str]:
    credentials = remote.credentials
    if credentials is None:
        return dict(environment)
    host = "/".join(remote.url.split("/")[:3])
    if not credentials.password:
        return configured(environment, {f"credential.{host}.username": credentials.username})
    secret = {"TRUEUP_GIT_USERNAME": credentials.username or "x-access-token", "TRUEUP_GIT_PASSWORD": credentials.password}
    # The empty helper first: those of the operator are neither asked nor told to store what is ours.
    cleared = configured({**environment, **secret}, {"credential.helper": ""})
    return configured(cleared, {f"credential.{host}.helper": _HELPER})


def _ssh(remote: Remote) -> dict[str, str]:
    credentials = remote.credentials
    if credentials is None or not (credentials.key_file or credentials.known_hosts):
        return {}
    options = ["BatchMode=yes", "StrictHostKeyChecking=yes", "ConnectTimeout=30", "ServerAliveInterval=15", "ServerAliveCountMax=4"]
    words = ["ssh"]
    if credentials.key_file:
        if not Path(credentials.key_file).is_file():
            hint = "name the private key file that the remote knows"
            raise SettingsError(f"there is no key file {credentials.key_file}", where=remote.url, hint=hint)
        words += ["-i", credentials.key_file]
        options.append("IdentitiesOnly=yes")
    if credentials.known_hosts:
        options.append(f"UserKnownHostsFile={credentials.known_hosts}")
    command = shlex.join([*words, *(part for option in options for part in ("-o", option))])
    return {"GIT_SSH_COMMAND": command, "GIT_SSH_VARIANT": "ssh"}
