"""A chart in an OCI registry -> its archive, by the pull half of the OCI distribution specification."""

import re
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlencode, urlsplit

import msgspec

from trueup.model.errors import Unreachable
from trueup.toolkit.sources.download import Download, Unauthorized

CONTENT: Final = "application/vnd.cncf.helm.chart.content.v1.tar+gzip"
MANIFEST: Final = "application/vnd.oci.image.manifest.v1+json"
_CHALLENGE: Final = re.compile(r'(\w+)="([^"]*)"')


@dataclass(frozen=True, slots=True)
class Registry:
    """One chart of a registry. Loopback is spoken to without TLS, as helm and docker do."""

    download: Download
    repository: str
    name: str

    async def archive(self, version: str, digest: str) -> bytes:
        """The archive with this digest; the version only says what to look for when no digest is given."""
        return await self._get(f"blobs/{digest or await self.digest(version)}", "*/*")

    async def digest(self, version: str) -> str:
        """The digest of the archive that a version has now. Raises Unreachable when there is none."""
        # A tag cannot hold `+`: Helm writes `_` for it.
        manifest = self._document(await self._get(f"manifests/{version.replace('+', '_')}", MANIFEST))
        layers = manifest.get("layers")
        for layer in layers if isinstance(layers, list) else ():
            if isinstance(layer, dict) and layer.get("mediaType") == CONTENT:
                return str(layer.get("digest") or "")
        shown = f"{self.repository}/{self.name}"
        raise Unreachable(f"{shown} has no chart of version {version}", where=shown, hint="correct its name or version, or publish it")

    async def _get(self, what: str, accept: str) -> bytes:
        host, _, path = self.repository.removeprefix("oci://").partition("/")
        scheme = "http" if host.partition(":")[0] in ("127.0.0.1", "localhost") else "https"
        image = "/".join(part for part in (path.strip("/"), self.name) if part)
        url = f"{scheme}://{host}/v2/{image}/{what}"
        headers = {"Accept": accept}
        try:
            return await self.download.fetch(url, headers, self.repository)
        except Unauthorized as error:
            told = dict(_CHALLENGE.findall(error.challenge))
            if not error.challenge.lower().startswith("bearer") or not urlsplit(told.get("realm", "")).scheme:
                raise
            return await self.download.fetch(url, {**headers, **await self._token(told)}, self.repository)

    async def _token(self, told: dict[str, str]) -> dict[str, str]:
        """What the authority that the registry names gives to us, or to anybody. On another host it must be allowed too."""
        query = urlencode({name: value for name, value in told.items() if name != "realm"})
        answer = self._document(await self.download.fetch(f"{told['realm']}?{query}", {}, self.repository))
        return {"Authorization": f"Bearer {answer.get('token') or answer.get('access_token')}"}

    def _document(self, content: bytes) -> dict[str, Any]:
        try:
            document = msgspec.json.decode(content)
        except msgspec.DecodeError:
            document = None
        if not isinstance(document, dict):
            raise Unreachable(f"{self.repository} does not answer as a registry does", where=self.repository, hint="look at that address")
        return document
