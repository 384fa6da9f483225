"""A build context in Git -> an image of the engine, named after what went into it.

BuildKit makes it, or the older builder where the engine has no other. The tag is a digest of context, Dockerfile and arguments: who has the
tag has the image, so a build is done once for a content, and going back to an older commit needs none.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any, Final

from trueup.model.contracts import Tree
from trueup.model.errors import Refused, TrueupError
from trueup.model.manifest import Body, digest_of
from trueup.model.secret import Secret
from trueup.runtimes.compose.buildkit import Trace, solve, without
from trueup.runtimes.compose.confiding import value_of
from trueup.runtimes.compose.content import Leaf, blob_id, listing
from trueup.runtimes.compose.engine import Absent
from trueup.runtimes.compose.images import Heard, Images, drained, hint_for
from trueup.runtimes.compose.packing import folders_of, packed
from trueup.runtimes.compose.references import reference_of
from trueup.runtimes.compose.session import CONTEXT, DOCKERFILE, Answers
from trueup.runtimes.compose.units import size

_IGNORE: Final = ".dockerignore"
_INLINE: Final = ".trueup.Dockerfile"
_STEP: Final = re.compile(r"Step (\d+)/\d+ : ")
_CALLED: Final = re.compile(r'building at STEP "(.*?)": ')
_PASSING: Final = ("Step ", " --->", "Removing intermediate", "STEP ", "--> ")
_LINE: Final = re.compile(r"parse error (?:on )?line (\d+)")
_VARIABLE: Final = re.compile(r"\$\{?\w+(?:[^}\s]*\})?")
_HERE: Final = re.compile(r"<<-?[\"']?(\w+)")
_GOES_ON: Final = "\\"
_LAST: Final = 5
_UNTOLD: Final = ("content", "no_cache", "pull", "tags", "cache_from")
"""Words of ``build`` that say how an image is made, and not what is in it."""


@dataclass(frozen=True)
class Build:
    """One build: the files that are sent, and what the engine is told."""

    name: str
    folder: str
    told: Body
    leaves: Mapping[str, Leaf]
    hidden: frozenset[str] = frozenset()
    """Files that only the builder reads."""

    @cached_property
    def tag(self) -> str:
        """What the image is called."""
        listed = {path: [leaf.identity, leaf.mode] for path, leaf in self.leaves.items()}
        told = {name: value for name, value in self.told.items() if name not in _UNTOLD}
        return f"{self.name}:{digest_of([listed, told])[:20]}"

    @property
    def dockerfile(self) -> str:
        """Its path in the context."""
        return _INLINE if "dockerfile_inline" in self.told else str(self.told.get("dockerfile") or "Dockerfile")

    @property
    def context(self) -> dict[str, Leaf]:
        """What a step can copy, by what ``.dockerignore`` says: the Dockerfile may not be among it."""
        return {path: leaf for path, leaf in self.leaves.items() if path not in self.hidden}

    def read(self, tree: Tree) -> str:
        """The text of the Dockerfile; nothing when there is none."""
        leaf = self.leaves.get(self.dockerfile)
        return leaf.read(tree).decode(errors="replace") if leaf else ""

    @property
    def query(self) -> dict[str, object]:
        """How the engine is asked."""
        told = self.told
        hosts = told.get("extra_hosts") or ()
        return {
            "t": self.tag,
            "dockerfile": self.dockerfile,
            "buildargs": {name: None if value is None else str(value) for name, value in (told.get("args") or {}).items()},
            "labels": {name: str(value) for name, value in (told.get("labels") or {}).items()},
            "target": told.get("target") or None,
            "networkmode": told.get("network") or None,
            "extrahosts": tuple(str(host).replace("=", ":", 1) for host in _lines(hosts)),
            "shmsize": size(told["shm_size"]) if told.get("shm_size") else None,
            "ulimits": [_ulimit(*each) for each in (told.get("ulimits") or {}).items()] or None,
            "platform": told.get("platform") or None,
            "cachefrom": told.get("cache_from") or None,
            "nocache": bool(told.get("no_cache")),
            "pull": bool(told.get("pull")),
        }


def build_of(project: str, service: str, told: Body, tree: Tree) -> Build:
    """What a service's ``build`` asks for. Raises DeclarationError."""
    folder = str(told["content"]).strip("/")
    inline = told.get("dockerfile_inline")
    leaves = listing(tree, folder)
    dockerfile = str(told.get("dockerfile") or "Dockerfile")
    rules = next((leaves[name] for name in (f"{dockerfile}.dockerignore", _IGNORE) if name in leaves), None)
    hidden: set[str] = set()
    if rules is not None:
        ignored = Ignored(rules.read(tree).decode(errors="replace").splitlines())
        hidden = {path for path in leaves if ignored(path)}
        leaves = {path: leaf for path, leaf in leaves.items() if path in (dockerfile, _IGNORE) or path not in hidden}
    if inline is not None:
        data = str(inline).encode()
        leaves[_INLINE] = Leaf(blob_id(data, "sha1"), len(data), text=data)
        hidden.add(_INLINE)
    return Build(f"trueup/{project}-{service}".lower(), folder, told, leaves, frozenset(hidden))


@dataclass(frozen=True, slots=True)
class Builder:
    """Builds at the engine that ``images`` are of, with the logins that they know. ``secret`` reads what the operator keeps."""

    images: Images
    secret: Callable[[str], Secret] | None = None

    async def is_built(self, wanted: Build) -> bool:
        """Whether the engine has it."""
        with suppress(Absent):
            return bool(await self.images.engine.get(f"/images/{wanted.tag}/json"))
        return False

    async def build(self, wanted: Build, tree: Tree, image: str = "") -> str:
        """Build it, under its tag and, where the service names one, its ``image``; the image's identity. What runs is not touched.

        Raises Refused with the line of the Dockerfile and the last output.
        """
        engine = self.images.engine
        if wanted.dockerfile not in wanted.leaves:
            hint = "add it, or name another: `build: {dockerfile: ...}`"
            raise Refused(f"there is no Dockerfile `{wanted.folder}/{wanted.dockerfile}`", where=wanted.folder, hint=hint)
        if await engine.builder() in ("1", "podman"):
            await self._by_steps(wanted, tree)
        else:
            await self._by_buildkit(wanted, tree)
        for name in dict.fromkeys([image, *(wanted.told.get("tags") or ())]):
            if name:
                reference = reference_of(name)
                await engine.post(f"/images/{wanted.tag}/tag", None, repo=reference.name, tag=reference.tag)
        return str((await engine.get(f"/images/{wanted.tag}/json"))["Id"])

    async def _by_buildkit(self, wanted: Build, tree: Tree) -> None:
        folders = {CONTEXT: wanted.context, DOCKERFILE: {path: leaf for path, leaf in wanted.leaves.items() if path == wanted.dockerfile}}
        trace = Trace()
        answers = Answers(tree, folders, self.images.logins, self._secrets(wanted, tree))
        try:
            await solve(self.images.engine, wanted.query, answers, trace)
        except Refused as error:
            line = _line_in(error.message) or _line_like(wanted, tree, trace.failed)
            raise _explained(wanted, line, error, [without(each, answers.revealed) for each in trace.said]) from None

    def _secrets(self, wanted: Build, tree: Tree) -> dict[str, Callable[[], bytes]]:
        secret = self.secret
        if secret is None:
            return {}
        return {str(entry["id"]): partial(value_of, entry, tree, secret) for entry in wanted.told.get("secrets") or ()}

    async def _by_steps(self, wanted: Build, tree: Tree) -> None:
        """By the engine's older builder, which takes everything as one archive."""
        if wanted.told.get("secrets"):
            message = f"the build of {wanted.name} has secrets, and the engine builds without BuildKit"
            raise Refused(message, where=wanted.folder, hint="leave them out, or build elsewhere and name the `image`")
        faults: list[TrueupError] = []
        heard: Heard = []
        folders = [folder for folder in folders_of(wanted.leaves) if folder]
        try:
            body = packed(folders, wanted.leaves, tree, faults)
            lines = self.images.engine.lines("POST", "/build", body, self.images.all_logins(), **wanted.query, rm=True, forcerm=True)
            await drained(lines, heard)
        except Refused as error:
            said = [str(line.get("stream") or "").rstrip() for line in heard]
            steps = [int(match[1]) for line in said if (match := _STEP.match(line))]
            output = [each for each in said if each.strip() and not each.startswith(_PASSING)]
            called = _CALLED.search(error.message)
            line = _line_like(wanted, tree, called[1]) if called else _line_of(wanted, tree, steps[-1] if steps else 0)
            raise _explained(wanted, line, error, output) from None
        except TrueupError as error:
            raise (faults[0] if faults else error) from None


class Ignored:
    """The rules of a ``.dockerignore``: whether a path of the context is left out. The last rule that fits decides."""

    def __init__(self, lines: Iterable[str]) -> None:
        self._rules: list[tuple[re.Pattern[str], bool]] = []
        for line in lines:
            rule = line.strip()
            if not rule or rule.startswith("#"):
                continue
            kept = rule.startswith("!")
            steps = [step for step in rule.lstrip("!").strip().split("/") if step not in ("", ".")]
            if steps:
                self._rules.append((re.compile(_expression("/".join(steps))), not kept))

    def __call__(self, path: str) -> bool:
        steps = path.split("/")
        above = ["/".join(steps[: end + 1]) for end in range(len(steps))]
        ignored = False
        for rule, ignores in self._rules:
            if ignores != ignored and any(rule.fullmatch(place) for place in above):
                ignored = ignores
        return ignored


def _expression(rule: str) -> str:
    parts = re.split(r"(\*\*/|\*\*|\*|\?|\[[^\]]*\]|\\.)", rule)
    words = {"**/": "(?:.*/)?", "**": ".*", "*": "[^/]*", "?": "[^/]"}
    return "".join(words.get(part) or (part if part.startswith(("[", "\\")) else re.escape(part)) for part in parts)


def _ulimit(name: str, told: Any) -> Body:
    both = told if isinstance(told, dict) else {"soft": told, "hard": told}
    return {"Name": name, "Soft": int(both.get("soft") or 0), "Hard": int(both.get("hard") or 0)}


def _lines(hosts: Any) -> list[str]:
    if isinstance(hosts, dict):
        return [f"{name}:{each}" for name, told in hosts.items() for each in (told if isinstance(told, list) else [told])]
    return [str(host) for host in hosts]


def _explained(wanted: Build, line: int, error: Refused, said: list[str]) -> Refused:
    """A refusal with the place in the Dockerfile and what was said last."""
    file = "the inline Dockerfile" if wanted.dockerfile == _INLINE else f"{wanted.folder}/{wanted.dockerfile}".lstrip("/")
    tail = " | ".join(said[-_LAST:])
    place = f"{file}:{line}" if line else file
    message = f"the build of {wanted.name} failed at {place}: {error.message}" + (f"; its last output: {tail}" if tail else "")
    old = "BuildKit" in error.message
    hint = "the engine builds without BuildKit: leave out what needs it, or build elsewhere and name the `image`" if old else ""
    return Refused(message, where=place, hint=hint or hint_for(error.message, "mend the Dockerfile; what runs was not touched"))


def _line_in(message: str) -> int:
    """The line that the builder itself tells."""
    match = _LINE.search(message)
    return int(match[1]) if match else 0


def _line_like(wanted: Build, tree: Tree, step: str) -> int:
    """The line on which the instruction begins that a builder tells with its variables replaced; 0 when none is like it."""
    for number, instruction in _instructions(wanted.read(tree)):
        parts = (re.escape(part) for part in _VARIABLE.split(instruction))
        if step and re.match(".*".join(parts), " ".join(step.split()), re.IGNORECASE):
            return number
    return 0


def _line_of(wanted: Build, tree: Tree, step: int) -> int:
    lines = [number for number, _ in _instructions(wanted.read(tree))]
    return lines[step - 1] if 0 < step <= len(lines) else 0


def _instructions(text: str) -> Iterator[tuple[int, str]]:
    """Each instruction in one line, with the line on which it begins. The text of a here-document is none."""
    began, gathered, ends = 0, "", ""
    for number, line in enumerate(text.splitlines(), start=1):
        stripped = line.strip()
        if ends or not stripped or stripped.startswith("#"):
            ends = "" if stripped == ends else ends
            continue
        began = began or number
        gathered += f" {stripped.removesuffix(_GOES_ON).strip()}"
        if not stripped.endswith(_GOES_ON):
            yield began, " ".join(gathered.split())
            match = _HERE.search(gathered)
            began, gathered, ends = 0, "", match[1] if match else ""
