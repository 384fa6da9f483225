"""What a kustomization names outside of its repository -> a repository, a commit and a folder in it, as kustomize reads such addresses."""

import hashlib
import re
from dataclasses import dataclass
from typing import Final
from urllib.parse import parse_qs

from trueup.model.errors import TrueupError, UsageError

_IS_REMOTE: Final = re.compile(
    r"^[a-z+]+://|^git::|^[\w.-]+@[\w.-]+:|^(www\.)?(github\.com|gitlab\.com|bitbucket\.org)[/:]|\?(ref|version)=|//.*\?"
)
_ADDRESS: Final = re.compile(r"(?P<start>[a-z+]+://[^/]*/|[\w.-]+@[\w.-]+:|)(?P<rest>.*)")
_COMMIT: Final = re.compile(r"[0-9a-f]{40}")
_RAW: Final = re.compile(r"\.(ya?ml|json)$")


@dataclass(frozen=True, slots=True)
class RemoteBase:
    """A folder at a commit of another repository."""

    url: str
    commit: str
    path: str

    @property
    def short(self) -> str:
        """Names the repository and the commit in a path."""
        return hashlib.sha256(f"{self.url} {self.commit}".encode()).hexdigest()[:12]


def is_remote(entry: str) -> bool:
    """Whether kustomize would go to the network for it."""
    return bool(_IS_REMOTE.search(entry))


def is_file(entry: str) -> bool:
    """Whether it is a file over HTTP, not a folder of a Git repository."""
    address, _, query = entry.partition("?")
    return address.startswith(("http://", "https://")) and bool(_RAW.search(address)) and "ref=" not in query and "version=" not in query


def remote_base(entry: str) -> RemoteBase:
    """What an entry names. Raises UsageError when it is not pinned to a commit, with what to write."""
    address, _, query = entry.removeprefix("git::").partition("?")
    asked = parse_qs(query)
    reference = (asked.get("ref") or asked.get("version") or [""])[0].lower()
    if is_file(entry):
        hint = f"add `digests: {{'{entry}': sha256:(what `sha256sum` says of it)}}` to the application's `render`, or copy the file"
        raise _unpinned(entry, hint)
    if not _COMMIT.fullmatch(reference):
        raise _unpinned(entry, f"pin it to a commit: `{address}?ref=` and the 40 digits of its id")
    split = _ADDRESS.fullmatch(address)
    start, rest = (split["start"], split["rest"]) if split else ("", address)
    if not start:
        host, _, rest = rest.partition("/")
        start = f"https://{host}/"
    repository, path = _parted(rest, start.startswith("file:"))
    return RemoteBase(f"{start}{repository}", reference, path.strip("/"))


def _parted(rest: str, whole: bool) -> tuple[str, str]:
    """The repository's part of an address and the folder's: by ``//``, by ``.git``, or after two names."""
    if "//" in rest.lstrip("/"):
        start = rest[: len(rest) - len(rest.lstrip("/"))]
        repository, _, path = rest.lstrip("/").partition("//")
        return start + repository, path
    if ".git/" in rest:
        repository, _, path = rest.partition(".git/")
        return f"{repository}.git", path
    if whole or rest.endswith(".git"):
        return rest, ""
    names = rest.strip("/").split("/")
    return "/".join(names[:2]), "/".join(names[2:])


def _unpinned(entry: str, hint: str) -> TrueupError:
    return UsageError(f"`{entry}` lies outside of the repository and is not pinned", hint=hint)
