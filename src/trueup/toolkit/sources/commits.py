"""One commit of a repository elsewhere -> its files, fetched without its history by the git program.

On disk, for each commit: ``<hash of the address>/<commit>.git``, a bare repository that is there as a whole or not at all.
"""

import hashlib
import os
import shutil
from contextlib import suppress
from pathlib import Path
from typing import Final

from trueup.model.errors import Refused, SettingsError, Unreachable
from trueup.toolkit.git.failure import failure, is_missing_reference
from trueup.toolkit.git.git_tree import GitTree
from trueup.toolkit.git.objects import Objects
from trueup.toolkit.git.program import SETTINGS, Git, configured, surroundings, trusting
from trueup.toolkit.git.remote import Remote
from trueup.toolkit.git.repair import empty_beside
from trueup.toolkit.process import Completed, Limits, run

REFERENCE: Final = "refs/trueup/pinned"
# A host that redirects would lead past what the operator allows.
_STRICT: Final = {**SETTINGS, "http.followRedirects": "false"}
# `ulimit` is the shell's own; it counts in blocks of 512 bytes, and git's files are packs.
_BOUNDED: Final = ("sh", "-c", 'ulimit -f "$1" && shift && exec "$@"', "sh")
# Some servers hand out no commit by its id alone.
_UNADVERTISED: Final = (b"unadvertised object", b"not our ref")


def directory_of(folder: Path, remote: Remote, commit: str) -> Path:
    """Where a commit is kept."""
    return folder / hashlib.sha256(remote.url.encode()).hexdigest()[:20] / f"{commit}.git"


def is_damaged(directory: Path) -> bool:
    """Whether something was missed in it."""
    return Objects(directory).damage.exists()


async def commit_of(remote: Remote, commit: str, directory: Path, largest: int, limits: Limits) -> GitTree:
    """The files of a commit, from the directory that keeps them or else from the remote.

    Raises Unreachable when it does not answer or does not have it, SettingsError when it does not let us in, Refused for too much.
    """
    objects = Objects(directory)
    if objects.damage.exists():
        shutil.rmtree(directory, ignore_errors=True)
        objects.damage.unlink(missing_ok=True)
    if not _is_kept(directory):
        await _bring(remote, commit, directory, _Bounds(largest, limits))
    return GitTree(objects, objects.tree_of(commit))


def _is_kept(directory: Path) -> bool:
    return directory.is_dir()


class _Bounds:
    def __init__(self, largest: int, limits: Limits) -> None:
        self.blocks = max(largest // 512, 1)
        self.largest = largest
        self.limits = limits

    def are_passed(self, fresh: Path) -> bool:
        """Git says of a pack that was cut off at the limit what it says of a lost connection: only the file tells."""
        return any(file.stat().st_size >= self.blocks * 512 for file in fresh.rglob("tmp_pack_*"))


async def _bring(remote: Remote, commit: str, directory: Path, bounds: _Bounds) -> None:
    try:
        directory.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        hint = "see that the state folder can be written and has room"
        raise SettingsError(f"nothing can be kept in {directory.parent}: {error.strerror}", where=str(directory), hint=hint) from error
    async with empty_beside(directory) as fresh:
        completed = await _fetched(remote, fresh, bounds, f"+{commit}:{REFERENCE}", "--depth=1")
        if any(mark in completed.err for mark in _UNADVERTISED):
            completed = await _fetched(remote, fresh, bounds, "+refs/heads/*:refs/trueup/heads/*", "+refs/tags/*:refs/trueup/tags/*")
        if not completed.succeeded and bounds.are_passed(fresh):
            hint = "raise `limits.source_size`, or name a smaller repository"
            raise Refused(f"{remote.url} is larger than the {bounds.largest} bytes that are allowed", where=remote.url, hint=hint)
        if not completed.succeeded and not is_missing_reference(completed):
            raise failure(completed, remote)
        if not Objects(fresh).has_commit(commit):
            raise Unreachable(f"{remote.url} has no commit {commit}", where=remote.url, hint="was it pushed, or its branch rewritten")
        with suppress(OSError):  # another process was first
            fresh.rename(directory)


async def _fetched(remote: Remote, fresh: Path, bounds: _Bounds, *arguments: str) -> Completed:
    git = Git(fresh, trusting(remote, surroundings(os.environ), fresh / "trusted")).knowing(remote)
    options = [each for each in arguments if each.startswith("--")]
    specifications = [each for each in arguments if not each.startswith("--")]
    command = ["git", f"--git-dir={fresh}", "fetch", "--progress", "--no-tags", "--no-write-fetch-head", "--no-auto-maintenance"]
    command += ["--no-recurse-submodules", *options, "--", remote.url, *specifications]
    return await run([*_BOUNDED, str(bounds.blocks), *command], environment=configured(git.environment, _STRICT), limits=bounds.limits)
