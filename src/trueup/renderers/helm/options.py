"""What may stand in ``render: {with: helm}``."""

import re
from typing import Annotated, Any, Final

from pydantic import Field

from trueup.model.application import Application, Declared

EXACT: Final = re.compile(r"v?\d+\.\d+\.\d+([-+][0-9A-Za-z.+-]+)?")

Digest = Annotated[str, Field(pattern=r"^sha256:[0-9a-f]{64}$")]
"""``sha256:`` and what ``sha256sum`` says of the archive."""

Reference = Annotated[str, Field(pattern=r"^[A-Za-z0-9][\w.+-]*$")]


class RemoteChart(Declared):
    """A chart that lies in a chart repository (``https://``) or a registry (``oci://``), pinned by the digest of its archive."""

    repository: str = Field(pattern=r"^(https?|oci)://")
    """Where it lies; the operator allows it in ``[[sources]]`` of the settings."""
    name: Reference
    """The chart's name there."""
    version: str = Field(pattern=f"^{EXACT.pattern}$")
    """Its exact version."""
    digest: Digest
    """``sha256:`` and what ``sha256sum`` says of the archive."""


class HelmOptions(Declared):
    """Options of ``render: {with: helm}``."""

    values: dict[str, Any] = Field({})
    """Values, written in place; they win over the files."""
    value_files: tuple[str, ...] = ()
    """Value files, relative to the application's folder or, with ``/x``, to the repository's root; later ones win."""
    release_name: str = ""
    """``.Release.Name``; left out: the application's name."""
    namespace: str = ""
    """``.Release.Namespace``; left out: the application's namespace, else ``default``."""
    include_crds: bool = Field(True, alias="includeCRDs")
    """What the chart has in ``crds/`` too."""
    kube_version: str = ""
    """``.Capabilities.KubeVersion``; left out: the target's."""
    api_versions: tuple[str, ...] = ()
    """``.Capabilities.APIVersions``, such as ``apps/v1/Deployment``; left out: all that the target serves."""
    chart: RemoteChart | None = None
    """A chart that does not lie in the folder."""
    digests: dict[str, Digest] = Field({})
    """Of dependencies that are fetched: ``NAME-VERSION`` and the digest of its archive."""


def options_of(application: Application) -> HelmOptions:
    """The options of an application."""
    return HelmOptions.model_validate(application.spec.render.options)
