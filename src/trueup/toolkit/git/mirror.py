"""A remote becomes a bare mirror on this disk, brought up to date by one small request, and a commit goes back the same way.

On disk, for each remote, below the folder of all mirrors::

    <hash of the identity>/objects.git       a bare repository; refs/trueup/<hash of a reference> keeps what is followed
    <hash of the identity>/lock              held by the one process that fetches
    <hash of the identity>/default           the branch that the remote's HEAD was last time
    <hash of the identity>/objects.damaged   an object was missed: rebuilt at the next fetch
"""

import asyncio
import hashlib
import os
import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pygit2
from pygit2.enums import ObjectType

from trueup.model.errors import SettingsError, TrueupError, Unreachable
from trueup.toolkit.git import history, repair
from trueup.toolkit.git.draft import Content
from trueup.toolkit.git.failure import failure, is_corrupt, is_locked, is_missing_reference, is_shallow, rejection
from trueup.toolkit.git.git_tree import GitTree
from trueup.toolkit.git.history import Blame, Commit, Line, PathChange
from trueup.toolkit.git.lock import held
from trueup.toolkit.git.objects import Objects
from trueup.toolkit.git.program import Git, surroundings, trusting
from trueup.toolkit.git.remote import Remote
from trueup.toolkit.git.signature import trusted_keys, verifies
from trueup.toolkit.git.tree import refusal
from trueup.toolkit.git.version import looks_like_range, version_range
from trueup.toolkit.process import Completed, Limits

TRANSFER = Limits(deadline=3600, silence=300, grace=5)
"""A first fetch may take an hour, but not five minutes without a sign of life."""

REQUEST = Limits(deadline=60, grace=1)
MOST_PACKS = 20

_COMMIT = re.compile(r"[0-9a-f]{40}")
_REFERENCE = re.compile(r"(?![-/.])(?!.*(\.\.|//|@\{|/\.|\.lock(/|$)|[/.]$))[^\x00-\x20~^:?*\[\\\x7f]+")
_SYMREF = re.compile(r"^ref: (\S+)\tHEAD$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Head:
    """What a reference means right now: a full reference name (``refs/heads/main``; "" for a bare commit) and a commit."""

    name: str
    commit: str

    @property
    def branch(self) -> str:
        """The branch's short name; "" for a tag or a commit."""
        return self.name.removeprefix("refs/heads/") if self.name.startswith("refs/heads/") else ""


class Mirror:
    """One remote. What waits for the network is async and safe to call at any time; what reads may be called from any thread.

    Everything that asks the remote raises Unreachable (it does not answer, or the branch is not there: tried again) or SettingsError (it
    does not let us in). A slow remote holds up nobody but those who ask the same one.
    """

    def __init__(self, folder: Path, remote: Remote, *, transfer: Limits = TRANSFER, request: Limits = REQUEST) -> None:
        self.remote = remote
        self.folder = folder / hashlib.sha256(remote.url.encode()).hexdigest()[:20]
        self.objects = Objects(self.folder / "objects.git")
        self._transfer = transfer
        self._request = request
        self._turn = asyncio.Lock()
        self._default: str | None = None
        self._swept = False

    # ------------------------------------------------------------------ the remote

    async def head(self, reference: str = "") -> Head:
        """What a reference means at the remote now: "" (its HEAD), a branch, a tag, ``refs/..``, a full commit, or a range of versions.

        What is new comes along in the same request, so a look without news costs one small answer, and one with news no second request.
        A branch goes before a tag of the same name. Raises Unreachable, naming branches that exist, when there is nothing of that name.
        """
        if _COMMIT.fullmatch(reference):
            return Head("", reference)
        if not reference:
            return await self._default_head()
        if looks_like_range(reference):
            return await self._newest(reference)
        if not _REFERENCE.fullmatch(reference):
            raise SettingsError(f"{reference!r} is no branch, tag, commit or range of versions", where=self.remote.url)
        names = [reference] if reference.startswith("refs/") else [f"refs/heads/{reference}", f"refs/tags/{reference}"]
        for name in names:
            if await self._brought(name):
                return Head(name, self._followed(name))
        raise await self._absent(reference)

    async def fetch(self, head: Head) -> None:
        """Make sure that the commit of a head is here, with its whole history. Asks nobody when it is."""
        if self.objects.has_commit(head.commit) and not self.objects.damage.exists():
            return
        wanted = [name for name in (head.name, head.commit) if name]
        for name in wanted:
            if await self._brought(name) and self.objects.has_commit(head.commit):
                return
        # Servers may refuse to hand out a commit by its id alone, and it may still be in the history of a branch.
        await self._bring(f"+refs/heads/*:refs/trueup/{head.commit}/*")
        if not self.objects.has_commit(head.commit):
            hint = "was it pushed, or was its branch rewritten"
            raise Unreachable(f"{self.remote.url} has no commit {head.commit}", where=self.remote.url, hint=hint)

    async def push(self, commit: str, name: str, expected: str) -> None:
        """Let ``name`` (``refs/heads/..``) at the remote be this commit, if it is ``expected`` now; "" if it is not to exist yet.

        Raises Outdated when it is something else, Refused with the server's words when it says no.
        """
        arguments = ["push", "--porcelain", "--no-verify", "--no-signed", "--no-follow-tags", "--recurse-submodules=no"]
        if self.remote.scheme == "file":
            # A clone of one's own, without any other remote: its work tree goes along when it is clean, and git refuses when it is not.
            arguments += ["--receive-pack=git -c receive.denyCurrentBranch=updateInstead receive-pack"]
        arguments += [f"--force-with-lease={name}:{expected}", "--", self.remote.url, f"{commit}:{name}"]
        completed = await self._git().run(*arguments, limits=self._transfer)
        if not completed.succeeded:
            raise rejection(completed, self.remote)

    async def blame(self, line: Line, *, first_parent: bool = False, deadline: float = 60.0) -> Blame:
        """The commit that set a line; see ``history.blame``."""
        return await history.blame(self._git(), self.objects, line, first_parent=first_parent, deadline=deadline)

    async def maintain(self) -> None:
        """Join the packs of many fetches. Large ones are left alone, and nothing is thrown away, so what was rewritten stays readable."""
        async with self._turn, held(self.folder / "lock", self._request.deadline):
            await self._git().run("repack", "-d", "-l", "-q", "--geometric=2", limits=self._transfer)
        self.objects.reopen()

    # ------------------------------------------------------------------ what is here

    def tree(self, commit: str, path: str = "") -> GitTree:
        """The files of a commit, or of one of its folders taken as the root. Raises DeclarationError when there is no such folder."""
        root = GitTree(self.objects, self.objects.tree_of(commit))
        if not path:
            return root
        folder = root.object_id(path)
        if folder is None or root.kind(path) != "folder":
            raise refusal(path, f"there is no folder {path} in commit {commit[:10]}", "check the path that is followed")
        return GitTree(self.objects, folder)

    def content(self, commit: str, path: str) -> Content | None:
        """What a commit has at a path, for a draft: a link is a link. None where nothing is."""
        mode, object_id = self.tree(commit).entry(path)
        return Content(mode, object_id) if mode else None

    def commit(self, commit: str) -> Commit:
        """One commit. Raises Unreachable when it is not here."""
        return history.commit(self.objects, commit)

    def complete(self, abbreviation: str) -> str:
        """The whole id of an abbreviated commit that is here. Raises UsageError when there is none, or more than one."""
        return history.complete(self.objects, abbreviation)

    def has(self, commit: str) -> bool:
        """Whether a commit is here."""
        return self.objects.has_commit(commit)

    def contains(self, descendant: str, ancestor: str) -> bool:
        """Whether ``ancestor`` is ``descendant`` or in its history. One that is not here is in no history."""
        return history.contains(self.objects, descendant, ancestor)

    def first_parents(self, commit: str, stop: str | None = None) -> Iterator[Commit]:
        """From a commit along its first parents, newest first, up to and without ``stop``."""
        return history.first_parents(self.objects, commit, stop)

    def new_commits(self, head: str, known: str | None) -> list[str]:
        """Every commit that ``head`` has and ``known`` has not; ``head`` alone when nothing is known."""
        return history.new_commits(self.objects, head, known)

    def changes(self, before: str | None, after: str) -> list[PathChange]:
        """The paths that differ between two commits, sorted; all are added where there is none before."""
        return history.changes(self.objects, before, after)

    def signed_by(self, commit: str, keys: Sequence[str]) -> bool:
        """Whether a commit carries a good SSH signature by one of these OpenSSH public keys. Raises SettingsError for other keys."""
        trusted = trusted_keys(keys)
        armored, payload = self.objects.reading(lambda repository: repository[commit].peel(pygit2.Commit).gpg_signature)
        return verifies(armored, payload, trusted)

    def store(self, content: bytes) -> str:
        """Write content to be used in a draft; its object id."""
        return self.objects.store(content)

    # ------------------------------------------------------------------ how

    async def _default_head(self) -> Head:
        """HEAD. Its branch is asked for once, since that answer names every reference; later HEAD and branch are looked at together."""
        note = self.folder / "default"
        if self._default is None:
            self._default = await asyncio.to_thread(_noted, note)
        if self._default and await self._brought("HEAD", self._default) and self._followed("HEAD") == self._followed(self._default):
            return Head(self._default, self._followed("HEAD"))
        said = await self._asked("--symref", "HEAD")
        match = _SYMREF.search(said)
        self._default = match[1] if match else ""
        if not said or not await self._brought(self._default or "HEAD"):
            raise await self._absent("")
        await asyncio.to_thread(note.write_text, self._default)
        return Head(self._default, self._followed(self._default or "HEAD"))

    async def _newest(self, reference: str) -> Head:
        wanted = version_range(reference)
        if wanted is None:
            hint = "write it like `>=1.2 <2`, `^1.4` or `1.x`"
            raise SettingsError(f"{reference!r} is no range of versions", where=self.remote.url, hint=hint)
        tags = _tags(await self._asked("--tags"))
        newest = wanted.newest(tags)
        if newest is None:
            hint = f"tags there: {_some(tags)}" if tags else "no tag was pushed there yet"
            raise Unreachable(f"no tag at {self.remote.url} is a version in {reference!r}", where=self.remote.url, hint=hint)
        name = f"refs/tags/{newest}"
        if self.objects.has_commit(tags[newest]):
            return Head(name, tags[newest])
        if not await self._brought(name):
            raise await self._absent(name)
        return Head(name, self._followed(name))

    async def _absent(self, reference: str) -> TrueupError:
        """The error for a reference that the remote does not have."""
        branches = {line.partition("refs/heads/")[2] for line in (await self._asked("--heads")).splitlines()}
        url = self.remote.url
        if not branches:
            return Unreachable(f"the repository at {url} is empty", where=url, hint="push a first commit")
        hint = f"branches there: {_some(branches)}"
        if not reference:
            return Unreachable(f"the HEAD of {url} is a branch that does not exist", where=url, hint=f"name one; {hint}")
        return Unreachable(f"there is no branch or tag `{reference}` at {url}", where=url, hint=hint)

    async def _asked(self, *arguments: str) -> str:
        """What ``ls-remote`` says."""
        await self._prepared()
        flags = [argument for argument in arguments if argument.startswith("--")]
        patterns = [argument for argument in arguments if not argument.startswith("--")]
        # From the root folder: neither a damaged mirror nor the clone that a person stands in has a say.
        outside = Git(None, self._git().environment)
        completed = await outside.run("ls-remote", *flags, "--", self.remote.url, *patterns, limits=self._request, folder=Path("/"))
        if not completed.succeeded:
            raise failure(completed, self.remote)
        return completed.out.decode("utf-8", "replace")

    async def _brought(self, *names: str) -> bool:
        """Fetch references into the mirror; False when the remote does not have one of them."""
        return await self._bring(*(f"+{name}:{_kept(name)}" for name in names))

    async def _bring(self, *specifications: str) -> bool:
        async with self._turn, held(self.folder / "lock", self._request.deadline):
            await self._prepared()
            completed = await self._fetched(self.objects.directory, specifications)
            if is_locked(completed):
                await repair.remove_stale_locks(self.objects.directory)
                completed = await self._fetched(self.objects.directory, specifications)
            if is_corrupt(completed) or (completed.succeeded and await self._damaged()):
                completed = await self._rebuilt(specifications)
        if completed.succeeded and repair.packs(self.objects.directory) > MOST_PACKS:
            await self.maintain()
        if is_shallow(completed) or not (completed.succeeded or is_missing_reference(completed)):
            raise failure(completed, self.remote)
        return completed.succeeded

    async def _fetched(self, directory: Path, specifications: Sequence[str]) -> Completed:
        arguments = ["fetch", "--progress", "--no-tags", "--no-write-fetch-head", "--no-auto-maintenance", "--no-recurse-submodules"]
        arguments += ["--no-prune", "--no-show-forced-updates", "--", self.remote.url, *specifications]
        return await self._git(directory).run(*arguments, limits=self._transfer)

    async def _damaged(self) -> bool:
        """Whether an object was missed, and is still: what looked like it may have been a full disk or too many open files."""
        if not self.objects.damage.exists():
            return False
        if not await repair.is_sound(self._git()):
            return True
        self.objects.damage.unlink(missing_ok=True)
        return False

    async def _rebuilt(self, specifications: Sequence[str]) -> Completed:
        """Fetch everything anew beside the damaged mirror and take its place. Until that succeeds, the old one stays."""
        async with repair.empty_beside(self.objects.directory) as fresh:
            completed = await self._fetched(fresh, specifications)
            if completed.succeeded:
                await asyncio.to_thread(repair.exchange, self.objects.directory, fresh)
                self.objects.damage.unlink(missing_ok=True)
                self.objects.reopen()
        return completed

    async def _prepared(self) -> None:
        if not self.objects.directory.exists():
            self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            await repair.create(self.objects.directory)
        if not self._swept:
            self._swept = True
            await asyncio.to_thread(repair.sweep, self.objects.directory)

    def _git(self, directory: Path | None = None) -> Git:
        environment = trusting(self.remote, surroundings(os.environ), self.folder / "gitconfig")
        return Git(directory or self.objects.directory, environment).knowing(self.remote)

    def _followed(self, name: str) -> str:
        """The commit that a reference had when it was fetched last; an annotated tag's commit."""
        commit = self.objects.reading(lambda repository: _peeled(repository, _kept(name)))
        if commit:
            return commit
        hint = "follow a branch, or a tag of a commit"
        raise SettingsError(f"{name} at {self.remote.url} is no commit", where=self.remote.url, hint=hint)


def _kept(name: str) -> str:
    """Where the mirror keeps a reference. Hashed: a branch `a` that becomes `a/b` is no conflict of folders here."""
    return f"refs/trueup/{hashlib.sha256(name.encode()).hexdigest()[:40]}"


def _noted(note: Path) -> str:
    return note.read_text() if note.exists() else ""


def _peeled(repository: pygit2.Repository, name: str) -> str:
    """The commit of a reference; "" when it is a tag of something else."""
    found = repository[repository.references[name].target]
    while isinstance(found, pygit2.Tag):
        found = repository[found.target]
    return str(found.id) if found.type == ObjectType.COMMIT else ""


def _tags(said: str) -> dict[str, str]:
    """Tag -> what it names, from the lines of ``ls-remote``, where an annotated tag's commit follows with ``^{}``."""
    lines = (line.split("\t") for line in said.splitlines())
    return {name.removeprefix("refs/tags/").removesuffix("^{}"): object_id for object_id, name in lines}


def _some(names: Collection[str]) -> str:
    shown = sorted(names)[:5]
    return ", ".join(shown) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
