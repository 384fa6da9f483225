"""A build context in Git -> an image of the engine, named after what went into it.

The engine's own builder makes it. The tag is a digest of context, Dockerfile and arguments: who has the tag has the image, so a build is
done once for a content, and going back to an older commit needs none.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

from trueup.model.contracts import Tree
from trueup.model.errors import Refused, TrueupError
from trueup.model.manifest import Body, digest_of
from trueup.runtimes.compose.content import Leaf, blob_id, listing
from trueup.runtimes.compose.engine import Absent, Engine
from trueup.runtimes.compose.images import Heard, drained
from trueup.runtimes.compose.packing import folders_of, packed
from trueup.runtimes.compose.references import reference_of

_IGNORE: Final = ".dockerignore"
_INLINE: Final = ".trueup.Dockerfile"
_STEP: Final = re.compile(r"Step (\d+)/\d+ : ")
_LAST: Final = 5
BUILDKIT_ONLY: Final = ("additional_contexts", "secrets", "ssh", "cache_to", "privileged", "entitlements", "attest", "provenance", "sbom")
"""Words of ``build`` that need more than the engine's own builder."""


@dataclass(frozen=True)
class Build:
    """One build: the files that are sent, and what the engine is told."""

    name: str
    folder: str
    told: Body
    leaves: Mapping[str, Leaf]

    @cached_property
    def tag(self) -> str:
        """What the image is called."""
        listed = {path: [leaf.identity, leaf.mode] for path, leaf in self.leaves.items()}
        told = {name: value for name, value in self.told.items() if name not in ("content", "no_cache", "pull", "tags")}
        return f"{self.name}:{digest_of([listed, told])[:20]}"

    @property
    def dockerfile(self) -> str:
        """Its path in the context."""
        return _INLINE if "dockerfile_inline" in self.told else str(self.told.get("dockerfile") or "Dockerfile")

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
            "extrahosts": ",".join(str(host).replace("=", ":", 1) for host in _lines(hosts)) or None,
            "shmsize": told.get("shm_size") or None,
            "platform": told.get("platform") or None,
            "cachefrom": told.get("cache_from") or None,
            "nocache": bool(told.get("no_cache")),
            "pull": bool(told.get("pull")),
            "rm": True,
            "forcerm": True,
        }


def build_of(project: str, service: str, told: Body, tree: Tree) -> Build:
    """What a service's ``build`` asks for. Raises DeclarationError."""
    folder = str(told["content"]).strip("/")
    inline = told.get("dockerfile_inline")
    leaves = listing(tree, folder)
    dockerfile = str(told.get("dockerfile") or "Dockerfile")
    rules = next((leaves[name] for name in (f"{dockerfile}.dockerignore", _IGNORE) if name in leaves), None)
    if rules is not None:
        ignored = Ignored(rules.read(tree).decode(errors="replace").splitlines())
        leaves = {path: leaf for path, leaf in leaves.items() if path in (dockerfile, _IGNORE) or not ignored(path)}
    if inline is not None:
        data = str(inline).encode()
        leaves[_INLINE] = Leaf(blob_id(data, "sha1"), len(data), text=data)
    return Build(f"trueup/{project}-{service}".lower(), folder, told, leaves)


async def build(engine: Engine, wanted: Build, tree: Tree, logins: Mapping[str, str], image: str = "") -> str:
    """Build it, under its tag and, where the service names one, its ``image``; the image's identity. What runs is not touched.

    Raises Refused with the line of the Dockerfile and the last output.
    """
    faults: list[TrueupError] = []
    heard: Heard = []
    folders = [folder for folder in folders_of(wanted.leaves) if folder]
    try:
        body = packed(folders, wanted.leaves, tree, faults)
        await drained(engine.lines("POST", "/build", body, logins, **wanted.query), heard)
    except Refused as error:
        raise _explained(wanted, tree, heard, error) from None
    except TrueupError as error:
        raise (faults[0] if faults else error) from None
    for name in dict.fromkeys([image, *(wanted.told.get("tags") or ())]):
        if name:
            reference = reference_of(name)
            await engine.post(f"/images/{wanted.tag}/tag", None, repo=reference.name, tag=reference.tag)
    return str((await engine.get(f"/images/{wanted.tag}/json"))["Id"])


async def bring_built(engine: Engine, wanted: Build, tree: Tree, logins: Mapping[str, str], image: str = "") -> str:
    """Have the image, built before or now; its identity. Raises Refused."""
    with suppress(Absent):
        return str((await engine.get(f"/images/{wanted.tag}/json"))["Id"])
    return await build(engine, wanted, tree, logins, image)


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


def _lines(hosts: Any) -> list[str]:
    if isinstance(hosts, dict):
        return [f"{name}:{each}" for name, told in hosts.items() for each in (told if isinstance(told, list) else [told])]
    return [str(host) for host in hosts]


def _explained(wanted: Build, tree: Tree, heard: Heard, error: Refused) -> Refused:
    """A refusal with the place in the Dockerfile and what was said last."""
    said = [str(line.get("stream") or "").rstrip() for line in heard]
    steps = [int(match[1]) for line in said if (match := _STEP.match(line))]
    line = _line_of(wanted, tree, steps[-1]) if steps else 0
    file = "the inline Dockerfile" if wanted.dockerfile == _INLINE else f"{wanted.folder}/{wanted.dockerfile}".lstrip("/")
    output = [each for each in said if each.strip() and not each.startswith(("Step ", " --->", "Removing intermediate"))]
    tail = " | ".join(output[-_LAST:])
    place = f"{file}:{line}" if line else file
    message = f"the build of {wanted.name} failed at {place}: {error.message}" + (f"; its last output: {tail}" if tail else "")
    mount = "--mount" in error.message or "BuildKit" in error.message
    hint = "the engine builds without BuildKit: leave out what needs it, or build elsewhere and name the `image`" if mount else ""
    return Refused(message, where=place, hint=hint or "mend the Dockerfile; what runs was not touched")


def _line_of(wanted: Build, tree: Tree, step: int) -> int:
    leaf = wanted.leaves.get(wanted.dockerfile)
    lines = list(_instructions(leaf.read(tree).decode(errors="replace"))) if leaf else []
    return lines[step - 1] if 0 < step <= len(lines) else 0


def _instructions(text: str) -> Iterator[int]:
    """The line on which each instruction begins."""
    goes_on = False
    for number, line in enumerate(text.splitlines(), start=1):
        stripped = line.strip()
        if not stripped or stripped.startswith("#"):
            continue
        if not goes_on:
            yield number
        goes_on = stripped.endswith("\\")
