"""What services and jobs have in common: what a command is started with, and the version that names a start of it."""

import os
import pwd
import signal
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from trueup.model.errors import Refused
from trueup.model.manifest import digest_of
from trueup.model.plan import Change
from trueup.model.secret import MASK, Secret
from trueup.runtimes.host.keeper.command import CannotStart, program_of
from trueup.runtimes.host.keepers import Instance, Keepers
from trueup.runtimes.host.manifests import Job, NamedSecret, Readiness, Run, Service
from trueup.runtimes.host.member import Wanted

SPEC = ""
"""The name under which a version holds what the object itself says, beside the objects that it uses."""
_TAIL = 4096


@dataclass(frozen=True, slots=True)
class Ways:
    """What commands on this host are started with. ``basics`` is what of Trueup's own environment is handed on."""

    root: Path
    secret: Callable[[str], Secret]
    basics: Mapping[str, str] = field(default_factory=dict)

    def keepers(self, application: str, kind: str, name: str) -> Keepers:
        """The keepers of one service or job."""
        return Keepers(self.root / ".trueup" / application / f"{kind.lower()}s" / name)

    def order(self, wanted: Wanted, environment: Mapping[str, str | Secret]) -> dict[str, Any]:
        """What a keeper is told, but for what services or jobs add. Raises Refused when the command cannot be started as things are."""
        spec = run_of(wanted)
        directory = self.root / wanted.application / spec.working_directory
        if spec.working_directory == ".":
            directory.mkdir(parents=True, exist_ok=True)
        user, home = self._user(spec.user, str(wanted.key))
        plain = {name: value.reveal() if isinstance(value, Secret) else value for name, value in environment.items()}
        plain = {**self.basics, **home, **plain}
        self._check(spec, str(directory), plain, str(wanted.key))
        return {
            "version": version_of(wanted, environment),
            "uses": parts_of(wanted, environment),
            "command": list(spec.command),
            "directory": str(directory),
            "environment": plain,
            "user": user,
            "stop": {"signal": signal.Signals[spec.stop.signal], "timeout": spec.stop.timeout},
            "log": {"size": spec.log.size, "keep": spec.log.keep},
            "masks": [value.reveal() for value in environment.values() if isinstance(value, Secret)],
            "spec": shown_spec(wanted),
            "predecessors": [],
        }

    def environment(self, wanted: Wanted) -> dict[str, str | Secret]:
        """What the manifest declares, with the operator's secrets. Raises SettingsError."""
        entries = run_of(wanted).environment
        return {name: self.secret(value.secret) if isinstance(value, NamedSecret) else value for name, value in entries.items()}

    def _user(self, name: str | None, key: str) -> tuple[list[Any] | None, dict[str, str]]:
        if name is None:
            return None, {}
        try:
            known = pwd.getpwnam(name)
        except KeyError:
            raise Refused(f"{key}: there is no user `{name}` on this host", key=key, hint="make the user, or leave `user` out") from None
        if os.geteuid() not in (0, known.pw_uid):
            raise Refused(f"{key}: only root may run something as `{name}`", key=key, hint="run Trueup as root, or leave `user` out")
        home = {"HOME": known.pw_dir, "USER": name, "LOGNAME": name, "SHELL": known.pw_shell}
        groups = os.getgrouplist(name, known.pw_gid)
        return ([known.pw_uid, known.pw_gid, groups] if os.geteuid() == 0 else None), home

    def _check(self, spec: Run, directory: str, environment: Mapping[str, str], key: str) -> None:
        hint = "what ran before was left alone; correct `command` or `workingDirectory`, or the file's mode in Git"
        if not os.path.isdir(directory):  # noqa: PTH112
            raise Refused(f"working directory not found: {spec.working_directory}", key=key, where=directory, hint=hint)
        try:
            program_of(list(spec.command), directory, environment.get("PATH", ""))
        except CannotStart as error:
            raise Refused(str(error), key=key, where=directory, hint=hint) from None


def run_of(wanted: Wanted) -> Run:
    """What the manifest says of the command."""
    assert isinstance(wanted.document, Service | Job)
    return wanted.document.spec


def parts_of(wanted: Wanted, environment: Mapping[str, str | Secret]) -> dict[str, str]:
    """What a version is made of: the object's own digest under ``""``, and that of each object that it uses."""
    own = {name: value for name, value in wanted.manifest.body["spec"].items() if name not in ("environment", "uses")}
    secrets = {name: value.identity if isinstance(value, Secret) else [value] for name, value in environment.items()}
    used = {str(use.key): digest_of([use.manifest.body["spec"], dict(use.manifest.sources)]) for use in wanted.uses}
    return {SPEC: digest_of([own, secrets]), **used}


def version_of(wanted: Wanted, environment: Mapping[str, str | Secret]) -> str:
    """Names what a start of this object would be a start of."""
    return digest_of(parts_of(wanted, environment))


def moved(before: Mapping[str, str], after: Mapping[str, str]) -> set[str]:
    """The parts of a version that differ; ``""`` is the object's own spec."""
    return {name for name in before.keys() | after.keys() if before.get(name) != after.get(name)}


def shown_spec(wanted: Wanted) -> dict[str, Any]:
    """What the manifest says, as it may be shown and kept."""
    spec: dict[str, Any] = masked(wanted.manifest.body["spec"])
    return spec


def masked(value: Any) -> Any:
    """A part of a manifest as it may be shown and kept."""
    if isinstance(value, Secret):
        return MASK
    if isinstance(value, dict):
        named = value.keys() == {"secret"} and isinstance(value["secret"], str)
        return MASK if named else {name: masked(each) for name, each in value.items()}
    return [masked(each) for each in value] if isinstance(value, list | tuple) else value


def differences(before: Any, after: Any, path: str = "spec") -> list[Change]:
    """Two masked specs, field by field; lists as a whole."""
    if isinstance(before, dict) and isinstance(after, dict):
        names = sorted(before.keys() | after.keys())
        return [change for name in names for change in differences(before.get(name), after.get(name), f"{path}.{name}")]
    return [] if before == after else [Change(path, before, after)]


def readiness_of(readiness: Readiness) -> dict[str, Any]:
    """How a keeper is told what to look at."""
    plain: dict[str, Any] = {"kind": "none", "interval": readiness.interval, "timeout": readiness.timeout}
    address = readiness.address()
    if address:
        host, port, path = address
        plain |= {"kind": "tcp" if readiness.http is None else "http", "host": host, "port": port, "path": path}
    elif readiness.command is not None:
        plain |= {"kind": "command", "command": list(readiness.command)}
    elif readiness.log_line is not None:
        plain |= {"kind": "logLine", "pattern": readiness.log_line}
    return plain


def last_words(instance: Instance) -> str:
    """The last lines that it printed, on one line, each said once; empty when it printed nothing."""
    try:
        with (Path(instance.folder) / "log").open("rb") as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - _TAIL))
            lines = file.read().decode(errors="replace").splitlines()
    except OSError:
        return ""
    printed = [text for line in lines if (text := line.partition(" ")[2]) and not text.startswith("-- ")]
    distinct = list(dict.fromkeys(reversed(printed)))[:3]
    return " | ".join(line[:300] for line in reversed(distinct))


def with_last_words(text: str, instance: Instance) -> str:
    """A reason, and what was printed last."""
    words = last_words(instance)
    return f"{text}; its last words: {words}" if words else text
