"""Names of images, in the long and in the familiar form."""

from dataclasses import dataclass
from typing import Final

HUB: Final = "docker.io"


@dataclass(frozen=True, slots=True)
class Reference:
    """``ghcr.io/shop/web:1.2@sha256:...`` taken apart. A name without registry is the hub's, one without tag and digest is ``latest``."""

    registry: str
    path: str
    tag: str
    digest: str = ""

    @property
    def name(self) -> str:
        """As engines list it: registry and ``library/`` of the hub are left out."""
        return self.path.removeprefix("library/") if self.registry == HUB else f"{self.registry}/{self.path}"

    @property
    def tagged(self) -> str:
        """The familiar name with its tag; with the digest where there is no tag."""
        return f"{self.name}:{self.tag}" if self.tag else f"{self.name}@{self.digest}"

    def at(self, digest: str) -> str:
        """The familiar name of exactly this content."""
        return f"{self.name}@{digest}"


def reference_of(text: str) -> Reference:
    """Take an image's name apart."""
    rest, _, digest = text.partition("@")
    head, slash, last = rest.rpartition("/")
    last, _, tag = last.partition(":")
    path = head + slash + last
    first, slash, below = path.partition("/")
    # Only what cannot be an account of the hub is a registry.
    if not slash or not ("." in first or ":" in first or first == "localhost"):
        first, below = HUB, path
    if first in ("index.docker.io", HUB):
        first, below = HUB, below if "/" in below else f"library/{below}"
    return Reference(first, below, tag or ("" if digest else "latest"), digest)
