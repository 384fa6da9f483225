"""A person at work: a clone and the bare repository it pushes to, both made with the git program."""

import os
import subprocess
from pathlib import Path

from trueup.toolkit.git.draft import Draft, commit_of
from trueup.toolkit.git.mirror import Mirror


class Workplace:
    """`clone` is where the person stands, `origin` where commits are pushed to."""

    def __init__(self, folder: Path, branch: str = "main") -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.origin = folder / "origin.git"
        self.clone = folder / "clone"
        self.branch = branch
        git(folder, "init", "--quiet", "--bare", "--template=", "-b", branch, str(self.origin))
        git(folder, "init", "--quiet", "--template=", "-b", branch, str(self.clone))
        # The origin sees the objects of the clone, so a push by the person is the move of a reference: a fraction of the time.
        for place in (self.origin / "objects/info", self.origin / "hooks", self.clone / ".git/info"):
            place.mkdir(parents=True, exist_ok=True)
        (self.origin / "objects/info/alternates").write_text("../../clone/.git/objects\n")
        with (self.clone / ".git/config").open("a") as configuration:
            configuration.write(f'[remote "origin"]\n\turl = {self.origin}\n\tfetch = +refs/heads/*:refs/remotes/origin/*\n')
            configuration.write(f'[branch "{branch}"]\n\tremote = origin\n\tmerge = refs/heads/{branch}\n')

    def git(self, *arguments: str, environment: dict[str, str] | None = None) -> str:
        """Run git in the clone; what it printed."""
        return git(self.clone, *arguments, environment=environment)

    def write(self, files: dict[str, str | bytes | None]) -> None:
        """Put files into the clone; None takes one away."""
        for path, content in files.items():
            place = self.clone / path
            if content is None:
                place.unlink()
                continue
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(content.encode() if isinstance(content, str) else content)

    def commit(self, files: dict[str, str | bytes | None], message: str = "change", *, push: bool = True) -> str:
        """Commit files and push the branch; the commit's id."""
        self.write(files)
        self.git("add", "--all")
        self.git("commit", "--quiet", "--allow-empty", "-m", message)
        commit = self.head()
        if push:
            git(self.origin, "update-ref", f"refs/heads/{self.branch}", commit)
        return commit

    def push(self, *arguments: str) -> None:
        self.git("push", "--quiet", *arguments)

    def head(self) -> str:
        return self.git("rev-parse", "HEAD")


def git(folder: Path, *arguments: str, environment: dict[str, str] | None = None) -> str:
    """Run git in a folder; what it printed, without the last line's end."""
    completed = subprocess.run(
        ["git", *arguments], cwd=folder, check=False, capture_output=True, text=True, env={**os.environ, **(environment or {})}
    )
    assert completed.returncode == 0, f"git {' '.join(arguments)}: {completed.stderr}"
    return completed.stdout.removesuffix("\n")


async def pushed(mirror: Mirror, draft: Draft, name: str, *, new: bool = False) -> str:
    """A commit on top of ``draft.parent``, pushed to ``name``, which must be that parent now, or be ``new``; the commit's id."""
    commit = commit_of(mirror.objects, draft)
    await mirror.push(commit, name, "" if new else draft.parent)
    return commit
