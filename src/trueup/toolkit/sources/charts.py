"""A chart's repository, name and version -> its archive, from an HTTP chart repository or an OCI registry."""

import hashlib
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urljoin

from trueup.model.errors import DeclarationError, Refused, Unreachable
from trueup.toolkit.documents import read
from trueup.toolkit.git.remote import scrub
from trueup.toolkit.sources.download import Download
from trueup.toolkit.sources.registry import Registry

INDEX: Final = "index.yaml"


@dataclass(frozen=True, slots=True)
class Pinned:
    """A chart as Git names it. ``digest``: ``sha256:`` and the digest of its archive; empty while nobody declared it."""

    repository: str
    name: str
    version: str
    digest: str = ""

    @property
    def reference(self) -> str:
        """As its archive is called."""
        return f"{self.name}-{self.version}"


async def archive_of(chart: Pinned, download: Download) -> bytes:
    """The archive, which is what was pinned. Raises as ``Download.fetch`` does, and Refused when it is something else."""
    if chart.repository.startswith("oci://"):
        content = await Registry(download, chart.repository, chart.name).archive(chart.version, chart.digest)
    else:
        entry = await _entry(chart, download)
        content = await download.fetch(_address(chart, entry))
    found = f"sha256:{hashlib.sha256(content).hexdigest()}"
    if found != chart.digest:
        message = f"the archive of {chart.reference} at {scrub(chart.repository)} is not what was pinned: it has {found}"
        raise Refused(message, where=scrub(chart.repository), hint="find out why it was exchanged before you pin it anew")
    return content


async def digest_of(chart: Pinned, download: Download) -> str:
    """The digest that the repository itself gives for it now; empty when it gives none. Raises as ``Download.fetch`` does."""
    if chart.repository.startswith("oci://"):
        return await Registry(download, chart.repository, chart.name).digest(chart.version)
    told = str((await _entry(chart, download)).get("digest") or "")
    return f"sha256:{told.removeprefix('sha256:')}" if told else ""


async def _entry(chart: Pinned, download: Download) -> dict[str, Any]:
    """What the index says of this version."""
    url = urljoin(f"{chart.repository.rstrip('/')}/", INDEX)
    shown = scrub(chart.repository)
    try:
        documents = read(await download.fetch(url), url, download.largest)
    except DeclarationError as error:
        raise Unreachable(f"the index of {shown} cannot be read: {error.message}", where=shown, hint="look at that repository") from error
    entries = documents[0].body.get("entries") if documents and isinstance(documents[0].body, dict) else None
    versions = entries.get(chart.name) if isinstance(entries, dict) else None
    for each in versions if isinstance(versions, list) else ():
        if isinstance(each, dict) and str(each.get("version")).removeprefix("v") == chart.version.removeprefix("v"):
            return each
    raise Unreachable(f"{shown} has no chart {chart.name} {chart.version}", where=shown, hint="correct its name or version, or publish it")


def _address(chart: Pinned, entry: dict[str, Any]) -> str:
    urls = entry.get("urls")
    if not isinstance(urls, list) or not urls:
        shown = scrub(chart.repository)
        raise Unreachable(f"{shown} does not say where {chart.reference} is", where=shown, hint="look at that repository")
    return urljoin(f"{chart.repository.rstrip('/')}/", str(urls[0]))
