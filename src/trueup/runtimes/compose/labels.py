"""How it is written at what we make: Compose's own labels, so that its tools see it, and ours, which say whose it is."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from trueup.model.contracts import Desired, Owner
from trueup.model.manifest import Body, Manifest, Origin

PROJECT: Final = "com.docker.compose.project"
SERVICE: Final = "com.docker.compose.service"
NUMBER: Final = "com.docker.compose.container-number"
ONE_OFF: Final = "com.docker.compose.oneoff"
NETWORK: Final = "com.docker.compose.network"
VOLUME: Final = "com.docker.compose.volume"
_CONFIG_HASH: Final = "com.docker.compose.config-hash"
IMAGE: Final = "com.docker.compose.image"
_DEPENDS_ON: Final = "com.docker.compose.depends_on"
_WORKING_DIR: Final = "com.docker.compose.project.working_dir"
_CONFIG_FILES: Final = "com.docker.compose.project.config_files"
_VERSION: Final = "com.docker.compose.version"
_SPOKEN: Final = "2.40.0"

OWNER: Final = "dev.trueup.owner"
REVISION: Final = "dev.trueup.revision"
DIGEST: Final = "dev.trueup.digest"
ORIGIN: Final = "dev.trueup.origin"
WAVE: Final = "dev.trueup.wave"
SPEC: Final = "dev.trueup.spec"
"""What was applied, as Compose writes it; values of secrets are never in it."""


RECORD: Final = "trueup_"
"""How the names of the volumes begin that hold the record and the files of a project, and of their carriers."""
_OURS: Final = "dev.trueup."


class Marks(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of an object that is ours: whose, since which commit and from where, and what was applied."""

    owner: Owner | None = None
    revision: str = ""
    digest: str = ""
    origin: Origin = Origin()
    wave: int = 0
    spec: Body | None = None

    @property
    def labels(self) -> dict[str, str]:
        """The labels that say so."""
        owner = f"{self.owner.application} of {self.owner.repository}" if self.owner else ""
        return {
            OWNER: owner,
            REVISION: self.revision,
            DIGEST: self.digest,
            ORIGIN: f"{self.origin.file}:{self.origin.line}",
            WAVE: str(self.wave),
            SPEC: msgspec.json.encode(self.spec, order="sorted").decode(),
        }


def marks_of(desired: Desired, manifest: Manifest, spec: Body) -> Marks:
    """What is said of an object that is written now."""
    owner = Owner(desired.application.repository, desired.application.name)
    where = Origin(manifest.origin.file, manifest.origin.line, desired.revision)
    return Marks(owner=owner, revision=desired.revision, digest=manifest.digest, origin=where, wave=manifest.wave, spec=spec)


def marks_in(labels: Mapping[str, str]) -> Marks:
    """What the labels of an object say; nothing is known of one that has none of ours."""
    application, of, repository = labels.get(OWNER, "").partition(" of ")
    if not of:
        return Marks()
    file, _, line = labels.get(ORIGIN, "").rpartition(":")
    revision = labels.get(REVISION, "")
    return Marks(
        owner=Owner(repository, application),
        revision=revision,
        digest=labels.get(DIGEST, ""),
        origin=Origin(file, int(line) if line.isdecimal() else 0, revision),
        wave=_number(labels.get(WAVE, "")),
        spec=_plain(labels.get(SPEC, "")),
    )


@dataclass(frozen=True, slots=True)
class OfCompose:
    """The labels that Compose itself would give."""

    project: str
    folder: str
    file: str

    def of_container(self, service: str, number: int, spec: Body, marks: Marks) -> dict[str, str]:
        """Those of one container of a service."""
        after = spec.get("depends_on") or {}
        depends = [
            f"{name}:{each.get('condition', 'service_started')}:{str(bool(each.get('restart'))).lower()}" for name, each in after.items()
        ]
        return {
            PROJECT: self.project,
            SERVICE: service,
            NUMBER: str(number),
            ONE_OFF: "False",
            _CONFIG_HASH: marks.digest,
            IMAGE: str(spec.get("image") or ""),
            _DEPENDS_ON: ",".join(depends),
            _WORKING_DIR: self.folder,
            _CONFIG_FILES: self.file,
            _VERSION: _SPOKEN,
        }

    def of_network(self, key: str) -> dict[str, str]:
        """Those of a network."""
        return {PROJECT: self.project, NETWORK: key, _VERSION: _SPOKEN}

    def of_volume(self, key: str) -> dict[str, str]:
        """Those of a volume."""
        return {PROJECT: self.project, VOLUME: key, _VERSION: _SPOKEN}


def is_reserved(name: str) -> bool:
    """Whether no Compose file may give this name to a volume or container, or this label to anything: it would be taken for one of ours."""
    return name.startswith((RECORD, _OURS))


def project_of(volume: str) -> str:
    """The project whose record volume has this name; empty when it is none."""
    return volume.removeprefix(RECORD) if volume.startswith(RECORD) else ""


def _plain(text: str) -> Any:
    try:
        value = json.loads(text)
    except ValueError:
        return None
    return value if isinstance(value, dict) else None


def _number(text: str) -> int:
    try:
        return int(text)
    except ValueError:
        return 0
