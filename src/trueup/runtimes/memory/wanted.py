"""What Git wants of each object."""

from dataclasses import dataclass
from typing import Any

from trueup.model.application import Ignore
from trueup.model.contracts import Desired
from trueup.model.errors import Refused
from trueup.model.manifest import Body, Key, Manifest
from trueup.model.plan import Verb
from trueup.runtimes.memory.fields import ignored_fields, kept, pruned
from trueup.runtimes.memory.world import Record, concealed, content_of

REPLACE_ANNOTATION = "trueup.dev/replace"


@dataclass(frozen=True, slots=True)
class Wanted:
    """One desired object, and the rules for what is left alone in it."""

    key: Key
    body: Body
    manifest: Manifest
    rules: tuple[Ignore, ...]

    @property
    def digest(self) -> str:
        """The manifest's digest."""
        return self.manifest.digest

    @property
    def sources(self) -> dict[str, str]:
        """The files that the object takes along, with their object ids."""
        return dict(self.manifest.sources)

    @property
    def may_be_replaced(self) -> bool:
        """Whether the object itself allows to be made anew."""
        return bool(mapping(mapping(self.body.get("metadata")).get("annotations")).get(REPLACE_ANNOTATION) == "allowed")

    def beside(self, live: Record | None) -> Body:
        """The object as it would be written: fields that are left alone are as they are."""
        ignored = ignored_fields(self.key, self.rules, live.entry.touches) if live else None
        return kept(self.body, live.entry.body, ignored) if live and ignored else self.body

    def differs(self, live: Record) -> bool:
        """Whether the object at the target is another than this, as far as it is not left alone."""
        ignored = ignored_fields(self.key, self.rules, live.entry.touches)
        if ignored is None:
            return content_of(self.body, self.sources) != live.entry.content
        return content_of(pruned(self.body, ignored), self.sources) != content_of(pruned(live.entry.body, ignored), live.entry.sources)

    def remakes(self, live: Record) -> bool:
        """Whether it can only be had by making the object anew."""
        return mapping(self.beside(live).get("spec")).get("immutable") != mapping(live.entry.body.get("spec")).get("immutable")

    def refusal(self, verb: Verb, live: Record | None) -> str:
        """Why the target will not take it; empty when it will."""
        message = mapping(self.body.get("spec")).get("refuse")
        if message:
            return f"{self.key} was refused: {message}"
        if live and verb is not Verb.REPLACE and self.remakes(live):
            return f"{self.key} was refused: spec.immutable cannot change"
        return ""


def wanted_of(desired: Desired) -> dict[Key, Wanted]:
    """What is desired, by key. Raises Refused when two manifests are the same object."""
    specification = desired.application.spec
    found: dict[Key, Wanted] = {}
    twice: list[Key] = []
    for manifest in desired.manifests:
        twice += [manifest.key] if manifest.key in found else []
        found[manifest.key] = Wanted(manifest.key, concealed(manifest.body), manifest, specification.ignore)
    if twice:
        message = "; ".join(f"{key} is declared twice" for key in twice)
        raise Refused(message, key=str(twice[0]), where=f"application {desired.application.name}", hint="keep one of them")
    return found


def mapping(value: Any) -> dict[str, Any]:
    """The value when it is a mapping, else an empty one: objects of any kind come here, and their fields may be anything."""
    return value if isinstance(value, dict) else {}
