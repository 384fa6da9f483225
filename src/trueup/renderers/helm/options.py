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
    name: Reference
    version: str = Field(pattern=f"^{EXACT.pattern}$")
    digest: Digest


class HelmOptions(Declared):
    """Options of ``render: {with: helm}``; ``valueFiles`` are relative to the application's folder, ``values`` come after them.

    ``chart``: instead of a chart in the folder. ``digests``: of the dependencies that are fetched, ``NAME-VERSION`` -> digest.
    """

    values: dict[str, Any] = Field({})
    value_files: tuple[str, ...] = ()
    release_name: str = ""
    namespace: str = ""
    include_crds: bool = Field(True, alias="includeCRDs")
    kube_version: str = ""
    api_versions: tuple[str, ...] = ()
    chart: RemoteChart | None = None
    digests: dict[str, Digest] = Field({})


def options_of(application: Application) -> HelmOptions:
    """The options of an application."""
    return HelmOptions.model_validate(application.spec.render.options)
