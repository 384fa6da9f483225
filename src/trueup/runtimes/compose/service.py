"""What a manifest of a service says, read: how many containers, under which names, and what of it makes a container."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Final

from trueup.model.manifest import Body, Key, Manifest, digest_of

API_VERSION: Final = "compose.trueup.dev/v1"
KINDS: Final = ("Service", "Network", "Volume")
EXTENSION: Final = "x-trueup"
# What orders, finds or builds, and is no part of a container. A built image is told apart by its content.
_NOT_OF_A_CONTAINER: Final = frozenset({"attach", "build", "depends_on", "develop", "env_file", "profiles", "pull_policy", "scale"})
_NOT_OF_ITS_DEPLOYMENT: Final = ("endpoint_mode", "labels", "mode", "placement", "replicas", "rollback_config", "update_config")
UNTOLD: Final = (
    "metadata.annotations",
    *(f"spec.{name}" for name in (*sorted(_NOT_OF_A_CONTAINER), EXTENSION)),
    *(f"spec.deploy.{name}" for name in _NOT_OF_ITS_DEPLOYMENT),
)
"""Fields of a manifest that no container shows."""
_LONGEST_TEXT: Final = 2048


@dataclass(frozen=True)
class Service:
    """One service of a project. ``spec`` is as Compose writes it in full; ``built`` is the tag of the image that is built for it."""

    key: Key
    spec: Body
    sources: Mapping[str, str] = field(default_factory=dict)
    built: str = ""

    @classmethod
    def of(cls, manifest: Manifest, built: str = "") -> "Service":
        """The service of a manifest."""
        return cls(manifest.key, manifest.body.get("spec") or {}, manifest.sources, built)

    @property
    def name(self) -> str:
        """Its name in the Compose file."""
        return self.key.name

    @property
    def project(self) -> str:
        """The project that it is in."""
        return self.key.namespace

    @property
    def deploy(self) -> Body:
        """What it says of its deployment."""
        return self.spec.get("deploy") or {}

    @property
    def extension(self) -> Body:
        """What it says to us alone."""
        return self.spec.get(EXTENSION) or {}

    @property
    def stopped(self) -> bool:
        """Whether it is to be there and not to run."""
        return bool(self.extension.get("state") == "stopped")

    @property
    def replicas(self) -> int:
        """How many containers it has."""
        told = self.spec.get("scale")
        return int(self.deploy.get("replicas", 1) if told is None else told)

    @property
    def image(self) -> str:
        """The image's reference; that of a built one names its content."""
        return self.built or str(self.spec.get("image") or f"{self.project}-{self.name}")

    def container_name(self, number: int) -> str:
        """The name of one of its containers, counted from 1."""
        return str(self.spec.get("container_name") or f"{self.project}-{self.name}-{number}")

    @property
    def joined(self) -> list[str]:
        """The services whose namespaces it shares."""
        shared = [str(self.spec.get(name) or "") for name in ("network_mode", "ipc", "pid")]
        return [each.removeprefix("service:") for each in shared if each.startswith("service:")]

    @property
    def lenders(self) -> list[str]:
        """The services whose namespaces or volumes it shares."""
        lent = [each.partition(":")[0] for each in map(str, self.spec.get("volumes_from") or ()) if not each.startswith("container:")]
        return [*self.joined, *lent]

    @property
    def restarted_with(self) -> list[str]:
        """The services after whose renewal it is started again (``depends_on.NAME.restart``)."""
        return [name for name, told in (self.spec.get("depends_on") or {}).items() if (told or {}).get("restart")]

    @cached_property
    def names(self) -> dict[int, str]:
        """All its containers' names, by number."""
        return {number: self.container_name(number) for number in range(1, self.replicas + 1)}

    @cached_property
    def applied(self) -> Body:
        """The part of the spec that makes a container, with the versions of what it takes along: equal means that nothing is to be done."""
        kept = {name: value for name, value in self.spec.items() if self._counts(name) and value is not None}
        kept["image"] = self.image
        for name in ("volumes", "configs", "secrets"):
            if kept.get(name):
                kept[name] = [self._versioned(entry) for entry in kept[name]]
        if kept.get("networks"):
            kept["networks"] = {name: told or {} for name, told in kept["networks"].items()}
        if "deploy" in kept:
            kept["deploy"] = {name: kept["deploy"][name] for name in ("resources", "restart_policy") if kept["deploy"].get(name)}
        if self.stopped:
            kept[EXTENSION] = {"state": "stopped"}
        return {name: value for name, value in kept.items() if value not in ({}, "") and (value != [] or name in ("command", "entrypoint"))}

    def _counts(self, name: str) -> bool:
        return name not in _NOT_OF_A_CONTAINER and not name.startswith("x-")

    def _versioned(self, entry: Any) -> Any:
        """A mount with the object that it comes from, and without what only says how it changes."""
        if not isinstance(entry, dict):
            return entry
        told = {name: value for name, value in entry.items() if not name.startswith("x-")}
        if "content" in told:
            told["version"] = self.sources.get(str(told["content"]).strip("/"), "")
        if len(str(told.get("text", ""))) > _LONGEST_TEXT:
            told["text"] = f"(digest {digest_of(told['text'])})"
        return told


def is_external(manifest: Manifest) -> bool:
    """Whether a network or volume is only used, and made by somebody else."""
    return bool((manifest.body.get("spec") or {}).get("external"))
