"""The folder that a person stands in becomes the clone it belongs to, and the remote and branch that this clone follows."""

import re
from dataclasses import dataclass
from pathlib import Path

from trueup.model.errors import SettingsError
from trueup.toolkit.git.program import Git
from trueup.toolkit.git.remote import Remote, remote

_SETTING = re.compile(r"^(branch|remote)\.(.*)\.(remote|merge|url)$")


@dataclass(frozen=True, slots=True)
class Clone:
    """A clone on disk. ``remote`` is None when it follows none; ``branch`` is the remote's branch, "" when it is not known."""

    root: Path
    remote: Remote | None
    branch: str


async def discover_clone(folder: Path, git: Git | None = None) -> Clone | None:
    """The clone that a folder is in; None when it is in none.

    What it follows is the upstream of its branch; a branch without one follows `origin`, or the only remote.
    Raises SettingsError when Git does not trust the folder.
    """
    program = git or Git()
    top = await program.run("-C", str(folder), "rev-parse", "--show-toplevel")
    if not top.succeeded:
        _expect_trust(folder, top.err)
        return None
    root = Path(top.out.decode().removesuffix("\n"))
    current = (await program.run("-C", str(root), "symbolic-ref", "--quiet", "HEAD")).out.decode().strip().removeprefix("refs/heads/")
    settings = _settings((await program.run("-C", str(root), "config", "--null", "--get-regexp", r"^(branch|remote)\.")).out)
    upstream = settings.get(f"branch.{current}.remote", "")
    branch = settings.get(f"branch.{current}.merge", "").removeprefix("refs/heads/")
    if f"remote.{upstream}.url" not in settings:
        upstream, branch = _likely(settings), ""
    if not upstream:
        return Clone(root, None, "")
    # Asked of Git and not read from the settings: `insteadOf` rewrites addresses.
    url = (await program.run("-C", str(root), "remote", "get-url", "--", upstream)).out.decode().strip()
    return Clone(root, remote(url, folder=str(root)), branch)


def _expect_trust(folder: Path, said: bytes) -> None:
    if b"dubious ownership" in said:
        hint = f"git config --global --add safe.directory {folder}"
        raise SettingsError(f"Git does not trust {folder}: it belongs to another user", where=str(folder), hint=hint)


def _settings(out: bytes) -> dict[str, str]:
    """`branch.NAME.remote`, `branch.NAME.merge` and `remote.NAME.url`, as Git prints them with ``--null``."""
    pairs = (entry.partition("\n") for entry in out.decode("utf-8", "surrogateescape").split("\0") if entry)
    return {key: value for key, _, value in pairs if _SETTING.match(key)}


def _likely(settings: dict[str, str]) -> str:
    names = [key.removeprefix("remote.").removesuffix(".url") for key in settings if key.startswith("remote.")]
    return "origin" if "origin" in names else names[0] if len(names) == 1 else ""
