"""The kind that the entry point names: what can be told without a target, and the way to open one."""

import os
import pwd

from pydantic import BaseModel

from trueup.model.application import Target
from trueup.model.contracts import Objection, Place, Runtime
from trueup.model.manifest import Body, Manifest
from trueup.runtimes.host.content import Contents
from trueup.runtimes.host.directory import Directories
from trueup.runtimes.host.files import Files
from trueup.runtimes.host.ground import Ground
from trueup.runtimes.host.job import Jobs
from trueup.runtimes.host.manifests import objections, references, secrets
from trueup.runtimes.host.member import Member
from trueup.runtimes.host.record import Records
from trueup.runtimes.host.running import Ways
from trueup.runtimes.host.runtime import HostRuntime
from trueup.runtimes.host.service import Services
from trueup.runtimes.host.target import Specification, permit, root_of, specification_of
from trueup.runtimes.host.thread import in_thread

_HANDED_ON = ("PATH", "LANG", "LC_ALL", "TZ", "HOME", "USER", "LOGNAME", "SHELL")


class HostKind:
    """Satisfies ``RuntimeKind``."""

    name = "host"
    Specification: type[BaseModel] = Specification

    def check(self, manifest: Manifest) -> list[Objection]:
        """What is wrong in a manifest."""
        return objections(manifest)

    def references(self, manifest: Manifest) -> list[str]:
        """The ``source`` of a File or Directory."""
        return references(manifest)

    def namespaced(self, body: Body) -> bool:
        """Nothing on a host lives in a namespace."""
        return False

    def secrets(self, body: Body) -> list[tuple[str, ...]]:
        """The content of a File that says so."""
        return secrets(body)

    def place_of(self, target: Target) -> str:
        """Its root."""
        return specification_of(target).root or target.home

    def permitted(self, target: Target, place: Place) -> None:
        """Raises SettingsError when the target names a root or paths that the operator does not allow."""
        permit(target, specification_of(target), place)

    async def open(self, target: Target, place: Place) -> Runtime:
        """Open this machine as a target. Raises SettingsError."""
        self.permitted(target, place)
        specification = specification_of(target)
        root = await in_thread(root_of, target, specification, place)
        await in_thread(root.mkdir, parents=True, exist_ok=True)
        ground = Ground(root, specification.allow_paths)
        ways = Ways(root, place.secret, _basics())
        jobs = Jobs(ways)
        contents = Contents()
        members: dict[str, Member] = {
            "Directory": Directories(ground, contents),
            "File": Files(ground, contents),
            "Service": Services(ways, jobs),
            "Job": jobs,
        }
        return HostRuntime(target.name, Records(root), members, ground, ways)


def _basics() -> dict[str, str]:
    """What of our own environment a command gets; nothing else of it is inherited."""
    known = pwd.getpwuid(os.geteuid())
    home = {"HOME": known.pw_dir, "USER": known.pw_name, "LOGNAME": known.pw_name, "SHELL": known.pw_shell, "PATH": os.defpath}
    return home | {name: os.environ[name] for name in _HANDED_ON if os.environ.get(name)}


host = HostKind()
