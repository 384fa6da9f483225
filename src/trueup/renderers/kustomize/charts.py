"""The charts that a kustomization names (``helmCharts``) -> where they lie, or how they are pinned."""

import posixpath
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from trueup.toolkit.documents import Document
from trueup.toolkit.sources.charts import Pinned

FIELD: Final = "helmCharts"
HOME: Final = "charts"
EXACT: Final = re.compile(r"v?\d+\.\d+\.\d+([-+][0-9A-Za-z.+-]+)?")


@dataclass(frozen=True, slots=True)
class NamedChart:
    """One entry. ``folder`` is where kustomize looks for the chart, relative to the kustomization's folder."""

    name: str
    repository: str
    version: str
    folder: str
    values: tuple[str, ...]
    inline: object
    line: int

    def pinned(self, digest: str) -> Pinned:
        """The chart as the cache of sources wants it; of a registry the repository is what stands before the name."""
        return Pinned(self.repository, self.name, self.version, digest)


def charts(document: Document) -> Iterator[NamedChart]:
    """All of them."""
    body = document.body if isinstance(document.body, dict) else {}
    settings = body.get("helmGlobals")
    home = str(settings.get("chartHome") or HOME) if isinstance(settings, dict) else HOME
    entries = body.get(FIELD)
    for place, entry in enumerate(entries if isinstance(entries, list) else []):
        if isinstance(entry, dict):
            yield _chart(entry, str(entry.get("chartHome") or home), document.line_of((FIELD, place)))


def _chart(entry: Mapping[str, Any], home: str, line: int) -> NamedChart:
    name, repository, version = (str(entry.get(field) or "") for field in ("name", "repo", "version"))
    # As the generator does: what it would fetch lies in a folder of its own for each version.
    folder = posixpath.join(home, f"{name}-{version}", name) if repository and version else posixpath.join(home, name)
    more = entry.get("additionalValuesFiles")
    written = [entry.get("valuesFile"), *(more if isinstance(more, list) else [])]
    return NamedChart(name, repository, version, folder, tuple(str(each) for each in written if each), entry.get("valuesInline"), line)
